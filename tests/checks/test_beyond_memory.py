"""Sizes beyond memory: nets, streams and broadcast inputs end in MemoryError, never in a crash."""

from __future__ import annotations

import numpy as np
import pytest
from bad_values import B, H, I, X, lstm, zeros
from nets import EVERY_KIND, KINDS

import rnnfast


def test_sizes_beyond_memory() -> None:
    for sizes in ((2**62, 1), (1, 2**31), (1, 2**62), (2, 3, 2**62), (2**45, 2**10)):
        with pytest.raises(MemoryError):
            rnnfast.LSTM(*sizes)
        if len(sizes) == 2:
            with pytest.raises(MemoryError):
                rnnfast.GRUCell(*sizes)
    with pytest.raises(MemoryError):
        lstm().stream(batch=2**60)


@pytest.mark.parametrize("shape", [(2**55, 1, I), (1, 2**55, I), (2**30, 2**25, I), (2**57, I)])
@EVERY_KIND
def test_broadcast_inputs_beyond_memory(kind: str, shape: tuple[int, ...]) -> None:
    for last in (zeros(I), zeros(1)):
        huge = np.broadcast_to(last, shape)
        for batch_first in (False, True):
            net = KINDS[kind](I, H, bidirectional=True, batch_first=batch_first)
            for call in (net, net.record, net.freeze()):
                with pytest.raises(MemoryError):
                    call(huge)
    flags = np.broadcast_to(np.True_, shape[:-1])
    with pytest.raises(MemoryError):
        net(huge, lengths=np.broadcast_to(np.int64(1), shape[1:-1]), mask=flags, resets=flags)


def test_a_mask_beyond_memory() -> None:
    with pytest.raises(ValueError, match="mask has shape"):
        lstm()(X, mask=np.broadcast_to(np.True_, (2**55, B)))
