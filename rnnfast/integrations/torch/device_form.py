"""One form of call on tensors of a CUDA device: forward and backward, in memory from PyTorch's allocator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.calls.prepared import Prepared
from rnnfast.integrations.torch.device_forms import DeviceForms
from rnnfast.integrations.torch.form import AnyForm
from rnnfast.integrations.torch.memory import sameness
from rnnfast.integrations.torch.records import NOT_RAGGED, Made, Ragged, Results, Same, Saved, Tensors, Wanted

_new = tuple.__new__


class DeviceForm(AnyForm):
    """Form of a net's calls, on x of one shape, as `Form` is of those on the CPU. Parameters are the runner's.

    A reserve is the backend's, x and the states as forward saw them, whose memory it keeps, what was ragged, the seed.
    """

    __slots__ = ("moved", "of")

    def __init__(self, of: DeviceForms, prepared: Prepared, how: int, moved: Callable[[Tensors], DeviceForm]) -> None:
        """`moved` returns the form for parameters that lie elsewhere."""
        super().__init__(prepared, how)
        self.of, self.moved = of, moved

    def ragged(self, lengths: Any, mask: Any, resets: Any) -> Ragged:
        """Return copies in host memory, for which tensors on the device are waited for. Raises as `AnyForm.ragged`."""
        given = lengths, mask, resets
        return super().ragged(*[part.cpu() if isinstance(part, Tensor) else part for part in given])

    def forward(
        self, x: Tensor, state: Tensors, parameters: Tensors, seed: int = 0, ragged: Ragged = NOT_RAGGED
    ) -> Results:
        """Run as `Form.forward`."""
        of, prepared = self.of, self.prepared
        library, dtype, seen = of.library, of.net.dtype, of.seen
        y, *final = [library.new(shape, dtype) for shape in (prepared.y_shape, *prepared.state_shapes)]
        inputs = seen(x), [*map(seen, state)]
        arrays = inputs[0], y, inputs[1], final, *ragged, library, False, None
        reserve = prepared.bound.run(_new(ForwardArrays, arrays), seed)
        kept = None if reserve is None else (reserve, *inputs, ragged, seed)
        return y.owner, [array.owner for array in final], kept

    def backward(self, saved: Saved, gradients: Sequence[Tensor | None], wanted: Wanted, keep: bool) -> Made:
        """Return the gradients as `Form.backward`, of the inputs that forward saw.

        Where parameters were given other memory since then, as what shards them does, forward runs again.
        """
        of, prepared, parameters = self.of, self.prepared, saved.parameters
        recorded, x, start, ragged, seed = saved.reserve
        if not of.are_in_place(parameters):
            other = self.moved(parameters)
            inputs = x.owner, [part.owner for part in start], parameters
            reserve = other.forward(*inputs, seed, ragged)[2]
            return other.backward(Saved(reserve, *inputs), gradients, wanted, keep=False)
        (need_x, need_state, need_parameters), new, dtype = wanted, of.library.new, of.net.dtype
        dx = new(prepared.x_shape, dtype) if need_x else None
        # Each has memory of its own, so that whoever keeps or saves one gradient does not keep all of them.
        d_start = [new(shape, dtype) for shape in prepared.state_shapes] if need_state else []
        d_parameters = [new(shape, dtype) for shape in of.shapes] if need_parameters else None
        dy, *d_final = map(of.seen, gradients)
        arrays = x, dy, d_final, dx, d_start, d_parameters, None, start, *ragged, False, None
        prepared.bound.backward(recorded, _new(BackwardArrays, arrays), keep=keep)
        made = None if d_parameters is None else [array.owner for array in d_parameters]
        return None if dx is None else dx.owner, [array.owner for array in d_start], made

    def misfit(self, saved: Saved) -> str | None:
        """Return why parameters that may be others since the forward are none of the net's; None: they are."""
        of, parameters = self.of, saved.parameters
        return None if of.are_parameters(parameters) else of.misfits(parameters)

    def sameness(self, tensors: Sequence[Tensor], states: int) -> Same:
        """Return what says whether other inputs, and gradients, are like these, and their call one that is run."""
        alike, of, how, first = sameness(tensors), self.of, self.how, 1 + states
        last = first + len(of.places)

        def same(*tensors: Tensor) -> bool:
            if not (alike(*tensors) and of.are_in_place(tensors[first:last])):
                return False
            return len(tensors) > last or of.declines(how) is None  # gradients follow in a backward

        return same
