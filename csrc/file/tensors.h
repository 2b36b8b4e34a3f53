/* tensors.h - what a .safetensors file says it holds: names, number types, shapes and places, and words about them.
 *
 * Eight bytes, the length of the header, least significant first; the header, JSON; then the numbers. */
#ifndef RF_TENSORS_H
#define RF_TENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "file/json.h"
#include "file/source.h"

enum { RF_TENSOR_AXES = 3, RF_TENSOR_OTHER = -1 };

struct tensor {
  struct text name;
  int32_t dtype; /* RF_F32, RF_F64, RF_BF16, RF_I8 or RF_TENSOR_OTHER */
  int32_t axes;  /* of which the first three are kept */
  int64_t shape[RF_TENSOR_AXES];
  uint64_t from, bytes; /* in the file */
  int taken; /* by a part: left to whoever reads parts */
};

struct tensors {
  char *header; /* that names and words lie in */
  struct tensor *list; /* by name */
  int64_t count;
  struct text about; /* __metadata__["rnnfast"], at = NULL where there is none */
};

/* RF_OK, RF_ERROR_FILE, RF_ERROR_FORMAT or RF_ERROR_MEMORY. To be given back in any case. Tensors lie one behind the other from
 * the header to the end of the file, as the format has it: so all together are no more than the file. */
int32_t rf_tensors_read(const struct source *source, struct tensors *tensors);
void rf_tensors_free(struct tensors *tensors);

/* Puts tensors in the order of their names; 0 where two have one name, or they do not fill the bytes from `first` to `end`. */
int rf_tensors_order(struct tensors *tensors, uint64_t first, uint64_t end);

/* The tensor called PART.NAME, or NAME where the part has no name; NULL where there is none. */
struct tensor *rf_tensors_find(const struct tensors *tensors, struct text part, const char *name);

/* Whether a tensor that belongs to one of these parts, whose names are in order, was not taken. */
int rf_tensors_left(const struct tensors *tensors, const struct text *names, int32_t count);

#endif
