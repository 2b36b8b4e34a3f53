/* math_calls.c - the public calls on plain arrays: element-wise functions, and the loops that measure a processor. */
#include <stddef.h>
#include <stdint.h>

#include "api/dispatch.h"
#include "include/rnnfast.h"
#include "system/cpu.h"

int32_t rf_elementwise(int32_t isa, int32_t dtype, int32_t function, int64_t n, const void *x, void *y) {
  const struct rf_math *math;
  int32_t status = rf_choose_math(isa, dtype, &math);
  if (status != RF_OK) return status;
  if (function < RF_EXP || function > RF_LOGISTIC || n < 0) return RF_ERROR_RANGE;
  if (n > 0 && (x == NULL || y == NULL)) return RF_ERROR_NULL;
  rf_flush_mode old;
  rf_flush_on(&old);
  math->function[function](n, x, y);
  rf_flush_restore(&old);
  return RF_OK;
}

int32_t rf_fma_loop(int32_t isa, int32_t dtype, int64_t rounds, double *flops) {
  const struct rf_math *math;
  int32_t status = flops == NULL ? RF_ERROR_NULL : rf_choose_math(isa, dtype, &math);
  if (status != RF_OK) return status;
  if (rounds < 0) return RF_ERROR_RANGE;
  rf_flush_mode old;
  rf_flush_on(&old);
  *flops = math->fma_loop(rounds);
  rf_flush_restore(&old);
  return RF_OK;
}

int32_t rf_read_loop(int32_t isa, int64_t bytes, const void *data, int64_t rounds, double *read_bytes) {
  const struct rf_math *math;
  int32_t status = read_bytes == NULL ? RF_ERROR_NULL : rf_choose_math(isa, RF_F32, &math);
  if (status != RF_OK) return status;
  if (bytes < 0 || rounds < 0) return RF_ERROR_RANGE;
  if (bytes > 0 && data == NULL) return RF_ERROR_NULL;
  rf_flush_mode old;
  rf_flush_on(&old);
  *read_bytes = math->read_loop(bytes, data, rounds);
  rf_flush_restore(&old);
  return RF_OK;
}
