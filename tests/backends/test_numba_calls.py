"""Prepared calls of the Numba backend: layouts, what a reserve holds, frozen weights, threads, read-only arrays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from agreement import ALL_CELLS, RAGGED
from bits import DROPOUT, assert_same_bits
from support import Results, Spec, copy_of, make_problem, outputs_of, run

import rnnfast
from rnnfast.arrays.layout import Layout
from rnnfast.backends.common import whole
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.numba import backend
from rnnfast.problem import Array, Problem

pytest.importorskip("numba", reason="numba is not installed")

from rnnfast.backends.numba import layer, threads
from rnnfast.backends.numba.bound import Bound
from rnnfast.backends.numba.loops import kernels_of
from rnnfast.backends.numba.scratch import LEAST, scratch

STATES = ("h0", "c0"), ("h_n", "c_n"), ("dh_n", "dc_n"), ("dh0", "dc0")
OF_THE_CALLER = "y", "dx", "h_n", "c_n", "dh0", "dc0"
EVERYTHING: dict[str, Any] = {**RAGGED, **DROPOUT, "layers": 2, "directions": 2}


def arrays_of(problem: Problem) -> tuple[ForwardArrays, BackwardArrays]:
    """The arrays that a problem names, as a bound call takes them."""
    states = [[getattr(problem, name) for name in names if getattr(problem, name) is not None] for names in STATES]
    start, final, d_final, d_start = states
    inputs = problem.lengths, problem.mask, problem.resets
    wanted = whole.d_parameters(problem), problem.state_grad_norms
    return (
        ForwardArrays(problem.x, problem.y, start, final, *inputs),
        BackwardArrays(problem.x, problem.dy, d_final, problem.dx, d_start, *wanted),
    )


LAYOUTS = {
    "batch first": (Layout(batch_first=True), 4, 3, lambda a: a.swapaxes(0, 1).copy(), np.copy),
    "unbatched": (Layout(batch=False), 4, 1, lambda a: a[:, 0].copy(), lambda a: a[:, 0].copy()),
    "one step": (Layout(time=False), 1, 3, lambda a: a[0].copy(), lambda a: a[0].copy()),
    "one step of one row": (Layout(time=False, batch=False), 1, 1, lambda a: a[0, 0].copy(), lambda a: a[0, 0].copy()),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_bits_of_the_time_major_one(name: str) -> None:
    layout, steps, batch, sequence, state = LAYOUTS[name]
    problem = make_problem(Spec("lstm", steps=steps, batch=batch), "float32")
    expected = run(backend, copy_of(problem))
    forward, backward = arrays_of(problem)
    given = [[state(a) for a in group] for group in (forward.start, forward.final, backward.d_final, backward.d_start)]
    x, y, dy, dx = map(sequence, (problem.x, problem.y, problem.dy, problem.dx))
    bound = backend.bind(problem, layout)
    reserve = bound.run(ForwardArrays(x, y, given[0], given[1]))
    bound.backward(reserve, backward._replace(x=x, dy=dy, d_final=given[2], dx=dx, d_start=given[3]), overwrite=False)
    names = [("y", sequence, y), ("dx", sequence, dx)]
    names += [(name, state, a) for name, a in zip(("h_n", "c_n", "dh0", "dc0"), (*given[1], *given[3]), strict=True)]
    for name, turned, values in names:
        np.testing.assert_array_equal(values, turned(expected[name]), err_msg=name)
    assert_same_bits(outputs_of(replace(problem, **dict.fromkeys(OF_THE_CALLER))), parameters_of(expected))


def parameters_of(results: Results) -> Results:
    """What does not lie in an array of the caller's layout."""
    return {name: a for name, a in results.items() if name.startswith(("d_", "state_"))}


@pytest.mark.parametrize(
    "options", [{}, {"resets": True}, DROPOUT, {"layers": 3}, {**EVERYTHING, "bias": False}], ids=str
)
@ALL_CELLS
def test_a_reserve_holds_as_many_bytes_as_were_said(cell: str, options: dict[str, Any]) -> None:
    problem = make_problem(Spec(cell, **options), "float32")
    if problem.lengths is not None:  # every step is live
        problem.lengths[:], problem.mask[:] = problem.steps, 1
    bound = backend.bind(problem, Layout())
    assert isinstance(bound, Bound)
    reserve = bound.run(arrays_of(problem)[0], 1)
    held = [*reserve.numbers, *reserve.inputs, *reserve.cuts, *(a for a in reserve.x_masks if a is not None)]
    if reserve.entries is not bound.entries:
        held += [reserve.entries.schedule, reserve.entries.live]
    assert bound.reserve_bytes() == sum(a.nbytes for a in held)


@ALL_CELLS
def test_a_reserve_that_is_kept_serves_once_more(cell: str) -> None:
    problem = make_problem(Spec(cell, **EVERYTHING), "float32")
    expected = run(backend, copy_of(problem))
    bound = backend.bind(problem, Layout())
    reserve = bound.run(arrays_of(problem)[0], problem.dropout_seed)
    for keep in (True, True, False):
        again = copy_of(problem)
        bound.backward(reserve, arrays_of(again)[1], overwrite=True, keep=keep)
        again.y, again.h_n, again.c_n = problem.y, problem.h_n, problem.c_n
        got = outputs_of(again)
        assert_same_bits(got, {name: expected[name] for name in got})


def test_frozen_weights_are_packed_once_for_all_forms() -> None:
    problem = make_problem(Spec(layers=2), "float32")
    plain = replace(problem, record=False, frozen=True, cache={})
    backend.bind(plain, Layout())
    packed = dict(plain.cache)
    assert len(packed) == 2
    backend.bind(replace(plain, steps=9, batch=2), Layout(batch_first=True))
    assert plain.cache.keys() == packed.keys() and all(plain.cache[k] is packed[k] for k in packed)


def test_weights_that_are_not_frozen_are_read_at_every_run() -> None:
    problem = replace(make_problem(Spec("gru"), "float32"), record=False)
    bound, (forward, _) = backend.bind(problem, Layout()), arrays_of(problem)
    bound.run(forward)
    before = problem.y.copy()
    problem.weight_hh[0] *= 2
    bound.run(forward)
    assert not np.array_equal(problem.y, before)
    np.testing.assert_array_equal(problem.y, run(backend, copy_of(replace(problem, record=True)))["y"])


@ALL_CELLS
@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])
def test_one_kernel_for_all_and_its_stages_by_themselves_give_the_same_bits(
    cell: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_problem(Spec(cell, steps=4, batch=7, input_size=40, hidden_size=33, **options), "float32")
    expected = run(backend, copy_of(problem))
    monkeypatch.setattr(threads, "LEAST", 1)
    assert_same_bits(run(backend, copy_of(problem)), expected)


def test_room_has_one_user_at_a_time() -> None:
    """However small or large it is, on whichever thread; what is given back serves the next, of another type, too."""
    float32, float64 = np.dtype("float32"), np.dtype("float64")
    for count in (10, LEAST // 4, LEAST):
        held = [scratch(use, count, float32) for use in ("panels", "panels", "work", "panels")]
        with ThreadPoolExecutor(1) as executor:
            held.append(executor.submit(scratch, "panels", count, float32).result())
        assert not any(np.shares_memory(a, b) for a, b in combinations(held, 2))
        assert all(a.shape == (count,) and a.dtype == float32 for a in held)
    place = held[3].ctypes.data
    del held
    assert scratch("panels", LEAST // 8, float64).ctypes.data == place
    assert scratch("panels", 2 * LEAST, float64).size == 2 * LEAST


GUARD = 1 << 16


@pytest.mark.parametrize("sizes", [(1, 2, 200, 5), (20, 5, 70, 5), (20, 5, 1, 33), (1, 1, 1, 33)], ids=str)
@ALL_CELLS
def test_what_is_packed_has_room(cell: str, sizes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written beyond it, be the largest that is packed a weight, x or a state: W_ih, x, h, W_hh."""
    problem, buffers = make_problem(Spec(cell, *sizes), "float32"), list[Array]()

    def guarded(use: str, count: int, dtype: np.dtype[Any]) -> Array:
        buffers.append(np.full(count + 2 * GUARD, np.nan, dtype))
        return buffers[-1][GUARD:-GUARD]

    monkeypatch.setattr(layer, "scratch", guarded)
    for least in (1 << 60, 1):
        monkeypatch.setattr(threads, "LEAST", least)
        run(backend, copy_of(problem))
        whole.forward(backend, replace(copy_of(problem), record=False))
    assert len(buffers) == 8  # panels and work; panels and numbers
    assert all(np.isnan(a[:GUARD]).all() and np.isnan(a[-GUARD:]).all() for a in buffers)


def test_threads_share_one_bound_call() -> None:
    problem = make_problem(Spec(**EVERYTHING, steps=20, hidden_size=40), "float32")
    bound = backend.bind(problem, Layout())
    expected = run(backend, copy_of(problem))

    def call(_: int) -> None:
        own = copy_of(problem)
        forward, backward = arrays_of(own)
        reserve = bound.run(forward, problem.dropout_seed)
        bound.backward(reserve, backward)
        got = outputs_of(own)
        assert_same_bits(got, {name: expected[name] for name in got})

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(call, range(20)))


def test_nothing_is_compiled_anew_for_arrays_that_are_read_only() -> None:
    problem = make_problem(Spec(), "float32")
    expected = run(backend, copy_of(problem))
    compiled = [len(kernel.signatures) for kernel in kernels_of("lstm")]
    locked = copy_of(problem)

    def lock(a: Array) -> None:
        a.flags.writeable = False

    for name in ("x", "dy", "h0", "c0", "dh_n", "dc_n"):
        lock(getattr(locked, name))
    for table in (locked.weight_ih, locked.weight_hh, locked.bias_ih, locked.bias_hh):
        lock(table[0])
    assert_same_bits(run(backend, locked), expected)
    whole.forward(backend, replace(locked, record=False, frozen=True))
    assert [len(kernel.signatures) for kernel in kernels_of("lstm")] == compiled


def test_gradients_where_no_step_is_live_are_zeros_whatever_was_there() -> None:
    net, x = rnnfast.RNN(3, 4, seed=1, backend="numba"), np.ones((2, 3, 3), np.float32)
    y, _, tape = net.record(x, lengths=[0, 0, 0])
    grads = tape.backward(y, out={name: np.full_like(a, np.nan) for name, a in net.state_dict().items()})
    assert not any(a.any() for a in grads.arrays)
