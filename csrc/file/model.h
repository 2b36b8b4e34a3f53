/* model.h - a weights file as the parts of a net. */
#ifndef RF_MODEL_H
#define RF_MODEL_H

#include <stdint.h>

#include "file/source.h"
#include "net/handle.h"

struct model {
  struct rf_part_spec *spec;
  int32_t count, dtype;
  struct piece *pieces; /* memory that the parts point to */
};

/* RF_OK, or why a net cannot be made of this file. To be given back in any case. */
int32_t rf_model_read(const struct source *source, struct model *model);
void rf_model_free(struct model *model);

#endif
