"""The base of RNN, LSTM and GRU: calls over whole sequences, recorded calls, frozen nets and streams."""

from __future__ import annotations

from typing import Any, Generic, Literal

from rnnfast.backends import choose
from rnnfast.calls.forward import forward
from rnnfast.calls.gradients import StateT
from rnnfast.modules.base import Module
from rnnfast.modules.frozen import Frozen, freeze
from rnnfast.modules.stream import Stream
from rnnfast.modules.tape import Tape
from rnnfast.net.narrow import Weights
from rnnfast.problem import Array


class Recurrent(Module, Generic[StateT]):
    """A net of L layers and D directions over sequences of T steps, in a batch of B or alone.

    x is (T, B, I), with `batch_first` (B, T, I), or (T, I) for one sequence; y has D·H features in place of I, the
    forward direction's first. A state is h (L·D, B, H), for the LSTM the tuple (h, c), without the B axis for one
    sequence; layer l direction d stands at l·D + d. With proj_size=P y has D·P features and h is (L·D, B, P).
    Arrays in: NumPy's, or anything with `__array_interface__` or DLPack (CPU tensors), of the module's dtype. Only
    a last axis that is not contiguous costs a copy. After `to("cuda")` all arrays but lengths, mask and resets must
    be on the device (CuPy's, PyTorch's, Numba's), with any strides; results are arrays of the library that x comes
    from, made on its current stream. Those three are best in host memory: how much is launched follows from how many
    steps are live, so that from the device they are copied back, for which the call waits.

    lengths (B,) integers in 0..T: steps from there on are not live. mask, of x's leading axes, bool or uint8: steps
    where it is zero are not live. A step that is not live leaves the state alone and writes y = 0, or, with
    masked_output="hold", the last live output. resets, of x's leading axes: the state is zeros before such a step.

    Raises ValueError for a wrong rank, size or value, TypeError for a wrong dtype, MemoryError for sizes beyond memory.
    """

    def __call__(
        self, x: Any, state: Any = None, *, lengths: Any = None, mask: Any = None, resets: Any = None, out: Any = None
    ) -> tuple[Array, StateT]:
        """Inference, no dropout: y and the state after the last live step. `out` takes y and is returned as y."""
        return forward(self._engine(), x, state, lengths, mask, resets, out)

    def record(
        self,
        x: Any,
        state: Any = None,
        *,
        lengths: Any = None,
        mask: Any = None,
        resets: Any = None,
        train: bool = True,
        dropout_seed: int | None = None,
        keep: bool = False,
        memory: Literal["full", "checkpoint"] | int = "full",
        truncate: int | None = None,
    ) -> tuple[Array, StateT, Tape[StateT]]:
        """Call, and return a tape for `backward` as well. Dropout applies if `train`.

        The tape refers to the arguments' arrays and the parameters: change none of them before `backward`.
        `dropout_seed`, 0 to 2**64 - 1, fixes the dropout masks; without it every record has the module's next seed.
        `keep` lets the tape serve any number of backwards, of the same bits; on the device each works on a copy.

        `memory`: "full" keeps what backward needs of every step. "checkpoint" keeps the states between segments and in
        backward runs each segment forward again (Chen, Xu, Zhang and Guestrin 2016), about a third more work, with
        segments of 64 steps or more, fewer where `truncate` is less, such that `tape.nbytes` is least. A number of
        bytes is what that may be: the full tape is kept if it fits. Gradients are the same, on the C backend bit by
        bit. The layers of a bidirectional net, each of which sees all steps of the one below it, keep their outputs in
        any case.

        `truncate`: no gradient flows back over steps truncate, 2·truncate and so on, while y and states are as without:
        gradients are those of calls of so many steps, the state carried from one to the next, summed (truncated
        back-propagation through time, Williams and Peng 1990). Every layer and direction is cut at the same steps: a
        forward direction between step k - 1 and k, a backward direction between k and k - 1. With `lengths`, a loss on
        the final state of a forward direction gives rows that end at or before the last cut no gradient.
        """
        inputs = x, state, lengths, mask, resets
        return self._record(inputs, train, dropout_seed, keep, memory, truncate)

    def freeze(self, weights: Weights | None = None) -> Frozen[StateT]:
        """An immutable snapshot for inference, its weights packed once for the backend chosen now.

        `weights`, "bfloat16" or "int8", rounds the matrices of a float32 net: to nearest even, or every row to whole
        numbers from -127 to 127 times a scale of its own. Biases, inputs, states and sums stay float32, and results are
        those of a float32 net with the rounded weights. The C backend keeps and reads a half or a quarter of the bytes,
        which is what the time of one row goes to from some 100 units (int8) or 250 (bfloat16) on; nets of fewer than 64
        units are slower so, down to half the speed. Of bfloat16 it rounds x and h as well in batches of 4 rows and more
        (AMX) or 16 (AMD's AVX512_BF16), as `Frozen.ran_on` says. Bits of int8 are not the same on all instruction sets.
        The other backends compute with the rounded numbers.

        Raises ValueError for another type, a net of float64, or numbers that are not finite in int8, TypeError for
        parameters on a device.

        >>> import numpy as np, rnnfast
        >>> frozen = rnnfast.GRU(3, 4, seed=0).freeze(weights="int8")
        >>> frozen(np.ones((5, 2, 3), np.float32))[0].shape
        (5, 2, 4)
        """
        return freeze(self.net, self.parameters, choose.select(self.backend, self.device, self.net.cell), weights)

    def stream(self, batch: int = 1) -> Stream[StateT]:
        """Return `freeze().stream(batch)`: one step at a time, the state inside. ValueError for a bidirectional net."""
        return self.freeze().stream(batch)


NETS = Recurrent, Frozen
"""Classes of nets over sequences, live and frozen."""
