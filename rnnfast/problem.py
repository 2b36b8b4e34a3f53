"""The problem record: a whole net's shapes, arrays and options, named as in `rf_problem` (csrc/include/rnnfast.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MaskedOutput = Literal["zero", "hold"]
Precision = Literal["float32", "bfloat16"]


Pair = tuple[Array | None, Array | None]
"""h and c; None: zeros, or a cell without c."""


@dataclass(frozen=True)
class Cell:
    """A cell, whatever computes it: all that is general reads this table and never asks for a cell's name."""

    gates: tuple[str, ...]
    """In PyTorch's order: gate n has rows n·H .. (n+1)·H of W_ih, W_hh and the biases."""
    states: tuple[str, ...]
    """("h",) or ("h", "c")."""
    slots: int
    """Numbers per unit in a row of gates: the gates, then recurrent sums that stay apart from their gate's."""
    phases: tuple[tuple[int, ...], ...]
    """The products with W_hh of one step in turn, each with the slots that its gates' sums go to; gates are taken in
    order. The first has h as its operand, the second what the first phase made of it."""
    saved: tuple[str, ...]
    """What the formulas keep of a step for backward, (rows, H) each, a projected h (rows, P): gates, states and what
    lies between."""
    projects: bool = False
    """Whether h' is W_hr times what the last phase computed, which then is the operand of one more product."""


def _rnn() -> Cell:
    return Cell(gates=("h",), states=("h",), slots=1, phases=((0,),), saved=("h",))


def _lstm(*, projects: bool) -> Cell:
    saved = ("i", "f", "g", "o", "c", "tanh_c", "h")
    return Cell(("i", "f", "g", "o"), ("h", "c"), 4, ((0, 1, 2, 3),), saved, projects)


CELLS = {
    "rnn_tanh": _rnn(),
    "rnn_relu": _rnn(),
    "rnn_linear": _rnn(),
    "lstm": _lstm(projects=False),
    "lstm_proj": _lstm(projects=True),
    "gru": Cell(("r", "z", "n"), ("h",), 4, ((0, 1, 3),), ("r", "z", "n", "n_h", "h")),
    "gru_before": Cell(("r", "z", "n"), ("h",), 3, ((0, 1), (2,)), ("r", "z", "n", "h")),
}
"""Every cell by name. `gru` applies the reset gate after the recurrent product, `gru_before` before it; `lstm_proj` is
an LSTM whose h' is a projection, W_hr (o⊙tanh c')."""


@dataclass(eq=False, slots=True)
class Problem:
    """One call of a net: L layers, D directions, T steps, batch B, input size I, hidden size H, state size S, G gates.

    Lists hold one entry per layer and direction, layer l direction d at `l * D + d`. Sequences are time-major views
    with free T and B strides and a contiguous last axis. Backends write into the arrays given here and allocate none
    of the results. Dropout probabilities are zero where dropout is off. S, numbers of h, is H unless h is projected.
    """

    cell: str
    dtype: np.dtype[Any]
    num_layers: int
    num_directions: int
    steps: int
    batch: int
    input_size: int
    hidden_size: int
    masked_output: MaskedOutput = "zero"
    dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    dropout_seed: int = 0
    first_row: int = 0
    """Row b of this batch counts as row `first_row + b` in the dropout masks."""
    first_step: int = 0
    """Step t of these counts as step `first_step + t` in the dropout masks."""
    first_layer: int = 0
    """Layer l counts as layer `first_layer + l` of a larger net: in the dropout masks, and above the first in
    having `dropout` in place of `input_dropout`."""
    only_direction: int = 0
    """With one direction, 1 or 2: the forward or the reverse one alone of a net that has both, whose layers above the
    first have 2·S inputs. dx is complete when 2, which adds to it, has followed 1."""
    proj_size: int = 0
    """P, 1 to H, of a cell that projects; 0 of others."""

    weight_ih: list[Array] = field(default_factory=list)
    """(G·H, I), for layers above the first (G·H, D·S). Empty, as the other tables then are: every call brings
    the addresses of its parameters, which the C backend alone takes."""
    weight_hh: list[Array] = field(default_factory=list)
    """(G·H, S)."""
    bias_ih: list[Array] | None = None
    """(G·H,); both biases or neither."""
    bias_hh: list[Array] | None = None
    weight_hr: list[Array] | None = None
    """(P, H), of a cell that projects; None of others."""

    x: Array | None = None
    """(T, B, I)."""
    y: Array | None = None
    """(T, B, D·S), written by forward."""
    h0: Array | None = None
    """(L·D, B, S), of c (L·D, B, H), C-contiguous, the states before the first step; None: zeros."""
    c0: Array | None = None
    h_n: Array | None = None
    """Shaped like those, C-contiguous, written by forward."""
    c_n: Array | None = None
    lengths: Array | None = None
    """(B,) int64."""
    mask: Array | None = None
    """(T, B) uint8, C-contiguous."""
    resets: Array | None = None
    """(T, B) uint8, C-contiguous."""

    record: bool = False
    """True: forward keeps in `reserve` what backward needs; False: inference, `reserve` stays None."""
    reserve: Any = None
    """Whatever the backend keeps between forward and backward; opaque to everyone else."""
    frozen: bool = False
    """The parameters never change again: the backend may rearrange them once, and keep that in `cache`."""
    weights: Literal["bfloat16", "int8"] | None = None
    """Type in which a frozen net's matrices, which were rounded to it, may be kept; None: as they are."""
    precision: Precision = "float32"
    """What every product multiplies, forward and backward: "bfloat16": numbers rounded to it, of float32; "float32":
    numbers as they are, of float64 too."""
    variant: str | None = None
    """One form of the backend, e.g. an instruction set; None: its best."""
    num_threads: int = 0
    """Threads that a call may use, the caller's among them; 0: as many as are set for all. Only C heeds another."""
    team: int = 0
    """Address of a function, `rf_team` in C, that lends a call another library's threads; 0: the backend's own. Only C
    heeds it."""
    cache: dict[str, Any] | None = None
    """Where the backend may keep things from call to call of this net with these very arrays of parameters."""

    library: Any = None
    """The library whose device arrays all but lengths, mask and resets are; None: they are NumPy's."""

    dy: Array | None = None
    """(T, B, D·S); None: zeros."""
    dh_n: Array | None = None
    dc_n: Array | None = None
    dx: Array | None = None
    """(T, B, I), overwritten by backward; None: not wanted."""
    dh0: Array | None = None
    """Shaped like h0, C-contiguous, overwritten by backward; None: not wanted."""
    dc0: Array | None = None
    d_weight_ih: list[Array] | None = None
    """Gradients of the parameters; None: not wanted."""
    d_weight_hh: list[Array] | None = None
    d_bias_ih: list[Array] | None = None
    d_bias_hh: list[Array] | None = None
    d_weight_hr: list[Array] | None = None
    overwrite: bool = False
    """True: gradients of the parameters replace what is there; False: they are added to it."""
    state_grad_norms: Array | None = None
    """(T, L·D, 2) float64: Euclidean norm over the live rows of dL/dh_t and dL/dc_t; None: not wanted."""

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the cell's states: ("h",) or ("h", "c")."""
        return CELLS[self.cell].states

    @property
    def gates(self) -> int:
        """G, the number of gates."""
        return len(CELLS[self.cell].gates)

    @property
    def state_size(self) -> int:
        """S, the numbers of h: P where it is projected, else H."""
        return self.proj_size or self.hidden_size

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Numbers of h and, of cells that have it, of c."""
        return (self.state_size, self.hidden_size)[: len(self.states)]

    def direction(self, k: int) -> int:
        """Return the direction of layer-direction k: 0 goes forward in time, 1 backward."""
        return self.only_direction - 1 if self.only_direction else k % self.num_directions
