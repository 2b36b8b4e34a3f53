"""Calls of a net whose parameters are tensors: how it runs on so many threads, form by form."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from rnnfast.backends.choose import select
from rnnfast.calls.prepared import FORMS_KEPT, Engine, Prepared
from rnnfast.integrations.torch.form import Form
from rnnfast.integrations.torch.forms import Forms
from rnnfast.integrations.torch.team import team
from rnnfast.net.brought import Brought
from rnnfast.net.description import Net
from rnnfast.net.parameters import Parameters

MOST_THREADS = 256
"""As in the C library."""


class Runner(Forms):
    """The forms of call of one net on a number of threads. Parameters come with each call, so that any may be new.

    `frozen`: parameters that never change, which all calls use instead of those that they come with.

    >>> import torch
    >>> from rnnfast.calls.prepared import INFERENCE
    >>> runner, x = runner_of(Net("GRU", "gru", 3, 4), 1), torch.ones(5, 2, 3)
    >>> parameters = [torch.zeros(shape) for shape in runner.net.shapes.values()]
    >>> runner.form(INFERENCE, x.shape).forward(x, (), parameters)[0].shape
    torch.Size([5, 2, 4])
    """

    def __init__(self, net: Net, num_threads: int, frozen: Parameters | None = None) -> None:
        super().__init__(net)
        self.num_threads, self.is_frozen = num_threads, frozen is not None
        own = frozen or Brought(net)
        self.engine = Engine(net, own, select("c"), frozen=self.is_frozen, num_threads=num_threads, team=team())
        self._forms: dict[tuple[int, tuple[int, ...]], Any] = {}

    def form(self, how: int, shape: tuple[int, ...]) -> Any:
        """Return how x of this shape is run. Raises ValueError for a wrong rank or number of features."""
        found = self._forms.get((how, shape))
        if found is None:
            prepared = self.engine.prepared(how, tuple(shape), self.layout(shape))
            found = self._form(prepared, how)
            if len(self._forms) >= FORMS_KEPT:
                self._forms.clear()
            self._forms[how, tuple(shape)] = found
        return found

    def _form(self, prepared: Prepared, how: int) -> Any:
        return Form(self, prepared, how, self.is_frozen)

    def declines(self, how: int, *, cut: bool = False) -> str | None:
        """Return why a call, of which steps may be cut, is left to PyTorch's own code just now; None: it is run."""
        return None

    def as_given(self, results: tuple[Any, ...]) -> Any:
        """Return y and the final states as PyTorch's class of this kind does."""
        after = results[1:] if self.two_states else results[1]
        return after if self.one_step else (results[0], after)

    def time_major(self) -> Runner:
        """Return what runs the net's calls on (T, B, I)."""
        return runner_of(replace(self.net, batch_first=False), self.num_threads) if self.net.batch_first else self


@functools.lru_cache(maxsize=256)
def runner_of(net: Net, num_threads: int) -> Runner:
    """Return what runs calls of this net on so many threads, 256 at most."""
    return Runner(net, min(num_threads, MOST_THREADS))
