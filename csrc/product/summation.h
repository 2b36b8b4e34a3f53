/* summation.h - the order of summation, which every result's bits depend on: the same on every instruction set, with any
 * number of threads, whatever the tile.
 *
 * A product: the numbers of a row of A are cut into parts; each is one chain of fused multiply-adds from zero, k
 * ascending, and is added to the result in its turn. Gradients of weights and biases: the rows of a block of steps, block
 * after block. */
#ifndef RF_SUMMATION_H
#define RF_SUMMATION_H

#include <stdint.h>

#define SUM_PART_MOST 64

/* Numbers of a part, a power of two: short parts keep errors small, long ones are faster. With a sixth of a row, at most
 * 64, errors were measured to be those of libraries that sum in vectors and blocks. */
static inline int64_t sum_part(int64_t width) { return width <= 96 ? 16 : width <= 192 ? 32 : SUM_PART_MOST; }

/* Weight gradients are summed per block of whole steps: as many as have this many live rows together (one step may have
 * more), ending where the number of a step is a multiple of RF_BLOCK_STEPS (rnnfast.h). */
#define RF_BLOCK_ROWS 256

/* Rows that one chain of a weight's gradient sums at most, and for a bias chains of 8 rows, chains of 8 such sums, and a
 * chain of those. */
#define WEIGHT_PART 32
#define BIAS_CHAIN 8

#endif
