/* matrix.c - a matrix of weights, which a file may keep in a narrow type. */
#include <math.h>
#include <string.h>

#include "file/reading.h"
#include "include/rnnfast.h"

int32_t rf_reading_weights(const struct options *o, int32_t dtype) {
  if (o->weights.at == NULL) return dtype;
  return rf_text_is(o->weights, "bfloat16") ? RF_BF16 : rf_text_is(o->weights, "int8") ? RF_I8 : -1;
}

/* Each number stands behind where it goes to, or there: `to` ends where they end. */
static void widen_bf16(const char *from, int64_t numbers, float *to) {
  for (int64_t i = 0; i < numbers; i++) {
    uint16_t upper;
    memcpy(&upper, from + 2 * i, sizeof upper);
    const uint32_t bits = (uint32_t)upper << 16;
    memcpy(&to[i], &bits, sizeof bits);
  }
}

/* A row of int8, likewise; 0 unless it is what rounding its products with the scale makes of them: layer/pack_narrow.h. */
static int widen_i8(const char *from, int64_t columns, float scale, float *to) {
  uint32_t bits;
  int most = 0;
  memcpy(&bits, &scale, sizeof bits);
  for (int64_t i = 0; i < columns; i++) {
    const int whole = (signed char)from[i];
    most = whole > most ? whole : -whole > most ? -whole : most;
    to[i] = (float)whole * scale;
  }
  return bits == 0 ? most == 0 : !(bits & 0x7f) && scale * 127 >= 0x1p-100f && isfinite(scale * 127) && most == 127;
}

int rf_reading_matrix(struct reading *r, const char *name, int64_t rows, int64_t columns, const void **to) {
  const int32_t type = rf_reading_weights(r->options, RF_F32);
  if (r->options->weights.at == NULL) return rf_reading_numbers(r, name, rows, columns, to);
  const struct tensor *t = rf_reading_tensor(r, name, rows, columns);
  if (t == NULL) return 0;
  if (t->dtype != type) return rf_reading_fail(r, RF_ERROR_DTYPE);
  if (!rf_reading_type(r, RF_F32)) return 0;
  const int64_t numbers = rows * columns;
  float *memory = rf_reading_piece(r, (size_t)numbers * sizeof *memory);
  if (memory == NULL) return 0;
  char *narrow = (char *)(memory + numbers) - t->bytes;
  const int32_t status = rf_source_read(r->source, t->from, (size_t)t->bytes, narrow);
  if (status != RF_OK) return rf_reading_fail(r, status);
  *to = memory;
  if (type == RF_BF16) {
    widen_bf16(narrow, numbers, memory);
    return 1;
  }
  char of_scale[80];
  const void *scale;
  memcpy(of_scale, name, strlen(name) + 1);
  strcat(of_scale, "_scale");
  if (!rf_reading_numbers(r, of_scale, rows, 0, &scale)) return 0;
  for (int64_t row = 0; row < rows; row++) {
    const int64_t first = row * columns;
    if (!widen_i8(narrow + first, columns, ((const float *)scale)[row], memory + first)) {
      return rf_reading_fail(r, RF_ERROR_FORMAT);
    }
  }
  return 1;
}
