"""The tape of a recorded call: gates and cell states of every step, and back-propagation through time."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Generic, NoReturn

from rnnfast.backends.common.layers import schedule
from rnnfast.calls import backward, states
from rnnfast.calls.arguments import read_sequence
from rnnfast.calls.engine import Engine
from rnnfast.calls.forward import Call, problem_again
from rnnfast.calls.gradients import Gradients, StateT, gradients_for, state_norms_for
from rnnfast.checks.values import truth
from rnnfast.problem import Array, Problem


class Tape(Generic[StateT]):
    """What one `record` kept. It refers to x and the parameters: leave them unchanged until after `backward`.

    Serves one `backward`, which frees its memory, unless recorded with `keep=True`.
    """

    def __init__(self, engine: Engine, call: Call, *, keep: bool) -> None:
        self._engine, self._layout, self._keep, self._memory = engine, call.layout, keep, call.memory
        self._runner = call.runner or engine.backend
        self._y_shape = call.y.shape
        # Outputs are the caller's from here on, to change or to drop. Inputs as views: the caller's own arrays can get
        # another shape in place.
        self._problem, self._again, self._is_spent = call.problem, call.recorded, False
        if call.recorded is not None:
            self.dropout_seed = call.recorded.dropout_seed
        elif (problem := call.problem) is not None:
            problem.y = problem.h_n = problem.c_n = None
            for name in ("x", "h0", "c0"):
                if (array := getattr(problem, name)) is not None:
                    setattr(problem, name, array.view())
            self.dropout_seed = problem.dropout_seed
        self._lock = threading.Lock()

    def backward(
        self,
        dy: Any = None,
        d_state: Any = None,
        *,
        need_x: bool = True,
        out: Gradients[StateT] | dict[str, Array] | None = None,
        accumulate: bool = False,
        monitor: bool = False,
    ) -> Gradients[StateT]:
        """Gradients of a loss L from dy = dL/dy and d_state = dL/d(final state), shaped like y and the state.

        None means zeros; either part of an LSTM's d_state may be None too. `need_x=False` saves the work for dx.
        `out` takes the results: earlier gradients, or arrays by parameter name (C-contiguous). With `accumulate` the
        parameters' gradients are added to what `out` holds; those of x and of the state are always overwritten.
        `monitor` adds `state_norms`, the norm of the state's gradient at every step: see `Gradients` and
        `rnnfast.diagnostics`.

        Raises RuntimeError on a second call without `keep`, ValueError and TypeError for arrays that do not fit;
        after those the tape is as it was.
        """
        if self._is_spent:
            self._refuse()
        need_x, accumulate = truth("need_x", need_x), truth("accumulate", accumulate)
        monitor = truth("monitor", monitor)
        if accumulate and out is None:
            raise ValueError("accumulate=True adds to the gradients in out: pass out")
        if (again := self._again) is not None and not (monitor or self._keep or out is not None):
            found = backward.run(self._engine, again, self._spend, dy, d_state, need_x)
            if found is not None:
                return found
        recorded = self._recorded()
        parameters, net, layout = self._engine.parameters, self._engine.net, self._layout
        parameters.check()
        memory = self._memory
        dy = None if dy is None else read_sequence("dy", dy, self._y_shape, net, layout, memory)
        d_final = states.read("d_state", d_state, net, layout, recorded.batch, memory)
        grads = gradients_for(net, parameters, layout, recorded, need_x, out, memory)
        given = {"dy": dy, "dh_n": d_final[0], "dc_n": d_final[1]}
        if not self._keep:
            self._spend()
        problem = self._backward_problem(recorded, given, grads, written=[] if out is None else grads.arrays)
        problem.overwrite = not accumulate
        if monitor:
            grads = replace(grads, state_norms=state_norms_for(net, problem))
        self._runner.backward(problem)
        return grads

    @property
    def ran_on(self) -> str:
        """The backend, and where it has several ways which it took and why. Raises RuntimeError after `backward`."""
        way = self._runner.ran(self._recorded())
        return f"{self._engine.choice.full_name}: {way}" if way else self._engine.choice.full_name

    @property
    def nbytes(self) -> int:
        """Bytes that the tape keeps for `backward`, at most, where every step is live; 0 after it.

        Of one that recomputes: the states between segments and all that one segment needs. Arguments and results are
        not counted, nor is memory that a call needs while it runs, such as gradients on their way between layers.
        """
        return 0 if self._is_spent else self._runner.reserve_bytes(self._recorded())

    @property
    def cell_states(self) -> Array:
        """c of every step of an LSTM, (L·D, T, B, H), unbatched (L·D, T, H), of a step cell (B, H) or (H,).

        Time-major whatever the layout of x, in host memory wherever x is; zero at steps that are not live. Raises
        RuntimeError after `backward`.
        """
        if "c" not in self._engine.net.states:
            raise AttributeError(f"a {self._engine.net.name} has no cell states")
        return self._layout.activations(self._runner.activations(self._recorded())["c"])

    def gates(self) -> dict[str, Array]:
        """Every gate after its activation, by name: i f g o, r z n, or an RNN's h; as `cell_states`."""
        values = self._runner.activations(self._recorded())
        return {name: self._layout.activations(values[name]) for name in self._engine.net.gates}

    @property
    def live(self) -> Array:
        """Which steps are live, (T, B) bool, time-major whatever the layout of x; an axis that x lacks counts 1.

        Raises RuntimeError after `backward`.
        """
        return schedule(self._recorded(), direction=0)[0]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a tape can be neither copied nor pickled: it refers to the live parameters and to x")

    def _backward_problem(
        self, recorded: Problem, given: dict[str, Array | None], grads: Gradients[StateT], written: Sequence[Array]
    ) -> Problem:
        """What was recorded and given, copied where it may overlap what is written, with the arrays of `grads`."""
        net, layout, memory = self._engine.net, self._layout, self._memory
        problem = replace(recorded, reserve=copy.deepcopy(recorded.reserve)) if self._keep else recorded
        problem.dh0, problem.dc0 = states.pair([memory.as_array("out.state", a) for a in grads.states], layout)
        problem.dx = None if grads.x is None else layout.sequence(memory.as_array("out.x", grads.x))
        for name, array in given.items():
            setattr(problem, name, array)
        if written:
            for name in (*given, "x", "h0", "c0", "mask", "resets"):
                setattr(problem, name, memory.apart(getattr(problem, name), written))
        params = {name: memory.as_array(name, array) for name, array in grads.params.items()}
        for name, table in net.tables(params, prefix="d_").items():
            setattr(problem, name, table)
        return problem

    def _recorded(self) -> Problem:
        if self._is_spent:
            self._refuse()
        if self._problem is None:
            assert self._again is not None
            self._problem = problem_again(self._engine, self._again)
        return self._problem

    def _spend(self) -> None:
        """For one caller only: of several threads the others get what a second call gets."""
        with self._lock:
            if self._is_spent:
                self._refuse()
            self._problem, self._again, self._is_spent = None, None, True

    @staticmethod
    def _refuse() -> NoReturn:
        raise RuntimeError("this tape has served its backward: record again, or record with keep=True")
