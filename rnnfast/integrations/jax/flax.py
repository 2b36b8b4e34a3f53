"""The arrays of one cell of flax as parameters of the functions here, inside of what JAX traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnfast.checks.values import truth, whole
from rnnfast.integrations.convert.flax import sides


def of_flax(kind: str, params: Mapping[str, Any], *, layer: int = 0, reverse: bool = False) -> dict[str, jax.Array]:
    """Return the parameters of a cell, of linen or, as a pure dict, of nnx, as `convert.of_flax` does.

    Unlike that it takes arrays that JAX traces and has gradients: a model keeps its flax parameters, and its optimiser
    theirs, while `lstm`, `gru` or `rnn` compute. Layers and directions are joined by `|`.

    >>> import jax, jax.numpy as jnp
    >>> from rnnfast.integrations.jax import of_flax, rnn
    >>> cell = {"i": {"kernel": jnp.ones((3, 4)), "bias": jnp.zeros(4)}, "h": {"kernel": jnp.ones((4, 4))}}
    >>> def loss(cell, x):
    ...     return rnn(of_flax("RNN", cell), x)[0].sum()
    >>> jax.grad(loss)(cell, jnp.ones((5, 2, 3)))["h"]["kernel"].shape
    (4, 4)
    """
    suffix = f"_l{whole('layer', layer, lowest=0)}{'_reverse' * truth('reverse', reverse)}"
    (weight_ih, bias_ih), (weight_hh, bias_hh) = (_beside(gates) for _, gates in sides(kind, params))
    found = {"weight_ih": weight_ih.T, "weight_hh": weight_hh.T}
    if bias_ih is not None or bias_hh is not None:
        blank = jnp.zeros(weight_hh.shape[1], weight_hh.dtype)
        found |= {"bias_ih": blank if bias_ih is None else bias_ih, "bias_hh": blank if bias_hh is None else bias_hh}
    return {name + suffix: array for name, array in found.items()}


def _beside(gates: Sequence[Mapping[str, Any]]) -> tuple[jax.Array, jax.Array | None]:
    """Return kernels side by side, and biases, zeros where a gate has none, None where none has one."""
    kernels = [jnp.asarray(gate["kernel"]) for gate in gates]
    biases = [gate.get("bias") for gate in gates]
    weight = jnp.concatenate(kernels, axis=1)
    if all(bias is None for bias in biases):
        return weight, None
    pairs = zip(kernels, biases, strict=True)
    return weight, jnp.concatenate([jnp.zeros(k.shape[1], k.dtype) if b is None else b for k, b in pairs])
