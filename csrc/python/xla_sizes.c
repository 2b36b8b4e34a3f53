/* xla_sizes.c - how many numbers, and of which type, each array of a call has: whoever compiled the program may err. */
#include "python/xla_sizes.h"

#include <string.h>

static const char *const names[] = {
#define XLA_ENTRY(name, kind) #name,
    XLA_FIELDS(XLA_ENTRY)
#undef XLA_ENTRY
};

static int64_t gates_of(const rf_problem *p) {
  const char *cell = rf_cell_name(p->cell);
  return strncmp(cell, "lstm", 4) == 0 ? 4 : strncmp(cell, "gru", 3) == 0 ? 3 : 1;
}

/* Numbers of a field's array, of a table's that of this layer and direction; -1: any. */
static int64_t numbers(enum xla_field field, const rf_problem *p, int64_t layer) {
  const int64_t steps = p->steps * p->batch, outputs = p->num_directions * p->state_size;
  const int64_t states = p->num_layers * p->num_directions * p->batch, gates = gates_of(p) * p->hidden_size;
  switch (field) {
  case XLA_x:
  case XLA_dx:
    return steps * p->input_size;
  case XLA_y:
  case XLA_dy:
    return steps * outputs;
  case XLA_h0:
  case XLA_h_n:
  case XLA_dh0:
  case XLA_dh_n:
    return states * p->state_size;
  case XLA_c0:
  case XLA_c_n:
  case XLA_dc0:
  case XLA_dc_n:
    return states * p->hidden_size;
  case XLA_weight_ih:
  case XLA_d_weight_ih:
    return gates * (layer < p->num_directions ? p->input_size : outputs);
  case XLA_weight_hh:
  case XLA_d_weight_hh:
    return gates * p->state_size;
  case XLA_bias_ih:
  case XLA_bias_hh:
  case XLA_d_bias_ih:
  case XLA_d_bias_hh:
    return gates;
  case XLA_weight_hr:
  case XLA_d_weight_hr:
    return p->state_size * p->hidden_size;
  case XLA_lengths:
    return p->batch;
  case XLA_mask:
  case XLA_resets:
    return steps;
  case XLA_dropout_seed:
    return 2;
  default:
    return -1; /* the library is told how large the reserve is */
  }
}

static int has_type(enum xla_field field, const rf_problem *p, int32_t dtype) {
  switch (field) {
  case XLA_lengths:
    return dtype == XLA_S32 || dtype == XLA_S64;
  case XLA_mask:
  case XLA_resets:
    return dtype == XLA_PRED || dtype == XLA_U8;
  case XLA_dropout_seed:
    return dtype == XLA_U32;
  case XLA_reserve:
    return dtype == XLA_U8;
  default:
    return dtype == (p->dtype == RF_F64 ? XLA_F64 : XLA_F32);
  }
}

static int fits(enum xla_field field, const rf_problem *p, int64_t layer, const struct xla_buffer *buffer) {
  const int64_t expected = numbers(field, p, layer);
  int64_t found = 1;
  for (int64_t axis = 0; axis < buffer->rank; axis++) found *= buffer->dims[axis];
  return has_type(field, p, buffer->dtype) && (expected < 0 ? buffer->rank == 1 : found == expected);
}

const char *xla_sizes_wrong(const struct xla_given *given, const rf_problem *p) {
  for (enum xla_field field = 0; field < XLA_FIELD_COUNT; field++) {
    const int64_t count = !given->of[field] ? 0 : xla_arrays_is_table(field) ? p->num_layers * p->num_directions : 1;
    for (int64_t n = 0; n < count; n++) {
      if (!fits(field, p, n, given->of[field][n])) return names[field];
    }
  }
  return NULL;
}
