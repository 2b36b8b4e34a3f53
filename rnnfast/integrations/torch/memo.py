"""What is known of one of PyTorch's modules from its last call, so that the next has little to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter, is_, itemgetter
from typing import Any, NamedTuple

from torch import Tensor, get_num_threads

from rnnfast.integrations.torch.calls import Runner, runner_of
from rnnfast.integrations.torch.layers import Module, against, attributes_of, net_of, parameters_of

_address, _is_dense, _bytes = Tensor.data_ptr, Tensor.is_contiguous, attrgetter("nbytes")


class Memo(NamedTuple):
    """What a module was when it was last looked at."""

    attributes: Callable[[dict[str, Any]], Any] = len
    """Takes what `options` holds out of the module's dict."""
    options: Any = None
    threads: int = 0
    runner: Runner | None = None
    known: Sequence[Any] = ()
    """Parameters that fit, where they are all that the module has and in that order."""
    addresses: Sequence[int] = ()
    sizes: Sequence[int] = ()
    """In bytes."""
    ordered: Sequence[int] = ()
    """The addresses as backends want them."""


class Layer:
    """What is known of one module, learnt again where its options, parameters or number of threads are others.

    >>> import torch
    >>> gru = torch.nn.GRU(3, 4)
    >>> runner, parameters, _ = Layer().read(gru)
    >>> runner.net.cell, runner.fits(parameters)
    ('gru', True)
    """

    __slots__ = ("_memo",)

    def __init__(self) -> None:
        self._memo = Memo()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has all to learn."""
        return type(self), ()

    def read(self, module: Module) -> tuple[Runner | None, Sequence[Any], Sequence[int] | None]:
        """Return what runs the module's calls, its parameters of now, without gaps, and their addresses.

        None in place of the first: nothing here runs them.
        """
        attributes, options, threads, runner, known, addresses, sizes, ordered = self._memo
        values = module.__dict__
        if attributes(values) == options and threads == get_num_threads():
            parameters = [*values["_parameters"].values()]
            # The very same objects; even so, assigning to their `data` can have changed all that there is to them.
            if (
                len(parameters) == len(known)
                and all(map(is_, parameters, known))
                and [*map(_address, parameters)] == addresses
                and all(map(_is_dense, parameters))
                and [*map(_bytes, parameters)] == sizes
            ):
                return runner, parameters, ordered
            if runner is not None:
                parameters = parameters_of(module)
                if runner.fits(parameters):
                    return self._known(module, parameters)
        return self._learnt(module)

    def _known(self, module: Module, parameters: list[Any]) -> tuple[Runner, Sequence[Any], Sequence[int]]:
        """Return as `read`, and remember parameters that fit if they are all that the module has."""
        runner: Any = self._memo.runner
        addresses, own = [*map(_address, parameters)], [*module._parameters.values()]
        ordered = runner.in_order(addresses)
        if len(own) == len(parameters) and all(map(is_, own, parameters)):
            sizes = [*map(_bytes, parameters)]
            self._memo = self._memo._replace(known=own, addresses=addresses, sizes=sizes, ordered=ordered)
        return runner, parameters, ordered

    def _learnt(self, module: Module) -> tuple[Runner | None, Sequence[Any], Sequence[int]]:
        """Return as `read` what a module is that changed."""
        threads, runner, attributes = get_num_threads(), None, itemgetter(*attributes_of(module))
        if against(module) is None:
            runner = runner_of(net_of(module, parameters_of(module)[0].dtype), threads)
        self._memo = Memo(attributes, attributes(module.__dict__), threads, runner)
        if runner is None:
            return None, (), ()
        parameters = [parameter.contiguous() for parameter in parameters_of(module)]
        return self._known(module, parameters) if runner.fits(parameters) else (None, (), ())
