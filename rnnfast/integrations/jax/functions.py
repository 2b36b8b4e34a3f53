"""What a user calls: `rnn`, `lstm` and `gru`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from rnnfast.integrations.jax.arguments import recur
from rnnfast.net.options import Nonlinearity, gru_cell, rnn_cell
from rnnfast.problem import MaskedOutput

if TYPE_CHECKING:
    import jax
    from typing_extensions import Unpack


class Options(TypedDict, total=False):
    """Options that all three functions have, by keyword; `rnnfast.LSTM` says more of the first nine."""

    lengths: Any
    """(B,) integers in 0..T: a row's steps from there on are not live."""
    mask: Any
    """Of x's leading axes, bool or uint8: steps where it is zero are not live."""
    resets: Any
    """Of x's leading axes, bool or uint8: the state is zeros before such a step."""
    batch_first: bool
    """x is (B, T, I), y and flags likewise; False: time-major, (T, B, I)."""
    masked_output: MaskedOutput
    """"zero" or "hold": y at a step that is not live."""
    dropout: float
    """Probability of dropping an output between layers."""
    input_dropout: float
    """Probability of dropping a feature of x in all of a sequence."""
    recurrent_dropout: float
    """Probability of dropping a unit of h, in the recurrent product, in all of a sequence."""
    key: Any
    """A key of `jax.random`, which dropout needs: the same key, the same masks."""
    num_threads: int | None
    """Threads that a call may use; None: as `rnnfast.get_num_threads()` says at the time."""
    backend: str
    """"c", or an instruction set of it such as "c:avx2"."""


def rnn(
    parameters: Mapping[str, Any],
    x: jax.Array,
    state: Any = None,
    *,
    nonlinearity: Nonlinearity = "tanh",
    **options: Unpack[Options],
) -> tuple[jax.Array, jax.Array]:
    """Return y (T, B, D·H) and the final state h (L·D, B, H) of an RNN.

    parameters: `weight_ih_l0` (H, I) and so on, as of PyTorch; L and D, layers and directions, and whether there are
    biases follow from their names. x (T, B, I), or (T, I) without a batch axis, which y and states then lack, too.
    state: h before the first step; None: zeros. options: see `Options`. float32, or float64 where JAX has it.

    Raises ValueError and TypeError as `rnnfast.RNN` does. What only shows when it runs, such as a length beyond T,
    is a JaxRuntimeError.

    >>> import jax.numpy as jnp
    >>> from rnnfast.integrations.jax import rnn
    >>> y, h = rnn(rnnfast.RNN(3, 4, seed=0).state_dict(), jnp.ones((5, 2, 3), "float32"), lengths=jnp.array([5, 2]))
    >>> bool((y[2:, 1] == 0).all() and (h[0, 1] == y[1, 1]).all())
    True
    """
    y, (h,) = recur("RNN", rnn_cell(nonlinearity), parameters, x, state, **options)
    return y, h


def lstm(
    parameters: Mapping[str, Any], x: jax.Array, state: Any = None, **options: Unpack[Options]
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Return y and the final states (h, c) of an LSTM, which has a projection where `weight_hr_l0` (P, H) is there.

    Arguments and errors as those of `rnn`; state: (h, c) before the first step.

    >>> import jax, jax.numpy as jnp
    >>> from rnnfast.integrations.jax import lstm
    >>> y, (h, c) = jax.jit(lstm)(rnnfast.LSTM(3, 4, seed=0).state_dict(), jnp.ones((5, 2, 3), "float32"))
    >>> y.shape, c.shape
    ((5, 2, 4), (1, 2, 4))
    """
    cell = "lstm_proj" if "weight_hr_l0" in parameters else "lstm"
    y, (h, c) = recur("LSTM", cell, parameters, x, state, **options)
    return y, (h, c)


def gru(
    parameters: Mapping[str, Any],
    x: jax.Array,
    state: Any = None,
    *,
    reset_after: bool = True,
    **options: Unpack[Options],
) -> tuple[jax.Array, jax.Array]:
    """Return y and the final state h of a GRU, whose reset gate applies after the recurrent product, or before it.

    Arguments and errors as those of `rnn`.

    >>> import jax, jax.numpy as jnp
    >>> from rnnfast.integrations.jax import gru
    >>> parameters = rnnfast.GRU(3, 4, bidirectional=True, seed=0).state_dict()
    >>> sequences = jnp.ones((7, 5, 3), "float32")  # of a batch axis that vmap adds, (T, I) each
    >>> jax.vmap(lambda x: gru(parameters, x)[0])(sequences).shape
    (7, 5, 8)
    """
    y, (h,) = recur("GRU", gru_cell(reset_after), parameters, x, state, **options)
    return y, h
