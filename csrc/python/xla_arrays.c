/* xla_arrays.c - arrays by name, and their addresses in the record. */
#include "python/xla_arrays.h"

#include <string.h>

enum kind { ARRAY, TABLE, LENGTHS, SEED, RESERVE };

static const struct field {
  const char *name;
  size_t offset;
  enum kind kind;
} fields[] = {
#define XLA_ENTRY(name, kind) {#name, offsetof(rf_problem, name), kind},
    XLA_FIELDS(XLA_ENTRY)
#undef XLA_ENTRY
};

static int field_of(const char *name, size_t length) {
  for (int k = 0; k < XLA_FIELD_COUNT; k++) {
    if (strlen(fields[k].name) == length && !memcmp(fields[k].name, name, length)) return k;
  }
  return -1;
}

int xla_arrays_take(struct xla_text names, const struct xla_arrays *arrays, int64_t layers, struct xla_given *given) {
  const char *end = names.start + names.length;
  int64_t next = 0;
  for (const char *name = names.start; name < end;) {
    size_t length = 0;
    while (name + length < end && name[length] != ' ') length++;
    const int k = field_of(name, length);
    if (k < 0 || next >= arrays->count) return 0;
    given->of[k] = (struct xla_buffer **)arrays->items + next;
    next += fields[k].kind == TABLE ? layers : 1;
    name += length + 1;
  }
  for (int64_t n = 0; n < arrays->count; n++) {
    if (arrays->kinds[n] != XLA_BUFFER) return 0;
  }
  return next == arrays->count;
}

int xla_arrays_is_table(enum xla_field field) { return fields[field].kind == TABLE; }

int32_t xla_arrays_tables(const struct xla_given *given) {
  int32_t count = 0;
  for (int k = 0; k < XLA_FIELD_COUNT; k++) count += given->of[k] && fields[k].kind == TABLE;
  return count;
}

void xla_arrays_point(const struct xla_given *given, int64_t layers, void **pointers, rf_problem *p) {
  for (int k = 0; k < XLA_FIELD_COUNT; k++) {
    struct xla_buffer **buffers = given->of[k];
    if (!buffers || fields[k].kind == LENGTHS) continue;
    void *value = buffers[0]->data;
    if (fields[k].kind == SEED) {
      const uint32_t *words = value;
      p->dropout_seed = (uint64_t)words[0] << 32 | words[1];
      continue;
    }
    if (fields[k].kind == RESERVE) p->reserve_bytes = (size_t)buffers[0]->dims[0];
    if (fields[k].kind == TABLE) {
      for (int64_t n = 0; n < layers; n++) pointers[n] = buffers[n]->data;
      value = pointers;
      pointers += layers;
    }
    memcpy((char *)p + fields[k].offset, &value, sizeof value);
  }
}
