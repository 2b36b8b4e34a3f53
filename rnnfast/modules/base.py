"""The base of every module: parameters, where they are, the backend that runs them, and the seeds of dropout."""

from __future__ import annotations

import os
import threading
import warnings
from typing import Any, TypeVar

import numpy as np

from rnnfast.backends import choose
from rnnfast.backends.cuda.transfer import transferred
from rnnfast.calls.forward import record
from rnnfast.calls.prepared import Engine
from rnnfast.checks.values import SEEDS, seed_or_none, truth, whole
from rnnfast.modules.stored import Stored
from rnnfast.modules.tape import Tape
from rnnfast.net.description import Net
from rnnfast.net.initial import initial
from rnnfast.problem import Array

ModuleT = TypeVar("ModuleT", bound="Module")

_drawing = threading.RLock()  # re-entrant: a signal handler may run a net, too
if hasattr(os, "register_at_fork"):  # no child begins while another thread of its parent holds it
    os.register_at_fork(before=_drawing.acquire, after_in_parent=_drawing.release, after_in_child=_drawing.release)


class Module(Stored):
    """A net's parameters and the calls that run it. Copies and pickles have the parameters, options and backend."""

    def __init__(self, net: Net, *, forget_bias: float | None = None, seed: int | None, backend: str | None) -> None:
        if backend is not None or net.precision != "float32":
            choose.select(backend, "cpu", net.cell, net.precision)  # so that one that cannot run is reported here
        if net.dropout and net.num_layers == 1:
            warnings.warn(
                f"dropout={net.dropout} does nothing in a net of one layer, as it drops inputs of the layers above the "
                "first: use input_dropout or recurrent_dropout, or num_layers=2 or more",
                stacklevel=3,
            )
        rng = np.random.default_rng(seed_or_none("seed", seed))
        super().__init__(net, initial(net, rng, forget_bias), backend)
        self._engines: dict[tuple[str | None, str | None], Engine] = {}
        self._dropout_seed = int(rng.integers(SEEDS, dtype=np.uint64))

    @property
    def dropout_seed(self) -> int:
        """The seed of the next `record`'s dropout masks, 0 to 2**64 - 1; assign one to draw the same masks again."""
        return self._dropout_seed

    @dropout_seed.setter
    def dropout_seed(self, value: int) -> None:
        seed = whole("dropout_seed", value, lowest=0, highest=SEEDS - 1)
        with _drawing:
            self._dropout_seed = seed

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

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_engines": {}}  # which hold addresses

    def _next_seed(self) -> int:
        """Return the seed of the next dropout masks; no two threads get the same."""
        with _drawing:
            seed = self._dropout_seed
            self._dropout_seed = (seed + 1) % SEEDS
        return seed

    def _give_back(self, seed: int) -> None:
        """Undo `_next_seed` for a call that was refused, unless another thread has drawn since."""
        with _drawing:
            if self._dropout_seed == (seed + 1) % SEEDS:
                self._dropout_seed = seed

    def _engine(self) -> Engine:
        """Return what runs a call now. RNNFAST_BACKEND is read when the first call asks for no backend."""
        engines, asked = self._engines, (self.backend, choose.in_context())
        try:
            return engines[asked]
        except (KeyError, TypeError):  # not yet there, or no name at all
            parameters = self._parameters  # read after the engines: another thread may move the net
        choice = choose.select(self.backend, parameters.device, self._net.cell, self._net.precision)
        engines[asked] = engine = Engine(self._net, parameters, choice)
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
        if not (train is True and keep is False):
            train, keep = truth("train", train), truth("keep", keep)
        engine = self._engine()
        if dropout_seed is None:
            seed = self._next_seed()
        else:
            seed = whole("dropout_seed", dropout_seed, lowest=0, highest=SEEDS - 1)
        try:
            y, state, call = record(engine, inputs, train, seed, memory, truncate)
        except BaseException:
            if dropout_seed is None:
                self._give_back(seed)
            raise
        return y, state, Tape(engine, call, seed, keep)
