"""What calls on tensors are told and what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from rnnfast.problem import Array


class Ragged(NamedTuple):
    """Lengths, mask and resets: which steps are live and where states are cut, as backends take it; None: nothing."""

    lengths: Array | None
    """(B,) int64."""
    mask: Array | None
    """(T, B) uint8, C-contiguous, as `resets`."""
    resets: Array | None


NOT_RAGGED = Ragged(None, None, None)
Tensors = Sequence[Tensor]


class Saved(NamedTuple):
    """What a backward has of the forward: its reserve and its inputs, which may have other data since then."""

    reserve: Any
    x: Tensor
    state: Tensors
    parameters: Tensors


Results = tuple[Tensor, list[Tensor], Any]
"""y, the final states, [h] or [h, c], and what backward needs, None where nothing was recorded."""
Wanted = tuple[bool, bool, bool]
"""Whether a backward makes gradients of x, of the state and of the parameters."""
Made = tuple[Tensor | None, list[Tensor], list[Tensor] | None]
"""Gradients of x, of the state and of the parameters; None, [] and None where not wanted."""
Same = Callable[..., bool]
"""Whether tensors are like those of an earlier call in all but their numbers."""
