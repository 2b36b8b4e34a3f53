"""The one array in which thinc keeps all parameters of an LSTM, as those of a net here, and gradients back.

Source: `init` in thinc/layers/lstm.py, `_split_weights` in thinc/backends/ops.py.
"""

from __future__ import annotations

import math

import numpy as np

from rnnfast.backends.c.memory import address_of
from rnnfast.net.description import Net
from rnnfast.problem import Array

ORDER = "weight_ih", "bias_ih", "weight_hh", "bias_hh"
"""The parameters of a layer and direction; the rows of each stand by gates f i o g."""


class Placement:
    """Places of a net's parameters among thinc's, layer by layer and in each direction by direction.

    Nets here have the gates i f g o: the two of each pair change places, both ways.

    >>> placement = Placement(Net("LSTM", "lstm", 3, 1))
    >>> placement.size, placement.exchanged(np.arange(24.0))[:12].reshape(4, 3)[:, 0]
    (24, array([3., 0., 9., 6.]))
    """

    def __init__(self, net: Net) -> None:
        begins, end = {}, 0
        for number, suffix in enumerate(net.suffixes):
            shapes = net.layer_shapes(number // net.num_directions)
            for name in ORDER:
                begins[name + suffix], end = end, end + math.prod(shapes[name])
        self.size = end
        """Number of all numbers."""
        self._pieces = [(begins[name], begins[name] + math.prod(shape), shape) for name, shape in net.shapes.items()]
        tables = [name + suffix for name in net.layer_shapes(0) for suffix in net.suffixes]
        self._offsets = [begins[name] * net.dtype.itemsize for name in tables]

    def exchanged(self, array: Array) -> Array:
        """Return thinc's parameters (n,) with the gates in the order of a net, or such in thinc's, in new memory."""
        found = np.empty(self.size, array.dtype)
        for begin, end, _ in self._pieces:
            found[begin:end].reshape(2, 2, -1)[:] = array[begin:end].reshape(2, 2, -1)[:, ::-1]
        return found

    def parts(self, array: Array) -> list[Array]:
        """Return views of every parameter in the order of the net's."""
        return [array[begin:end].reshape(shape) for begin, end, shape in self._pieces]

    def addresses(self, array: Array) -> list[int]:
        """Return where each parameter lies, table by table, as `ForwardArrays` has them."""
        first = address_of(array)
        return [first + offset for offset in self._offsets]
