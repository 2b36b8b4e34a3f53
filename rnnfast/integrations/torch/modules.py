"""RNN, LSTM and GRU as PyTorch's, and with what those lack: lengths, masks, resets, more dropouts, cut gradients."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from rnnfast.checks.values import one_of, probability, truth, whole
from rnnfast.integrations.torch import traced
from rnnfast.integrations.torch.forward import refuse_script
from rnnfast.integrations.torch.memo import Layer
from rnnfast.integrations.torch.refused import refuse
from rnnfast.integrations.torch.served import served
from rnnfast.problem import MaskedOutput
from rnnfast.segments.plan import allowed_bytes

Memory = Literal["full", "checkpoint"] | int


class Extended(nn.RNNBase):
    """Base of the modules below, over PyTorch's class that each is made from."""

    rnnfast_options: tuple[str, ...] = ("input_dropout", "recurrent_dropout", "masked_output")
    """Attributes that are options of the net."""

    def __init__(
        self,
        *args: Any,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        masked_output: MaskedOutput = "zero",
        memory: Memory = "full",
        truncate: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.input_dropout = probability("input_dropout", input_dropout)
        self.recurrent_dropout = probability("recurrent_dropout", recurrent_dropout)
        one_of("masked_output", masked_output, get_args(MaskedOutput))
        allowed_bytes(memory)
        self.masked_output, self.memory = masked_output, memory
        self.truncate = None if truncate is None else whole("truncate", truncate)
        self._layer = Layer()

    def forward(
        self, input: Any, hx: Any = None, *, lengths: Any = None, mask: Any = None, resets: Any = None
    ) -> tuple[Any, Any]:
        """Return y and the final state: h or, of an LSTM, (h, c). Arguments as those of PyTorch's class, and:

        lengths: (B,) integers in 0..T; steps from there on are not live. mask: of x's leading axes, bool or uint8;
        steps where it is zero are not live, leave the state alone and write zeros, or what `masked_output` says.
        resets: of x's leading axes; the state is zeros before such a step. Raises ValueError and TypeError for others.
        """
        if torch.compiler.is_compiling():
            found = traced.served(self, input, hx, (lengths, mask, resets))
            if found is NotImplemented and not traced.is_exporting():
                found = traced.untraced(self._run, input, hx, lengths, mask, resets)
            return self._as_pytorch(found, input, hx, any(part is not None for part in (lengths, mask, resets)))
        if traced.is_seen():
            found = traced.served(self, input, hx, (lengths, mask, resets))
            if found is not NotImplemented or traced.operators_are_seen():
                return self._as_pytorch(found, input, hx, any(part is not None for part in (lengths, mask, resets)))
        return self._run(input, hx, lengths, mask, resets)

    def _run(self, input: Any, hx: Any, *ragged: Any) -> tuple[Any, Any]:
        given = any(part is not None for part in ragged)
        if given and isinstance(input, PackedSequence):
            raise ValueError("a PackedSequence says its lengths itself: pass lengths, mask or resets with a padded x")
        cut = None if self.memory == "full" and self.truncate is None else (self.memory, self.truncate)
        found = served(self._layer, self, input, hx, ragged if given else None, cut)
        return self._as_pytorch(found, input, hx, given)

    def _as_pytorch(self, found: Any, input: Any, hx: Any, given: bool) -> tuple[Any, Any]:
        """Return what was found or, if that is NotImplemented, what PyTorch's own code does."""
        if found is not NotImplemented:
            return found  # type: ignore[no-any-return]
        self._refuse_what_only_rnnfast_has(input, hx, given)
        return super().forward(input, hx)  # type: ignore[no-any-return]

    def __prepare_scriptable__(self) -> None:
        """Refuse torch.jit.script."""
        refuse_script()

    def _refuse_what_only_rnnfast_has(self, input: Any, hx: Any, given: bool) -> None:
        """Raise where PyTorch's own code, which is to run a call, would leave something of it out."""
        drops_out = self.training and (self.input_dropout > 0 or self.recurrent_dropout > 0)
        if given or drops_out or not getattr(self, "reset_after", True) or self.truncate is not None:
            refuse(self._layer, self, input, hx)


class RNN(Extended, nn.RNN):
    """`torch.nn.RNN` run by rnnfast. Arguments as there, and by name those of `LSTM`.

    >>> import torch
    >>> RNN(3, 4, nonlinearity="relu")(torch.ones(5, 2, 3), lengths=[5, 3])[0].shape
    torch.Size([5, 2, 4])
    """


class LSTM(Extended, nn.LSTM):
    """`torch.nn.LSTM` run by rnnfast. Arguments as there, and by name:

    input_dropout: probability of dropping a feature of x, for a whole sequence.
    recurrent_dropout: probability of dropping a unit of h in the recurrent product, for a whole sequence.
    masked_output: what y holds at steps that are not live, "zero" or "hold", the last live output.
    memory: "full" keeps what backward needs of every step; "checkpoint", or a number of bytes that this may take, runs
        parts of the steps forward again in backward.
    truncate: no gradient flows back over steps truncate, 2·truncate and so on. It and `memory` break compiled graphs.
        With lengths, a loss on the final state of a forward direction gives rows that end at or before the last cut no
        gradient.

    State dicts, parameter names and results are those of PyTorch's class.

    >>> import torch
    >>> lstm = LSTM(3, 4, recurrent_dropout=0.1, truncate=2)
    >>> y, (h, c) = lstm(torch.ones(5, 2, 3), resets=torch.zeros(5, 2, dtype=torch.bool))
    >>> y.shape, isinstance(lstm, torch.nn.LSTM)
    (torch.Size([5, 2, 4]), True)
    """


class GRU(Extended, nn.GRU):
    """`torch.nn.GRU` run by rnnfast. Arguments as there, and by name those of `LSTM` and:

    reset_after: False applies the reset gate before the recurrent product, as Cho et al. 2014 did.

    >>> import torch
    >>> GRU(3, 4, reset_after=False)(torch.ones(5, 2, 3))[0].shape
    torch.Size([5, 2, 4])
    """

    rnnfast_options = (*Extended.rnnfast_options, "reset_after")

    def __init__(self, *args: Any, reset_after: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        self.reset_after = truth("reset_after", reset_after)
