/* options.h - what a file says of one part: its kind, and the options it was made with. */
#ifndef RF_OPTIONS_H
#define RF_OPTIONS_H

#include <stdint.h>

#include "file/json.h"

enum { RF_FILE_PARTS_MOST = 1024 };

enum rf_file_kind {
  RF_FILE_RNN,
  RF_FILE_LSTM,
  RF_FILE_GRU,
  RF_FILE_LINEAR,
  RF_FILE_EMBEDDING,
  RF_FILE_ACTIVATION,
  RF_FILE_KINDS
};

/* Options of all kinds by the names that Python's constructors have, at their defaults where the file leaves them out. */
struct options {
  struct text name;
  enum rf_file_kind kind;
  int64_t input_size, hidden_size, proj_size, num_layers, in_features, out_features, num_embeddings, embedding_dim;
  int bias, bidirectional, reset_after;
  struct text masked_output, nonlinearity, function, dtype, weights;
  int batch_first; /* this and what follows matter in Python alone, but must be what Python takes */
  double dropout, input_dropout, recurrent_dropout;
};

/* All parts, in the order in which they run, and their names, in order. */
struct parts {
  int32_t count;
  struct options part[RF_FILE_PARTS_MOST];
  struct text name[RF_FILE_PARTS_MOST];
};

/* Reads {version, parts: [..]}; 0 where it is no such thing, of a later version, has more parts than there is room for or
 * none, a part of another kind or with an option that its kind does not have, or anything twice: two parts of one name would
 * share their tensors. A name has no dot, which ends it in those of tensors, and only that of a part alone is empty. */
int rf_parts_read(struct text about, struct parts *parts);

#endif
