"""Arrays on a device whose numbers lie anywhere, between bytes of others or unaligned: copied right, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rnnfast
from rnnfast.problem import Array

pytest.importorskip("numba", reason="numba is not installed")
pytest.importorskip("greenlet", reason="the emulator needs greenlet")

from cuda_emulator import Emulator
from device_arrays import close
from device_memory import EmulatedArray, in_place_of_the_device
from ptx_device import PtxDevice


@pytest.fixture(params=[Emulator, PtxDevice], ids=["registers", "clusters"], autouse=True)
def emulated_device(request: pytest.FixtureRequest) -> Iterator[Any]:
    with in_place_of_the_device(device := request.param()):
        yield device


def in_records(a: Array) -> Array:
    """Return the numbers as a field of records of 4 or 1 bytes more."""
    kind = [("values", a.dtype, a.shape[-1:]), ("tag", "i4" if a.itemsize == 8 else "i1")]
    records = np.zeros(a.shape[:-1], np.dtype(kind))
    records["values"] = a
    return records["values"]


def unaligned(a: Array) -> Array:
    """Return the numbers beginning at an odd address."""
    memory = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    memory[...] = a
    return memory


def halfway(a: Array) -> Array:
    """Return the numbers beginning at half a number's bytes, with gaps of a number between them, backwards."""
    memory = np.zeros(2 * a.nbytes + a.itemsize, np.uint8)[a.itemsize // 2 :][: 2 * a.nbytes]
    found = memory.view(a.dtype).reshape(*a.shape[:-1], 2 * a.shape[-1])[..., ::2][::-1]
    found[...] = a
    return found


ODD = [in_records, unaligned, halfway]


@pytest.mark.covering(2)
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_whose_numbers_lie_anywhere(odd: Callable[[Array], Array], dtype: str, rng: np.random.Generator) -> None:
    here = rnnfast.LSTM(3, 4, seed=1, backend="reference", dtype=dtype)
    there = rnnfast.LSTM(3, 4, seed=1, dtype=dtype).to("cuda")
    x, dy = (rng.normal(size=(5, 2, n)).astype(dtype) for n in (3, 4))
    state, d_state = (tuple(rng.normal(size=(2, 1, 2, 4)).astype(dtype)) for _ in range(2))
    lengths = np.array([5, 3])

    def seen(a: Array) -> EmulatedArray:
        return EmulatedArray(odd(a))

    y, final, tape = here.record(x, state, lengths=lengths)
    right = tape.backward(dy, d_state)
    y_there, final_there, tape = there.record(seen(x), tuple(map(seen, state)), lengths=seen(lengths))
    found = tape.backward(seen(dy), tuple(map(seen, d_state)))
    for a, b in zip((y_there, *final_there, *found.arrays), (y, *final, *right.arrays), strict=True):
        close(a, b)


@pytest.mark.parametrize("odd", ODD)
def test_results_are_not_written_where_kernels_cannot(odd: Callable[[Array], Array]) -> None:
    there = rnnfast.LSTM(3, 4, seed=1).to("cuda")
    x, out = EmulatedArray(np.zeros((5, 2, 3), np.float32)), odd(np.zeros((5, 2, 4), np.float32))
    with pytest.raises(ValueError, match=r"out has strides .*, expected an aligned array"):
        there(x, out=EmulatedArray(out))
    named = {name: EmulatedArray(np.zeros(shape, np.float32)) for name, shape in there.net.shapes.items()}
    named["weight_hh_l0"] = EmulatedArray(odd(np.zeros((16, 4), np.float32)))
    with pytest.raises(
        ValueError, match=r"out\['weight_hh_l0'\] has strides .*, expected an aligned C-contiguous array"
    ):
        there.record(x)[2].backward(out=named)
