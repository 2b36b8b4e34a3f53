/* xla_options.h - the attributes of a call from XLA: which net it is, and which arrays come with it. */
#ifndef RF_XLA_OPTIONS_H
#define RF_XLA_OPTIONS_H

#include "python/xla.h"

struct xla_options {
  struct xla_text cell, isa; /* names; an empty isa: RF_ISA_AUTO */
  struct xla_text operands, results; /* fields of rf_problem that the arrays are, a space between them */
  int64_t num_layers, num_directions, hidden_size, batch_first, hold, num_threads;
  double dropout, input_dropout, recurrent_dropout;
};

/* Reads all of them. Returns NULL, or the name of one that is missing, unknown or of another type. */
const char *xla_options_read(const struct xla_attributes *attributes, struct xla_options *options);

#endif
