/* model.c - a weights file as the parts of a net: each kind with the tensors that belong to it. */
#include "file/model.h"

#include <stdlib.h>

#include "file/options.h"
#include "file/reading.h"
#include "file/tensors.h"

static int table_of(struct reading *r, int32_t kind, int64_t inputs, int64_t outputs, int64_t rows, int64_t columns,
                    int bias) {
  if (!rf_is_size(rows, 1) || !rf_is_size(columns, 1)) return rf_reading_fail(r, RF_ERROR_SHAPE);
  r->spec->kind = kind;
  r->spec->inputs = inputs;
  r->spec->outputs = outputs;
  return rf_reading_numbers(r, "weight", rows, columns, &r->spec->weight) &&
         (!bias || rf_reading_numbers(r, "bias", rows, 0, &r->spec->bias));
}

static int activation(struct reading *r) {
  static const char *const names[] = {"tanh", "relu", "sigmoid", "softmax", "log_softmax"};
  for (int i = 0; i < 5 && r->options->function.at != NULL; i++) {
    if (!rf_text_is(r->options->function, names[i])) continue;
    r->spec->kind = RF_HEAD_TANH + i;
    return 1;
  }
  return rf_reading_fail(r, RF_ERROR_FORMAT);
}

static int part(struct reading *r) {
  const struct options *o = r->options;
  switch (o->kind) {
  case RF_FILE_LINEAR:
    return table_of(r, RF_HEAD_LINEAR, o->in_features, o->out_features, o->out_features, o->in_features, o->bias);
  case RF_FILE_EMBEDDING:
    return table_of(r, RF_PART_EMBEDDING, o->num_embeddings, o->embedding_dim, o->num_embeddings, o->embedding_dim, 0);
  case RF_FILE_ACTIVATION:
    return activation(r);
  default:
    return rf_reading_layers(r);
  }
}

/* Whether the numbers are of the type that the options tell, if they do. */
static int is_of_type(const struct options *o, int32_t dtype) {
  return o->dtype.at == NULL || rf_text_is(o->dtype, dtype == RF_F32 ? "float32" : "float64");
}

static int32_t read_parts(struct reading *r, const struct parts *parts) {
  const int32_t count = parts->count;
  r->model->spec = calloc((size_t)count, sizeof *r->model->spec);
  if (r->model->spec == NULL) return RF_ERROR_MEMORY;
  r->model->count = count;
  r->model->dtype = RF_TENSOR_OTHER;
  for (int32_t n = 0; n < count; n++) {
    r->options = &parts->part[n];
    r->spec = &r->model->spec[n];
    if (!part(r)) return r->status;
    if (!is_of_type(r->options, r->model->dtype)) return RF_ERROR_DTYPE;
    r->spec->problem.dtype = r->model->dtype;
    r->spec->problem.weight_dtype = rf_reading_weights(r->options, r->model->dtype);
  }
  if (r->model->dtype == RF_TENSOR_OTHER) return RF_ERROR_SHAPE; /* activations alone, of whatever size */
  return rf_tensors_left(r->tensors, parts->name, count) ? RF_ERROR_FORMAT : RF_OK;
}

int32_t rf_model_read(const struct source *source, struct model *model) {
  struct tensors tensors;
  *model = (struct model){0};
  int32_t status = rf_tensors_read(source, &tensors);
  if (status == RF_OK && tensors.about.at == NULL) status = RF_ERROR_FORMAT;
  struct parts *parts = status == RF_OK ? malloc(sizeof *parts) : NULL;
  if (status == RF_OK && parts == NULL) status = RF_ERROR_MEMORY;
  if (status == RF_OK) {
    struct reading reading = {.source = source, .tensors = &tensors, .model = model};
    status = rf_parts_read(tensors.about, parts) ? read_parts(&reading, parts) : RF_ERROR_FORMAT;
  }
  free(parts);
  rf_tensors_free(&tensors);
  return status;
}

void rf_model_free(struct model *model) {
  rf_reading_forget(model);
  free(model->spec);
  *model = (struct model){0};
}
