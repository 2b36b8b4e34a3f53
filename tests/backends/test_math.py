"""exp, tanh and the logistic function of the C backend: their error in units in the last place, and their edges."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import pytest
from agreement import BOTH_DTYPES

from rnnfast.backends.c import backend as c
from rnnfast.problem import Array

pytestmark = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))

Function = Literal["exp", "tanh", "logistic"]
RUNNABLE = [name for name in c.variants() if c.reason(name) is None]
EVERY_FUNCTION = pytest.mark.parametrize("function", get_args(Function))
EVERY_VARIANT = pytest.mark.parametrize("variant", RUNNABLE)
ALLOWED = 2
"""Units in the last place, wherever argument and true value are normal numbers."""
PATTERNS = 2**32
WIDER = {np.dtype("float32"): np.float64, np.dtype("float64"): np.longdouble}
needs_long_double = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="float64 is measured with a wider long double, which this platform lacks"
)


def truth(function: Function, x: Array) -> Array:
    """The function's values in the wider number type, whose own error is beyond what is measured here."""
    x = x.astype(WIDER[x.dtype])
    with np.errstate(over="ignore", under="ignore"):
        if function == "logistic":
            return np.asarray(1 / (1 + np.exp(-x)))
        return np.asarray(np.exp(x) if function == "exp" else np.tanh(x))


def power_of_two_below(a: Array) -> Array:
    """2^floor(log2 |a|) of normal numbers; for float64, a hundred times as fast as by frexp."""
    if a.dtype == np.float64:
        return np.asarray((a.view(np.uint64) & np.uint64(0x7FF << 52)).view(np.float64))
    return np.ldexp(np.ones_like(a), np.frexp(a)[1] - 1)


def errors(function: Function, x: Array, variant: str | None = None) -> Array:
    """Errors in units in the last place of the true value; x without NaN.

    Infinity stands for the power of two that follows the largest number. Where argument or true value is below the
    normal numbers, any result is as good as zero that is off by less than the smallest of them.
    """
    limits = np.finfo(x.dtype)
    y, exact = c.elementwise(function, x, variant).astype(WIDER[x.dtype]), truth(function, x)
    beyond = 2 * power_of_two_below(np.array([limits.max], y.dtype))[0]
    unit = power_of_two_below(np.clip(np.abs(exact), limits.tiny, beyond)) * y.dtype.type(limits.eps)
    found = np.abs(np.clip(y, -beyond, beyond) - np.clip(exact, -beyond, beyond))
    normal = (np.abs(exact) >= limits.tiny) & (np.abs(x) >= limits.tiny)
    return np.asarray(np.where(normal | (found > limits.tiny), found / unit, 0))


def assert_accurate(function: Function, x: Array, variant: str | None = None) -> None:
    """No error beyond the allowed one; where there is, the message tells the worst."""
    found = errors(function, x, variant)
    worst = int(np.argmax(found))  # the first NaN, if there is one
    assert found[worst] <= ALLOWED, f"{function}({x[worst]!r}) is off by {found[worst]} units on {variant}"


def numbers(first: int, end: int, step: int = 1) -> Array:
    """The float32 numbers whose bits, read as integers, lie in this range; those that are no numbers left out."""
    x = np.arange(first, end, step, np.uint32).view(np.float32)
    return x[~np.isnan(x)]


def assert_at_limit(function: Function, x: Array, variant: str) -> bool:
    """False unless all of x are so small or so large that the function is at a limit, the last bit apart."""
    low, high = np.abs(x).min(), np.abs(x).max()
    sign, half_unit = np.sign(x[0]), np.finfo(x.dtype).eps / 2
    if np.finfo(x.dtype).tiny <= low and high < 2.0**-26:
        limits: dict[Function, Any] = {"exp": np.float32(1), "tanh": x, "logistic": np.float32(0.5)}
    elif low >= 128:
        half_unit = 0
        limits = {"exp": np.inf if sign > 0 else 0, "tanh": sign, "logistic": max(sign, 0)}
    else:
        return False
    y, limit = c.elementwise(function, x, variant), limits[function]
    with np.errstate(invalid="ignore"):  # where both are infinite
        near = np.abs(y - limit) <= half_unit * np.abs(limit)
    assert ((y == limit) | near).all(), f"{function} from {x[0]!r} on"
    return True


def neighbours(x: Any) -> Array:
    """float64 numbers, and the four nearest to each."""
    x = np.asarray(x, np.float64).ravel()
    below, above = np.nextafter(x, -np.inf), np.nextafter(x, np.inf)
    return np.concatenate([x, below, above, np.nextafter(below, -np.inf), np.nextafter(above, np.inf)])


def structured() -> Array:
    """float64 numbers where a method may change: multiples of ln(2) / 4, powers of two, where results begin and end."""
    multiples = np.arange(-4400, 4400) * (np.log(2) / 4)
    powers = np.ldexp(1.0, np.arange(-1022, 1024))
    ends = np.array(
        [708, 708.4, 709, 709.79, 710, 745, 745.2, 354, 354.9, 18.7, 19, 19.1, 20, 22, 36.7, 37, 0.55, 0.625]
    )
    finite = neighbours(np.concatenate([multiples, powers, -powers, ends, -ends]))
    return np.concatenate([finite[np.isfinite(finite)], np.linspace(-746, 711, 30_011)])


def scattered(dtype: str, count: int = 60_000) -> Array:
    """Random numbers of every size, and many of the sizes at which the functions bend."""
    rng = np.random.default_rng(11)
    bits = np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype)
    bends = [rng.uniform(-bound, bound, count) for bound in (0.01, 1, 20, 100, 750)]
    tiny = np.copysign(np.exp(-rng.uniform(0, 700, count)), rng.standard_normal(count))
    with np.errstate(under="ignore"):
        return np.concatenate([bits[~np.isnan(bits)], *bends, tiny]).astype(dtype)


@EVERY_VARIANT
@EVERY_FUNCTION
def test_float32_error_over_all_numbers_in_steps(function: Function, variant: str) -> None:
    assert_accurate(function, numbers(0, PATTERNS, 997), variant)


@pytest.mark.slow
@EVERY_VARIANT
@EVERY_FUNCTION
def test_float32_error_over_all_numbers(function: Function, variant: str) -> None:
    step = 1 << 18  # arrays that stay in a cache; 32 of them for every sign and exponent
    for first in range(0, PATTERNS, step):
        x = numbers(first, first + step)
        if x.size and not assert_at_limit(function, x, variant):
            assert_accurate(function, x, variant)


@needs_long_double
@EVERY_VARIANT
@EVERY_FUNCTION
def test_float64_error(function: Function, variant: str) -> None:
    assert_accurate(function, scattered("float64"), variant)
    assert_accurate(function, structured(), variant)


@EVERY_VARIANT
@BOTH_DTYPES
def test_infinities_zeros_and_what_is_no_number(variant: str, dtype: str) -> None:
    x = np.array([np.nan, -np.nan, np.inf, -np.inf, 0, -0.0], dtype)
    expected = {
        "exp": [np.nan, np.nan, np.inf, 0, 1, 1],
        "tanh": [np.nan, np.nan, 1, -1, 0, -0.0],
        "logistic": [np.nan, np.nan, 1, 0, 0.5, 0.5],
    }
    for function in get_args(Function):
        y = c.elementwise(function, x, variant)
        np.testing.assert_array_equal(y, np.array(expected[function], dtype), err_msg=function)
        np.testing.assert_array_equal(np.signbit(y[2:]), np.signbit(expected[function][2:]), err_msg=function)


@EVERY_VARIANT
@EVERY_FUNCTION
@pytest.mark.parametrize(("dtype", "bits"), [("float32", "uint32"), ("float64", "uint64")])
def test_every_payload_of_what_is_no_number(function: Function, variant: str, dtype: str, bits: str) -> None:
    mantissa = np.finfo(dtype).nmant
    payloads = np.concatenate([2 ** np.arange(mantissa, dtype=bits), np.array([2**mantissa - 1], bits)])
    x = np.concatenate([np.array(sign, dtype).view(bits) | payloads for sign in (np.inf, -np.inf)]).view(dtype)
    assert np.isnan(x).all() and np.isnan(c.elementwise(function, x, variant)).all()


@EVERY_VARIANT
@BOTH_DTYPES
def test_tanh_is_odd(variant: str, dtype: str) -> None:
    x = np.concatenate([scattered(dtype), np.zeros(1, dtype)])
    bits = [c.elementwise("tanh", a, variant).view(f"u{x.itemsize}") for a in (x, -x)]
    np.testing.assert_array_equal(bits[0] ^ bits[1], np.array(-0.0, dtype).view(f"u{x.itemsize}"))


@EVERY_VARIANT
@BOTH_DTYPES
def test_results_stay_in_their_range(variant: str, dtype: str) -> None:
    x = scattered(dtype)
    assert np.abs(c.elementwise("tanh", x, variant)).max() == 1
    for function, highest in (("logistic", 1), ("exp", np.inf)):
        y = c.elementwise(function, x, variant)
        assert y.min() == 0 and y.max() == highest, function


@EVERY_VARIANT
@EVERY_FUNCTION
@BOTH_DTYPES
def test_a_value_does_not_depend_on_its_place(function: Function, variant: str, dtype: str) -> None:
    x = np.linspace(-3, 3, 41).astype(dtype)
    alone = np.concatenate([c.elementwise(function, x[i : i + 1], variant) for i in range(x.size)])
    for start in (0, 1):
        for length in range(41 - start):
            y = c.elementwise(function, x[start : start + length], variant)
            np.testing.assert_array_equal(y, alone[start : start + length], err_msg=f"{length} numbers")
