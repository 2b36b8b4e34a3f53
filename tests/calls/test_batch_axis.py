"""The batch axis of the modules: first or second, left out, without rows or without steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nets import EVERY_KIND, KINDS, assert_same, map_state, normal, parts, states
from sequences import OPTIONS, SEQUENCE_OPTIONS, B, H, I, T, everything


def swapped(a: Any) -> Any:
    """The other one of time-major and batch-first."""
    return a.swapaxes(0, 1)


@EVERY_KIND
@pytest.mark.parametrize("hold", [False, True])
def test_batch_first_says_the_same(kind: str, hold: bool) -> None:
    options = OPTIONS | {"num_layers": 2, "bidirectional": True, "masked_output": "hold" if hold else "zero"}
    one, other = KINDS[kind](I, H, **options), KINDS[kind](I, H, batch_first=True, **options)
    x, dy, state = normal(T, B, I), normal(T, B, 2 * H), states(kind, 4, B, H)
    y, final, dx, *rest = everything(one, x, state, dy, state, **SEQUENCE_OPTIONS)
    turned = {name: a if name == "lengths" else swapped(a) for name, a in SEQUENCE_OPTIONS.items()}
    y2, final2, dx2, *rest2 = everything(other, swapped(x), state, swapped(dy), state, **turned)
    assert y2.shape == (B, T, 2 * H) and y2.flags.c_contiguous and y.flags.c_contiguous
    assert_same((swapped(y2), final2, swapped(dx2), *rest2), (y, final, dx, *rest))
    assert_same(other(swapped(x), state, **turned), (y2, final2))


@EVERY_KIND
def test_one_sequence_is_a_batch_of_one(kind: str) -> None:
    net = KINDS[kind](I, H, num_layers=2, bidirectional=True, **OPTIONS)
    x, dy, state = normal(T, I), normal(T, 2 * H), states(kind, 4, H)
    options = {"lengths": 5, "mask": SEQUENCE_OPTIONS["mask"][:, 0], "resets": SEQUENCE_OPTIONS["resets"][:, 0]}
    y, final, dx, d_state, params = everything(net, x, state, dy, state, **options)
    batched = map_state(lambda a: a[:, None], state)
    in_batch = {"lengths": [5], "mask": options["mask"][:, None], "resets": options["resets"][:, None]}
    expected = everything(net, x[:, None], batched, dy[:, None], batched, **in_batch)
    assert y.shape == (T, 2 * H) and parts(final)[0].shape == (4, H) and dx.shape == (T, I)
    assert_same((y[:, None], map_state(lambda a: a[:, None], final), dx[:, None]), expected[:3])
    assert_same((map_state(lambda a: a[:, None], d_state), params), expected[3:])


@EVERY_KIND
def test_batch_first_of_one_sequence(kind: str) -> None:
    x = normal(T, I)
    assert_same(KINDS[kind](I, H, batch_first=True, **OPTIONS)(x), KINDS[kind](I, H, **OPTIONS)(x))


@pytest.mark.parametrize("steps, batch", [(0, B), (T, 0), (0, 0)])
@pytest.mark.parametrize("batch_first", [False, True])
@EVERY_KIND
def test_no_steps_or_no_rows(kind: str, steps: int, batch: int, batch_first: bool) -> None:
    net = KINDS[kind](I, H, 2, bidirectional=True, batch_first=batch_first, **OPTIONS)
    shape = (batch, steps) if batch_first else (steps, batch)
    state = states(kind, 4, batch, H)
    x, lengths, flags = np.zeros((*shape, I)), np.zeros(batch, int), np.ones(shape, bool)
    y, final, tape = net.record(x, state, lengths=lengths, mask=flags, resets=flags)
    assert y.shape == (*shape, 2 * H)
    assert_same(final, state)
    grads = tape.backward(y, state)
    assert grads.x.shape == x.shape and not any(grad.any() for grad in grads.params.values())
    assert_same(grads.state, state)
    assert_same(net.freeze()(x, state), (y, final))
