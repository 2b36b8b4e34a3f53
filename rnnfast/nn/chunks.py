"""A long sequence in chunks: cutting it, and a net that goes on with each chunk where the one before ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnfast.arrays.host import as_array, as_flags
from rnnfast.checks.values import truth, whole
from rnnfast.modules.frozen import Frozen
from rnnfast.modules.recurrent import Recurrent
from rnnfast.modules.tape import Tape
from rnnfast.problem import Array


def chunks(*sequences: Any, steps: int, batch_first: bool = False) -> Iterator[tuple[Array, ...]]:
    """Return views of `steps` steps of each sequence, (T, ...) or with `batch_first` (B, T, ...), one after another.

    The last has what is left. Raises ValueError where the sequences differ in T or have no such axis, TypeError for
    what is no array.

    >>> from rnnfast import nn
    >>> [x.tolist() for (x,) in nn.chunks(np.arange(5), steps=2)]
    [[0, 1], [2, 3], [4]]
    """
    steps, axis = whole("steps", steps), int(truth("batch_first", batch_first))
    arrays = [as_array(f"sequences[{n}]", a) for n, a in enumerate(sequences)]
    for n, array in enumerate(arrays):
        if array.ndim <= axis:
            expected = "(B, T, ...)" if axis else "(T, ...)"
            raise ValueError(f"sequences[{n}] has shape {array.shape}, expected {expected}")
        if array.shape[axis] != arrays[0].shape[axis]:
            count, first = array.shape[axis], arrays[0].shape[axis]
            raise ValueError(f"sequences[{n}] has {count} steps, expected {first}, as many as sequences[0]")
    return _cut(arrays, steps, axis)


def _cut(arrays: list[Array], steps: int, axis: int) -> Iterator[tuple[Array, ...]]:
    for t in range(0, arrays[0].shape[axis] if arrays else 0, steps):
        part = (slice(None),) * axis + (slice(t, t + steps),)
        yield tuple(array[part] for array in arrays)


class Carried:
    """A module or frozen net of one direction whose state is carried from call to call, no gradient with it.

    Training on one chunk after another is truncated back-propagation through time (Williams and Peng 1990):

        net = nn.Carried(lstm)
        for x, targets in nn.chunks(inputs, labels, steps=64):
            y, tape = net.record(x)
            ...  # a loss, dy
            grads = tape.backward(dy)

    Raises ValueError for a bidirectional net, which must see a whole sequence, TypeError for what is no net.

    >>> import rnnfast
    >>> from rnnfast import nn
    >>> gru, x = rnnfast.GRU(3, 4, seed=0), np.ones((6, 2, 3), np.float32)
    >>> net = nn.Carried(gru)
    >>> y = np.concatenate([net(part) for (part,) in nn.chunks(x, steps=4)])
    >>> bool(np.allclose(y, gru(x)[0]))
    True
    """

    def __init__(self, net: Recurrent[Any] | Frozen[Any], state: Any = None) -> None:
        """`state`: where the first chunk starts from, None for zeros."""
        if not isinstance(net, (Recurrent, Frozen)):
            raise TypeError(f"net must be an RNN, LSTM or GRU, or one frozen, got {type(net).__name__}")
        if net.net.bidirectional:
            raise ValueError(f"this {net.net.name} is bidirectional and must see a whole sequence: no state is carried")
        self.net = net
        self.state: Any = state
        """After the last chunk, h or (h, c); None: zeros. Assign another to go on from it."""

    def __call__(self, x: Any, **options: Any) -> Array:
        """y of the next chunk, without a tape; options and errors as the net's own call."""
        y, self.state = self.net(x, self.state, **options)
        return y

    def record(self, x: Any, **options: Any) -> tuple[Array, Tape[Any]]:
        """y of the next chunk and its tape; options and errors as `record` of the module. TypeError where it is frozen.

        Each chunk draws dropout masks of its own unless `dropout_seed` is given.
        """
        if not isinstance(self.net, Recurrent):
            raise TypeError(f"this {self.net.net.name} is frozen: record with the module that it was frozen from")
        y, self.state, tape = self.net.record(x, self.state, **options)
        return y, tape

    def reset(self, mask: Any = None) -> None:
        """Start again from zeros: every row, or those where `mask` (B,), bool or uint8, is not zero.

        The arrays that `state` held until now stay as they are. Raises TypeError for a mask where `state` is on a
        device: assign a state in which those rows are zero.
        """
        if mask is None or self.state is None:
            self.state = None
            return
        several = isinstance(self.state, (tuple, list))
        given = [None if a is None else as_array("state", a) for a in (self.state if several else (self.state,))]
        shape = next((a.shape for a in given if a is not None), None)
        if shape is None:
            return
        kept = ~as_flags("mask", mask, shape[1:-1]).astype(bool)[..., None]
        states = [None if a is None else np.where(kept, a, a.dtype.type(0)) for a in given]
        self.state = tuple(states) if several else states[0]
