"""The batching loader of rnnfast.nn: every example once per epoch, padding, shuffling, buckets by length."""

from __future__ import annotations

import numpy as np
import pytest

from rnnfast import nn


def ragged(rng: np.random.Generator, count: int, longest: int = 40) -> list[np.ndarray]:
    """Sequences (T_k, 2) of random lengths, 0 among them, every number of sequence k being k + 1."""
    lengths = [0, longest, *rng.integers(1, longest + 1, count - 2)]
    return [np.full((n, 2), k + 1, np.float32) for k, n in enumerate(lengths)]


def test_padding(rng: np.random.Generator) -> None:
    sequences = ragged(rng, 5)
    padded = nn.pad(sequences)
    assert padded.values.shape == (5, 40, 2) and padded.values.dtype == np.float32
    assert padded.lengths.tolist() == [len(s) for s in sequences]
    assert padded.mask.sum(axis=1).tolist() == padded.lengths.tolist()
    for row, mask, sequence in zip(padded.values, padded.mask, sequences, strict=True):
        assert np.array_equal(row[mask], sequence)
        assert not row[~mask].any()
    codes = nn.pad([np.array([3, 1]), np.array([2])])
    assert codes.values.tolist() == [[3, 1], [2, 0]]


@pytest.mark.parametrize(("shuffle", "drop_last", "sizes"), [(True, False, [4, 4, 2]), (False, True, [4, 4])])
def test_every_example_comes_once(shuffle: bool, drop_last: bool, sizes: list[int]) -> None:
    x, labels = np.arange(30.0).reshape(10, 3), np.arange(10)
    loader = nn.Loader(x, labels, batch_size=4, shuffle=shuffle, drop_last=drop_last, seed=3)
    epochs = []
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader) == len(sizes)
        assert [len(label) for _, label in batches] == sizes
        for values, label in batches:
            assert np.array_equal(values, x[label])
        epochs.append(np.concatenate([label for _, label in batches]).tolist())
    assert [sorted(epoch) for epoch in epochs] == [list(range(sum(sizes)))] * 2
    assert (epochs[0] == epochs[1]) != shuffle
    assert (epochs[0] == sorted(epochs[0])) != shuffle


def test_the_seed_fixes_the_order() -> None:
    one, same, other = ([b[0].tolist() for b in nn.Loader(np.arange(50), seed=seed)] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("buckets", [1, 3, 10])
def test_ragged_batches_are_padded_to_their_own_longest(rng: np.random.Generator, buckets: int) -> None:
    sequences, targets = ragged(rng, 23), [np.arange(k) for k in range(1, 24)]
    loader = nn.Loader(sequences, targets, np.arange(23), batch_size=5, buckets=buckets, seed=1)
    seen = []
    for x, target, label in loader:
        assert isinstance(x, nn.Padded) and isinstance(target, nn.Padded)
        assert x.values.shape[1] == x.lengths.max() == max(len(sequences[k]) for k in label)
        assert target.lengths.tolist() == (label + 1).tolist()
        for row, length, k in zip(x.values, x.lengths, label, strict=True):
            assert np.array_equal(row[:length], sequences[k])
        seen += label.tolist()
    assert sorted(seen) == list(range(23))


def test_buckets_save_padding_and_still_shuffle(rng: np.random.Generator) -> None:
    sequences = ragged(rng, 400)

    def padding(loader: nn.Loader) -> float:
        """Padded steps over all steps."""
        batches = [batch[0] for batch in loader]
        return 1 - sum(b.mask.sum() for b in batches) / sum(b.mask.size for b in batches)

    plain, bucketed = (nn.Loader(sequences, batch_size=16, buckets=n, seed=2) for n in (1, 8))
    assert padding(bucketed) < 0.15 < 0.35 < padding(plain)
    first, second = ([batch[0].values[:, :1, 0].ravel().tolist() for batch in bucketed] for _ in range(2))
    longest = [batch[0].values.shape[1] for batch in bucketed]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.5
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}


def test_lists_of_sequences_are_padded_and_lists_of_numbers_are_not() -> None:
    ((x, label),) = nn.Loader([[1.0, 2.0], [3.0, 4.0]], [7, 8], shuffle=False)
    assert isinstance(x, nn.Padded) and x.lengths.tolist() == [2, 2]
    assert label.tolist() == [7, 8]
    ((words, _),) = nn.Loader([[], [1, 2]], [7, 8], shuffle=False)
    assert words.values.tolist() == [[0, 0], [1, 2]] and words.values.dtype == np.int64
    assert nn.Embedding(3, 2)([]).shape == (0, 2)
