"""Step cells: modules of one step, with a batch and without."""

from __future__ import annotations

from typing import Any

import numpy as np
from nets import CELLS, EVERY_KIND, KINDS, assert_same, map_state, normal, parts, states
from sequences import OPTIONS, B, H, I, T


@EVERY_KIND
def test_step_cells_are_modules_of_one_step(kind: str) -> None:
    net, cell, x = KINDS[kind](I, H, **OPTIONS), CELLS[kind](I, H, **OPTIONS), normal(T, B, I)
    assert list(cell.parameters) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    cell.load_state_dict({name.removesuffix("_l0"): a for name, a in net.state_dict().items()})
    dy, state, tapes, ys = normal(T, B, H), None, [], []
    for t in range(T):
        assert_same(cell(x[t], state), cell.record(x[t], state)[0])
        state, tape = cell.record(x[t], state)
        tapes.append(tape)
        ys.append(parts(state)[0])
    y, final, whole = net.record(x)
    assert_same(np.stack(ys), y)
    assert_same(map_state(lambda a: a[None], state), final)

    expected = whole.backward(dy)
    grads: Any = None
    dxs = []
    for t in reversed(range(T)):
        grads = tapes[t].backward(dy[t], grads and grads.state, out=grads and grads.params, accumulate=t < T - 1)
        dxs.insert(0, grads.x)
    assert_same(np.stack(dxs), expected.x)
    assert_same(map_state(lambda a: a[None], grads.state), expected.state)
    assert_same({f"{name}_l0": grad for name, grad in grads.params.items()}, expected.params)


@EVERY_KIND
def test_step_cell_without_batch(kind: str) -> None:
    cell, x, state = CELLS[kind](I, H, **OPTIONS), normal(I), states(kind, H)
    new, tape = cell.record(x, state)
    gates = tape.gates()
    grads = tape.backward(d_state=state)
    in_batch, batch_tape = cell.record(x[None], map_state(lambda a: a[None], state))
    batch_grads = batch_tape.backward(d_state=map_state(lambda a: a[None], state))
    assert_same(map_state(lambda a: a[None], new), in_batch)
    assert grads.x.shape == (I,) and all(gate.shape == (H,) for gate in gates.values())
    assert_same((grads.x[None], grads.params), (batch_grads.x, batch_grads.params))
