/* check.c - every condition on a problem, each with its status. */
#include "api/check.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/dispatch.h"
#include "net/handle.h"
#include "system/arena.h"

/* No cell has more gates, so no array is larger than this allows for. */
enum { MAX_GATES = 4 };

static bool is_probability(double p) { return p >= 0 && p < 1; }

/* Whether the bytes of an array of a * b * c items can be counted and addressed. */
static bool fits(int64_t a, int64_t b, int64_t c, int64_t itemsize) {
  int64_t n;
  return !__builtin_mul_overflow(a, b, &n) && !__builtin_mul_overflow(n, c, &n) &&
         !__builtin_mul_overflow(n, itemsize, &n) && n <= PTRDIFF_MAX;
}

static int32_t check_kind(const rf_problem *p, int32_t cells) {
  if (p->cell < 0 || p->cell >= cells) return RF_ERROR_CELL;
  if (p->dtype != RF_F32 && p->dtype != RF_F64) return RF_ERROR_DTYPE;
  if (p->product_dtype != 0 && (p->product_dtype != RF_BF16 || p->dtype != RF_F32 || p->weight_dtype != RF_F32)) {
    return RF_ERROR_DTYPE;
  }
  if (p->weight_dtype == p->dtype) return RF_OK;
  const bool is_narrow = p->weight_dtype == RF_BF16 || p->weight_dtype == RF_I8;
  return is_narrow && p->dtype == RF_F32 && p->reserve == NULL ? RF_OK : RF_ERROR_DTYPE;
}

/* Whether h has as many numbers as its cell can give it. */
static bool is_state_size(const rf_problem *p) {
  if (!rf_cell_projects(p->cell)) return p->state_size == p->hidden_size;
  return p->state_size >= 1 && p->state_size <= p->hidden_size;
}

static int32_t check_sizes(const rf_problem *p) {
  if (p->num_layers < 1 || (p->num_directions != 1 && p->num_directions != 2) || !rf_is_size(p->steps, 0) ||
      !rf_is_size(p->batch, 0) || !rf_is_size(p->input_size, 1) || !rf_is_size(p->hidden_size, 1) ||
      !is_state_size(p)) {
    return RF_ERROR_SHAPE;
  }
  int64_t outputs = p->num_directions * p->hidden_size, layers = (int64_t)p->num_layers * p->num_directions;
  if (!rf_is_size(outputs, 1) || !rf_is_size(layers, 1)) return RF_ERROR_SHAPE;
  int64_t widest = outputs > p->input_size ? outputs : p->input_size;
  int64_t itemsize = p->dtype == RF_F32 ? sizeof(float) : sizeof(double);
  if (!fits(p->steps, p->batch, widest, itemsize) || !fits(MAX_GATES, p->hidden_size, widest, itemsize) ||
      !fits(layers, p->batch, p->hidden_size, itemsize) || !fits(p->steps, layers, 2, sizeof(double))) {
    return RF_ERROR_SIZE;
  }
  return RF_OK;
}

static int32_t check_ranges(const rf_problem *p) {
  bool whole = p->t0 == 0 && p->t1 == p->steps;
  if (p->num_threads < 0) return RF_ERROR_RANGE;
  if (p->t0 < 0 || p->t0 > p->t1 || p->t1 > p->steps || (p->num_directions == 2 && !whole)) return RF_ERROR_RANGE;
  /* The gradients of held outputs wait in the reserve between chunks. */
  if (p->keep_reserve && p->masked_output == RF_MASKED_HOLD && !whole) return RF_ERROR_RANGE;
  if ((p->masked_output != RF_MASKED_ZERO && p->masked_output != RF_MASKED_HOLD) || !is_probability(p->dropout) ||
      !is_probability(p->input_dropout) || !is_probability(p->recurrent_dropout)) {
    return RF_ERROR_RANGE;
  }
  /* A row's number is one 32-bit word of the dropout masks' counter. */
  if (p->first_row < 0 || p->first_row > (INT64_C(1) << 32) - p->batch) return RF_ERROR_RANGE;
  for (int64_t b = 0; p->lengths != NULL && b < p->batch; b++) {
    if (p->lengths[b] < 0 || p->lengths[b] > p->steps) return RF_ERROR_RANGE;
  }
  return RF_OK;
}

/* What a part says of the net that it is cut from. Steps are 32-bit words of that counter too. */
static int32_t check_part(const rf_problem *p) {
  const bool whole = p->t0 == 0 && p->t1 == p->steps;
  if (p->only_direction < 0 || p->only_direction > 2 || (p->only_direction && p->num_directions == 2) ||
      (p->only_direction == 2 && !whole)) {
    return RF_ERROR_RANGE;
  }
  if (p->only_direction && p->num_layers > 1)
    return RF_ERROR_SHAPE; /* the layer above would need the other direction's output */
  if (p->first_layer < 0 || p->first_layer > INT32_MAX / 8 - p->num_layers) return RF_ERROR_RANGE;
  if (p->first_step < 0 || p->first_step > (INT64_C(1) << 32) - p->steps) return RF_ERROR_RANGE;
  const int64_t above = (p->only_direction ? 2 : p->num_directions) * p->state_size;
  return p->first_layer > 0 && p->input_size != above ? RF_ERROR_SHAPE : RF_OK;
}

/* A table of per-layer arrays is there and has no gaps. */
static bool is_table(const rf_problem *p, const void *const *table) {
  if (table == NULL) return false;
  for (int32_t k = 0; k < p->num_layers * p->num_directions; k++) {
    if (table[k] == NULL) return false;
  }
  return true;
}

static bool is_table_or_null(const rf_problem *p, const void *const *table) {
  return table == NULL || is_table(p, table);
}

static bool has_weights(const rf_problem *p) {
  return is_table(p, p->weight_ih) && is_table(p, p->weight_hh) && is_table_or_null(p, p->bias_ih) &&
         is_table_or_null(p, p->bias_hh) && (p->bias_ih == NULL) == (p->bias_hh == NULL) &&
         (!rf_cell_projects(p->cell) || is_table(p, p->weight_hr));
}

static bool has_gradients(const rf_problem *p) {
  return is_table_or_null(p, (const void *const *)p->d_weight_ih) &&
         is_table_or_null(p, (const void *const *)p->d_weight_hh) &&
         is_table_or_null(p, (const void *const *)p->d_bias_ih) &&
         is_table_or_null(p, (const void *const *)p->d_bias_hh) &&
         is_table_or_null(p, (const void *const *)p->d_weight_hr);
}

static bool has_arrays(const rf_problem *p, enum rf_need need) {
  bool empty = p->t0 == p->t1 || p->batch == 0;
  switch (need) {
  case RF_NEED_SIZES:
    return true;
  case RF_NEED_WEIGHTS:
    return has_weights(p);
  case RF_NEED_FORWARD:
    return (p->packed != NULL || has_weights(p)) && (empty || (p->x != NULL && p->y != NULL)) && p->workspace != NULL;
  case RF_NEED_BACKWARD:
    return has_weights(p) && has_gradients(p) && (empty || p->x != NULL || p->d_weight_ih == NULL) &&
           p->reserve != NULL && p->workspace != NULL;
  case RF_NEED_RESERVE:
    return p->reserve != NULL && p->workspace != NULL;
  }
  return false;
}

/* Whether whole numbers times a scale can stand for these: finite, and the largest not beyond float32 once it is rounded. */
static bool are_whole(const void *matrix, int64_t numbers) {
  const float *number = matrix;
  for (int64_t i = 0; i < numbers; i++) {
    if (!(fabsf(number[i]) <= 0x1.fffcp127f)) return false;
  }
  return true;
}

/* Whether weights that are about to be packed fit their type: there are whole numbers alone. */
static bool fit_type(const rf_problem *p, enum rf_need need) {
  const bool packs = need == RF_NEED_WEIGHTS || (need == RF_NEED_FORWARD && p->packed == NULL);
  if (!packs || p->weight_dtype != RF_I8) return true;
  const int64_t rows = rf_cell_gates(p->cell) * p->hidden_size, above = p->num_directions * p->state_size;
  for (int32_t k = 0; k < p->num_layers * p->num_directions; k++) {
    if (!are_whole(p->weight_ih[k], rows * (k < p->num_directions ? p->input_size : above)) ||
        !are_whole(p->weight_hh[k], rows * p->state_size) ||
        (rf_cell_projects(p->cell) && !are_whole(p->weight_hr[k], p->state_size * p->hidden_size))) {
      return false;
    }
  }
  return true;
}

/* NULL is, too. */
static bool is_aligned(const rf_problem *p) {
  const uintptr_t any = (uintptr_t)p->workspace | (uintptr_t)p->reserve | (uintptr_t)p->packed;
  return any % RF_LINE == 0;
}

int32_t rf_check_problem(const rf_problem *p, int32_t cells, enum rf_need need) {
  int32_t status = check_kind(p, cells);
  if (status == RF_OK) status = check_sizes(p);
  if (status == RF_OK) status = check_ranges(p);
  if (status == RF_OK) status = check_part(p);
  if (status == RF_OK && !has_arrays(p, need)) status = RF_ERROR_NULL;
  if (status == RF_OK && need > RF_NEED_WEIGHTS && !is_aligned(p)) status = RF_ERROR_ALIGNMENT;
  if (status == RF_OK && !fit_type(p, need)) status = RF_ERROR_RANGE;
  return status;
}
