"""The arguments of the cluster kernels, all scalars, and how a kernel says so.

Addresses are uint64, 0 where an array is not given, and each but the last three is followed by how far on, in bytes
modulo 2^64, the same of the second direction lies. Arrays are float32, dense but for x, y and dy.

Of forward:

- x: (T, B, gates H) products of the inputs, biases in them (of the GRU's n b_ih alone), at `x_step` bytes for t and
  `x_row` for b; never written, as what follows up to `flags`.
- weight: W_hh (gates H, H). bias: (H), of the GRU b_hh of n. h0, c0: (B, H).
- mask: factors (B, H) of recurrent dropout. lengths: (B) int32. flags: see the package. `uneven` kernels read them.
- y: like x, (T, B, H) at `y_step` and `y_row`: zeros where a row is not live. last_h, last_c: (B, H), the final states.
- gates, c, h, operand: what backward needs (see the package).
- order: (B) int32, the rows of the batch as they are dealt to tiles. spans: (directions, tiles, 2) int32, the visits
  [first, last) of a tile outside which none of its rows is live or reset. Both for ragged rows.
- error: a uint32 that becomes 1 where a wait was given up; results are wrong then.
- steps, batch, size: T, B, H as int32; first_direction: 1 where the first direction is the backward one; tile_rows:
  rows of every tile but the last, up to 8.

Of backward:

- gates, c, h: as recorded (see the package), c of the LSTM, h of the GRU; never written, as what follows up to `dy`.
- weight: W_hh (gates H, H). mask: factors (B, H) of recurrent dropout.
- lengths: (B) int32; flags (see the package). Kernels for uneven rows alone read them.
- dy: (T, B, H) at `dy_step` bytes for t and `dy_row` for b. last_h, last_c: gradients (B, H) of the final states.
- d: dense. first_h, first_c: gradients (B, H) of h0 and c0.
- to_dh, to_dc: gradients (T, B, H) of the states after each visit, dense; of steps that are not live none is written.
- order, spans, error; steps, batch, size, first_direction, tile_rows: as forward's.
"""

from __future__ import annotations

from typing import Any

COUNTS = ("steps", "batch", "size", "first_direction", "tile_rows")
"""The arguments that are int32; the others are addresses and bytes."""
PATIENCE = 100_000
"""Looks at a barrier, each of which may wait, before a launch gives up and sets its error word."""


def annotated(kernel: Any) -> Any:
    """Return the kernel, its arguments annotated."""
    names = kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
    kernel.__annotations__ = {name: "int32" if name in COUNTS else "address" for name in names}
    return kernel
