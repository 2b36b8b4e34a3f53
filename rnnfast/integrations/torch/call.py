"""One call on tensors: how it runs, what its backward checks, and the way from tensors to gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

import torch
from torch import Tensor

from rnnfast.calls.prepared import TRAINING
from rnnfast.integrations.torch.around import NO_TRANSFORMS
from rnnfast.integrations.torch.cut import CutCall
from rnnfast.integrations.torch.device_form import DeviceForm
from rnnfast.integrations.torch.form import Form
from rnnfast.integrations.torch.packed import Packing
from rnnfast.integrations.torch.records import NOT_RAGGED, Ragged, Results, Saved

_is_mapped, _is_batched = torch._C._functorch.is_batchedtensor, torch._C._functorch.is_legacy_batchedtensor
NOT_DENSE = (
    "a gradient of y or of a final state is a sparse tensor, expected a dense one: call to_dense() on it, or leave out "
    "sparse_grad=True where it comes from"
)
NOT_TWICE = (
    "rnnfast runs this layer, whose gradients cannot be differentiated again: call "
    "rnnfast.integrations.torch.restore(model) where second derivatives are needed"
)


class Call:
    """Call on tensors, x, the states given and the parameters: all but their numbers and a seed of dropout."""

    __slots__ = ("checks", "form", "packing", "ragged", "recorded", "seed", "states")

    def __init__(
        self,
        form: Form | DeviceForm | CutCall,
        recorded: bool,
        states: int,
        ragged: Ragged = NOT_RAGGED,
        packing: Packing | None = None,
    ) -> None:
        self.form, self.recorded, self.states, self.ragged, self.packing = form, recorded, states, ragged, packing
        self.seed = 0
        self.checks: dict[int, Callable[..., bool]] = {}
        """By the number of gradients: whether they and the inputs are as they were in an earlier backward."""

    def renewed(self) -> Call:
        """Return what runs the next tensors alike, with dropout of its own."""
        return Call(self.form, self.recorded, self.states, self.ragged, self.packing)

    def run(self, x: Tensor, tensors: Sequence[Tensor]) -> Results:
        """Run on x, laid out where its rows came packed, on states and parameters, with a seed of dropout drawn now."""
        states = self.states
        if self.form.how == TRAINING:
            self.seed = int(drawn_seed())
        y, final, reserve = self.form.forward(x, tensors[:states], tensors[states:], self.seed, self.ragged)
        return y if self.packing is None else self.packing.packed(y), final, reserve

    def saved(self, reserve: Any, tensors: Sequence[Tensor]) -> Saved:
        """Return what backward has of the forward, from the tensors that were saved: x, the states, the parameters."""
        end = 1 + self.states
        return Saved(reserve, tensors[0], tensors[1:end], tensors[end:])

    def checked(
        self, reserve: Any, tensors: Sequence[Tensor], given: Sequence[Tensor | None]
    ) -> tuple[Tensor | None, ...]:
        """Return gradients of y and the final states without gaps; what needs no other look next time goes to `checks`.

        Raises RuntimeError where inputs have another form than in forward, or `refuse_gradient` refuses one.
        """
        some = [gradient for gradient in given if gradient is not None]
        for gradient in some:
            refuse_gradient(gradient)
        if (misfit := self.form.misfit(self.saved(reserve, tensors))) is not None:
            raise RuntimeError(misfit)
        found = tuple([None if gradient is None else dense(gradient) for gradient in given])
        if all(map(is_, found, given)):
            self.checks[len(some)] = self.form.sameness([*tensors, *some], self.states)
        return found


def refuse_gradient(gradient: Tensor | None) -> None:
    """Raise RuntimeError for one that is sparse, or many at once as vmap, or what autograd has of it, calls for."""
    if gradient is not None and (_is_mapped(gradient) or _is_batched(gradient)):
        raise RuntimeError(NO_TRANSFORMS)
    if gradient is not None and gradient.layout is not torch.strided:
        raise RuntimeError(NOT_DENSE)


def plain(tensor: Tensor) -> Tensor:
    """Return a tensor as one that needs no gradient."""
    return tensor.detach() if tensor.requires_grad else tensor


def dense(tensor: Tensor) -> Tensor:
    """Return a tensor whose memory holds its numbers without gaps, as they are and not to be negated by who reads."""
    return tensor.resolve_neg().contiguous()


def drawn_seed() -> Tensor:
    """Return the seed of a call's dropout masks, () int64, from PyTorch's generator in a way that can be traced."""
    return torch.randint(2**63 - 1, (), device="cpu")
