/* xla_options.c - attributes by name. */
#include "python/xla_options.h"

#include <string.h>

static const struct option {
  const char *name;
  size_t offset;
  int32_t kind, dtype;
} known[] = {
#define TEXT(name) {#name, offsetof(struct xla_options, name), XLA_ATTRIBUTE_STRING, 0}
#define NUMBER(name, dtype) {#name, offsetof(struct xla_options, name), XLA_ATTRIBUTE_SCALAR, dtype}
    TEXT(cell),
    TEXT(isa),
    TEXT(operands),
    TEXT(results),
    NUMBER(num_layers, XLA_S64),
    NUMBER(num_directions, XLA_S64),
    NUMBER(hidden_size, XLA_S64),
    NUMBER(batch_first, XLA_S64),
    NUMBER(hold, XLA_S64),
    NUMBER(num_threads, XLA_S64),
    NUMBER(dropout, XLA_F64),
    NUMBER(input_dropout, XLA_F64),
    NUMBER(recurrent_dropout, XLA_F64),
};

static int64_t place_of(const struct option *option, const struct xla_attributes *attributes) {
  for (int64_t n = 0; n < attributes->count; n++) {
    const struct xla_text *name = attributes->names[n];
    if (name->length == strlen(option->name) && !memcmp(name->start, option->name, name->length)) return n;
  }
  return -1;
}

const char *xla_options_read(const struct xla_attributes *attributes, struct xla_options *options) {
  const int64_t count = (int64_t)(sizeof known / sizeof *known);
  for (int64_t k = 0; k < count; k++) {
    const struct option *option = &known[k];
    const int64_t n = place_of(option, attributes);
    if (n < 0 || attributes->kinds[n] != option->kind) return option->name;
    char *to = (char *)options + option->offset;
    if (option->kind == XLA_ATTRIBUTE_STRING) {
      memcpy(to, attributes->items[n], sizeof(struct xla_text));
      continue;
    }
    const struct xla_scalar *scalar = attributes->items[n];
    if (scalar->dtype != option->dtype) return option->name;
    memcpy(to, scalar->value, sizeof(int64_t)); /* a double has as many bytes */
  }
  return attributes->count == count ? NULL : "one that is unknown";
}
