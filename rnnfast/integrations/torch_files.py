"""What torch.save wrote: state dicts, read by PyTorch itself, tensors alone, nothing that could run code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnfast.integrations.content import SMALL, SWOLLEN
from rnnfast.integrations.json_values import shown
from rnnfast.net.formats import BFLOAT16
from rnnfast.problem import Array

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How files of PyTorch before 1.6 begin; later ones are archives."""

OBJECTS = "Weights only load failed"
"""How torch.load begins to say that a file holds more than tensors; it goes on with ways to run that code."""
MOST_DEEP = 32
"""Dicts within dicts that are looked into."""


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
        if said.startswith(OBJECTS):
            said = "it holds a whole model or other objects that only code makes, save model.state_dict()"
        raise ValueError(f"no file of tensors alone that torch.load reads: {said}") from error
    if not isinstance(saved, Mapping):
        raise ValueError(f"holds a {type(saved).__name__}, expected a state dict: save model.state_dict()")
    found: dict[str, Array] = {}
    _collect(saved, "", found)
    if not found:
        raise ValueError("holds no tensor, expected a state dict: save model.state_dict()")
    return found


def _collect(tensors: Mapping[Any, Any], before: str, found: dict[str, Array]) -> None:
    """Add the tensors of a dict and of those in it, which in a hostile file go round in circles."""
    if before.count(".") > MOST_DEEP:
        raise ValueError(f"{shown(before)} is one dict too many: {MOST_DEEP} are read in each other")
    for name, value in tensors.items():
        whole = f"{before}{name}"
        if isinstance(value, Mapping):
            _collect(value, f"{whole}.", found)
        elif hasattr(value, "detach"):
            if whole in found:
                raise ValueError(f"two tensors are called {shown(whole)}")
            found[whole] = _array(whole, value.detach())


def _array(name: str, tensor: Any) -> Array:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise ValueError(f"{shown(name)} is sparse, quantized or without numbers, expected a plain tensor")
    stored, size = tensor.untyped_storage().nbytes(), tensor.numel() * tensor.element_size()
    if size > SWOLLEN * stored + SMALL:
        raise ValueError(f"{shown(name)} would take {size} bytes, {stored} are stored of it")
    try:
        if tensor.dtype == torch.bfloat16:
            bits: Array = tensor.contiguous().view(torch.int16).numpy()
            return bits.view(np.uint16).view(BFLOAT16)
        array: Array = tensor.resolve_conj().resolve_neg().contiguous().numpy()
    except (RuntimeError, TypeError) as error:  # of numbers that NumPy has not
        raise ValueError(f"{shown(name)} is of {tensor.dtype}: {str(error).strip()}") from error
    return array
