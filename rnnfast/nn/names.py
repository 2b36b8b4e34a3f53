"""One flat dict for a model of several parts."""

from __future__ import annotations

from collections.abc import Mapping

from rnnfast.nn import checks
from rnnfast.problem import Array


def named(**parts: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of all parts under the names "part.name": the same arrays, not copies.

    For parameters, `named(rnn=rnn.parameters, head=head.parameters)`, and likewise for their gradients. A part that
    is itself such a dict adds its name in front: "encoder.rnn.weight_hh_l0". Raises TypeError for
    what is no mapping, ValueError where two arrays would have one name.
    """
    for part, arrays in parts.items():
        checks.by_name(part, arrays)
    found: dict[str, Array] = {}
    for part, arrays in parts.items():
        for name, array in arrays.items():
            if (whole := f"{part}.{name}") in found:
                raise ValueError(f"two parts have an array that would be called {whole!r}: call one part otherwise")
            found[whole] = array
    return found
