"""Shallow copies of accelerated modules, of copy.copy and nn.DataParallel: each is given a forward of its own.

They share what is bound to the original, its forward too, which cannot tell who calls it. PyTorch's classes are taught
to look for that where they make a copy.
"""

from __future__ import annotations

import functools
from typing import Any

from torch import nn

from rnnfast.integrations.torch.forward import Forward


def own(module: Any) -> Any:
    """Give a module that has the forward of another one of its own; the module itself."""
    bound = vars(module).get("forward")
    if type(bound) is Forward and bound.module() is not module:
        module.__dict__["forward"] = bound.of(module)
    return module


def install() -> None:
    """Have PyTorch's recurrent modules do so, once."""
    for base in (nn.RNNBase, nn.RNNCellBase):
        _watch(base)


def _watch(base: Any) -> None:
    set_state, replicate = base.__setstate__, base._replicate_for_data_parallel
    if hasattr(set_state, "of_rnnfast"):
        return

    @functools.wraps(set_state)
    def __setstate__(self: Any, state: Any) -> None:
        set_state(self, state)
        own(self)

    @functools.wraps(replicate)
    def _replicate_for_data_parallel(self: Any) -> Any:
        return own(replicate(self))

    __setstate__.of_rnnfast = True  # type: ignore[attr-defined]
    base.__setstate__, base._replicate_for_data_parallel = __setstate__, _replicate_for_data_parallel
