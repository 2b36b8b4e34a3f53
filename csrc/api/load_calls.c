/* load_calls.c - the public calls that make a net from a weights file. */
#include <stddef.h>
#include <stdint.h>

#include "api/make.h"
#include "file/model.h"
#include "file/source.h"
#include "include/rnnfast.h"

static int32_t load(const struct source *source, int32_t isa, int32_t num_threads, rf_net **net) {
  struct model model;
  int32_t status = rf_model_read(source, &model);
  if (status == RF_OK) status = rf_parts_make(model.spec, model.count, model.dtype, isa, num_threads, net);
  rf_model_free(&model);
  return status;
}

int32_t rf_net_load(const char *path, int32_t isa, int32_t num_threads, rf_net **net) {
  struct source source;
  if (net != NULL) *net = NULL;
  if (path == NULL || net == NULL) return RF_ERROR_NULL;
  int32_t status = rf_source_open(path, &source);
  if (status == RF_OK) {
    status = load(&source, isa, num_threads, net);
    rf_source_close(&source);
  }
  return status;
}

int32_t rf_net_load_memory(const void *data, size_t bytes, int32_t isa, int32_t num_threads, rf_net **net) {
  if (net != NULL) *net = NULL;
  if (data == NULL || net == NULL) return RF_ERROR_NULL;
  return load(&(struct source){.memory = data, .bytes = bytes}, isa, num_threads, net);
}
