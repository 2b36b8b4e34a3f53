"""`python -m rnnfast.examples`: the programs that are here."""

from __future__ import annotations

import ast
import importlib.util
import sys

NAMES = (
    "next_number",
    "random_regression",
    "sine",
    "toy_sequences",
    "softmax_cell",
    "bptt_by_hand",
    "lstm_by_hand",
    "char_text",
    "classifier",
    "sentiment",
    "translate",
    "forecast",
    "gradient_flow",
    "effect",
    "torch_models",
)
"""Examples that have a command line of their own."""


def listing() -> str:
    """A line for each: its name, and the first line of what it says of itself."""
    lines = []
    for name in NAMES:
        spec = importlib.util.find_spec(f"rnnfast.examples.{name}")
        assert spec is not None and spec.origin is not None
        with open(spec.origin, encoding="utf-8") as file:
            about = ast.get_docstring(ast.parse(file.read())) or ""
        lines.append(f"  {name:18}{about.splitlines()[0]}")
    return "\n".join(["python -m rnnfast.examples.NAME, with one of these names; --help says more:", *lines])


if __name__ == "__main__":
    print(listing())
    sys.exit(2 if sys.argv[1:] else 0)  # a name belongs behind a dot
