"""Calls of one form that come again: the second is noted, and from the third on launches are all that is left.

This is for calls without dropout on arrays of the device: of such a call nothing but addresses is new, and of rows that
are not all live what is brought and counted of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.cuda.counted import LiveRows
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.noting import Noting, Retracing, within
from rnnfast.backends.cuda.script import Script, script_of

Key = tuple[Any, ...]
SCRIPTS_KEPT = 32
"""Ways in which the arrays of a form may lie before all scripts are forgotten."""


class Repeats:
    """The scripts of a net's calls of one form, by how their arrays lie.

    `forward(call, arrays, live)` runs the net without one and returns its recording, which is wanted if it is
    `recorded`.
    """

    def __init__(self, forward: Callable[[DeviceCall, ForwardArrays, Any], Any], *, recorded: bool) -> None:
        self.run, self.recorded = forward, recorded
        self._scripts: dict[Key, Script | None] = {}
        """None: there cannot be one, or it is too early."""
        self._seen: set[Key] = set()
        """The forward calls that came once and no more."""

    def forward(
        self, call: DeviceCall, arrays: ForwardArrays, live: LiveRows | None = None, form: tuple[Any, ...] | None = None
    ) -> Any:
        """Write y and the final states; return what backward needs, None where it is not wanted and a script ran.

        `live`: the tables of ragged rows, `form`: what calls have in common that launch the same kernels for theirs.
        """
        missing = [a is None for a in (*arrays.start, *arrays.final)]
        key = type(call.library), arrays.x.strides, arrays.y.strides, form, *missing
        given = given_to_forward(arrays)
        script = self._scripts.get(key)
        if script is not None:
            made = script.run(call, given, live)
            return Repeated(self, call, key, arrays, live, made) if self.recorded else None
        if key in self._scripts:
            return self.run(call, arrays, live)
        if key not in self._seen:
            if len(self._seen) >= SCRIPTS_KEPT:
                self._seen.clear()
            self._seen.add(key)
            return self.run(call, arrays, live)
        noting = Noting(call, given)
        found = self.run(noting, numbered(arrays, 0), live)
        found.call = call
        self._keep(key, script_of(noting, found.constants, live))
        return found

    def backward(self, repeated: Repeated, call: DeviceCall, arrays: BackwardArrays, *, overwrite: bool) -> None:
        """Write the gradients of a call that a script ran."""
        x, dy, d_final, dx, d_start, d_parameters, _, start, *_ = arrays
        some = *d_final, *d_start, *start
        lie = [None if a is None else a.strides for a in (x, dy, dx)]
        key = *repeated.key, overwrite, d_parameters is None, len(d_final), len(start), *lie, *[a is None for a in some]
        script = self._scripts.get(key)
        if script is not None:
            script.run(call, (*repeated.arrays, *given_to_backward(arrays)), repeated.live)
            return
        if key in self._scripts:
            repeated.recording().backward(call, arrays, overwrite=overwrite)
            return
        noting = Noting(call, (*repeated.arrays, *given_to_backward(arrays)))
        recording = repeated.recording(are_numbered=True)
        recording.backward(noting, numbered(arrays, len(repeated.arrays)), overwrite=overwrite)
        self._keep(key, script_of(noting, recording.constants, repeated.live))

    def _keep(self, key: Key, script: Script | None) -> None:
        if len(self._scripts) >= SCRIPTS_KEPT:
            self._scripts.clear()
        self._scripts[key] = script


class Repeated:
    """The reserve of a call that a script ran. Its recording is made anew where more is wanted than its backward."""

    def __init__(
        self, repeats: Repeats, call: DeviceCall, key: Key, arrays: ForwardArrays, live: LiveRows | None,
        made: list[DeviceArray],
    ) -> None:  # fmt: skip
        self.repeats, self.call, self.key, self.live, self.recorded_on = repeats, call, key, live, call.stream
        y, final = _nobodys(arrays.y), [_nobodys(a) for a in arrays.final]
        self._given = ForwardArrays(arrays.x, y, arrays.start, final)
        given = given_to_forward(self._given)
        self._first_made, self.arrays = len(given), [*given, *made]
        """All that the call was given and made, numbered in this order."""

    def recording(self, *, are_numbered: bool = False) -> Any:
        """Return the call's recording; its arrays may tell their numbers."""
        given, first = self._given, self._first_made
        made = self.arrays[first:]
        if are_numbered:
            given, made = numbered(given, 0), [within(a, first + n) for n, a in enumerate(made)]
        found = self.repeats.run(Retracing(self.call, made), given, self.live)
        found.call = self.call
        return found

    def backward(self, call: DeviceCall, arrays: BackwardArrays, *, overwrite: bool) -> None:
        """Write the gradients that are wanted."""
        if arrays.norms is None:
            self.repeats.backward(self, call, arrays, overwrite=overwrite)
        else:
            self.recording().backward(call, arrays, overwrite=overwrite)

    def activations(self) -> Any:
        """Return what the recording has."""
        return self.recording().activations()


def given_to_forward(arrays: ForwardArrays) -> list[Any]:
    """Return the arrays of a forward call that are there, in their order."""
    return [a for a in (arrays.x, arrays.y, *arrays.start, *arrays.final) if a is not None]


def given_to_backward(arrays: BackwardArrays) -> list[Any]:
    """Return the arrays of a backward call that are there, in their order."""
    x, dy, d_final, dx, d_start, d_parameters, _, start, *_ = arrays
    return [a for a in (x, dy, *d_final, dx, *d_start, *(d_parameters or ()), *start) if a is not None]


def numbered(arrays: Any, first: int) -> Any:
    """Return the arrays of a call as ones whose addresses tell their numbers, in their order from the first on."""
    numbers = itertools.count(first)

    def of(value: Any) -> Any:
        if isinstance(value, DeviceArray):
            return within(value, next(numbers))
        return [of(each) for each in value] if isinstance(value, Sequence) else value

    return arrays._make(map(of, arrays))


def _nobodys(a: Any) -> Any:
    """Return an array that keeps no memory alive."""
    return None if a is None else DeviceArray(a.address, a.shape, a.strides, a.dtype, None)
