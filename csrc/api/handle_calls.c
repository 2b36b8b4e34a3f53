/* handle_calls.c - the public calls on a net made once: made, asked, run, given back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/check.h"
#include "api/dispatch.h"
#include "api/make.h"
#include "api/record.h"
#include "include/rnnfast.h"
#include "net/handle.h"
#include "system/cpu.h"
#include "system/threads.h"

int32_t rf_parts_make(struct rf_part_spec *spec, int32_t count, int32_t dtype, int32_t isa, int32_t num_threads,
                      rf_net **net) {
  const struct rf_head *head;
  int32_t status = rf_choose_head(&isa, dtype, &head);
  if (status == RF_OK && (num_threads < 0 || count < 1)) status = RF_ERROR_RANGE;
  for (int32_t n = 0; n < count && status == RF_OK; n++) {
    rf_problem *p = &spec[n].problem;
    if (spec[n].kind != RF_PART_LAYERS) continue;
    p->isa = isa;
    p->steps = p->batch = p->t0 = p->t1 = 0;
    p->dropout = p->input_dropout = p->recurrent_dropout = 0;
    p->first_row = p->first_step = 0;
    p->reserve = p->workspace = NULL;
    p->lengths = NULL;
    p->num_threads = 1;
    status = p->first_layer || p->only_direction ? RF_ERROR_RANGE : rf_check_problem(p, rf_cells, RF_NEED_WEIGHTS);
    if (status == RF_OK) status = rf_choose_kernel(p, &spec[n].kernel);
    if (status == RF_OK) spec[n].narrow = rf_narrow_kernel(spec[n].kernel);
  }
  if (status != RF_OK) return status;
  if (num_threads == 0) num_threads = 1;
  if (num_threads > RF_MAX_THREADS) num_threads = RF_MAX_THREADS;
  rf_flush_mode old;
  rf_flush_on(&old);
  status = rf_handle_make(spec, count, isa, num_threads, head, net);
  rf_flush_restore(&old);
  return status;
}

int32_t rf_net_create(const rf_problem *problem, const rf_head_part *head, int32_t head_count, rf_net **net) {
  rf_problem room;
  if (net == NULL) return RF_ERROR_NULL;
  *net = NULL;
  int32_t status = rf_record_read(&problem, &room);
  if (status != RF_OK) return status;
  if (problem->product_dtype != 0) return RF_ERROR_DTYPE;
  if (head_count < 0 || head_count == INT32_MAX) return RF_ERROR_RANGE;
  if (head_count > 0 && head == NULL) return RF_ERROR_NULL;
  struct rf_part_spec *spec = calloc((size_t)head_count + 1, sizeof *spec);
  if (spec == NULL) return RF_ERROR_MEMORY;
  spec[0].kind = RF_PART_LAYERS;
  spec[0].problem = *problem;
  if (!rf_is_size(problem->state_size, 1)) status = RF_ERROR_SHAPE; /* before it is multiplied */
  int64_t from = status == RF_OK ? problem->num_directions * problem->state_size : 0;
  for (int32_t n = 0; n < head_count && status == RF_OK; n++) {
    const rf_head_part *h = &head[n];
    if (h->kind < RF_HEAD_LINEAR || h->kind > RF_HEAD_LOG_SOFTMAX) status = RF_ERROR_RANGE;
    spec[n + 1] = (struct rf_part_spec){.kind = h->kind, .inputs = from};
    if (h->kind != RF_HEAD_LINEAR) continue;
    spec[n + 1].outputs = from = h->outputs;
    spec[n + 1].weight = h->weight;
    spec[n + 1].bias = h->bias;
  }
  if (status == RF_OK) {
    status = rf_parts_make(spec, head_count + 1, problem->dtype, problem->isa, problem->num_threads, net);
  }
  free(spec);
  return status;
}

void rf_net_free(rf_net *net) { free(net); }

int32_t rf_net_get_sizes(const rf_net *net, rf_net_sizes *sizes) {
  if (net == NULL || sizes == NULL) return RF_ERROR_NULL;
  if (sizes->struct_size != sizeof *sizes) return RF_ERROR_STRUCT_SIZE;
  *sizes = (rf_net_sizes){
      .struct_size = sizeof *sizes,
      .dtype = net->dtype,
      .isa = net->isa,
      .num_threads = net->num_threads,
      .recurrent_parts = net->recurrent,
      .takes_indices = net->part[0].kind == RF_PART_EMBEDDING,
      .steps_alone = net->steps_alone,
      .input_size = net->part[0].inputs,
      .output_size = net->part[net->count - 1].outputs,
  };
  return RF_OK;
}

int32_t rf_net_part(const rf_net *net, int32_t part, int32_t *cell, int32_t *num_layers, int32_t *num_directions,
                    int64_t *hidden_size) {
  struct rf_state states[2];
  if (net == NULL) return RF_ERROR_NULL;
  const struct rf_part *found = part < 0 ? NULL : rf_handle_part(net, part, 0, NULL, states);
  if (found == NULL) return RF_ERROR_RANGE;
  if (cell) *cell = found->problem.cell;
  if (num_layers) *num_layers = found->problem.num_layers;
  if (num_directions) *num_directions = found->problem.num_directions;
  if (hidden_size) *hidden_size = found->problem.hidden_size;
  return RF_OK;
}

int32_t rf_net_part_state_size(const rf_net *net, int32_t part, int64_t *state_size) {
  struct rf_state states[2];
  if (net == NULL) return RF_ERROR_NULL;
  const struct rf_part *found = part < 0 ? NULL : rf_handle_part(net, part, 0, NULL, states);
  if (found == NULL) return RF_ERROR_RANGE;
  if (state_size) *state_size = found->problem.state_size;
  return RF_OK;
}

int32_t rf_net_state_bytes(const rf_net *net, int64_t batch, size_t *bytes) {
  return net == NULL || bytes == NULL ? RF_ERROR_NULL : rf_handle_state_bytes(net, batch, bytes);
}

int32_t rf_net_workspace_bytes(const rf_net *net, int64_t steps, int64_t batch, size_t *bytes) {
  return net == NULL || bytes == NULL ? RF_ERROR_NULL : rf_handle_workspace_bytes(net, steps, batch, bytes);
}

void rf_net_step(const rf_net *net, int64_t batch, const void *x, void *y, void *state, void *workspace) {
  rf_flush_mode old;
  rf_flush_on(&old);
  rf_handle_step(net, batch, x, y, state, workspace);
  rf_flush_restore(&old);
}

int32_t rf_net_forward(const rf_net *net, const rf_sequence *sequence) {
  if (sequence->struct_size != sizeof *sequence) return RF_ERROR_STRUCT_SIZE;
  for (int64_t b = 0; sequence->lengths != NULL && b < sequence->batch; b++) {
    if (sequence->lengths[b] < 0 || sequence->lengths[b] > sequence->steps) return RF_ERROR_RANGE;
  }
  rf_flush_mode old;
  rf_flush_on(&old);
  rf_handle_run(net, sequence);
  rf_flush_restore(&old);
  return RF_OK;
}
