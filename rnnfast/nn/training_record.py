"""The record of training in a file's metadata: numbers and settings of every part's state, and plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

KEY = "rnnfast.training"
"""Where in the metadata it stands, beside the record of nets in rnnfast/net/saved.py. It is for Python alone, whose
JSON has NaN and infinity: {states: {part: {name: value}}, values: {name: value}}."""


def record_of(states: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a file with these states and values.

    >>> states_in(record_of({"adam": {"steps": 3}}, {"best": float("inf")}), "file.npz")
    ({'adam': {'steps': 3}}, {'best': inf})
    """
    return {KEY: json.dumps({"states": states, "values": values})}


def states_in(metadata: Mapping[str, str], path: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return states and values of a file at `path`, none where it tells of none. Raises ValueError for another form."""
    try:
        record = json.loads(metadata.get(KEY, '{"states": {}, "values": {}}'))
        return {name: dict(state) for name, state in record["states"].items()}, dict(record["values"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} has metadata {KEY!r} that cannot be read, expected states and values") from None
