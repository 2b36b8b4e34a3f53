/* options.h - what a file says of one part: its kind, and the options it was made with. */
#ifndef RF_OPTIONS_H
#define RF_OPTIONS_H

#include <stdint.h>

#include "file/json.h"

enum { RF_FILE_PARTS_MOST = 1024 };

/* Options of all kinds by the names that Python's constructors have, at their defaults where the file leaves them out. */
struct options {
  struct text name, kind;
  int64_t input_size, hidden_size, num_layers, in_features, out_features, num_embeddings, embedding_dim;
  int bias, bidirectional, reset_after;
  struct text masked_output, nonlinearity, function;
};

/* Reads {version, parts: [..]} and returns how many there are in `parts`; 0 where it is no such thing, of a later version or
 * has more parts than there is room for. */
int32_t rf_options_read(struct text about, struct options parts[RF_FILE_PARTS_MOST]);

#endif
