"""Reports of a model: which of its recurrent layers PyTorch's own code runs, and what runs the others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from rnnfast.integrations.torch import on_cuda
from rnnfast.integrations.torch.accelerate import against_acceleration, is_accelerated, modules_of, served_kinds
from rnnfast.integrations.torch.building import route
from rnnfast.integrations.torch.layers import kind_of, parameters_of


class Report(dict[str, str]):
    """Names of layers and why, and a sentence, `route`, about the others, which printing adds.

    >>> print(Report({}, "Python runs calls"))
    {}, Python runs calls
    """

    def __init__(self, reasons: dict[str, str], route: str) -> None:
        super().__init__(reasons)
        self.route = route

    def __str__(self) -> str:
        return f"{dict(self)}, {self.route}"


def report(model: nn.Module) -> Report:
    """Return the names of the recurrent layers in a model, "" for itself, that PyTorch's own code runs, each with why.

    Its `route`, which `print` shows, says whether the compiled bridge or Python runs the others' calls, what would
    change that, see `build`, and which CUDA devices some of them run on.

    Layers are looked at as they are now. Of a layer that is served, single calls may still be PyTorch's: of an input
    that is on another device, of another dtype, layout or class, of packed sequences under a mode that sees every
    operator or function, while torch.jit traces, and all that PyTorch refuses. Calls that have no operator under
    `torch.compile`, those of packed sequences, are served and not listed. Raises TypeError for what is no module.

    >>> import torch
    >>> from rnnfast.integrations.torch import accelerate
    >>> report(accelerate(torch.nn.ModuleDict({"a": torch.nn.GRU(3, 4), "b": torch.nn.GRU(3, 4).half()})))
    {'b': 'its parameters are torch.float16, float32 and float64 are served'}
    """
    modules_of(model)
    reasons = {}
    for name, module in model.named_modules():
        if kind_of(module) is not None:
            reason = against_acceleration(module) or (None if is_accelerated(module) else "it was not accelerated")
        else:
            reason = _why_none(module)
        if reason is not None:
            reasons[name] = reason
    return Report(
        reasons, route() + _devices_of([module for name, module in model.named_modules() if name not in reasons])
    )


def _why_none(module: nn.Module) -> str | None:
    """Return why a recurrent module of PyTorch's is none of those served; None: it is no recurrent module."""
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return f"it is a {type(module).__name__}, which is none of {served_kinds()}"
    if isinstance(module, torch.jit.ScriptModule) and (hasattr(module, "weight_hh_l0") or hasattr(module, "weight_hh")):
        return f"torch.jit compiled this {getattr(module, 'original_name', 'module')}: accelerate the model instead"
    return None


def _devices_of(modules: Sequence[nn.Module]) -> str:
    """Return in a clause which CUDA devices some of these, which are served if they are recurrent, run on; "": none."""
    weights = [parameters_of(module)[0] for module in modules if kind_of(module) is not None]
    there = sorted({str(weight.device) for weight in weights if on_cuda.is_there(weight)})
    return f"; rnnfast's cuda backend runs those of layers on {', '.join(there)}" if there else ""
