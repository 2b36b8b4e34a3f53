"""RNNCell, LSTMCell and GRUCell: one layer, one step per call, the state in the caller's hands."""

from __future__ import annotations

from typing import Any, Generic

from numpy.typing import DTypeLike

from rnnfast.calls.forward import forward
from rnnfast.calls.gradients import StateT
from rnnfast.checks.values import float_dtype
from rnnfast.modules.base import Module
from rnnfast.modules.tape import Tape
from rnnfast.net.description import Net
from rnnfast.net.options import Nonlinearity, gru_cell, rnn_cell
from rnnfast.problem import Array


class StepCell(Module, Generic[StateT]):
    """One step of a one-layer net. x is (B, I), or (I,) for one sequence; a state h is (B, H) or (H,), as x.

    Parameters are named as in PyTorch's cells: weight_ih, weight_hh, bias_ih, bias_hh. Errors as `LSTM`.
    For many steps at once the sequence modules are faster, for one at a time with fixed weights their streams.
    """

    def __call__(self, x: Any, state: Any = None) -> StateT:
        """The state after the step: h, for the LSTM (h, c). state=None: zeros."""
        new_state: StateT = forward(self._engine(), x, state)[1]
        return new_state

    def record(self, x: Any, state: Any = None, *, keep: bool = False) -> tuple[StateT, Tape[StateT]]:
        """Return a tape as well: `tape.backward(d_state=...)` takes gradients of the new state, dy is added to h's."""
        _, new_state, tape = self._record((x, state, None, None, None), False, None, keep)
        return new_state, tape


class RNNCell(StepCell[Array]):
    """One step of `RNN`.

    >>> import numpy as np, rnnfast
    >>> rnnfast.RNNCell(3, 4)(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        dtype: DTypeLike = "float32",
        seed: int | None = None,
        backend: str | None = None,
    ) -> None:
        cell = rnn_cell(nonlinearity)
        net = Net("RNNCell", cell, input_size, hidden_size, bias=bias, dtype=float_dtype(dtype), one_step=True)
        super().__init__(net, seed=seed, backend=backend)


class LSTMCell(StepCell[tuple[Array, Array]]):
    """One step of `LSTM`; forget_bias is the total bias b_ih + b_hh of the forget gate.

    >>> import numpy as np, rnnfast
    >>> cell = rnnfast.LSTMCell(3, 4)
    >>> h, c = cell(np.ones((2, 3), np.float32))
    >>> h, c = cell(np.ones((2, 3), np.float32), (h, c))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        forget_bias: float | None = None,
        dtype: DTypeLike = "float32",
        seed: int | None = None,
        backend: str | None = None,
    ) -> None:
        net = Net("LSTMCell", "lstm", input_size, hidden_size, bias=bias, dtype=float_dtype(dtype), one_step=True)
        super().__init__(net, forget_bias=forget_bias, seed=seed, backend=backend)


class GRUCell(StepCell[Array]):
    """One step of `GRU`.

    >>> import numpy as np, rnnfast
    >>> rnnfast.GRUCell(3, 4)(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset_after: bool = True,
        bias: bool = True,
        dtype: DTypeLike = "float32",
        seed: int | None = None,
        backend: str | None = None,
    ) -> None:
        cell = gru_cell(reset_after)
        net = Net("GRUCell", cell, input_size, hidden_size, bias=bias, dtype=float_dtype(dtype), one_step=True)
        super().__init__(net, seed=seed, backend=backend)
