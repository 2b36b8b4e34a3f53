"""The scripts that a net on the device has, and limits under which small nets take each tier."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rnnfast.backends.cuda.script import Script
from rnnfast.backends.cuda.tiers import Limits

_SMALL = Limits(threads=8, lanes=4, words=(40,), shared=1024, blocks=5, capability=(8, 0))
LIMITS = {
    "A": replace(_SMALL, threads=16, words=(200,)),
    "B": _SMALL,
    "C": replace(_SMALL, words=(1,)),
    "D": replace(_SMALL, capability=(9, 0)),
}


def scripts(net: Any) -> list[Script]:
    """The scripts of all forms of call that a net has seen."""
    bound = [prepared.bound for engine in net._engines.values() for prepared in engine.forms.values()]
    return [script for each in bound for script in each._repeats._scripts.values() if script is not None]
