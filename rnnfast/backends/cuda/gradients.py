"""The parts of a step of back-propagation on one unit of one entry, around the products with W_hh^T.

`grads` is what travels back with the rows of the batch: dh and dc (B, H), dL/dh and dL/dc after the step, before it in
the end; `through` (B, H), what reaches h by way of r h in the GRU that resets before its product; `found` and `found_c`
(n, H) receive every entry's dL/dh' and dL/dc' if they have rows. dc and through have none where a cell needs none.
"""

from __future__ import annotations

from typing import Any

from numba.extending import register_jitable

from rnnfast.backends.cuda.arrays import present
from rnnfast.backends.cuda.cells import FROM_ZEROS, dropped, gru_before_reset
from rnnfast.backends.cuda.shapes import Cell
from rnnfast.backends.scalar.exp import number


@register_jitable
def grads_parts(n, batch, size, dh, dc, through, found, found_c):
    """Return the address and the shape of each array of `grads`; 0: it is not there."""
    return (
        (dh, (batch, size)),
        (dc, (present(dc, batch), size)),
        (through, (present(through, batch), size)),
        (found, (present(found, n), size)),
        (found_c, (present(found_c, n), size)),
    )


@register_jitable
def by_way_of_y(dy, held, v, b, e, j):
    """Return what of dL/dh' comes by way of y: from dy (visit, B, H), or `held` (n, H), or neither."""
    if dy.shape[0] > 0:
        return dy[v, b, j]
    if held.shape[0] > 0:
        return held[e, j]
    return held.dtype.type(0)


def beginning(cell: Cell) -> Any:
    """Return what turns gates into gradients of their pre-activations, dh into what reaches h not by a product.

    `d` is what of dL/dh' comes by way of y.
    """
    backward, total_dc, has_c = cell.backward, cell.total_dc, cell.states > 1

    @register_jitable
    def begin(e, j, b, previous, d, grads, state):
        dh, dc, _, found, found_c = grads
        total = dh[b, j] + d
        total_c = dc[b, j] if has_c else number(0, total)
        if found.shape[0] > 0:
            found[e, j] = total
            if has_c:
                found_c[e, j] = total_dc(e, j, total, total_c, state)
        dh[b, j], total_c = backward(e, j, b, previous, total, total_c, state)
        if has_c:
            dc[b, j] = total_c

    return begin


@register_jitable
def reset(e, j, b, previous, d_operand, grads, state):
    """Do what lies between the two products of the GRU that resets before its product."""
    _, _, through, _, _ = grads
    through[b, j] = gru_before_reset(e, j, b, previous, d_operand, state)


def ending(cell: Cell) -> Any:
    """Return what adds `d`, come by the products, to dh, or makes an end where the state had become zeros."""
    has_c, two = cell.states > 1, len(cell.phases) > 1

    @register_jitable
    def end(e, j, b, previous, d, grads, state):
        dh, dc, through, _, _ = grads
        _, _, _, mask, _, _, _ = state
        if previous == FROM_ZEROS:
            dh[b, j] = 0
            if has_c:
                dc[b, j] = 0
        else:
            dh[b, j] += dropped(d + through[b, j] if two else d, mask, b, j)

    return end
