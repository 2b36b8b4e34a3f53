"""What frozen nets of int8 compute for batches that AMX takes, in a file: `python -m tiled FILE`, which also prints by
which products nets of bfloat16 round rows, for `.ci/full tiles` to compare."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import rnnfast

NETS = {
    "rnn": rnnfast.RNN(40, 70, seed=0, backend="c"),
    "lstm": rnnfast.LSTM(130, 256, num_layers=2, bidirectional=True, seed=1, backend="c"),
    "projected": rnnfast.LSTM(7, 65, proj_size=33, num_layers=2, seed=2, backend="c"),
    "gru": rnnfast.GRU(200, 96, num_layers=2, seed=3, backend="c"),
    "gru_before": rnnfast.GRU(33, 17, bidirectional=True, reset_after=False, seed=4, backend="c"),
}
BATCHES = 8, 17, 40


def main(path: Path) -> None:
    found = []
    for net in NETS.values():
        frozen, rng = net.freeze(weights="int8"), np.random.default_rng(0)
        for batch in BATCHES:
            x = rng.standard_normal((5, batch, net.net.input_size), "float32")
            x[2, 3, 0] = np.inf
            mask = rng.random((5, batch)) < 0.8
            found += [frozen(x)[0], frozen(x, mask=mask)[0]]
    np.savez(path, *found)
    print(NETS["lstm"].freeze(weights="bfloat16").ran_on(16))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
