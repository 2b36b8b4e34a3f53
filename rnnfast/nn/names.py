"""Names in a model of several parts: what a part can be called, and one flat dict of all their arrays."""

from __future__ import annotations

from collections.abc import Mapping

from rnnfast.nn import checks
from rnnfast.problem import Array


def named(**parts: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays of all parts under the names "part.name": the same arrays, not copies.

    For parameters, `named(rnn=rnn.parameters, head=head.parameters)`, and likewise for their gradients. A part that
    is itself such a dict adds its name in front: "encoder.rnn.weight_hh_l0". Raises TypeError for
    what is no mapping, ValueError where two arrays would have one name.

    >>> import rnnfast
    >>> from rnnfast import nn
    >>> sorted(nn.named(net=rnnfast.GRU(3, 4, bias=False).parameters, head=nn.Linear(4, 2).parameters))
    ['head.bias', 'head.weight', 'net.weight_hh_l0', 'net.weight_ih_l0']
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


def check_part_name(name: str) -> None:
    """Raise ValueError unless files can call a part that: "part.array" must tell the two apart, in UTF-8.

    >>> check_part_name("encoder")
    """
    if not name or "." in name:
        raise ValueError(f"{name!r} cannot be the name of a part, expected one without a dot, which ends it")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name!r} cannot be the name of a part, expected one that UTF-8 can write") from None
