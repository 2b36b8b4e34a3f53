"""One form of call on tensors: forward and backward, on the memory that all of them have."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from rnnfast.arrays import host
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.calls.arguments import read_flags, read_lengths
from rnnfast.calls.prepared import INFERENCE, Prepared
from rnnfast.integrations.torch.forms import Forms
from rnnfast.integrations.torch.memory import maker, place, places, sameness
from rnnfast.integrations.torch.records import NOT_RAGGED, Made, Ragged, Results, Same, Saved, Tensors, Wanted

_new = tuple.__new__
MISFIT = "x or the state was given data of another form since the forward: call forward again"


class AnyForm:
    """Form of a net's calls, on x of one shape. Any number of threads may use it at a time."""

    __slots__ = ("how", "prepared")

    def __init__(self, prepared: Prepared, how: int) -> None:
        self.prepared, self.how = prepared, how

    def ragged(self, lengths: Any, mask: Any, resets: Any) -> Ragged:
        """Return copies, as backends take them, of what may be tensors or arrays. Raises as `rnnfast.LSTM`'s call."""
        flags = [read_flags(name, given, self.prepared, host) for name, given in (("mask", mask), ("resets", resets))]
        copies = [None if array is None else array.copy() for array in flags]
        return Ragged(read_lengths(lengths, self.prepared, host), *copies)


class Form(AnyForm):
    """Form of calls on tensors on the CPU, of the net's dtype.

    Parameters come with each call, but to a net that is frozen.
    """

    __slots__ = ("_new_gradients", "_new_results", "bound", "is_frozen", "of", "reserve_bytes")

    def __init__(self, of: Forms, prepared: Prepared, how: int, is_frozen: bool) -> None:
        super().__init__(prepared, how)
        self.is_frozen, self.of, self.bound, dtype = is_frozen, of, prepared.bound, of.dtype
        self.reserve_bytes = max(1, prepared.bound.reserve_bytes())
        of_states = prepared.state_shapes
        self._new_results = maker([prepared.y_shape, *of_states], dtype)
        every = itertools.product((False, True), repeat=3) if how != INFERENCE else ()
        self._new_gradients = {
            (x, state, parameters): maker([*x * [prepared.x_shape], *state * of_states, *parameters * of.shapes], dtype)
            for x, state, parameters in every
        }

    def forward(
        self, x: Tensor, state: Tensors, parameters: Tensors, seed: int = 0, ragged: Ragged = NOT_RAGGED
    ) -> Results:
        """Run on x with a dense last axis, dense states, () for zeros, and parameters that fit, unseen by autograd.

        `seed`: of dropout, where the form has it.
        """
        (y, *final), dense = self._new_results(), x.is_contiguous()
        sequences: Any = places((x, y)) if dense else (_array(x), _array(y))
        start, end = places(state) if state else (), places(final)
        addresses = None if self.is_frozen else self.of.addresses(parameters)
        arrays = *sequences, start, end, *ragged, None, dense, addresses
        return y, final, self.bound.run(_new(ForwardArrays, arrays), seed)

    def backward(self, saved: Saved, gradients: Sequence[Tensor | None], wanted: Wanted, keep: bool) -> Made:
        """Return the gradients from those of y and of the final states, None for zeros, as for states left out.

        Consumes the reserve, unless told to `keep` it. Inputs are of the form that they had in forward; of the gradient
        of y the last axis is dense, the others are dense.
        """
        (reserve, x, state, parameters), (dy, *d_final) = saved, gradients
        made = self._new_gradients[wanted]()
        first, rest = int(wanted[0]), wanted[0] + len(self.prepared.state_shapes) * wanted[1]
        of_made, dense = places(made), x.is_contiguous() and (dy is None or dy.is_contiguous())
        reach = place if dense else _array
        arrays = (
            reach(x),
            reach(dy),
            [*map(place, d_final)],
            (of_made[0] if dense else _array(made[0])) if first else None,
            of_made[first:rest],
            of_made[rest:] if wanted[2] else None,
            None,
            places(state),
            *(reserve.ragged or NOT_RAGGED),
            dense,
            self.of.addresses(parameters),
        )
        self.bound.backward(reserve, _new(BackwardArrays, arrays), keep=keep)
        return made[0] if first else None, made[first:rest], made[rest:] if wanted[2] else None

    def misfit(self, saved: Saved) -> str | None:
        """Return why inputs that may be others since the forward cannot be those of this form; None: they are."""
        of, (reserve, x, state, parameters) = self.of, saved
        if not of.fits(parameters):
            return of.misfits(parameters)
        same = x.dtype is of.dtype and x.is_cpu and x.shape == self.prepared.x_shape
        same = same and (x.stride(-1) == 1 or x.is_contiguous())
        if state and not of.takes_state(state, self.prepared.state_shapes):
            same = False
        same = same and all(part.is_contiguous() and not part.is_neg() for part in state)
        if not same or x.is_neg() or max(1, reserve.size) < self.reserve_bytes:
            return MISFIT
        return None

    def sameness(self, tensors: Sequence[Tensor], states: int) -> Same:
        """Return what says whether other inputs, and gradients, are like these: x, so many states, parameters."""
        return sameness(tensors)


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().numpy()
