"""LSTM projection on every backend: few numbers of h and many, shared out among threads, and where there is none."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import BOTH_DTYPES, RAGGED, assert_agrees
from bits import EVERY_VARIANT, assert_same_bits, make, promised
from layouts import Layout, after_guard_page, before_guard_page
from support import Spec, copy_of, make_problem, outputs_of, pick, run
from targets import ON_EVERY_TARGET, Target

import rnnfast
from rnnfast.backends import choose
from rnnfast.backends.c import backend as c
from rnnfast.backends.common import whole
from rnnfast.backends.cuda import backend as numba_cuda
from rnnfast.backends.numba import backend as numba_cpu
from rnnfast.backends.reference import backend as reference

NEEDS_C = pytest.mark.skipif(c.reason() is not None, reason=str(c.reason()))
SIZES = [(17, 1), (17, 16), (17, 17), (33, 17), (64, 8), (5, 4), (40, 33)]
"""H and P."""
FINAL = ("y", "h_n", "c_n")
ALL: dict[str, Any] = {
    **RAGGED,
    "layers": 2,
    "directions": 2,
    "recurrent_dropout": 0.3,
    "masked_output": "hold",
}
SHARED: dict[str, dict[str, Any]] = {
    "fewer blocks of h than threads": {"batch": 2, "hidden_size": 530, "proj_size": 3, "steps": 9},
    "as many units as h": {"batch": 3, "hidden_size": 270, "proj_size": 270, "steps": 7},
    "everything": {
        **RAGGED,
        "batch": 5,
        "steps": 70,
        "hidden_size": 300,
        "proj_size": 41,
        "layers": 2,
        "directions": 2,
        "recurrent_dropout": 0.3,
        "masked_output": "hold",
    },
    "rows, layer after layer": {
        "batch": 60,
        "steps": 20,
        "hidden_size": 64,
        "proj_size": 10,
        "layers": 3,
        "directions": 2,
    },
    "rows, block after block": {"batch": 40, "steps": 300, "hidden_size": 24, "proj_size": 17},
    "rows": {**RAGGED, "batch": 70, "steps": 6, "hidden_size": 72, "proj_size": 30, "recurrent_dropout": 0.2},
}


@ON_EVERY_TARGET
@BOTH_DTYPES
@pytest.mark.parametrize("sizes", SIZES, ids="H{0[0]}-P{0[1]}".format)
def test_sizes(target: Target, dtype: str, sizes: tuple[int, int]) -> None:
    spec = Spec("lstm_proj", 6, 5, 9, *sizes, **ALL)
    assert_agrees(target.run(make_problem(spec, dtype)), spec, dtype)


@pytest.mark.skipif(sys.platform != "linux", reason="guard pages are made with Linux's mprotect")
@NEEDS_C
@EVERY_VARIANT
@BOTH_DTYPES
@pytest.mark.parametrize("place", [before_guard_page, after_guard_page])
@pytest.mark.parametrize("sizes", SIZES, ids="H{0[0]}-P{0[1]}".format)
def test_nothing_is_touched_beyond_an_array(variant: str, dtype: str, place: Any, sizes: tuple[int, int]) -> None:
    spec = Spec("lstm_proj", 6, 5, 9, *sizes, **ALL)
    problem = copy_of(make_problem(spec, dtype), layout=Layout(sequences=place, dense=place))
    assert_agrees(Target("c", variant).run(problem), spec, dtype)


@ON_EVERY_TARGET
def test_one_step_whose_weights_are_packed_as_they_are_used(target: Target) -> None:
    spec = Spec("lstm_proj", 1, 9, 150, 137, 50)
    assert_agrees(target.run(make_problem(spec, "float32")), spec, "float32")


@NEEDS_C
@EVERY_VARIANT
@BOTH_DTYPES
@pytest.mark.parametrize("words", SHARED)
@pytest.mark.usefixtures("number_of_threads_restored")
def test_bits_do_not_depend_on_threads(variant: str, dtype: str, words: str) -> None:
    problem = make(variant, "lstm_proj", dtype, input_size=40, **SHARED[words])
    found = []
    for threads in (1, 2, 5, 5):
        rnnfast.set_num_threads(threads)
        found.append(promised(problem))
        alone = replace(copy_of(problem), record=False)
        whole.forward(c, alone)
        assert_same_bits(pick(outputs_of(alone), FINAL), pick(found[0], FINAL))
    for other in found[1:]:
        assert_same_bits(other, found[0])


def test_gradient_norms_are_of_the_projected_state() -> None:
    problem = make_problem(Spec("lstm_proj", hidden_size=40, proj_size=17, **RAGGED))
    expected = run(reference, copy_of(problem))["state_grad_norms"]
    for backend in ("c", "numba"):
        target = Target(backend)
        if target.reason is None:
            np.testing.assert_allclose(target.run(copy_of(problem))["state_grad_norms"], expected, rtol=1e-12)


@NEEDS_C
def test_a_projection_that_does_not_fit_is_refused() -> None:
    problem = make_problem(Spec("lstm_proj"))
    for wrong in (-1, problem.hidden_size + 1):
        with pytest.raises(ValueError, match="state_size"):
            run(c, replace(problem, proj_size=wrong))
    with pytest.raises(ValueError, match="state_size"):
        run(c, replace(make_problem(Spec("lstm")), proj_size=2))


def test_a_backend_without_it_is_refused_by_its_reason() -> None:
    assert "no projection" in str(numba_cuda.reason(cell="lstm_proj"))
    assert numba_cuda.reason(cell="lstm") == numba_cuda.reason()
    with pytest.raises(RuntimeError, match="'cuda', which cannot run: the cuda backend has no projection of h"):
        rnnfast.LSTM(3, 4, proj_size=2, backend="cuda")
    net = rnnfast.LSTM(3, 4, proj_size=2)
    with rnnfast.use_backend("reference"):
        net(np.ones((5, 3), np.float32))
    with pytest.raises(RuntimeError, match="no projection of h .*: leave the net in host memory"):
        net.to("cuda")
    with pytest.raises(RuntimeError, match="no projection of h"):
        choose.select(place="cuda", cell="lstm_proj")


def test_the_automatic_choice_passes_over_what_has_no_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_a_device(variant: str | None = None, cell: str | None = None) -> str | None:
        return "no projection" if cell == "lstm_proj" else None

    monkeypatch.setattr(numba_cuda, "reason", with_a_device)
    for backend in (c, numba_cpu):
        monkeypatch.setattr(backend, "reason", lambda variant=None, cell=None: "it was not built")
    choose._automatic.cache_clear()
    assert choose.select(cell="lstm").name == "cuda"
    with pytest.warns(RuntimeWarning, match="reference"):
        assert choose.select(cell="lstm_proj").name == "reference"
    choose._automatic.cache_clear()
