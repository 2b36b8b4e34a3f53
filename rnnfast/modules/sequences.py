"""RNN, LSTM and GRU: their equations and options. W and b are the parameters, h and c the state before the step."""

from __future__ import annotations

from numpy.typing import DTypeLike

from rnnfast.checks.values import float_dtype
from rnnfast.modules.recurrent import Recurrent
from rnnfast.net.description import Net
from rnnfast.net.options import Nonlinearity, gru_cell, lstm_cell, rnn_cell
from rnnfast.problem import Array, MaskedOutput, Precision


class RNN(Recurrent[Array]):
    """h' = f(W_ih x + b_ih + W_hh h + b_hh), f = tanh, relu or, "linear", the identity (Elman 1990).

    The options are those of `LSTM`, but for forget_bias and proj_size.

    >>> import numpy as np, rnnfast
    >>> rnnfast.RNN(3, 4, nonlinearity="relu", seed=0)(np.ones((5, 2, 3), np.float32))[0].shape
    (5, 2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: Nonlinearity = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        masked_output: MaskedOutput = "zero",
        dtype: DTypeLike = "float32",
        precision: Precision = "float32",
        seed: int | None = None,
        backend: str | None = None,
    ) -> None:
        options = num_layers, bias, batch_first, dropout, bidirectional, input_dropout, recurrent_dropout, masked_output
        cell, number = rnn_cell(nonlinearity), float_dtype(dtype)
        net = Net("RNN", cell, input_size, hidden_size, *options, number, precision=precision)
        super().__init__(net, seed=seed, backend=backend)


class LSTM(Recurrent[tuple[Array, Array]]):
    """i, f, o = σ(·), g = tanh(·) of W_ih x + b_ih + W_hh h + b_hh; c' = f⊙c + i⊙g; h' = o⊙tanh(c').

    Gers, Schmidhuber and Cummins 2000. With proj_size=P, 0 < P < H, h' = W_hr (o⊙tanh(c')) (Sak, Senior and Beaufays
    2014): h and the output of a direction have P numbers, c has H. Options, the same for every module:

    bias: False leaves the biases out.
    batch_first: sequences are (B, T, ·), those of mask and resets too.
    dropout: probability in [0, 1) of dropping an input of a layer above the first, anew each step.
    bidirectional: a second direction runs from the last live step to the first.
    input_dropout: probability of dropping a feature of x, for a whole sequence.
    recurrent_dropout: probability of dropping a unit of h in the recurrent product, for a whole sequence.
    forget_bias (LSTM): the total bias b_ih + b_hh of the forget gates; None: random as the others.
    proj_size (LSTM): P, to which h is projected by weight_hr, (P, H); 0: it is not.
    masked_output: what y holds at steps that are not live, "zero" or "hold", the last live output.
    dtype: "float32" or "float64".
    precision: "bfloat16" rounds what every product multiplies, forward and backward, to bfloat16; sums, parameters,
        states, gradients and all else stay float32. Training of several steps and of 8 rows or more then takes little
        more than half the time, with AMX a third; one step of one row takes longer. y and, but for relu, whose
        derivative jumps, the gradients of x and of parameters are within 1e-2 of those of "float32"; those of an
        initial state, many steps back, may be further off. The C backend has it on processors with AMX or with
        AVX512_BF16 that gains by it (AMD's), the reference anywhere; elsewhere it is a ValueError. Frozen nets,
        streams and files do not keep it: they have float32's products.
    seed: of initial values, uniform in ±1/√H, and of dropout; None: fresh ones.
    backend: e.g. "c", "c:avx2", "reference"; None: `use_backend`, else RNNFAST_BACKEND as it
        is at the net's first call, else the first that can run.

    >>> import numpy as np, rnnfast
    >>> lstm = rnnfast.LSTM(3, 4, num_layers=2, bidirectional=True)
    >>> y, (h, c) = lstm(np.ones((5, 2, 3), np.float32))
    >>> y.shape, h.shape, c.shape
    ((5, 2, 8), (4, 2, 4), (4, 2, 4))
    >>> y, (h, c) = rnnfast.LSTM(3, 4, proj_size=2)(np.ones((5, 2, 3), np.float32))
    >>> y.shape, h.shape, c.shape
    ((5, 2, 2), (1, 2, 2), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        forget_bias: float | None = None,
        proj_size: int = 0,
        masked_output: MaskedOutput = "zero",
        dtype: DTypeLike = "float32",
        precision: Precision = "float32",
        seed: int | None = None,
        backend: str | None = None,
    ) -> None:
        options = num_layers, bias, batch_first, dropout, bidirectional, input_dropout, recurrent_dropout, masked_output
        cell, number = lstm_cell(proj_size), float_dtype(dtype)
        net = Net("LSTM", cell, input_size, hidden_size, *options, number, proj_size=proj_size, precision=precision)
        super().__init__(net, forget_bias=forget_bias, seed=seed, backend=backend)


class GRU(Recurrent[Array]):
    """r, z = σ(W_ih x + b_ih + W_hh h + b_hh); n = tanh(W_in x + b_in + r⊙(W_hn h + b_hn)); h' = (1−z)⊙n + z⊙h.

    With reset_after=False the original n = tanh(W_in x + b_in + W_hn (r⊙h) + b_hn) of Cho et al. 2014. The options
    are those of `LSTM`, but for forget_bias and proj_size.

    >>> import rnnfast
    >>> rnnfast.GRU(3, 4, reset_after=False)
    GRU(3, 4, reset_after=False)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        reset_after: bool = True,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        masked_output: MaskedOutput = "zero",
        dtype: DTypeLike = "float32",
        precision: Precision = "float32",
        seed: int | None = None,
        backend: str | None = None,
    ) -> None:
        options = num_layers, bias, batch_first, dropout, bidirectional, input_dropout, recurrent_dropout, masked_output
        cell, number = gru_cell(reset_after), float_dtype(dtype)
        net = Net("GRU", cell, input_size, hidden_size, *options, number, precision=precision)
        super().__init__(net, seed=seed, backend=backend)
