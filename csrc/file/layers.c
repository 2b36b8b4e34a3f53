/* layers.c - a recurrent part of a file: the cell that its options name, and the tensors of every layer. */
#include <stdio.h>

#include "file/reading.h"

/* The cell that the options name, and how many gates it has; NULL where there is none of such a name. */
static const char *cell_of(const struct options *o, int64_t *gates) {
  *gates = o->kind == RF_FILE_RNN ? 1 : o->kind == RF_FILE_GRU ? 3 : 4;
  if (o->kind == RF_FILE_LSTM) return o->proj_size ? "lstm_proj" : "lstm";
  if (o->kind == RF_FILE_GRU) return o->reset_after ? "gru" : "gru_before";
  if (o->nonlinearity.at == NULL || rf_text_is(o->nonlinearity, "tanh")) return "rnn_tanh";
  if (rf_text_is(o->nonlinearity, "relu")) return "rnn_relu";
  return rf_text_is(o->nonlinearity, "linear") ? "rnn_linear" : NULL;
}

/* Numbers of h. */
static int64_t state_size(const struct options *o) { return o->proj_size ? o->proj_size : o->hidden_size; }

/* The initial states, learned with the net: (L*D, size), or with a batch axis of one row. */
static int initial(struct reading *r, const char *name, int64_t layers, int64_t size, const void **to) {
  struct tensor *t = rf_tensors_find(r->tensors, r->options->name, name);
  if (t == NULL) return 1;
  if (t->axes == 3 && t->shape[1] == 1) {
    t->axes = 2;
    t->shape[1] = t->shape[2];
  }
  return rf_reading_numbers(r, name, layers, size, to);
}

/* The parameters of every layer and direction: in `table` weight_ih of all, then weight_hh of all, the biases and weight_hr,
 * each where there are any. */
static int parameters(struct reading *r, int64_t gates, int64_t directions, const void **table) {
  static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
  const struct options *o = r->options;
  const int64_t rows = gates * o->hidden_size, size = state_size(o), count = o->num_layers * directions;
  for (int64_t k = 0; k < count; k++) {
    const int64_t inputs = k < directions ? o->input_size : directions * size;
    const int64_t shapes[][2] = {{rows, inputs}, {rows, size}, {rows, 0}, {rows, 0}, {size, o->hidden_size}};
    for (int i = 0; i < 5; i++) {
      if (i == 4 ? !o->proj_size : i >= 2 && !o->bias) continue;
      char name[64];
      snprintf(name, sizeof name, "%s_l%lld%s", names[i], (long long)(k / directions),
               k % directions ? "_reverse" : "");
      const int bias = i == 2 || i == 3;
      if (!(bias ? rf_reading_numbers : rf_reading_matrix)(r, name, shapes[i][0], shapes[i][1],
                                                           &table[i * count + k])) {
        return 0;
      }
    }
  }
  return 1;
}

/* RF_MASKED_ZERO, which is the default, or RF_MASKED_HOLD; -1 where there is none of such a name. */
static int32_t masked_output(struct text name) {
  if (name.at == NULL || rf_text_is(name, "zero")) return RF_MASKED_ZERO;
  return rf_text_is(name, "hold") ? RF_MASKED_HOLD : -1;
}

int rf_reading_layers(struct reading *r) {
  int64_t gates;
  const struct options *o = r->options;
  const char *cell = cell_of(o, &gates);
  rf_problem *p = &r->spec->problem;
  const int64_t directions = o->bidirectional ? 2 : 1, hidden = o->hidden_size, count = o->num_layers * directions;
  p->masked_output = masked_output(o->masked_output);
  if (cell == NULL || p->masked_output < 0 || rf_reading_weights(o, 0) < 0) return rf_reading_fail(r, RF_ERROR_FORMAT);
  if (!rf_is_size(o->input_size, 1) || !rf_is_size(hidden, 1) || !rf_is_size(o->num_layers, 1) ||
      !rf_is_size(state_size(o), 1) || (o->proj_size && o->proj_size >= hidden)) {
    return rf_reading_fail(r, RF_ERROR_SHAPE);
  }
  if (count > r->tensors->count) return rf_reading_fail(r, RF_ERROR_FORMAT);
  const void **table = rf_reading_piece(r, 5 * (size_t)count * sizeof *table);
  if (table == NULL || !parameters(r, gates, directions, table)) return 0;
  p->struct_size = sizeof *p;
  p->cell = rf_cell_id(cell);
  p->num_layers = (int32_t)o->num_layers;
  p->num_directions = (int32_t)directions;
  p->input_size = o->input_size;
  p->hidden_size = hidden;
  p->state_size = state_size(o);
  p->weight_ih = table;
  p->weight_hh = table + count;
  p->bias_ih = o->bias ? table + 2 * count : NULL;
  p->bias_hh = o->bias ? table + 3 * count : NULL;
  p->weight_hr = o->proj_size ? table + 4 * count : NULL;
  r->spec->kind = RF_PART_LAYERS;
  if (!initial(r, "h0", count, p->state_size, &p->h0)) return 0;
  return o->kind != RF_FILE_LSTM || initial(r, "c0", count, hidden, &p->c0);
}
