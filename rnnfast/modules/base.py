"""What every module has: parameters, their files, a backend, and the seed of its dropout."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from rnnfast.backends import choose
from rnnfast.backends.cuda.transfer import transferred
from rnnfast.calls.forward import record
from rnnfast.calls.prepared import Engine
from rnnfast.checks.values import SEEDS, seed_or_none, truth, whole
from rnnfast.modules.tape import Tape
from rnnfast.net import files
from rnnfast.net.description import Net
from rnnfast.net.initial import initial
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array

ModuleT = TypeVar("ModuleT", bound="Module")


class Module:
    """Parameters of a net and the calls that run it. Copies and pickles have the parameters, options and backend."""

    def __init__(self, net: Net, *, forget_bias: float | None = None, seed: int | None, backend: str | None) -> None:
        if backend is not None:
            choose.select(backend)  # so that a backend that cannot run is reported here
        rng = np.random.default_rng(seed_or_none("seed", seed))
        self._net, self.backend = net, backend
        self._parameters = initial(net, rng, forget_bias)
        self._engines: dict[tuple[str | None, str | None], Engine] = {}
        self._dropout_seed = int(rng.integers(SEEDS, dtype=np.uint64))

    @property
    def net(self) -> Net:
        """Its description: sizes and options."""
        return self._net

    @property
    def parameters(self) -> Parameters:
        """The live arrays by name: change them in place, as an optimiser does, or assign to a name to copy in."""
        return self._parameters

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters in host memory by name, as PyTorch names and shapes them."""
        return self.parameters.on_host()

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Copy parameters in, all or none; a `torch.nn` state dict fits as it is.

        Raises ValueError that lists every missing name, unexpected name and wrong shape, TypeError for wrong dtypes.
        """
        self.parameters.load(values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to an .npz or, with safetensors installed, a .safetensors file."""
        files.save(path, self.parameters.on_host())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read what `save`, or PyTorch through safetensors, wrote; raises as `load_state_dict`."""
        self.load_state_dict(files.load(path))

    @property
    def device(self) -> str:
        """Where the parameters are: "cpu", in host memory, or "cuda"."""
        return self.parameters.device

    place = device  # its name before

    def to(self: ModuleT, place: str) -> ModuleT:
        """Move the parameters to "cpu" or "cuda", in new arrays; x and states must live there too. The module itself.

        On the device they are arrays of Numba, which CuPy and PyTorch see without a copy by `cupy.asarray` and
        `torch.as_tensor`; calls then run on the backend "cuda", on the stream of the library that x comes from, and
        give arrays of that library. Raises ValueError for another place, RuntimeError where there is no device.
        """
        self._parameters, self._engines = transferred(self._parameters, place), {}
        return self

    def __repr__(self) -> str:
        return str(self.net)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_engines": {}}  # which hold addresses

    def _engine(self) -> Engine:
        """Return what runs a call now. RNNFAST_BACKEND is read when the first call asks for no backend."""
        asked = self.backend, choose.in_context()
        try:
            return self._engines[asked]
        except (KeyError, TypeError):  # not yet there, or no name at all
            choice = choose.select(self.backend, self._parameters.device)
        self._engines[asked] = engine = Engine(self._net, self._parameters, choice)
        return engine

    def _record(
        self,
        inputs: tuple[Any, ...],
        train: bool,
        dropout_seed: int | None,
        keep: bool,
        memory: Any = "full",
        truncate: Any = None,
    ) -> tuple[Array, Any, Tape[Any]]:
        """Record a call; y, the state and the tape. `inputs`: x, the state, and perhaps lengths, mask and resets."""
        train, keep = truth("train", train), truth("keep", keep)
        engine = self._engine()
        seed = self._dropout_seed if dropout_seed is None else dropout_seed
        seed = whole("dropout_seed", seed, lowest=0, highest=SEEDS - 1)
        how = {"train": train, "dropout_seed": seed, "memory": memory, "truncate": truncate}
        y, state, call = record(engine, *inputs, **how)
        if dropout_seed is None:
            self._dropout_seed = (seed + 1) % SEEDS
        return y, state, Tape(engine, call, seed, keep=keep)
