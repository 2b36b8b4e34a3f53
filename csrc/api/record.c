/* record.c - callers of every version: their record as this library's own, and one filled in for them. */
#include "api/record.h"

#include <stddef.h>
#include <string.h>

/* The first record of which later ones are continuations ended here. */
#define OLDEST_SIZE (offsetof(rf_problem, packed_bytes) + sizeof(size_t))
/* Later fields fill up multiples of it, so that no size ends within a field and none is that of two versions. */
#define RECORD_STEP _Alignof(rf_problem)

int32_t rf_record_read(const rf_problem **p, rf_problem *room) {
  if (*p == NULL) return RF_ERROR_NULL;
  const size_t size = (*p)->struct_size;
  if (size == sizeof **p) return RF_OK;
  if (size < OLDEST_SIZE || size > sizeof **p || size % RECORD_STEP) return RF_ERROR_STRUCT_SIZE;
  memset(room, 0, sizeof *room);
  memcpy(room, *p, size);
  *p = room;
  return RF_OK;
}

int32_t rf_problem_init(rf_problem *problem, size_t struct_size, int32_t cell, int32_t dtype, int32_t num_layers,
                        int32_t num_directions, int64_t steps, int64_t batch, int64_t input_size, int64_t hidden_size) {
  if (problem == NULL) return RF_ERROR_NULL;
  if (struct_size < OLDEST_SIZE || struct_size > sizeof *problem || struct_size % RECORD_STEP) {
    return RF_ERROR_STRUCT_SIZE;
  }
  const uint64_t outputs = (uint64_t)num_directions * (uint64_t)hidden_size; /* unsigned: sizes are not yet checked */
  const rf_problem made = {
      .struct_size = struct_size,
      .cell = cell,
      .dtype = dtype,
      .weight_dtype = dtype,
      .isa = RF_ISA_AUTO,
      .num_layers = num_layers,
      .num_directions = num_directions,
      .steps = steps,
      .batch = batch,
      .input_size = input_size,
      .hidden_size = hidden_size,
      .state_size = hidden_size,
      .t1 = steps,
      .x_stride_t = (int64_t)((uint64_t)batch * (uint64_t)input_size),
      .x_stride_b = input_size,
      .y_stride_t = (int64_t)((uint64_t)batch * outputs),
      .y_stride_b = (int64_t)outputs,
      .dy_stride_t = (int64_t)((uint64_t)batch * outputs),
      .dy_stride_b = (int64_t)outputs,
      .dx_stride_t = (int64_t)((uint64_t)batch * (uint64_t)input_size),
      .dx_stride_b = input_size,
  };
  memcpy(problem, &made, struct_size);
  return RF_OK;
}
