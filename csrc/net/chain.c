/* chain.c - the parts of a net as a chain: what each reads is what the one before it gives. */
#include "net/chain.h"

/* Numbers of a row that a part reads: an activation's are those that come, `from`. */
static int64_t inputs_of(const struct rf_part_spec *s, int64_t from) {
  return s->kind == RF_PART_LAYERS      ? s->problem.input_size
         : s->kind == RF_PART_EMBEDDING ? 1
         : s->kind == RF_HEAD_LINEAR    ? s->inputs
                                        : from;
}

int64_t rf_chain_outputs(const struct rf_part_spec *s, int64_t from) {
  return s->kind == RF_PART_LAYERS ? s->problem.num_directions * s->problem.hidden_size
         : s->kind == RF_PART_EMBEDDING || s->kind == RF_HEAD_LINEAR ? s->outputs
                                                                     : from;
}

int64_t rf_chain_width(const struct rf_part_spec *spec, int32_t count) {
  for (int32_t n = 0; n < count; n++) {
    const int64_t width = inputs_of(&spec[n], 0);
    if (width != 0) return width;
  }
  return 0;
}

int32_t rf_chain_check(const struct rf_part_spec *spec, int32_t count, int32_t dtype) {
  int64_t from = rf_chain_width(spec, count);
  if (from == 0) return RF_ERROR_SHAPE;
  for (int32_t n = 0; n < count; n++) {
    const struct rf_part_spec *s = &spec[n];
    if (s->kind < 0 || s->kind > RF_PART_EMBEDDING) return RF_ERROR_RANGE;
    if (s->kind == RF_PART_LAYERS && s->problem.dtype != dtype) return RF_ERROR_DTYPE;
    if ((n > 0 && s->kind == RF_PART_EMBEDDING) || inputs_of(s, from) != from) return RF_ERROR_SHAPE;
    if (s->kind == RF_HEAD_LINEAR || s->kind == RF_PART_EMBEDDING) {
      if (!rf_is_size(s->inputs, 1) || !rf_is_size(s->outputs, 1)) return RF_ERROR_SHAPE;
      if (!s->weight) return RF_ERROR_NULL;
      if (16.0 * (double)s->inputs * (double)s->outputs > 4e18) return RF_ERROR_SIZE;
    }
    from = rf_chain_outputs(s, from);
  }
  return RF_OK;
}

rf_net rf_chain_net(const struct rf_part_spec *spec, int32_t count) {
  rf_net net = {.count = count, .steps_alone = 1};
  int64_t from = rf_chain_width(spec, count);
  for (int32_t n = 0; n < count; n++) {
    from = rf_chain_outputs(&spec[n], from);
    if (n + 1 < count && from > net.between) net.between = from;
    net.recurrent += spec[n].kind == RF_PART_LAYERS;
    if (spec[n].kind == RF_PART_LAYERS && spec[n].problem.num_directions > 1) net.steps_alone = 0;
  }
  return net;
}
