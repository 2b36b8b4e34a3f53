"""Integrations beside what each replaces: the two candidates of a part of the suite, and what their process needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Names of candidates: rnnfast inside a library, and what runs there without it.

    `environment`: variables, names and values, of the process that measures both.
    """

    ours: str
    theirs: str
    environment: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    """Packages besides those of the two."""


PAIRS = {
    "onnx": Pair("onnx", "onnxruntime"),
    "pytorch": Pair("accelerated", "torch"),
    "keras-numpy": Pair("keras_accelerated", "keras", (("KERAS_BACKEND", "numpy"),)),
    "keras-torch": Pair("keras_accelerated", "keras", (("KERAS_BACKEND", "torch"),), needs=("torch",)),
    "jax": Pair("jax_function", "jax"),
    "thinc": Pair("thinc_ops", "thinc"),
}
"""By part. Keras's backend is chosen as it is imported."""
NEEDS = {
    "onnx": ("onnx",),
    "keras": ("keras",),
    "keras_accelerated": ("keras",),
    "jax_function": ("jax",),
    "thinc": ("thinc",),
    "thinc_ops": ("thinc",),
}
"""Candidates that are timed in pairs alone, and the packages they need."""
OTHERS = frozenset(pair.theirs for pair in PAIRS.values())
"""Those that are not rnnfast."""
