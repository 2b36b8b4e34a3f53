/* xla_problem.c - a call's record from its options and the sizes of its arrays, and the memory that it takes. */
#include "python/xla_problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "python/xla_arrays.h"
#include "python/xla_memory.h"
#include "python/xla_options.h"
#include "python/xla_sizes.h"

enum { LINE = 64 }; /* where the workspace begins */

int xla_problem_fault(struct xla_problem *call, int32_t code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(call->message, sizeof call->message, format, arguments);
  va_end(arguments);
  call->code = code;
  return 1;
}

int xla_problem_status(struct xla_problem *call, int32_t status) {
  if (status == RF_OK) return 0;
  int32_t code = XLA_INTERNAL;
  if (status == RF_ERROR_SHAPE || status == RF_ERROR_RANGE || status == RF_ERROR_ISA) code = XLA_INVALID_ARGUMENT;
  if (status == RF_ERROR_SIZE || status == RF_ERROR_MEMORY) code = XLA_RESOURCE_EXHAUSTED;
  if (status == RF_ERROR_UNSUPPORTED) code = XLA_UNIMPLEMENTED;
  return xla_problem_fault(call, code, "rnnfast: %s", rf_status_text(status));
}

/* The library's number of a name, which `id_of` knows. */
static int32_t number_of(struct xla_text name, int32_t (*id_of)(const char *)) {
  char text[64];
  if (name.length >= sizeof text) return -1;
  memcpy(text, name.start, name.length);
  text[name.length] = 0;
  return id_of(text);
}

/* Sequences are dense, (T, B, ...) or (B, T, ...). */
static void set_strides(rf_problem *p, int batch_first) {
  const int64_t outputs = p->num_directions * p->state_size;
  p->x_stride_t = p->dx_stride_t = batch_first ? p->input_size : p->batch * p->input_size;
  p->x_stride_b = p->dx_stride_b = batch_first ? p->steps * p->input_size : p->input_size;
  p->y_stride_t = p->dy_stride_t = batch_first ? outputs : p->batch * outputs;
  p->y_stride_b = p->dy_stride_b = batch_first ? p->steps * outputs : outputs;
}

/* Everything but arrays and memory. */
static int fill_in(const struct xla_options *options, const struct xla_given *given, struct xla_problem *call) {
  rf_problem *p = &call->problem;
  if (!given->of[XLA_x] || !given->of[XLA_weight_hh]) {
    return xla_problem_fault(call, XLA_INVALID_ARGUMENT, "rnnfast: x or weight_hh is missing");
  }
  const struct xla_buffer *x = *given->of[XLA_x], *weight_hh = *given->of[XLA_weight_hh];
  if (x->rank != 3 || weight_hh->rank != 2 || (x->dtype != XLA_F32 && x->dtype != XLA_F64)) {
    return xla_problem_fault(call, XLA_INVALID_ARGUMENT, "rnnfast: x or weight_hh is of an unknown kind");
  }
  const int batch_first = options->batch_first != 0;
  int32_t status =
      rf_problem_init(p, sizeof *p, number_of(options->cell, rf_cell_id), x->dtype == XLA_F64 ? RF_F64 : RF_F32,
                      (int32_t)options->num_layers, (int32_t)options->num_directions, x->dims[batch_first],
                      x->dims[!batch_first], x->dims[2], options->hidden_size);
  if (status == RF_OK && options->isa.length > 0) {
    p->isa = number_of(options->isa, rf_isa_id);
    if (p->isa < 0) status = RF_ERROR_ISA;
  }
  p->state_size = weight_hh->dims[1];
  set_strides(p, batch_first);
  p->masked_output = options->hold ? RF_MASKED_HOLD : RF_MASKED_ZERO;
  p->num_threads = (int32_t)options->num_threads;
  p->dropout = options->dropout;
  p->input_dropout = options->input_dropout;
  p->recurrent_dropout = options->recurrent_dropout;
  p->overwrite = p->keep_reserve = 1;
  return xla_problem_status(call, status);
}

/* Lengths as the library takes them: JAX has 32-bit integers unless told otherwise. */
static int read_lengths(struct xla_problem *call, const struct xla_buffer *lengths, int64_t *to) {
  rf_problem *p = &call->problem;
  for (int64_t b = 0; b < p->batch; b++) {
    to[b] = lengths->dtype == XLA_S32 ? ((const int32_t *)lengths->data)[b] : ((const int64_t *)lengths->data)[b];
    if (to[b] < 0 || to[b] > p->steps) {
      return xla_problem_fault(call, XLA_INVALID_ARGUMENT,
                               "rnnfast: lengths[%lld] is %lld, expected 0 to %lld, the time steps of x", (long long)b,
                               (long long)to[b], (long long)p->steps);
    }
  }
  p->lengths = to;
  return 0;
}

static size_t rounded(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

/* The workspace's size depends on which arrays there are: counted with any address for them. */
static int get_memory(const struct xla_given *given, struct xla_problem *call) {
  rf_problem *p = &call->problem;
  const int64_t layers = (int64_t)p->num_layers * p->num_directions;
  const size_t pointers = rounded((size_t)xla_arrays_tables(given) * (size_t)layers * sizeof(void *));
  const size_t ends = given->of[XLA_lengths] ? rounded((size_t)p->batch * sizeof(int64_t)) : 0;
  p->reserve = given->of[XLA_reserve] ? p : NULL;
  const int32_t status = rf_workspace_bytes(p, &p->workspace_bytes);
  if (status != RF_OK) return xla_problem_status(call, status);
  const char *wrong = xla_sizes_wrong(given, p);
  if (wrong != NULL) {
    return xla_problem_fault(call, XLA_INVALID_ARGUMENT, "rnnfast: %s is of another size or type than the net's",
                             wrong);
  }
  char *memory = call->memory = xla_memory_take(pointers + ends + p->workspace_bytes);
  if (memory == NULL) return xla_problem_status(call, RF_ERROR_MEMORY);
  xla_arrays_point(given, layers, (void **)memory, p);
  p->workspace = memory + pointers + ends;
  if (given->of[XLA_reserve] && p->reserve_bytes == 0) p->reserve = p->workspace; /* any will do, but NULL */
  return given->of[XLA_lengths] ? read_lengths(call, *given->of[XLA_lengths], (int64_t *)(memory + pointers)) : 0;
}

int xla_problem_make(const struct xla_frame *frame, struct xla_problem *call) {
  struct xla_options options;
  struct xla_given given = {{NULL}};
  const char *wrong = xla_options_read(&frame->attributes, &options);
  if (wrong == NULL) {
    const int64_t layers = options.num_layers * options.num_directions;
    if (!xla_arrays_take(options.operands, &frame->operands, layers, &given))
      wrong = "operands";
    else if (!xla_arrays_take(options.results, &frame->results, layers, &given))
      wrong = "results";
  }
  if (wrong != NULL) {
    return xla_problem_fault(call, XLA_INVALID_ARGUMENT,
                             "rnnfast: this was compiled for another version of rnnfast, see its attribute %s", wrong);
  }
  return fill_in(&options, &given, call) || get_memory(&given, call);
}
