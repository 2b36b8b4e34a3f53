"""Parameters that come with every call: what a net whose weights are another library's has in place of arrays."""

from __future__ import annotations

from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters


class Brought(Parameters):
    """No arrays, and the names of the tables that every call fills with addresses.

    >>> Brought(Net("GRU", "gru", 3, 4)).tables()
    {'weight_ih': [], 'weight_hh': [], 'bias_ih': [], 'bias_hh': []}
    """

    def __init__(self, net: Net) -> None:
        self._arrays, self._net, self._shapes, self._checked = {}, net, net.shapes, []
        self._tables = {table: [] for table in net.layer_shapes(0)}
