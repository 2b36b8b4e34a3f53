"""The parameters of a module as its user has them: live arrays, state dicts and files; the repr of their net."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from numpy.typing import DTypeLike

from rnnfast.net import files, saved
from rnnfast.net.description import Net
from rnnfast.net.loading import IncompatibleKeys
from rnnfast.net.options import constructor_call
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array


class Stored:
    """The description of a net, its parameters, and the name of the backend that it asks for."""

    def __init__(self, net: Net, parameters: Parameters, backend: str | None) -> None:
        self._net, self._parameters, self.backend = net, parameters, backend

    @property
    def net(self) -> Net:
        """Description of the net: sizes and options."""
        return self._net

    @property
    def parameters(self) -> Parameters:
        """The live arrays by name: change them in place, as an optimiser does, or assign to a name to copy in."""
        return self._parameters

    def state_dict(self) -> dict[str, Array]:
        """Return copies of the parameters in host memory by name, as PyTorch names and shapes them."""
        return self.parameters.on_host()

    def load_state_dict(self, values: Mapping[str, Any], prefix: str = "", strict: bool = True) -> IncompatibleKeys:
        """Copy parameters in, all or none; a `torch.nn` state dict fits as it is.

        `prefix` picks one part of a larger model: with "rnn." `weight_ih_l0` takes `values["rnn.weight_ih_l0"]`, and
        names that begin otherwise are passed over. With strict=False missing and unexpected names are no fault; they
        are returned as PyTorch does, in `missing_keys` and `unexpected_keys`.

        Raises ValueError that lists every missing name, unexpected name, wrong shape and read-only parameter, TypeError
        for wrong dtypes.
        """
        return self.parameters.load(values, prefix=prefix, strict=strict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters and options to an .npz or, with safetensors installed, a .safetensors file.

        A file that was there is replaced whole or not at all. Raises OSError where it cannot be written.
        """
        metadata = saved.metadata_of([saved.part_of(self.net)])
        files.save(path, self.parameters.on_host(), metadata)

    def load(
        self, path: str | os.PathLike[str], prefix: str = "", strict: bool = True, dtype: DTypeLike | None = None
    ) -> IncompatibleKeys:
        """Read the parameters that `save`, or PyTorch through safetensors, wrote, all or none.

        `prefix` and `strict` as in `load_state_dict`. `dtype`, which must be the net's, asks to convert float16,
        bfloat16, float32 and float64. Raises as that does, and ValueError where the file was saved by another kind of
        net or by one of other options, without `strict` of another cell. Files that do not say fit by names and shapes.

        >>> import rnnfast
        >>> net = rnnfast.GRU(3, 4)
        >>> net.save("gru.npz")
        >>> rnnfast.GRU(3, 4).load("gru.npz")
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        """
        arrays = saved.arrays_for(self.net, path, prefix, strict, dtype)
        return self.load_state_dict(arrays, prefix, strict)

    def __repr__(self) -> str:
        """Return the constructor call that makes such a net; initial values are not part of it."""
        return constructor_call(self.net, self.backend)
