"""A net of librnnfast that was made once, an rf_net: whatever threads use it, it is given back with its last user."""

from __future__ import annotations

from typing import Any

from rnnfast.arrays.layout import Layout
from rnnfast.backends.c.library import check, get_num_threads, library
from rnnfast.backends.c.memory import Block
from rnnfast.backends.c.record import Template
from rnnfast.problem import Problem


class Handle:
    """An rf_net and what it says of itself; `kept` is what it refers to."""

    def __init__(self, net: Any, kept: Any = None) -> None:
        ffi, self.lib = library()
        self.kept = kept
        self.net = ffi.gc(net, self.lib.rf_net_free)
        self.sizes = ffi.new("rf_net_sizes *", {"struct_size": ffi.sizeof("rf_net_sizes")})
        check(self.lib.rf_net_get_sizes(self.net, self.sizes))

    def state(self, batch: int) -> Block:
        """Return memory for the states of so many rows, at their initial values. Raises MemoryError."""
        block = Block(self._bytes("state", batch))
        check(self.lib.rf_net_state_reset(self.net, batch, block.pointer, library()[0].NULL))
        return block

    def workspace_bytes(self, steps: int, batch: int) -> int:
        """Return the bytes of scratch for calls of at most so many steps and rows. Raises MemoryError."""
        return self._bytes("workspace", steps, batch)

    def _bytes(self, which: str, *sizes: int) -> int:
        found = library()[0].new("size_t *")
        check(getattr(self.lib, f"rf_net_{which}_bytes")(self.net, *sizes, found))
        return int(found[0])


def handle_of(problem: Problem) -> Handle:
    """Return the handle of a frozen net for as many threads as calls may use now, made where the last had others.

    That one stays with whoever uses it. Its sequences read the weights that calls of the frozen net read, too: those
    are packed once for all. Raises as `check`.
    """
    cache, threads = {} if problem.cache is None else problem.cache, get_num_threads()
    found: Handle | None = cache.get("handle")
    if found is None or found.sizes.num_threads != threads:
        template = Template(problem, Layout())
        template.record.num_threads = threads
        packed = template.pack(problem) if problem.frozen else None
        net = template.ffi.new("rf_net **")
        check(template.lib.rf_net_create(template.record, template.ffi.NULL, 0, net), problem.variant)
        cache["handle"] = found = Handle(net[0], packed)
    return found
