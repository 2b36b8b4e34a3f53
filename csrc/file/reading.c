/* reading.c - the numbers that belong to a part, in memory of the model. */
#include "file/reading.h"

#include <stdlib.h>

struct piece {
  struct piece *next;
  max_align_t memory[];
};

int rf_reading_fail(struct reading *r, int32_t status) {
  if (r->status == RF_OK) r->status = status;
  return 0;
}

void *rf_reading_piece(struct reading *r, size_t bytes) {
  struct piece *made = bytes > PTRDIFF_MAX - sizeof *made ? NULL : malloc(sizeof *made + bytes);
  if (made == NULL) {
    rf_reading_fail(r, RF_ERROR_MEMORY);
    return NULL;
  }
  made->next = r->model->pieces;
  r->model->pieces = made;
  return made->memory;
}

void rf_reading_forget(struct model *model) {
  for (struct piece *next; model->pieces != NULL; model->pieces = next) {
    next = model->pieces->next;
    free(model->pieces);
  }
}

struct tensor *rf_reading_tensor(struct reading *r, const char *name, int64_t rows, int64_t columns) {
  struct tensor *t = rf_tensors_find(r->tensors, r->options->name, name);
  if (t == NULL || t->axes != (columns > 0 ? 2 : 1) || t->shape[0] != rows || (columns > 0 && t->shape[1] != columns)) {
    rf_reading_fail(r, RF_ERROR_FORMAT);
    return NULL;
  }
  t->taken = 1;
  return t;
}

int rf_reading_type(struct reading *r, int32_t dtype) {
  if (r->model->dtype == RF_TENSOR_OTHER) r->model->dtype = dtype;
  return dtype == r->model->dtype ? 1 : rf_reading_fail(r, RF_ERROR_DTYPE);
}

int rf_reading_numbers(struct reading *r, const char *name, int64_t rows, int64_t columns, const void **to) {
  const struct tensor *t = rf_reading_tensor(r, name, rows, columns);
  if (t == NULL) return 0;
  if (t->dtype != RF_F32 && t->dtype != RF_F64) return rf_reading_fail(r, RF_ERROR_DTYPE);
  if (!rf_reading_type(r, t->dtype)) return 0;
  void *memory = rf_reading_piece(r, (size_t)t->bytes);
  if (memory == NULL) return 0;
  const int32_t status = rf_source_read(r->source, t->from, (size_t)t->bytes, memory);
  *to = memory;
  return status == RF_OK ? 1 : rf_reading_fail(r, status);
}
