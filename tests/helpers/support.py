"""Random problems for the tests: made from a few words, run on any backend, copied into any dtype and memory layout."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from layouts import DENSE, Layout

from rnnfast.backends.common import whole
from rnnfast.backends.contract import Binder
from rnnfast.problem import CELLS, Array, Problem

Results = dict[str, Array]

PARAMETERS = whole.ALL_PARAMETERS
STATES = ("h0", "c0", "dh_n", "dc_n")
FLOAT_INPUTS = (*PARAMETERS, "x", "dy", *STATES)
WHOLE_INPUTS = ("lengths", "mask", "resets")
GRADIENTS = tuple(f"d_{name}" for name in PARAMETERS)
OUTPUTS = ("y", "h_n", "c_n", "dx", "dh0", "dc0")


@dataclass(frozen=True)
class Spec:
    """The words a random problem is made from; `scale` multiplies the default range of weights, ±1/√H."""

    cell: str = "lstm"
    steps: int = 5
    batch: int = 3
    input_size: int = 4
    hidden_size: int = 5
    proj_size: int = 0
    """Of a cell that projects; 0: about half of the hidden size."""
    layers: int = 1
    directions: int = 1
    bias: bool = True
    states: bool = True
    lengths: bool = False
    mask: bool = False
    resets: bool = False
    masked_output: str = "zero"
    dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    first_row: int = 0
    scale: float = 1.0
    seed: int = 0

    @property
    def projected(self) -> int:
        """P, 0 of a cell that does not project."""
        return (self.proj_size or (self.hidden_size + 1) // 2) if CELLS[self.cell].projects else 0

    def __str__(self) -> str:
        """Only what differs from the default, for a test's id."""
        said = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]
        return "-".join([self.cell, *said[self.cell != "lstm" :]])


def make_problem(spec: Spec, dtype: Any = "float64") -> Problem:
    """A recording problem with random inputs and every gradient wanted; outputs hold NaN, parameters' gradients 0."""
    rng = np.random.default_rng(spec.seed)
    kind, (t, b, h) = np.dtype(dtype), (spec.steps, spec.batch, spec.hidden_size)
    rows, count, size = len(CELLS[spec.cell].gates) * h, spec.layers * spec.directions, spec.projected or h
    width = spec.directions * size
    input_sizes = [spec.input_size if k < spec.directions else width for k in range(count)]
    two_states = "c" in CELLS[spec.cell].states

    def uniform(*shape: int) -> Array:
        return rng.uniform(-spec.scale / np.sqrt(h), spec.scale / np.sqrt(h), shape).astype(kind)

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(kind)

    def biases() -> list[Array] | None:
        return [uniform(rows) for _ in range(count)] if spec.bias else None

    problem = Problem(
        spec.cell,
        kind,
        spec.layers,
        spec.directions,
        t,
        b,
        spec.input_size,
        h,
        masked_output="hold" if spec.masked_output == "hold" else "zero",
        dropout=spec.dropout,
        input_dropout=spec.input_dropout,
        recurrent_dropout=spec.recurrent_dropout,
        dropout_seed=int(rng.integers(2**63)) * 2 + 1,
        first_row=spec.first_row,
        weight_ih=[uniform(rows, size) for size in input_sizes],
        proj_size=spec.projected,
        weight_hh=[uniform(rows, size) for _ in range(count)],
        bias_ih=biases(),
        bias_hh=biases(),
        weight_hr=[uniform(spec.projected, h) for _ in range(count)] if spec.projected else None,
        x=normal(t, b, spec.input_size),
        lengths=rng.integers(0, t + 1, b) if spec.lengths else None,
        mask=(rng.random((t, b)) < 0.7).astype(np.uint8) if spec.mask else None,
        resets=(rng.random((t, b)) < 0.3).astype(np.uint8) if spec.resets else None,
        record=True,
        dy=normal(t, b, width),
    )
    if spec.states:
        problem.h0, problem.dh_n = normal(count, b, size), normal(count, b, size)
        if two_states:
            problem.c0, problem.dc_n = normal(count, b, h), normal(count, b, h)
    return with_outputs(problem)


def with_outputs(problem: Problem, layout: Layout = DENSE) -> Problem:
    """The same inputs with fresh outputs: NaN, and zeros for the gradients that are added to."""
    sequence, state = (problem.steps, problem.batch), (problem.num_layers * problem.num_directions, problem.batch)
    h, size, two_states = problem.hidden_size, problem.state_size, "c" in problem.states

    def nans(name: str, *shape: int) -> Array:
        return layout.place(name, np.full(shape, np.nan, problem.dtype))

    def zeros(arrays: list[Array] | None) -> list[Array] | None:
        return None if arrays is None else [layout.dense(np.zeros(a.shape, problem.dtype)) for a in arrays]

    return replace(
        problem,
        reserve=None,
        y=nans("y", *sequence, problem.num_directions * size),
        h_n=nans("h_n", *state, size),
        c_n=nans("c_n", *state, h) if two_states else None,
        dx=nans("dx", *sequence, problem.input_size),
        dh0=nans("dh0", *state, size),
        dc0=nans("dc0", *state, h) if two_states else None,
        **{f"d_{name}": zeros(getattr(problem, name)) for name in PARAMETERS},
        state_grad_norms=layout.dense(np.full((problem.steps, state[0], 2), np.nan)),
    )


def copy_of(problem: Problem, dtype: Any = None, layout: Layout = DENSE) -> Problem:
    """The same problem with fresh outputs, its arrays converted to `dtype` and laid out anew."""
    kind = problem.dtype if dtype is None else np.dtype(dtype)

    def converted(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [converted(name, a) for a in value]
        return None if value is None else layout.place(name, value if name in WHOLE_INPUTS else value.astype(kind, "C"))

    inputs = {name: converted(name, getattr(problem, name)) for name in (*FLOAT_INPUTS, *WHOLE_INPUTS)}
    return with_outputs(replace(problem, dtype=kind, **inputs), layout)


def run(binder: Binder, problem: Problem) -> Results:
    """Forward, activations and backward: every result by name."""
    problem = replace(problem)
    whole.forward(binder, problem)
    results = {f"activation {name}": a for name, a in whole.activations(problem).items()}
    whole.backward(problem)
    assert problem.reserve is None
    return {**results, **outputs_of(problem)}


def outputs_of(problem: Problem) -> Results:
    """What forward and backward have written into the problem's arrays, by name."""
    named = {name: getattr(problem, name) for name in (*OUTPUTS, "state_grad_norms")}
    for name in GRADIENTS:
        named |= {f"{name}[{k}]": a for k, a in enumerate(getattr(problem, name) or [])}
    return {name: a for name, a in named.items() if a is not None}


def pick(results: Results, names: Collection[str]) -> Results:
    """The results whose name, without an index, is one of these."""
    return {name: a for name, a in results.items() if name.split("[")[0] in names}


def assert_same(got: Results, expected: Results, **tolerance: float) -> None:
    """The same values under the expected names, without NaN; exactly the same unless a tolerance is given."""
    for name, value in expected.items():
        assert np.isfinite(value).all(), name
        np.testing.assert_allclose(got[name], value, **{"rtol": 0, **tolerance}, err_msg=name)


def error(got: Array, truth: Array) -> float:
    """‖got - truth‖, NaN as soon as one of them holds NaN."""
    return float(np.linalg.norm((got.astype(np.longdouble) - truth).ravel()))


def live_and_cut(problem: Problem) -> tuple[Array, Array]:
    """(T, B): the live steps, and the resets that apply."""
    shape = problem.steps, problem.batch
    lengths = np.full(problem.batch, problem.steps) if problem.lengths is None else problem.lengths
    inside = np.arange(problem.steps)[:, None] < lengths
    live = inside & (np.ones(shape, bool) if problem.mask is None else problem.mask.astype(bool))
    return live, inside & (np.zeros(shape, bool) if problem.resets is None else problem.resets.astype(bool))
