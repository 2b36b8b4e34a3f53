"""JAX: recurrent nets as functions that jit, grad, vmap and scan take, run on the CPU without copies.

Parameters are a dict under PyTorch's names, as `state_dict()` of a net here or `of_flax` gives them: which
layers and directions there are follows from it.

vmap makes one batch of the sequences that it maps, within a gradient too. Mapped parameters make a call for each set,
one after the other, on all threads each; so do gradients within vmap, one for each row, and dropout.

>>> import jax, jax.numpy as jnp
>>> from rnnfast.integrations.jax import lstm
>>> parameters = rnnfast.LSTM(3, 4, num_layers=2, seed=0).state_dict()
>>> def loss(parameters, x):
...     y, (h, c) = lstm(parameters, x)
...     return (y**2).mean()
>>> value, gradients = jax.jit(jax.value_and_grad(loss))(parameters, jnp.ones((5, 2, 3), "float32"))
>>> gradients["weight_hh_l1"].shape
(16, 4)
"""

try:
    import jax  # noqa: F401
except ImportError as error:
    raise ImportError("rnnfast.integrations.jax needs the package jax: pip install 'rnnfast[jax]'") from error

from rnnfast.integrations.jax import batching, differentiation, handlers
from rnnfast.integrations.jax.flax import of_flax
from rnnfast.integrations.jax.functions import gru, lstm, rnn

__all__ = ["gru", "lstm", "of_flax", "rnn"]

handlers.install()
differentiation.install()
batching.install()
