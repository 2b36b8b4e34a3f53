/* xla_arrays.h - the operands and results of a call from XLA: which fields of rf_problem they are. */
#ifndef RF_XLA_ARRAYS_H
#define RF_XLA_ARRAYS_H

#include "include/rnnfast.h"
#include "python/xla.h"

/* The fields that arrays can be, and how each is one: TABLE a buffer for every layer and direction, SEED two words. */
#define XLA_FIELDS(FIELD)                                                                                              \
  FIELD(x, ARRAY)                                                                                                      \
  FIELD(y, ARRAY)                                                                                                      \
  FIELD(h0, ARRAY)                                                                                                     \
  FIELD(c0, ARRAY)                                                                                                     \
  FIELD(h_n, ARRAY)                                                                                                    \
  FIELD(c_n, ARRAY)                                                                                                    \
  FIELD(reserve, RESERVE)                                                                                              \
  FIELD(weight_ih, TABLE)                                                                                              \
  FIELD(weight_hh, TABLE)                                                                                              \
  FIELD(bias_ih, TABLE)                                                                                                \
  FIELD(bias_hh, TABLE)                                                                                                \
  FIELD(weight_hr, TABLE)                                                                                              \
  FIELD(lengths, LENGTHS)                                                                                              \
  FIELD(mask, ARRAY)                                                                                                   \
  FIELD(resets, ARRAY)                                                                                                 \
  FIELD(dropout_seed, SEED)                                                                                            \
  FIELD(dy, ARRAY)                                                                                                     \
  FIELD(dh_n, ARRAY)                                                                                                   \
  FIELD(dc_n, ARRAY)                                                                                                   \
  FIELD(dx, ARRAY)                                                                                                     \
  FIELD(dh0, ARRAY)                                                                                                    \
  FIELD(dc0, ARRAY)                                                                                                    \
  FIELD(d_weight_ih, TABLE)                                                                                            \
  FIELD(d_weight_hh, TABLE)                                                                                            \
  FIELD(d_bias_ih, TABLE)                                                                                              \
  FIELD(d_bias_hh, TABLE)                                                                                              \
  FIELD(d_weight_hr, TABLE)

enum xla_field {
#define XLA_ENTRY(name, kind) XLA_##name,
  XLA_FIELDS(XLA_ENTRY)
#undef XLA_ENTRY
      XLA_FIELD_COUNT
};

/* The first buffer of each field that a call has, else NULL. */
struct xla_given {
  struct xla_buffer **of[XLA_FIELD_COUNT];
};

/* Takes up arrays under their `names`, a space between two; a table has `layers` of them. Returns whether there are as
 * many arrays as names. */
int xla_arrays_take(struct xla_text names, const struct xla_arrays *arrays, int64_t layers, struct xla_given *given);

/* Whether a field has an array for every layer and direction. */
int xla_arrays_is_table(enum xla_field field);

/* How many tables a call has. */
int32_t xla_arrays_tables(const struct xla_given *given);

/* Points a record to all of the arrays but lengths. `pointers` is room for those of the tables. */
void xla_arrays_point(const struct xla_given *given, int64_t layers, void **pointers, rf_problem *problem);

#endif
