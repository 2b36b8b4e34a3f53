"""Random arrays in place of every input: a result of the right shape, or an error that names the array."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from nets import KINDS

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
DTYPES = st.sampled_from(["float32", "float64", "int64", "bool", "uint8", ">f4", "O"])
ARRAYS = st.builds(np.zeros, SHAPES, DTYPES)
NETS = {(kind, first): KINDS[kind](3, 2, batch_first=first) for kind in KINDS for first in (False, True)}


@given(net=st.sampled_from(sorted(NETS)), x=ARRAYS, options=st.data())
def test_any_arrays_give_a_result_of_the_right_shape_or_a_named_error(net: Any, x: Any, options: Any) -> None:
    names = ("state", "lengths", "mask", "resets", "out")
    given_options = {name: options.draw(st.none() | ARRAYS, label=name) for name in names}
    try:
        y, _ = NETS[net](x, **given_options)
    except (ValueError, TypeError) as error:
        assert re.match("(x|state|lengths|mask|resets|out)", str(error)), error
    else:
        assert y.shape == (*x.shape[:-1], 2) and y.dtype == x.dtype == np.float32


@given(dtype=DTYPES, shape=SHAPES)
def test_only_matching_arrays_run(dtype: Any, shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, dtype)
    fits = x.dtype == np.float32 and x.ndim in (2, 3) and x.shape[-1] == 3
    try:
        NETS["gru", False](x)
    except (ValueError, TypeError):
        assert not fits
    else:
        assert fits
