/* dispatch.c - the public functions: checks a problem, chooses its kernel, and calls it with subnormals flushed. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "stack.h"
#include "tables.h"
#include "threads.h"

#ifndef RF_VERSION
#define RF_VERSION "0.1.0"
#endif

#ifdef __clang__
#define RF_COMPILER __VERSION__ /* names itself */
#else
#define RF_COMPILER "gcc " __VERSION__
#endif

/* What is known once the processor and the environment have been asked. */
static struct {
  const struct rf_kernel *kernel[CELLS][DTYPES][ISAS];
  const struct rf_math *math[DTYPES][ISAS];
  char reason[ISAS][128]; /* "" where the instruction set runs here */
  int32_t default_isa, default_status;
} chosen;

const char *rf_version(void) { return RF_VERSION; }

const char *rf_compiler(void) { return RF_COMPILER; }

int32_t rf_cell_id(const char *name) {
  for (int32_t i = 0; name != NULL && i < CELLS; i++) {
    if (strcmp(cells[i], name) == 0) return i;
  }
  return -1;
}

const char *rf_cell_name(int32_t cell) { return cell >= 0 && cell < CELLS ? cells[cell] : NULL; }

/* Not -1, which is RF_ISA_AUTO. */
enum { NO_ISA = -2 };

int32_t rf_isa_id(const char *name) {
  for (int32_t i = 0; name != NULL && i < ISAS; i++) {
    if (strcmp(isas[i].name, name) == 0) return i;
  }
  return NO_ISA;
}

const char *rf_isa_name(int32_t isa) { return isa >= 0 && isa < ISAS ? isas[isa].name : NULL; }

static void write_reason(char *reason, size_t size, uint32_t lacking) {
  int length = 0;
  for (uint32_t flag = 1; lacking != 0; lacking &= ~flag, flag <<= 1) {
    if (lacking & flag) {
      length += snprintf(reason + length, size - (size_t)length, "%s%s", length == 0 ? "this processor lacks " : ", ",
                         rf_cpu_feature_name(flag));
    }
  }
}

static void choose_default(void) {
  const char *wanted = getenv("RNNFAST_ISA");
  int32_t isa = 0;
  if (wanted != NULL && *wanted != '\0') {
    isa = rf_isa_id(wanted);
    chosen.default_status = isa < 0 ? RF_ERROR_ISA : *chosen.reason[isa] ? RF_ERROR_UNSUPPORTED : RF_OK;
  } else {
    while (isa < ISAS && *chosen.reason[isa]) isa++;
    chosen.default_status = isa < ISAS ? RF_OK : RF_ERROR_UNSUPPORTED;
  }
  chosen.default_isa = isa;
}

static void choose(void) {
  uint32_t features = rf_cpu_features();
  for (int32_t i = 0; i < ISAS; i++) write_reason(chosen.reason[i], sizeof chosen.reason[i], isas[i].needs & ~features);
  for (int32_t i = 0; i < KERNELS; i++) {
    const struct rf_kernel *k = kernels[i];
    chosen.kernel[rf_cell_id(k->cell)][k->dtype][rf_isa_id(k->isa)] = k;
  }
  for (int32_t i = 0; i < MATHS; i++) chosen.math[maths[i]->dtype][rf_isa_id(maths[i]->isa)] = maths[i];
  choose_default();
}

static void choose_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
}

/* Turns RF_ISA_AUTO into what it stands for; RF_OK if that instruction set runs here. */
static int32_t resolve_isa(int32_t *isa) {
  choose_once();
  if (*isa == RF_ISA_AUTO) {
    *isa = chosen.default_isa;
    return chosen.default_status;
  }
  if (*isa < 0 || *isa >= ISAS) return RF_ERROR_ISA;
  return *chosen.reason[*isa] ? RF_ERROR_UNSUPPORTED : RF_OK;
}

const char *rf_isa_reason(int32_t isa) {
  int32_t status = resolve_isa(&isa);
  if (status == RF_OK) return NULL;
  return status == RF_ERROR_UNSUPPORTED ? chosen.reason[isa] : rf_status_text(status);
}

int32_t rf_isa_default(int32_t *isa) {
  int32_t found = RF_ISA_AUTO, status = resolve_isa(&found);
  if (status == RF_OK && isa == NULL) return RF_ERROR_NULL;
  if (status == RF_OK) *isa = found;
  return status;
}

/* Checks the problem and finds its kernel. */
static int32_t prepare(const rf_problem *p, enum rf_need need, const struct rf_kernel **kernel) {
  int32_t status = rf_check_problem(p, CELLS, need);
  if (status != RF_OK) return status;
  int32_t isa = p->isa;
  status = resolve_isa(&isa);
  if (status == RF_OK) *kernel = chosen.kernel[p->cell][p->dtype][isa];
  return status;
}

static int32_t prepare_math(int32_t isa, int32_t dtype, const struct rf_math **math) {
  if (dtype != RF_F32 && dtype != RF_F64) return RF_ERROR_DTYPE;
  int32_t status = resolve_isa(&isa);
  if (status == RF_OK) *math = chosen.math[dtype][isa];
  return status;
}

typedef int32_t count_bytes(const struct rf_kernel *kernel, const rf_problem *p, size_t *bytes);

static int32_t bytes_of(count_bytes *count, const rf_problem *p, size_t *bytes) {
  const struct rf_kernel *kernel;
  int32_t status = bytes == NULL ? RF_ERROR_NULL : prepare(p, RF_NEED_SIZES, &kernel);
  return status == RF_OK ? count(kernel, p, bytes) : status;
}

int32_t rf_reserve_bytes(const rf_problem *p, size_t *bytes) { return bytes_of(rf_stack_reserve_bytes, p, bytes); }

int32_t rf_workspace_bytes(const rf_problem *p, size_t *bytes) { return bytes_of(rf_stack_workspace_bytes, p, bytes); }

int32_t rf_packed_bytes(const rf_problem *p, size_t *bytes) { return bytes_of(rf_stack_packed_bytes, p, bytes); }

int32_t rf_pack(const rf_problem *p, void *packed) {
  const struct rf_kernel *kernel;
  int32_t status = packed == NULL ? RF_ERROR_NULL : prepare(p, RF_NEED_WEIGHTS, &kernel);
  if (status == RF_OK) {
    rf_flush_mode old = rf_flush_on();
    status = rf_stack_pack(kernel, p, packed);
    rf_flush_restore(old);
  }
  return status;
}

typedef int32_t run_net(const struct rf_kernel *kernel, const rf_problem *p);

static int32_t run(run_net *net, const rf_problem *p, enum rf_need need) {
  const struct rf_kernel *kernel;
  int32_t status = prepare(p, need, &kernel);
  if (status == RF_OK && p->num_threads == 0 && rf_get_num_threads() < 1) status = RF_ERROR_RANGE;
  if (status == RF_OK) {
    rf_flush_mode old = rf_flush_on();
    status = net(kernel, p);
    rf_flush_restore(old);
  }
  return status;
}

int32_t rf_forward(const rf_problem *p) { return run(rf_stack_forward, p, RF_NEED_FORWARD); }

int32_t rf_backward(const rf_problem *p) { return run(rf_stack_backward, p, RF_NEED_BACKWARD); }

int32_t rf_activation(const rf_problem *p, int32_t k, int32_t gate, void *out) {
  const struct rf_kernel *kernel;
  int32_t status = out == NULL ? RF_ERROR_NULL : prepare(p, RF_NEED_RESERVE, &kernel);
  if (status != RF_OK) return status;
  int32_t arrays = kernel->shape.gates + (kernel->shape.states > 1 ? 1 : 0);
  if (k < 0 || k >= p->num_layers * p->num_directions || gate < 0 || gate >= arrays) return RF_ERROR_RANGE;
  return rf_stack_activation(kernel, p, k, gate, out);
}

int32_t rf_elementwise(int32_t isa, int32_t dtype, int32_t function, int64_t n, const void *x, void *y) {
  const struct rf_math *math;
  int32_t status = prepare_math(isa, dtype, &math);
  if (status != RF_OK) return status;
  if (function < RF_EXP || function > RF_LOGISTIC || n < 0) return RF_ERROR_RANGE;
  if (n > 0 && (x == NULL || y == NULL)) return RF_ERROR_NULL;
  rf_flush_mode old = rf_flush_on();
  math->function[function](n, x, y);
  rf_flush_restore(old);
  return RF_OK;
}

int32_t rf_fma_loop(int32_t isa, int32_t dtype, int64_t rounds, double *flops) {
  const struct rf_math *math;
  int32_t status = flops == NULL ? RF_ERROR_NULL : prepare_math(isa, dtype, &math);
  if (status != RF_OK) return status;
  if (rounds < 0) return RF_ERROR_RANGE;
  rf_flush_mode old = rf_flush_on();
  *flops = math->fma_loop(rounds);
  rf_flush_restore(old);
  return RF_OK;
}

int32_t rf_read_loop(int32_t isa, int64_t bytes, const void *data, int64_t rounds, double *read_bytes) {
  const struct rf_math *math;
  int32_t status = read_bytes == NULL ? RF_ERROR_NULL : prepare_math(isa, RF_F32, &math);
  if (status != RF_OK) return status;
  if (bytes < 0 || rounds < 0) return RF_ERROR_RANGE;
  if (bytes > 0 && data == NULL) return RF_ERROR_NULL;
  rf_flush_mode old = rf_flush_on();
  *read_bytes = math->read_loop(bytes, data, rounds);
  rf_flush_restore(old);
  return RF_OK;
}
