"""The record of nets in a file's metadata, and what a net gets of a file that holds such nets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from numpy.typing import DTypeLike

from rnnfast.checks.values import float_dtype, truth
from rnnfast.net import files
from rnnfast.net.description import Net
from rnnfast.net.loading import converted
from rnnfast.net.narrow import Weights
from rnnfast.net.options import DEFAULTS, VARIANTS, options_of
from rnnfast.problem import Array

KEY = "rnnfast"
"""Where in the metadata it stands, as JSON: {version, parts: [{name, kind, options}]}."""
VERSION = 1
MOST_PARTS = 1024
"""More of them the C library would not read."""


class _Last(TypedDict, total=False):
    last: str
    """Of a recurrent part whose last output alone counts: what the part is called that takes it. C passes over it."""


class Part(_Last):
    """One part of a model: its arrays are called name.PARAMETER, those of a net alone, whose name is "", PARAMETER."""

    name: str
    kind: str
    options: dict[str, Any]


def part_of(net: Net, name: str = "", weights: Weights | None = None) -> Part:
    """Return what a file says about a net, or about a frozen one that keeps its matrices in the type `weights`.

    >>> part_of(Net("GRU", "gru_before", 3, 4))["options"]["reset_after"]
    False
    """
    return {"name": name, "kind": net.name, "options": options_of(net) | ({"weights": weights} if weights else {})}


def metadata_of(parts: Iterable[Part]) -> dict[str, str]:
    """Return the metadata of a file that holds these parts, which run in this order. Raises ValueError for too many."""
    listed = list(parts)
    if len(listed) > MOST_PARTS:
        raise ValueError(f"{len(listed)} nets and layers are too many for a file, expected {MOST_PARTS} at most")
    return {KEY: json.dumps({"version": VERSION, "parts": listed})}


def parts_in(metadata: Mapping[str, str], path: str) -> list[Part]:
    """Return the parts that a file at `path` tells of, none where it is not of this library.

    Raises ValueError for what a later version wrote, or what is no description of parts.
    """
    if KEY not in metadata:
        return []
    try:
        record = json.loads(metadata[KEY], object_pairs_hook=_once, parse_constant=_no_number)
        version, parts = record["version"], record["parts"]
        readable = all(isinstance(part["name"], str) and isinstance(part["kind"], str) for part in parts)
        readable = readable and all(isinstance(part["options"], dict) for part in parts) and len(parts) <= MOST_PARTS
        readable = readable and type(version) is int and version > 0 and isinstance(parts, list)
    except (ValueError, TypeError, KeyError, RecursionError):
        readable = False
    if not readable:
        raise ValueError(f"{path} has metadata {KEY!r} that cannot be read, expected version, parts and their options")
    if version > VERSION:
        raise ValueError(f"{path} was written by a later version of rnnfast, which can load it: upgrade")
    found: list[Part] = parts
    return found


def without_dtype(parts: Sequence[Part]) -> list[Part]:
    """Return parts that do not tell a dtype, for arrays that are converted to another.

    >>> without_dtype([{"name": "out", "kind": "Linear", "options": {"in_features": 2, "dtype": "float32"}}])
    [{'name': 'out', 'kind': 'Linear', 'options': {'in_features': 2}}]
    """
    kept = [{key: value for key, value in part["options"].items() if key != "dtype"} for part in parts]
    return [{**part, "options": options} for part, options in zip(parts, kept, strict=True)]


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises ValueError where a name is there twice: which one counts?"""
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a name is there twice")
    return found


def _no_number(word: str) -> float:
    """Raise ValueError for NaN and Infinity, which are no JSON."""
    raise ValueError(f"{word} is no number of JSON")


def arrays_for(
    net: Net, path: str | os.PathLike[str], prefix: str, strict: bool, dtype: DTypeLike | None
) -> dict[str, Array]:
    """Return the arrays of a file, those of the net, below `prefix`, with its dtype if `dtype` asks to convert them.

    Raises as `files.load`, `loading.converted` and `check_part`.
    """
    given = None if dtype is None else float_dtype(dtype)
    arrays, metadata = files.load_with_metadata(path)
    name = os.fspath(path)
    check_part(net, parts_in(metadata, name), prefix, truth("strict", strict), name)
    return converted(arrays, [f"{prefix}{parameter}" for parameter in net.shapes], net, given, name)


def check_part(net: Net, parts: Iterable[Part], prefix: str, strict: bool, path: str) -> None:
    """Raise ValueError where the part whose arrays begin with `prefix` is another kind of net, or has other options.

    Options that the file leaves out have their defaults. Without `strict` only that of the cell is compared, without
    which the same numbers would compute something else.
    """
    for part in parts:
        if prefix == (f"{part['name']}." if part["name"] else ""):
            _check_kind(net, part, path)
            _check_options(net, part["options"], strict, path)


def _check_kind(net: Net, part: Part, path: str) -> None:
    if part["kind"] != net.name:
        raise ValueError(f"{path} holds a net of kind {part['kind']}, this is a {net.name}: load it into the former")
    if "weights" in part["options"]:
        raise ValueError(
            f"{path} holds a frozen {net.name} with weights in {part['options']['weights']}, which no net trains on: "
            "rnnfast.load_model gives the frozen net"
        )


def _check_options(net: Net, options: Mapping[str, Any], strict: bool, path: str) -> None:
    here, variant = options_of(net), VARIANTS[net.cell]
    theirs = {name: DEFAULTS[name] for name in here if name in DEFAULTS} | dict(options)
    names = theirs if strict else [name for name in variant if name in theirs]
    differ = [name for name in names if name not in here or here[name] != theirs[name]]
    if not differ:
        return
    said = ", ".join(f"{name}={theirs[name]!r} ({_said(here, name)} here)" for name in differ)
    advice = f"make the {net.name} with the options of the file"
    if strict and not set(differ) & set(variant):
        advice += ", or pass strict=False, which compares the cell alone"
    raise ValueError(f"{path} holds a {net.name} of other options than this one: {said}: {advice}")


def _said(options: Mapping[str, Any], name: str) -> str:
    return repr(options[name]) if name in options else repr(DEFAULTS[name]) if name in DEFAULTS else "unknown"
