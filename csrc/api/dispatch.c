/* dispatch.c - the choice: cells and instruction sets by name, which of them run here, and the kernel for a problem. */
#include "api/dispatch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/tables.h"
#include "system/cpu.h"

/* What is known once the processor and the environment have been asked. */
static struct {
  const struct rf_kernel *kernel[CELLS][DTYPES][ISAS];
  const struct rf_math *math[DTYPES][ISAS];
  const struct rf_head *head[DTYPES][ISAS];
  int projects[CELLS], gates[CELLS];
  char reason[ISAS][128]; /* "" where the instruction set runs here */
  int32_t default_isa, default_status;
} chosen;

int32_t rf_cell_id(const char *name) {
  for (int32_t i = 0; name != NULL && i < CELLS; i++) {
    if (strcmp(cells[i], name) == 0) return i;
  }
  return -1;
}

const int32_t rf_cells = CELLS;

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
    while (isa + 1 < ISAS && *chosen.reason[isa]) isa++;
    chosen.default_status = *chosen.reason[isa] ? RF_ERROR_UNSUPPORTED : RF_OK; /* that of the last, where none runs */
  }
  chosen.default_isa = isa;
}

static void choose(void) {
  uint32_t features = rf_cpu_features();
  for (int32_t i = 0; i < ISAS; i++) write_reason(chosen.reason[i], sizeof chosen.reason[i], isas[i].needs & ~features);
  for (int32_t i = 0; i < KERNELS; i++) {
    const struct rf_kernel *k = kernels[i];
    chosen.kernel[rf_cell_id(k->cell)][k->dtype][rf_isa_id(k->isa)] = k;
    chosen.projects[rf_cell_id(k->cell)] = k->shape.projects;
    chosen.gates[rf_cell_id(k->cell)] = k->shape.gates;
  }
  for (int32_t i = 0; i < MATHS; i++) chosen.math[maths[i]->dtype][rf_isa_id(maths[i]->isa)] = maths[i];
  for (int32_t i = 0; i < HEADS; i++) chosen.head[heads[i]->dtype][rf_isa_id(heads[i]->isa)] = heads[i];
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

int rf_cell_projects(int32_t cell) {
  choose_once();
  return chosen.projects[cell];
}

int32_t rf_cell_gates(int32_t cell) {
  choose_once();
  return chosen.gates[cell];
}

int32_t rf_choose_kernel(const rf_problem *p, const struct rf_kernel **kernel) {
  int32_t isa = p->isa, status = resolve_isa(&isa);
  if (status == RF_OK) *kernel = chosen.kernel[p->cell][p->dtype][isa];
  if (status != RF_OK) return status;
  if (*kernel == NULL) return RF_ERROR_DTYPE; /* of a number type that was not built */
  return p->product_dtype && !((*kernel)->pairs && (*kernel)->pairs()) ? RF_ERROR_UNSUPPORTED : RF_OK;
}

const struct rf_kernel *rf_narrow_kernel(const struct rf_kernel *wide) {
  for (int32_t isa = 0; isa < ISAS; isa++) {
    const struct rf_kernel *k = chosen.kernel[rf_cell_id(wide->cell)][wide->dtype][isa];
    if (k && !*chosen.reason[isa] && k->lanes > 1 && k->lanes * 2 == wide->lanes) return k;
  }
  return NULL;
}

int32_t rf_choose_math(int32_t isa, int32_t dtype, const struct rf_math **math) {
  if (dtype != RF_F32 && dtype != RF_F64) return RF_ERROR_DTYPE;
  int32_t status = resolve_isa(&isa);
  if (status == RF_OK) *math = chosen.math[dtype][isa];
  return status == RF_OK && *math == NULL ? RF_ERROR_DTYPE : status;
}

int32_t rf_choose_head(int32_t *isa, int32_t dtype, const struct rf_head **head) {
  if (dtype != RF_F32 && dtype != RF_F64) return RF_ERROR_DTYPE;
  int32_t status = resolve_isa(isa);
  if (status == RF_OK) *head = chosen.head[dtype][*isa];
  return status == RF_OK && *head == NULL ? RF_ERROR_DTYPE : status;
}
