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
#if !CELL_PROJECTS
#include "layer/step_pack.h"
#include "layer/step_run.h"
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
#if !CELL_PROJECTS
    .step_bytes = step_bytes,
    .step_workspace_bytes = step_workspace_bytes,
    .step_pack = step_pack,
    .step = step_run,
#endif
};
