"""Parameters that are another library's: they come with every call, or are arrays on a device that it owns."""

from __future__ import annotations

from typing import Any

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


class Viewed(Parameters):
    """Views of arrays on a CUDA device, which lie where they are as long as calls come."""

    device = "cuda"

    def __init__(self, views: dict[str, Any], net: Net) -> None:
        super().__init__(views, net)

    def check(self) -> None:
        """Do nothing: whoever brings them knows that they are what they were."""
