"""Parameters where kernels read them: on the device from the beginning, or brought there, of frozen nets once."""

from __future__ import annotations

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.common.weights import Weights
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.problem import Problem


class Uploads:
    """The parameters of one net, for its calls."""

    def __init__(self) -> None:
        self._weights: list[Weights] | None = None
        """The parameters where they are on the device, and so stay where they are."""

    def weights(self, call: DeviceCall, problem: Problem) -> list[Weights]:
        """Return all parameters on the device, by layer and direction."""
        return self._weights or self._uploaded(call, problem)

    def _uploaded(self, call: DeviceCall, problem: Problem) -> list[Weights]:
        cache = problem.cache if problem.frozen else None
        if cache is not None and "cuda" in cache:
            return cache["cuda"]  # type: ignore[no-any-return]
        tables = problem.weight_ih, problem.weight_hh, problem.bias_ih, problem.bias_hh
        lists = [[None if t is None else call.array(t[k]) for t in tables] for k in range(len(tables[0]))]
        found = [Weights(*arrays) for arrays in lists]
        if isinstance(problem.weight_ih[0], DeviceArray):
            self._weights = found
        elif cache is not None:
            cache["cuda"] = found
            call.wait()  # other threads' calls may use them at once
        return found
