"""The base of every module: parameters, their files, a backend, and the seeds of its dropout."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from rnnfast.backends import choose
from rnnfast.backends.cuda.transfer import transferred
from rnnfast.calls.forward import record
from rnnfast.calls.prepared import Engine
from rnnfast.checks.values import SEEDS, float_dtype, seed_or_none, truth, whole
from rnnfast.modules.tape import Tape
from rnnfast.net import files, saved
from rnnfast.net.description import Net
from rnnfast.net.initial import initial
from rnnfast.net.loading import IncompatibleKeys, converted
from rnnfast.net.options import constructor_call
from rnnfast.net.parameters import Parameters
from rnnfast.problem import Array

ModuleT = TypeVar("ModuleT", bound="Module")

_drawing = threading.RLock()  # re-entrant: a signal handler may run a net, too
if hasattr(os, "register_at_fork"):  # no child begins while another thread of its parent holds it
    os.register_at_fork(before=_drawing.acquire, after_in_parent=_drawing.release, after_in_child=_drawing.release)


class Module:
    """Parameters of a net and the calls that run it. Copies and pickles have the parameters, options and backend."""

    def __init__(self, net: Net, *, forget_bias: float | None = None, seed: int | None, backend: str | None) -> None:
        if backend is not None:
            choose.select(backend)  # so that a backend that cannot run is reported here
        if net.dropout and net.num_layers == 1:
            warnings.warn(
                f"dropout={net.dropout} does nothing in a net of one layer, as it drops inputs of the layers above the "
                "first: use input_dropout or recurrent_dropout, or num_layers=2 or more",
                stacklevel=3,
            )
        rng = np.random.default_rng(seed_or_none("seed", seed))
        self._net, self.backend = net, backend
        self._parameters = initial(net, rng, forget_bias)
        self._engines: dict[tuple[str | None, str | None], Engine] = {}
        self._dropout_seed = int(rng.integers(SEEDS, dtype=np.uint64))

    @property
    def net(self) -> Net:
        """Description of the net: sizes and options."""
        return self._net

    @property
    def dropout_seed(self) -> int:
        """The seed of the next `record`'s dropout masks, 0 to 2**64 - 1; assign one to draw the same masks again."""
        return self._dropout_seed

    @dropout_seed.setter
    def dropout_seed(self, value: int) -> None:
        self._dropout_seed = whole("dropout_seed", value, lowest=0, highest=SEEDS - 1)

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
        files.save(path, self.parameters.on_host(), saved.metadata_of([saved.part_of(self.net)]))

    def load(
        self, path: str | os.PathLike[str], prefix: str = "", strict: bool = True, dtype: DTypeLike | None = None
    ) -> IncompatibleKeys:
        """Read the parameters that `save`, or PyTorch through safetensors, wrote, all or none.

        `prefix` and `strict` as in `load_state_dict`. `dtype`, which must be the net's, asks to convert float16,
        bfloat16, float32 and float64. Raises as that does, and ValueError where the file was saved by another kind of
        net or by one of other options, without `strict` of another cell. Files that do not say fit by names and shapes.

        >>> net = rnnfast.GRU(3, 4)
        >>> net.save("gru.npz")
        >>> rnnfast.GRU(3, 4).load("gru.npz")
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        """
        arrays, metadata = files.load_with_metadata(path)
        name, into = os.fspath(path), None if dtype is None else float_dtype(dtype)
        saved.check_part(self.net, saved.parts_in(metadata, name), prefix, truth("strict", strict), name)
        wanted = {f"{prefix}{parameter}" for parameter in self.parameters}
        return self.load_state_dict(converted(arrays, wanted, self.net, into, name), prefix, strict)

    @property
    def device(self) -> str:
        """The device of the parameters: "cpu", in host memory, or "cuda"."""
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
        """Return the constructor call that makes such a net; initial values are not part of it."""
        return constructor_call(self.net, self.backend)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_engines": {}}  # which hold addresses

    def _next_seed(self) -> int:
        """Return the seed of the next dropout masks; no two threads get the same."""
        with _drawing:
            seed = self._dropout_seed
            self._dropout_seed = (seed + 1) % SEEDS
        return seed

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
        """Record a call; y, the state and the tape. `inputs`: x, the state, lengths, mask and resets."""
        train, keep = truth("train", train), truth("keep", keep)
        if dropout_seed is None:
            seed = self._next_seed()
        else:
            seed = whole("dropout_seed", dropout_seed, lowest=0, highest=SEEDS - 1)
        engine = self._engine()
        y, state, call = record(engine, inputs, train, seed, memory, truncate)
        return y, state, Tape(engine, call, seed, keep)
