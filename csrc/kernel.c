/* kernel.c - everything that is compiled once per (cell, number type, instruction set). */
#include "kernel.h"

#include RF_VEC_H
#include RF_CELL_H

#include "include/rnnfast.h"
#include "layer/backward.h"
#include "layer/backward_memory.h"
#include "layer/forward.h"
#include "layer/forward_memory.h"
#include "layer/pack.h"
#include "layer/pairs.h"
#include "product/narrow.h"
#if !CELL_PROJECTS
#if RF_REAL_BITS == 32
#include "layer/step_narrow.h"
#endif
#include "layer/step_pack.h"
#include "layer/step_run.h"
#endif

#if RF_REAL_BITS == 32
static int rf_pairs_there(void) { return pairs->there(); }
#endif

const struct rf_kernel RF_KERNEL_NAME = {
    .cell = RF_CELL_NAME,
    .isa = RF_ISA_NAME,
    .dtype = RF_REAL_BITS == 32 ? RF_F32 : RF_F64,
    .shape = {CELL_GATES, CELL_SLOTS, CELL_STATES, CELL_PROJECTS, CELL_GATE_X},
    .pack = layer_pack,
    .forward = layer_forward,
    .backward = layer_backward,
    .forward_bytes = layer_forward_bytes,
    .backward_bytes = layer_backward_bytes,
    .forward_shared_bytes = layer_forward_shared_bytes,
    .backward_shared_bytes = layer_backward_shared_bytes,
    .lanes = VEC_LANES,
#if RF_REAL_BITS == 32
    .pairs = rf_pairs_there,
    .rounds = ROUNDS_NAME(RF_NARROW_NAME),
#endif
#if !CELL_PROJECTS
    .step = {step_bytes, step_workspace_bytes, step_pack, step_run},
#if RF_REAL_BITS == 32
    .step_narrow = {step_narrow_bytes, step_narrow_workspace_bytes, step_narrow_pack, step_narrow_run},
#endif
#endif
};
