"""What resident blocks do before the first step of backward and after the last step of forward."""

from __future__ import annotations

from typing import Any

from rnnfast.backends.cuda.cells import FROM_ZEROS, past


def finisher(cuda: Any, threads: int, units: int, two_states: bool) -> Any:
    """Return what writes the states after all steps, where wanted, of this block's units and its group's rows."""

    def finish(group, groups, first_unit, last, state, final):
        _, h0, c0, _, _, c, h = state
        h_n, c_n = final
        batch, size = last.shape[0], h.shape[1]
        begin, end = group * batch // groups, (group + 1) * batch // groups
        for i in range(cuda.threadIdx.x, (end - begin) * units, threads):
            b, j = begin + i // units, first_unit + i % units
            if j < size:
                if h_n.shape[0] > 0:
                    h_n[b, j] = past(h, h0, last[b], b, j)
                if two_states and c_n.shape[0] > 0:
                    c_n[b, j] = past(c, c0, last[b], b, j)

    return cuda.jit(device=True, forceinline=True)(finish)


def preparer(cuda: Any, threads: int, units: int, two_states: bool) -> Any:
    """Return what makes dh and dc the final states' gradients, for this block's units and its group's rows.

    They are zeros for a state that had become zeros, and where none are given.
    """

    def prepare(group, groups, first_unit, last, final, grads):
        d_h_n, d_c_n = final
        dh, dc, _, _, _ = grads
        batch, size, zero = dh.shape[0], dh.shape[1], dh.dtype.type(0)
        begin, end = group * batch // groups, (group + 1) * batch // groups
        for i in range(cuda.threadIdx.x, (end - begin) * units, threads):
            b, j = begin + i // units, first_unit + i % units
            if j < size:
                lives = last[b] != FROM_ZEROS
                dh[b, j] = d_h_n[b, j] if lives and d_h_n.shape[0] > 0 else zero
                if two_states:
                    dc[b, j] = d_c_n[b, j] if lives and d_c_n.shape[0] > 0 else zero

    return cuda.jit(device=True, forceinline=True)(prepare)
