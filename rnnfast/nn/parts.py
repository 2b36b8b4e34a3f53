"""The parts that a file can hold: nets, layers, and what changes while they are trained; each as one flat state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rnnfast.modules.base import Module
from rnnfast.net import saved
from rnnfast.nn.parameters import Layer
from rnnfast.nn.state import Stateful

Part = Module | Layer | Stateful
SEED = "dropout_seed"


def check_kind(name: str, part: Any) -> None:
    """Raise TypeError for what no file keeps and loads in place."""
    if not isinstance(part, (Module, Layer, Stateful)):
        raise TypeError(
            f"{name} is a {type(part).__name__}, expected an RNN, LSTM, GRU or step cell, a Linear or Embedding, or an "
            "optimiser, schedule, EarlyStopping, Loader, Dropout or History"
        )


def described(name: str, part: Part) -> list[saved.Part]:
    """Return what a file says about a net or layer: one entry, none for what is neither."""
    if isinstance(part, Module):
        return [saved.part_of(part.net, name)]
    return [part.described(name)] if isinstance(part, Layer) else []


def check_described(name: str, part: Part, parts: Iterable[saved.Part], strict: bool, path: str) -> None:
    """Raise ValueError where the file says that the part is another kind of net or layer, or has other options."""
    if isinstance(part, Module):
        saved.check_part(part.net, parts, f"{name}.", strict, path)
    elif isinstance(part, Layer):
        part.check_described(name, parts, path)


def state_of(part: Part) -> dict[str, Any]:
    """Return the state as one dict: of a net the parameters and the seed of its next dropout masks."""
    state = part.state_dict()
    return state | {SEED: part.dropout_seed} if isinstance(part, Module) else state


def load_into(part: Part, state: Mapping[str, Any]) -> None:
    """Take over what `state_of` returned, all or nothing; a seed that is not there stays. Raises as the part does."""
    if not isinstance(part, Module):
        part.load_state_dict(state)
        return
    before = part.dropout_seed
    part.dropout_seed = state.get(SEED, before)
    try:
        part.load_state_dict({name: value for name, value in state.items() if name != SEED})
    except BaseException:
        part.dropout_seed = before
        raise
