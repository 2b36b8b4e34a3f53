/* kernel.c - everything that is compiled once per (cell, number type, instruction set), in the order it builds up. */
#include <math.h>
#include <string.h>

#include RF_VEC_H

#include "arena.h"
#include "cell/cell.h"
#include "kernel.h"
#include "vmath.h"
#include RF_CELL_H
#include "gemm.h"
#include "dropout.h"
#include "layer_rows.h"
#include "layer_pack.h"
#include "layer_forward_tiles.h"
#include "layer_forward.h"
#include "layer_backward_memory.h"
#include "layer_gradients.h"
#include "layer_backward.h"

const struct rf_kernel RF_KERNEL_NAME = {
    .cell = RF_CELL_NAME,
    .isa = RF_ISA_NAME,
    .dtype = RF_REAL_BITS == 32 ? RF_F32 : RF_F64,
    .shape = {CELL_GATES, CELL_SLOTS, CELL_STATES, CELL_GATE_X},
    .pack = layer_pack,
    .forward = layer_forward,
    .backward = layer_backward,
    .forward_bytes = layer_forward_bytes,
    .backward_bytes = layer_backward_bytes,
    .forward_shared_bytes = layer_forward_shared_bytes,
    .backward_shared_bytes = layer_backward_shared_bytes,
};
