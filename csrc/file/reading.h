/* reading.h - one part of a file being read: its options, the tensors that belong to it, what is made of them. */
#ifndef RF_READING_H
#define RF_READING_H

#include <stddef.h>
#include <stdint.h>

#include "file/model.h"
#include "file/options.h"
#include "file/source.h"
#include "file/tensors.h"

struct reading {
  const struct source *source;
  const struct tensors *tensors;
  struct model *model;
  const struct options *options;
  struct rf_part_spec *spec;
  int32_t status; /* the first thing wrong */
};

/* Returns 0, as all that follows where something is wrong. */
int rf_reading_fail(struct reading *reading, int32_t status);

/* Memory that lasts as long as the model, until all of it is given back; NULL where there is none. */
void *rf_reading_piece(struct reading *reading, size_t bytes);
void rf_reading_forget(struct model *model);

/* The numbers of a tensor of this shape, in `to`; columns = 0: of one axis. */
int rf_reading_numbers(struct reading *reading, const char *name, int64_t rows, int64_t columns, const void **to);

/* The tensor of this shape, taken; and whether the model's numbers are of a type, which the first to ask decides. */
struct tensor *rf_reading_tensor(struct reading *reading, const char *name, int64_t rows, int64_t columns);
int rf_reading_type(struct reading *reading, int32_t dtype);

/* A matrix of weights, as rf_reading_numbers or, of a part that keeps them in a narrow type, widened to float32. */
int rf_reading_matrix(struct reading *reading, const char *name, int64_t rows, int64_t columns, const void **to);

/* The type that the part's options name, RF_BF16 or RF_I8, `dtype` where they name none, -1 where there is none such. */
int32_t rf_reading_weights(const struct options *options, int32_t dtype);

/* Recurrent layers, with their initial states where the file has some. */
int rf_reading_layers(struct reading *reading);

#endif
