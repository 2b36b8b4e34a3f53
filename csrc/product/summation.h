/* summation.h - the order of summation, which every result's bits depend on: the same on every instruction set, with any
 * number of threads, whatever the tile.
 *
 * A product: the numbers of a row of A are cut into parts; each is one chain of fused multiply-adds from zero, k
 * ascending, and is added to the result in its turn. Gradients of weights and biases: the rows of a block of steps, block
 * after block. */
#ifndef RF_SUMMATION_H
#define RF_SUMMATION_H

#include <stdint.h>

/* Numbers of a part. Short parts keep errors small, long ones are faster; these are as long as errors no larger than
 * PyTorch's allow. Measured in float32 over 20 seeds (Zen 4, PyTorch 2.13 with MKL): the median error over PyTorch's of y,
 * RNN and GRU of H units on H inputs, by the length of part; the one chosen in brackets, and what its whole forward costs
 * beside one chain for all, B 32.
 *
 *     H          16       32       64      128      256   cost
 *    32   [1.00 .99] 1.05 1.0                              1 to 5%
 *    64    .71 .75 [.84 .86] 1.01 .98                      3 to 5%
 *   128    .58 .61  .65 .69 [.81 .83] 1.01 .99             2 to 4%
 *   256    .64 .61  .67 .65 [.82 .79] 1.06 1.00 1.34 1.23  2 to 4%
 *   512    .62 .58  .60 .59  .69 .70 [.88 .89] 1.17 1.16   1 to 2%
 *
 * LSTM is .02 to .2 below GRU. A RNN of 8 units is at 1.04 with any: its tanh, which PyTorch rounds better. */
#define SUM_PART_MOST 128

/* Of a product with inputs or states, rows of `width` numbers. */
static inline int64_t sum_part(int64_t width) {
  return width <= 32 ? 16 : width <= 64 ? 32 : width <= 256 ? 64 : SUM_PART_MOST;
}

/* Of a product by pairs, in pairs: rounding its operands costs a thousand times what its sums do. */
#define SUM_PAIRS 128

/* Of one that sums over gates, the gradients of inputs and states, which PyTorch sums in shorter chains: the same errors,
 * GRU, are .92 with 16 numbers of 96 and 1.12 with 32, .88 with 32 of 192 and 1.01 with 64, .97 with 128 of 384. */
static inline int64_t gradient_part(int64_t width) {
  return width <= 96 ? 16 : width <= 192 ? 32 : width <= 256 ? 64 : SUM_PART_MOST;
}

/* Weight gradients are summed per block of whole steps: as many as have this many live rows together (one step may have
 * more), ending where the number of a step is a multiple of RF_BLOCK_STEPS (rnnfast.h). */
#define RF_BLOCK_ROWS 256

/* Rows that one chain of a weight's gradient sums: errors are PyTorch's with these (GRU 1.05), and longer ones gain nothing.
 * For a bias chains of 8 rows, chains of 8 such sums, and a chain of those. */
static inline int64_t weight_part(int64_t rows) { return rows <= 96 ? 16 : 32; }
#define BIAS_CHAIN 8

#endif
