"""Calls of one form that come again: the second is noted, and from the third on launches are all that is left.

This is for calls without dropout on arrays of the device: of such a call nothing but addresses is new, and of rows that
are not all live what is brought and counted of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnfast.arrays.device_view import DeviceArray
from rnnfast.backends.contract import BackwardArrays, ForwardArrays
from rnnfast.backends.cuda.call_arrays import (
    addresses_of,
    lying_as,
    mapped,
    missing,
    numbered,
    template_of,
    those_there,
)
from rnnfast.backends.cuda.counted import LiveRows
from rnnfast.backends.cuda.device_call import DeviceCall
from rnnfast.backends.cuda.noting import Noting, Retracing, within
from rnnfast.backends.cuda.script import Script, script_of

Key = tuple[Any, ...]
RUNS_FOR_A_SCRIPT = 3
"""Runs of a call the last of which is a script's: by then the device has all its kernels."""
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
        x, y, start, final, *_ = arrays
        key = _key(call, arrays, form)
        script = self._scripts.get(key)
        if script is not None:
            addresses = addresses_of(x, y, *start, *final)
            made = script.run(call, addresses, live)
            if not self.recorded:
                return None
            addresses += [a.address for a in made]
            return Repeated(self, call, script, addresses, (x, start), live, made)
        if key in self._scripts:
            return self.run(call, arrays, live)
        if key not in self._seen:
            if len(self._seen) >= SCRIPTS_KEPT:
                self._seen.clear()
            self._seen.add(key)
            return self.run(call, arrays, live)
        arrays = ForwardArrays(x, y, start, final)
        noting = Noting(call, those_there(x, y, *start, *final))
        found = self.run(noting, numbered(arrays, 0), live)
        found.call = call
        self._keep(key, script_of(noting, found.constants, live, template_of(arrays)))
        return found

    def script(self, call: DeviceCall, arrays: ForwardArrays) -> Script | None:
        """Run calls of these arrays until a script does, and return that; None: there is none."""
        for _ in range(RUNS_FOR_A_SCRIPT):
            self.forward(call, arrays)
        return self._scripts.get(_key(call, arrays, None))

    def backward(self, repeated: Repeated, call: DeviceCall, arrays: BackwardArrays, *, overwrite: bool) -> None:
        """Write the gradients of a call that a script ran."""
        x, dy, d_final, dx, d_start, d_parameters, _, start, *_ = arrays
        given = x, dy, *d_final, dx, *d_start, *(d_parameters or ()), *start
        lie = x.strides, dy and dy.strides, dx and dx.strides
        counts = len(d_final), len(d_start), len(start)
        key = repeated.script, overwrite, d_parameters is None, lie, counts, *missing(*given)
        script = self._scripts.get(key)
        if script is not None:
            script.run(call, repeated.addresses + addresses_of(*given), repeated.live)
            return
        if key in self._scripts:
            repeated.recording().backward(call, arrays, overwrite=overwrite)
            return
        before = repeated.arrays()
        noting = Noting(call, (*before, *those_there(*given)))
        recording = repeated.recording(are_numbered=True)
        recording.backward(noting, numbered(arrays, len(before)), overwrite=overwrite)
        self._keep(key, script_of(noting, recording.constants, repeated.live))

    def _keep(self, key: Key, script: Script | None) -> None:
        if len(self._scripts) >= SCRIPTS_KEPT:
            self._scripts.clear()
        self._scripts[key] = script


class Repeated:
    """The reserve of a call that a script ran. Its recording is made anew where more is wanted than its backward.

    `addresses`: of all that the call was given and made, in their order. `inputs`: x and the first states; of the
    results it keeps no memory alive.
    """

    __slots__ = "addresses", "call", "inputs", "live", "made", "recorded_on", "repeats", "script"

    def __init__(
        self, repeats: Repeats, call: DeviceCall, script: Script, addresses: list[int], inputs: tuple[Any, ...],
        live: LiveRows | None, made: list[DeviceArray],
    ) -> None:  # fmt: skip
        self.repeats, self.call, self.script, self.addresses = repeats, call, script, addresses
        self.inputs, self.live, self.made, self.recorded_on = inputs, live, made, call.stream

    @property
    def given(self) -> ForwardArrays:
        """The arrays that the call was given."""
        return mapped(self.script.template, lambda a: lying_as(a, self.addresses[a.address]))  # type: ignore[no-any-return]

    def arrays(self) -> list[DeviceArray]:
        """Return all that the call was given and made, in their order."""
        x, y, start, final, *_ = self.given
        return those_there(x, y, *start, *final, *self.made)

    def recording(self, *, are_numbered: bool = False) -> Any:
        """Return the call's recording; its arrays may tell their numbers."""
        given, made = self.given, self.made
        first = len(self.addresses) - len(made)
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


def _key(call: DeviceCall, arrays: ForwardArrays, form: tuple[Any, ...] | None) -> Key:
    """Return what calls have in common that one script serves."""
    x, y, start, final, *_ = arrays
    return type(call.library), x.strides, y.strides, form, len(start), *missing(*start, *final)
