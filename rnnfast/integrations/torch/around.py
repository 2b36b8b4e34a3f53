"""What of PyTorch's is active around a call: hooks of saved tensors, torch.func's transforms."""

from __future__ import annotations

from typing import Any

import torch

_hooks: Any = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: True)
"""Who asks for saved tensors, None for nobody; PyTorch before 2.8 does not tell, so that somebody might."""
_transforms_are_active = torch._C._are_functorch_transforms_active
NO_TRANSFORMS = (
    "rnnfast runs this layer, which torch.func's transforms (vmap, grad, jvp), forward-mode differentiation and "
    "batched gradients (is_grads_batched, vectorize) cannot see into: call "
    "rnnfast.integrations.torch.restore(model) before them"
)


def is_saving_seen() -> bool:
    """Return whether somebody asks, or might ask, for what is saved for a backward."""
    return _hooks(False) is not None


def refuse_transforms() -> None:
    """Raise RuntimeError under torch.func's transforms, whose tensors lie nowhere."""
    if _transforms_are_active():
        raise RuntimeError(NO_TRANSFORMS)
