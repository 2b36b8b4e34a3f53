"""The chain that a model's parts make: what each takes must be what the one before it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rnnfast.modules.recurrent import NETS
from rnnfast.nn.embedding import Embedding
from rnnfast.nn.linear import Linear
from rnnfast.nn.steps import Last, Reverse, Steps


def output_size(parts: Mapping[str, Any]) -> int | None:
    """Return the features that the last of these parts gives; None where all take any number of them.

    Raises ValueError where a part takes other features than come, or is an Embedding and not the first that is no
    Masking or Reverse, or cannot stand where it does, TypeError where its dtype is another.
    """
    width, dtype, giver = None, None, ""
    before: list[Any] = []
    for name, part in parts.items():
        takes, gives, own = _of(part)
        if isinstance(part, Embedding) and not all(isinstance(other, Steps) for other in before):
            raise ValueError(f"{name} is an Embedding, which takes indices, expected it to be the first part")
        _check_steps(name, part, before)
        before.append(part)
        if takes is not None and width is not None and takes != width:
            raise ValueError(f"{name} takes {takes} features, expected {width}, which {giver} before it gives")
        if own is not None and dtype is not None and own != dtype:
            raise TypeError(f"{name} is of dtype {own}, expected {dtype}, as {giver} before it: nothing is cast")
        if gives is not None:
            width, dtype, giver = gives, own, name
    return width


def _check_steps(name: str, part: Any, before: list[Any]) -> None:
    """Raise ValueError where there are no steps for a part, or no recurrent part whose last output it could be."""
    if isinstance(part, Last) and not (before and isinstance(before[-1], NETS)):
        raise ValueError(f"{name} is a Last, expected it behind an RNN, LSTM or GRU")
    if isinstance(part, (*NETS, Steps)) and any(isinstance(other, Last) for other in before):
        raise ValueError(f"{name} goes over steps, of which there are none behind a Last")
    turns = any(isinstance(other, (Last, Reverse)) for other in (*before, part))
    if turns and any(isinstance(other, NETS) and other.net.batch_first for other in (*before, part)):
        raise ValueError("a net is batch_first in a model with Last or Reverse, expected sequences (T, B, ·)")


def _of(part: Any) -> tuple[int | None, int | None, Any]:
    """Return the features that a part takes and gives, and its dtype; None: an activation's, which takes any."""
    if isinstance(part, NETS):
        return part.net.input_size, part.net.output_size, part.net.dtype
    if isinstance(part, Linear):
        return part.in_features, part.out_features, part.dtype
    return (None, part.embedding_dim, part.dtype) if isinstance(part, Embedding) else (None, None, None)
