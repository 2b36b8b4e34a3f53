/* net_calls.c - the public calls on a problem: checked, given its kernel, and run with subnormals flushed. */
#include <stddef.h>
#include <stdint.h>

#include "api/check.h"
#include "api/dispatch.h"
#include "api/record.h"
#include "include/rnnfast.h"
#include "net/net.h"
#include "net/stack.h"
#include "system/cpu.h"

/* Reads the caller's record, checks it and finds its kernel. */
static int32_t prepare(const rf_problem **p, rf_problem *room, enum rf_need need, const struct rf_kernel **kernel) {
  int32_t status = rf_record_read(p, room);
  if (status == RF_OK) status = rf_check_problem(*p, rf_cells, need);
  return status == RF_OK ? rf_choose_kernel(*p, kernel) : status;
}

typedef int32_t count_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes);

static int32_t bytes_of(count_bytes *count, const rf_problem *p, size_t *bytes) {
  const struct rf_kernel *kernel;
  rf_problem room;
  int32_t status = bytes == NULL ? RF_ERROR_NULL : prepare(&p, &room, RF_NEED_SIZES, &kernel);
  return status == RF_OK ? count(kernel, p, bytes) : status;
}

int32_t rf_reserve_bytes(const rf_problem *p, size_t *bytes) { return bytes_of(rf_stack_reserve_bytes, p, bytes); }

int32_t rf_workspace_bytes(const rf_problem *p, size_t *bytes) { return bytes_of(rf_stack_workspace_bytes, p, bytes); }

int32_t rf_packed_bytes(const rf_problem *p, size_t *bytes) { return bytes_of(rf_stack_packed_bytes, p, bytes); }

int32_t rf_rounds_rows(const rf_problem *p, int32_t *rounds) {
  const struct rf_kernel *kernel;
  rf_problem room;
  int32_t status = rounds == NULL ? RF_ERROR_NULL : prepare(&p, &room, RF_NEED_SIZES, &kernel);
  if (status == RF_OK) {
    *rounds = p->product_dtype ? kernel->pairs() : kernel->rounds ? kernel->rounds(rf_net_weights(p), p->batch) : 0;
  }
  return status;
}

int32_t rf_pack(const rf_problem *p, void *packed) {
  const struct rf_kernel *kernel;
  rf_problem room;
  int32_t status = packed == NULL ? RF_ERROR_NULL : prepare(&p, &room, RF_NEED_WEIGHTS, &kernel);
  if (status == RF_OK) {
    rf_flush_mode old;
    rf_flush_on(&old);
    status = rf_stack_pack(kernel, p, packed);
    rf_flush_restore(&old);
  }
  return status;
}

typedef int32_t run_net(const struct rf_kernel *kernel, const rf_problem *p);

static int32_t run(run_net *net, const rf_problem *p, enum rf_need need) {
  const struct rf_kernel *kernel;
  rf_problem room;
  int32_t status = prepare(&p, &room, need, &kernel);
  if (status == RF_OK && p->num_threads == 0 && rf_get_num_threads() < 1) status = RF_ERROR_RANGE;
  if (status == RF_OK) {
    rf_flush_mode old;
    rf_flush_on(&old);
    status = net(kernel, p);
    rf_flush_restore(&old);
  }
  return status;
}

int32_t rf_forward(const rf_problem *p) { return run(rf_stack_forward, p, RF_NEED_FORWARD); }

int32_t rf_backward(const rf_problem *p) { return run(rf_stack_backward, p, RF_NEED_BACKWARD); }

int32_t rf_activation(const rf_problem *p, int32_t k, int32_t gate, void *out) {
  const struct rf_kernel *kernel;
  rf_problem room;
  int32_t status = out == NULL ? RF_ERROR_NULL : prepare(&p, &room, RF_NEED_RESERVE, &kernel);
  if (status != RF_OK) return status;
  int32_t arrays = kernel->shape.gates + (kernel->shape.states > 1 ? 1 : 0);
  if (k < 0 || k >= p->num_layers * p->num_directions || gate < 0 || gate >= arrays) return RF_ERROR_RANGE;
  return rf_stack_activation(kernel, p, k, gate, out);
}
