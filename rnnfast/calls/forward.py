"""One call of a net: the caller's arguments checked and made into the problem that a backend works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rnnfast.arrays import host
from rnnfast.arrays.access import Memory
from rnnfast.arrays.layout import Layout
from rnnfast.backends.contract import Binder
from rnnfast.calls import prepared, states
from rnnfast.calls.arguments import flags_of, lengths_of, result
from rnnfast.calls.engine import Engine
from rnnfast.checks.arrays import check_dtype
from rnnfast.checks.overlap import check_apart
from rnnfast.net.description import Net
from rnnfast.problem import Array, Problem
from rnnfast.segments.runner import runner


@dataclass(slots=True)
class Call:
    """A problem ready to run and the arrays, in the caller's layout, that its results will stand in.

    Of a repeated call, which has run, `recorded` stands for the problem.
    """

    problem: Problem | None
    layout: Layout
    y: Array
    state: Any
    """h, or (h, c) where the cell has both."""
    memory: Memory = host
    recorded: prepared.Recorded | None = None
    runner: Binder | None = None
    """What ran it and goes backward, where that is not the engine's backend."""


def forward(
    engine: Engine, x: Any, state: Any, *, lengths: Any = None, mask: Any = None, resets: Any = None, out: Any = None
) -> tuple[Array, Any]:
    """Inference: y and the final state, h or (h, c). Arguments and errors as `prepare`."""
    plain = lengths is None and mask is None and resets is None and out is None
    if plain and (done := prepared.run(engine, x, state)) is not None:
        return done.y, states.joined(done.final)
    call, problem = prepare(engine, x, state, lengths=lengths, mask=mask, resets=resets, out=out)
    engine.backend.forward(problem)
    if plain:
        prepared.remember(engine, x, problem, call.layout, call.y)
    return call.y, call.state


def record(
    engine: Engine,
    x: Any,
    state: Any,
    *,
    train: bool,
    dropout_seed: int,
    memory: Any = "full",
    truncate: Any = None,
    lengths: Any = None,
    mask: Any = None,
    resets: Any = None,
) -> Call:
    """A forward call whose problem ends with what backward needs. Arguments and errors as `prepare` and `choose`."""
    how = "training" if train else "recorded"
    whole = type(memory) is str and memory == "full" and truncate is None
    plain = whole and lengths is None and mask is None and resets is None
    if plain and (done := prepared.run(engine, x, state, how, dropout_seed)) is not None:
        recorded = prepared.recorded(done, how, dropout_seed, x)
        return Call(None, done.known.layout, done.y, states.joined(done.final), recorded=recorded)
    call, problem = prepare(engine, x, state, lengths=lengths, mask=mask, resets=resets)
    _set_recording(problem, engine.net, how, dropout_seed)
    if not whole:
        call.runner = runner(engine.backend, problem, memory, truncate)
    (call.runner or engine.backend).forward(problem)
    if plain:
        prepared.remember(engine, x, problem, call.layout, call.y, how)
    return call


def problem_again(engine: Engine, recorded: prepared.Recorded) -> Problem:
    """The problem of a repeated call as backward needs it."""
    known = recorded.known
    problem = engine.problem(known.steps, known.batch)
    _set_recording(problem, engine.net, recorded.how, recorded.dropout_seed)
    problem.x, problem.reserve = known.layout.sequence(recorded.x), recorded.reserve
    if recorded.start:
        problem.h0, problem.c0 = states.pair(recorded.start, known.layout)
    return problem


def _set_recording(problem: Problem, net: Net, how: str, dropout_seed: int) -> None:
    problem.record, problem.dropout_seed = True, dropout_seed
    if how == "training":
        problem.dropout, problem.input_dropout = net.dropout, net.input_dropout
        problem.recurrent_dropout = net.recurrent_dropout


def prepare(
    engine: Engine,
    x: Any,
    state: Any = None,
    *,
    lengths: Any = None,
    mask: Any = None,
    resets: Any = None,
    out: Any = None,
) -> tuple[Call, Problem]:
    """Check the arguments of a forward call and allocate its results; the call's problem, too.

    Raises ValueError for a wrong rank, size or value, TypeError for a wrong kind or dtype, MemoryError for sizes
    beyond memory; every message names the argument.
    """
    net, memory = engine.net, engine.memory(x)
    given = memory.as_array("x", x)
    check_dtype("x", given, net.dtype, net.name)
    layout = net.layout(given)
    sequence = layout.sequence(given)
    steps, batch, _ = sequence.shape
    problem = engine.problem(steps, batch)

    # Results first: sizes beyond memory must end here, before anything walks inputs that a broadcast made huge.
    y = result("out", out, layout.sequence_shape(steps, batch, net.output_size), net, memory)
    if out is not None:
        check_apart("out", memory.frame(y), engine.parameters.frames)
    finals = [memory.empty(states.shape_of(net, layout, batch), net.dtype) for _ in net.states]
    problem.y = layout.sequence(memory.as_array("y", y))
    problem.h_n, problem.c_n = states.pair([memory.as_array("state", final) for final in finals], layout)

    written = [] if out is None else [problem.y]
    problem.x = memory.apart(memory.strided(sequence), written)
    problem.h0, problem.c0 = (memory.apart(a, written) for a in states.read("state", state, net, layout, batch, memory))
    problem.lengths = lengths_of(memory.on_host("lengths", lengths), layout, steps, batch)
    problem.mask = memory.apart(flags_of("mask", memory.on_host("mask", mask), layout, steps, batch), written)
    problem.resets = memory.apart(flags_of("resets", memory.on_host("resets", resets), layout, steps, batch), written)
    problem.library = memory.library
    return Call(problem, layout, y, states.joined(finals), memory), problem
