"""Hooks of saved tensors, `torch.autograd.graph.saved_tensors_hooks` and what PyTorch makes of them."""

from __future__ import annotations

from typing import Any

import torch

_hooks: Any = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: True)
"""Who asks for saved tensors, None for nobody; PyTorch before 2.8 does not tell, so that somebody might."""


def is_saving_seen() -> bool:
    """Return whether somebody asks, or might ask, for what is saved for a backward."""
    return _hooks(False) is not None
