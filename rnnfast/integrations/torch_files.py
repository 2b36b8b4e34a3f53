"""What torch.save wrote: state dicts, read by PyTorch itself, tensors alone, nothing that could run code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.net.formats import BFLOAT16
from rnnfast.problem import Array

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How files of PyTorch before 1.6 begin; later ones are archives."""


def arrays_of(path: str) -> dict[str, Array]:
    """Return the tensors of a file by name, of dicts within dicts with dots between; what is no tensor is left out.

    Raises ImportError where torch is not installed, ValueError for a damaged file, or one of objects that only code
    can make: `torch.load` runs with weights_only=True.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "a file of torch.save needs the package torch: install it, or write the state dict by "
            "safetensors.torch.save_file"
        ) from error
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle may raise any
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"no file of tensors alone that torch.load reads: {said}") from error
    if not isinstance(saved, Mapping):
        raise ValueError(f"holds a {type(saved).__name__}, expected a state dict: save model.state_dict()")
    found: dict[str, Array] = {}
    _collect(saved, "", found)
    if not found:
        raise ValueError("holds no tensor, expected a state dict: save model.state_dict()")
    return found


def _collect(tensors: Mapping[Any, Any], before: str, found: dict[str, Array]) -> None:
    for name, value in tensors.items():
        if isinstance(value, Mapping):
            _collect(value, f"{before}{name}.", found)
        elif hasattr(value, "detach"):
            found[f"{before}{name}"] = _array(value.detach().cpu().contiguous())


def _array(tensor: Any) -> Array:
    import torch

    if tensor.dtype == torch.bfloat16:
        bits: Array = tensor.view(torch.int16).numpy()
        return bits.view(np.uint16).view(BFLOAT16)
    array: Array = tensor.numpy()
    return array
