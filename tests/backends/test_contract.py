"""The contract of a backend: every module offers its functions, and every bound call its methods, as it spells them."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

import pytest
from sources import sources

from rnnfast.backends.choose import TABLE
from rnnfast.backends.contract import Backend, Binder, Bound

ON_EVERY_BACKEND = pytest.mark.parametrize("backend", TABLE)


def methods_of(*owners: type) -> dict[str, inspect.Signature]:
    """The public methods that classes define themselves, by name, without self."""
    found = {}
    for name, value in [item for owner in owners for item in vars(owner).items()]:
        if inspect.isfunction(value) and not name.startswith("_"):
            _, *parameters = inspect.signature(value).parameters.values()
            found[name] = inspect.signature(value).replace(parameters=parameters)
    return found


def spelled(found: dict[str, inspect.Signature], contract: dict[str, inspect.Signature]) -> dict[str, str]:
    """Signatures as text. Where the contract says Any, which is what a backend keeps, its own type counts as that."""
    texts = {}
    for name, signature in found.items():
        said = contract.get(name, inspect.Signature())
        parameters = []
        for parameter in signature.parameters.values():
            expected = said.parameters.get(parameter.name, parameter).annotation
            parameters.append(parameter.replace(annotation="Any") if expected == "Any" else parameter)
        returned = "Any" if said.return_annotation == "Any" else signature.return_annotation
        texts[name] = str(signature.replace(parameters=parameters, return_annotation=returned))
    return texts


BACKEND, BOUND = methods_of(Binder, Backend), methods_of(Bound)


def test_the_contract_is_what_it_is_said_to_be() -> None:
    assert BACKEND.keys() == {"variants", "reason", "bind", "stream"}
    assert BOUND.keys() == {"run", "backward", "activations", "reserve_bytes", "ran"}


def imported(module: str) -> ModuleType:
    """The module; the test is skipped where a package that it needs is missing."""
    assert module in sources(), f"there is no {module}"
    if missing := sources()[module].missing:
        pytest.skip(f"needs {', '.join(sorted(missing))}")
    return importlib.import_module(module)


@ON_EVERY_BACKEND
def test_a_backend_offers_the_contracts_functions_and_no_others(backend: str) -> None:
    """Its own and, under the contract's names, those of other modules; cached functions count as what they cache."""
    module, found = imported(TABLE[backend]), {}
    for name, value in vars(module).items():
        function = inspect.unwrap(value) if callable(value) else value
        if inspect.isfunction(function) and (name in BACKEND or function.__module__ == module.__name__):
            found[name] = inspect.signature(function)
    public = {name: signature for name, signature in found.items() if not name.startswith("_")}
    assert spelled(public, BACKEND) == spelled(BACKEND, BACKEND)


@ON_EVERY_BACKEND
def test_a_bound_call_has_the_contracts_methods(backend: str) -> None:
    found = methods_of(imported(TABLE[backend].removesuffix("backend") + "bound").Bound)
    offered = {name: signature for name, signature in found.items() if name in BOUND}
    assert spelled(offered, BOUND) == spelled(BOUND, BOUND)
