"""Time loops of layers up to 256 hidden units, each tile of 8 rows by a cluster of blocks that exchange h directly.

`launch.forward_launch` says what a launch is made of, `live` brings what is given of rows that differ, `arguments`
describes those of the kernels. Before it comes the product of the inputs, x W_ih^T + b_ih + b_hh, where the GRU's last
gate has b_ih alone; nothing has to be cleared, gathered or copied, and y and the final states are written whole.

What forward records for backward, all float32 and dense, t being the position in time, not the visit:

- `gates` (T, B, slots H): gates after their activation, [slot][unit] in a row: LSTM i f g o; GRU r z n q, where q is
  W_hn h + b_hn; RNN h'. Those of a step that is not live are not written, as whoever reads records takes live steps
  alone.
- `c` (T + 1, B, H), LSTM: the state after each visit, before a reset cuts it. Forward: of t at t + 1, c0 at 0;
  backward: of t at t, c0 at T. Of ragged rows it and what follows are written where a tile has visits, c0 before these.
- `h` (T + 1, B, H), the same of h, but after the cut: what enters the visit of t is at t (forward) or t + 1 (backward),
  so that dW_hh is one product of all T B rows of d and of `h` from that row on. Where a reset cuts, c entered as zeros.
- `operand` (T + 1, B, H), only under recurrent dropout: `h` times its mask, which takes the place of `h` in dW_hh.
- `flags` (T + 1, B) bytes in the order of visits, only if rows are ragged: row v + 1 has bit 0 set where visit v is
  live, bit 1 where a reset cuts after it; row 0 has bit 1 set where one cuts before the first.
"""
