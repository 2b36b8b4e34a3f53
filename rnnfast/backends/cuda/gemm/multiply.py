"""Any product of float32 matrices that tensor cores can take as they lie."""

from __future__ import annotations

from rnnfast.backends.cuda.counted import Counted, following
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.gemm.kernel import product_kernel
from rnnfast.backends.cuda.gemm.products import (
    Matrix,
    Product,
    most_slices,
    of_inputs,
    of_step,
    of_weights,
    slices_for,
    to_inputs,
)
from rnnfast.backends.cuda.gemm.reduction import Gathered, Target, reduction_kernel
from rnnfast.backends.cuda.matrix import Matrix as Anywhere

CAPABILITY = (8, 0)
"""The first compute capability whose tensor cores take TF32."""
FEWEST = 16
"""Products in a sum from which on tensor cores make it: they round more coarsely than float32, which many even out.
On a device gradients of nets of one unit were up to 1.5 times beyond the limits."""
REACH = 2**31
"""Numbers of a matrix lie less than this from its first."""


def has_tensor_cores(call: DeviceCall, k: int) -> bool:
    """Return whether tensor cores take sums of so many products of this call's numbers."""
    if call.dtype is None or call.dtype.itemsize != 4 or call.limits.capability < CAPABILITY:
        return False
    return k >= FEWEST


def multiplies_step(call: DeviceCall, a: Anywhere, b: Anywhere, c: Anywhere, m: int, n: int, k: int, part: int) -> int:
    """Make the product of a step's A (m, k) and B in slices, `part` numbers from one C (m, n) to the next.

    Returns how many slices there are for whoever takes them to add up, 0 where tensor cores cannot.
    """
    by_k = b.row == 1
    product = of_step(m, n, k, by_k=by_k)
    reach = max(a.row * m, b.column * n if by_k else b.row * k, part * product.slices)
    if not has_tensor_cores(call, k) or reach >= REACH:
        return 0
    left, right = Matrix(a.address, a.row), Matrix(b.address, b.column if by_k else b.row)
    values = product.arguments(left, right, Matrix(c.address, c.row), part=part)
    call.start(product_kernel, product, values)
    return product.slices


def multiplies(call: DeviceCall, a: Anywhere, b: Anywhere, c: Anywhere, m: int, n: int, k: int, *, add: bool) -> bool:
    """Make C (m, n) the product of A (m, k) and B, or add that to it; return False where tensor cores cannot."""
    if not has_tensor_cores(call, k) or c.column != 1:
        return False
    if max(a.row * m + a.column * k, b.row * k + b.column * n, c.row * m) >= REACH:
        return False
    by_k = a.column == 1, b.row == 1
    if by_k[0] and (by_k[1] or b.column == 1):
        product = of_inputs(m, n, k) if by_k[1] else to_inputs(m, n, k)
    elif a.row == 1 and b.column == 1:
        product = of_weights(m, n, k, following(slices_for, m, n, k) if c.row == n and k > 0 else 1)
    else:
        return False
    left = Matrix(a.address, a.row if by_k[0] else a.column)
    right = Matrix(b.address, b.column if product.constants[1] else b.row)
    if product.slices > 1:
        _in_slices(call, product, left, right, c.address, add=add)
    else:
        call.start(product_kernel, product, product.arguments(left, right, Matrix(c.address, c.row), add=add))
    return True


def _in_slices(call: DeviceCall, product: Product, left: Matrix, right: Matrix, to: int, *, add: bool) -> None:
    part = product.m * product.n
    most = product.slices
    if type(product.k) is Counted:  # for slices of any call that is made like this one
        most = most_slices(product.m, product.n, product.k.most)
    room = call.empty((most * part,), call.dtype)
    call.start(product_kernel, product, product.arguments(left, right, Matrix(room.address, product.n), part=part))
    gathered = Gathered((part,), product.slices, part)
    values = gathered.arguments(room.address, (Target(0, part, to),), add=add)
    call.start(reduction_kernel, gathered, values)
