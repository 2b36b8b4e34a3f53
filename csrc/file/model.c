/* model.c - a weights file as the parts of a net: each kind with the tensors that belong to it. */
#include "file/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "file/options.h"
#include "file/tensors.h"

struct piece {
  struct piece *next;
  max_align_t memory[];
};

/* A part being read. */
struct reading {
  const struct source *source;
  const struct tensors *tensors;
  struct model *model;
  const struct options *options;
  struct rf_part_spec *spec;
  int32_t status; /* the first thing wrong */
};

static int fail(struct reading *r, int32_t status) {
  if (r->status == RF_OK) r->status = status;
  return 0;
}

/* Memory that lasts as long as the model; NULL where there is none. */
static void *piece(struct reading *r, size_t bytes) {
  struct piece *made = bytes > PTRDIFF_MAX - sizeof *made ? NULL : malloc(sizeof *made + bytes);
  if (made == NULL) {
    fail(r, RF_ERROR_MEMORY);
    return NULL;
  }
  made->next = r->model->pieces;
  r->model->pieces = made;
  return made->memory;
}

/* The numbers of a tensor of this shape, in `to`; columns = 0: of one axis. Returns 0 where it is not that. */
static int numbers(struct reading *r, const char *name, int64_t rows, int64_t columns, const void **to) {
  struct tensor *t = rf_tensors_find(r->tensors, r->options->name, name);
  if (t == NULL || t->axes != (columns > 0 ? 2 : 1) || t->shape[0] != rows || (columns > 0 && t->shape[1] != columns)) {
    return fail(r, RF_ERROR_FORMAT);
  }
  if (r->model->dtype == RF_TENSOR_OTHER) r->model->dtype = t->dtype;
  if (t->dtype == RF_TENSOR_OTHER || t->dtype != r->model->dtype) return fail(r, RF_ERROR_DTYPE);
  void *memory = piece(r, (size_t)t->bytes);
  if (memory == NULL) return 0;
  t->taken = 1;
  const int32_t status = rf_source_read(r->source, t->from, (size_t)t->bytes, memory);
  *to = memory;
  return status == RF_OK ? 1 : fail(r, status);
}

/* The cell of a recurrent kind, and how many gates it has; NULL for other kinds, and for a projection of another's h. */
static const char *cell_of(const struct options *o, int64_t *gates) {
  const int is_gru = rf_text_is(o->kind, "GRU");
  *gates = is_gru ? 3 : 4;
  if (rf_text_is(o->kind, "LSTM")) return o->proj_size ? "lstm_proj" : "lstm";
  if (o->proj_size) return NULL;
  if (is_gru) return o->reset_after ? "gru" : "gru_before";
  *gates = 1;
  if (!rf_text_is(o->kind, "RNN")) return NULL;
  if (o->nonlinearity.at == NULL || rf_text_is(o->nonlinearity, "tanh")) return "rnn_tanh";
  if (rf_text_is(o->nonlinearity, "relu")) return "rnn_relu";
  return rf_text_is(o->nonlinearity, "linear") ? "rnn_linear" : NULL;
}

/* The initial states, learned with the net: (L*D, size), or with a batch axis of one row. */
static int initial(struct reading *r, const char *name, int64_t layers, int64_t size, const void **to) {
  struct tensor *t = rf_tensors_find(r->tensors, r->options->name, name);
  if (t == NULL) return 1;
  if (t->axes == 3 && t->shape[1] == 1) {
    t->axes = 2;
    t->shape[1] = t->shape[2];
  }
  return numbers(r, name, layers, size, to);
}

static int layers(struct reading *r, const char *cell, int64_t gates) {
  const struct options *o = r->options;
  rf_problem *p = &r->spec->problem;
  const int64_t directions = o->bidirectional ? 2 : 1, hidden = o->hidden_size, count = o->num_layers * directions;
  const int64_t size = o->proj_size ? o->proj_size : hidden;
  if (!rf_is_size(o->input_size, 1) || !rf_is_size(hidden, 1) || !rf_is_size(o->num_layers, 1) ||
      !rf_is_size(size, 1) || (o->proj_size && size >= hidden)) {
    return fail(r, RF_ERROR_SHAPE);
  }
  if (count > r->tensors->count) return fail(r, RF_ERROR_FORMAT);
  if (o->masked_output.at != NULL && rf_text_is(o->masked_output, "hold")) {
    p->masked_output = RF_MASKED_HOLD;
  } else if (o->masked_output.at != NULL && !rf_text_is(o->masked_output, "zero")) {
    return fail(r, RF_ERROR_FORMAT);
  }
  const void **table = piece(r, 5 * (size_t)count * sizeof *table);
  if (table == NULL) return 0;
  for (int64_t k = 0; k < count; k++) {
    static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
    const int64_t inputs = k < directions ? o->input_size : directions * size;
    const int64_t rows[] = {gates * hidden, gates * hidden, gates * hidden, gates * hidden, size};
    const int64_t columns[] = {inputs, size, 0, 0, hidden};
    for (int i = 0; i < 5; i++) {
      if (i == 4 ? !o->proj_size : i >= 2 && !o->bias) continue;
      char name[64];
      snprintf(name, sizeof name, "%s_l%lld%s", names[i], (long long)(k / directions),
               k % directions ? "_reverse" : "");
      if (!numbers(r, name, rows[i], columns[i], &table[i * count + k])) return 0;
    }
  }
  p->struct_size = sizeof *p;
  p->cell = rf_cell_id(cell);
  p->num_layers = (int32_t)o->num_layers;
  p->num_directions = (int32_t)directions;
  p->input_size = o->input_size;
  p->hidden_size = hidden;
  p->state_size = size;
  p->weight_ih = table;
  p->weight_hh = table + count;
  p->bias_ih = o->bias ? table + 2 * count : NULL;
  p->bias_hh = o->bias ? table + 3 * count : NULL;
  p->weight_hr = o->proj_size ? table + 4 * count : NULL;
  r->spec->kind = RF_PART_LAYERS;
  if (!initial(r, "h0", count, size, &p->h0)) return 0;
  return !rf_text_is(o->kind, "LSTM") || initial(r, "c0", count, hidden, &p->c0);
}

static int table_of(struct reading *r, int32_t kind, int64_t inputs, int64_t outputs, int64_t rows, int64_t columns,
                    int bias) {
  if (!rf_is_size(rows, 1) || !rf_is_size(columns, 1)) return fail(r, RF_ERROR_SHAPE);
  r->spec->kind = kind;
  r->spec->inputs = inputs;
  r->spec->outputs = outputs;
  return numbers(r, "weight", rows, columns, &r->spec->weight) &&
         (!bias || numbers(r, "bias", rows, 0, &r->spec->bias));
}

static int activation(struct reading *r) {
  static const char *const names[] = {"tanh", "relu", "sigmoid", "softmax", "log_softmax"};
  for (int i = 0; i < 5; i++) {
    if (!rf_text_is(r->options->function, names[i])) continue;
    r->spec->kind = RF_HEAD_TANH + i;
    return 1;
  }
  return fail(r, RF_ERROR_FORMAT);
}

static int part(struct reading *r) {
  const struct options *o = r->options;
  int64_t gates;
  const char *cell = cell_of(o, &gates);
  if (cell != NULL) return layers(r, cell, gates);
  if (rf_text_is(o->kind, "Linear")) {
    return table_of(r, RF_HEAD_LINEAR, o->in_features, o->out_features, o->out_features, o->in_features, o->bias);
  }
  if (rf_text_is(o->kind, "Embedding")) {
    const int64_t entries = o->num_embeddings, numbers_each = o->embedding_dim;
    return table_of(r, RF_PART_EMBEDDING, entries, numbers_each, entries, numbers_each, 0);
  }
  if (rf_text_is(o->kind, "activation") && o->function.at != NULL) return activation(r);
  return fail(r, RF_ERROR_FORMAT);
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
  }
  for (int32_t n = 0; n < count; n++) r->model->spec[n].problem.dtype = r->model->dtype;
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
  for (struct piece *next; model->pieces != NULL; model->pieces = next) {
    next = model->pieces->next;
    free(model->pieces);
  }
  free(model->spec);
  *model = (struct model){0};
}
