/* replay.c - computes the problems of a file again and compares every bit with the results in it, on whatever machine this was
 * built for: `replay FILE ISA [fault]`. With `fault` the last bit of each problem's expected y is another, to be seen.
 *
 * A net runs for its results alone and recorded, with its gradients, on one thread and on two; as an rf_net in one call,
 * step by step where it has one direction and every step is live, and below a head where the file has one; nothing is
 * recorded where weights are of a narrow type. Exit status 1 where results differ, 2 where it cannot run. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"
#include "rnnfast.h"

static int32_t isa;
static int64_t numbers, edges, wrong; /* compared; at the smallest normal number; different */

static void check(int32_t status) {
  if (status != RF_OK) stop(rf_status_text(status));
}

static double number(const char *data, int64_t n, int64_t dtype) {
  return dtype == RF_F32 ? (double)((const float *)data)[n] : ((const double *)data)[n];
}

/* Where rounding decides whether a number is normal, Arm asks before it rounds and x86 after. */
static int at_the_edge(double a, double b, int64_t dtype) {
  const double least = dtype == RF_F32 ? 0x1p-126 : 0x1p-1022;
  return signbit(a) == signbit(b) && ((a == 0 && fabs(b) == least) || (b == 0 && fabs(a) == least));
}

static void compare(const struct problem *p, const char *how, const char *name, const char *got,
                    struct array expected) {
  const int64_t dtype = p->header->dtype, size = dtype == RF_F32 ? 4 : 8, count = expected.bytes / size;
  int64_t found = 0;
  for (int64_t n = 0; n < count; n++) {
    if (memcmp(got + n * size, expected.data + n * size, (size_t)size) == 0) continue;
    const double a = number(got, n, dtype), b = number(expected.data, n, dtype);
    if (isnan(a) && isnan(b)) continue;
    if (at_the_edge(a, b, dtype)) {
      edges++;
    } else if (found++ == 0) {
      printf("%s, %s: %s[%lld] is %a, expected %a", p->header->name, how, name, (long long)n, a, b);
    }
  }
  if (found) printf("; %lld of %lld differ\n", (long long)found, (long long)count);
  numbers += count;
  wrong += found;
}

/* The memory of a result, every byte 0xff, or zeros; NULL where there is none. */
static char *room(struct array expected, int fill) {
  return expected.data ? memset(lines(expected.bytes), fill, (size_t)expected.bytes) : NULL;
}

static rf_problem record_of(const struct problem *p, const void **tables) {
  const struct header *h = p->header;
  rf_problem r;
  check(rf_problem_init(&r, sizeof r, rf_cell_id(h->cell), (int32_t)h->dtype, (int32_t)h->layers,
                        (int32_t)h->directions, h->steps, h->batch, h->inputs, h->hidden));
  for (int t = 0; t < TABLES; t++) {
    for (int k = 0; k < LAYERS_MOST; k++) tables[t * LAYERS_MOST + k] = p->weight[t][k].data;
  }
  r.isa = isa;
  r.weight_dtype = (int32_t)h->weights;
  r.state_size = h->state;
  r.masked_output = (int32_t)h->hold;
  r.y_stride_b = r.dy_stride_b = h->directions * h->state;
  r.y_stride_t = r.dy_stride_t = h->batch * r.y_stride_b;
  r.dropout = h->dropout, r.input_dropout = h->input_dropout, r.recurrent_dropout = h->recurrent_dropout;
  r.dropout_seed = h->dropout_seed, r.first_row = h->first_row;
  r.weight_ih = tables + WEIGHT_IH * LAYERS_MOST, r.weight_hh = tables + WEIGHT_HH * LAYERS_MOST;
  if (p->weight[BIAS_IH][0].data) {
    r.bias_ih = tables + BIAS_IH * LAYERS_MOST, r.bias_hh = tables + BIAS_HH * LAYERS_MOST;
  }
  if (p->weight[WEIGHT_HR][0].data) r.weight_hr = tables + WEIGHT_HR * LAYERS_MOST;
  r.x = p->input[X].data;
  r.h0 = p->input[H0].data, r.c0 = p->input[C0].data;
  r.lengths = (const int64_t *)p->input[LENGTHS].data;
  r.mask = (const uint8_t *)p->input[MASK].data, r.resets = (const uint8_t *)p->input[RESETS].data;
  return r;
}

static void call(int32_t (*function)(const rf_problem *), rf_problem *r) {
  check(rf_workspace_bytes(r, &r->workspace_bytes));
  r->workspace = memset(lines((int64_t)r->workspace_bytes), 0xff, r->workspace_bytes);
  check(function(r));
  free(r->workspace);
}

/* Forward and, where recorded, backward. */
static void run_call(const struct problem *p, int32_t threads, int recorded) {
  const void *tables[TABLES * LAYERS_MOST];
  void *gradients[TABLES * LAYERS_MOST];
  char *out[OUTPUTS], how[64];
  rf_problem r = record_of(p, tables);
  snprintf(how, sizeof how, "%s, %d threads", recorded ? "recorded" : "inference", (int)threads);
  for (int i = 0; i < OUTPUTS; i++) out[i] = room(p->output[i], 0xff);
  r.y = out[Y], r.h_n = out[H_N], r.c_n = out[C_N];
  r.num_threads = threads;
  if (recorded) {
    check(rf_reserve_bytes(&r, &r.reserve_bytes));
    r.reserve = memset(lines((int64_t)r.reserve_bytes), 0xff, r.reserve_bytes);
  }
  call(rf_forward, &r);
  for (int i = Y; i <= C_N; i++) compare(p, how, output_names[i], out[i], p->output[i]);
  if (recorded) {
    const int count = (int)(p->header->layers * p->header->directions);
    void *const **wanted[] = {&r.d_weight_ih, &r.d_weight_hh, &r.d_bias_ih, &r.d_bias_hh, &r.d_weight_hr};
    for (int t = 0; t < TABLES; t++) {
      for (int k = 0; k < count; k++) gradients[t * LAYERS_MOST + k] = room(p->gradient[t][k], 0);
      if (p->gradient[t][0].data) *wanted[t] = gradients + t * LAYERS_MOST;
    }
    r.dy = p->input[DY].data, r.dh_n = p->input[DH_N].data, r.dc_n = p->input[DC_N].data;
    r.dx = out[DX], r.dh0 = out[DH0], r.dc0 = out[DC0];
    call(rf_backward, &r);
    for (int i = DX; i <= DC0; i++) compare(p, how, output_names[i], out[i], p->output[i]);
    for (int t = 0; t < TABLES; t++) {
      for (int k = 0; k < count; k++) {
        compare(p, how, table_names[t], gradients[t * LAYERS_MOST + k], p->gradient[t][k]);
        free(gradients[t * LAYERS_MOST + k]);
      }
    }
    free(r.reserve);
  }
  for (int i = 0; i < OUTPUTS; i++) free(out[i]);
}

/* How an rf_net runs: a sequence, its steps one by one, or a sequence below a head, from states of zeros. */
enum { AT_ONCE, BY_STEPS, BELOW_A_HEAD };

/* The net, its head being a linear layer and all activations whose functions are the library's own. */
static rf_net *net_make(const struct problem *p, rf_problem *r, int way) {
  const int64_t size = p->header->dtype == RF_F32 ? 4 : 8;
  rf_net *net;
  r->h0 = r->c0 = NULL; /* a net's own are the same for every row */
  const rf_head_part head[] = {
      {RF_HEAD_LINEAR, p->input[HEAD_BIAS].bytes / size, p->input[HEAD_WEIGHT].data, p->input[HEAD_BIAS].data},
      {.kind = RF_HEAD_TANH},
      {.kind = RF_HEAD_RELU},
      {.kind = RF_HEAD_SIGMOID},
      {.kind = RF_HEAD_SOFTMAX},
  };
  check(rf_net_create(r, head, way == BELOW_A_HEAD ? sizeof head / sizeof *head : 0, &net));
  return net;
}

static void run_net(const struct problem *p, int way) {
  static const char *const ways[] = {"a net", "steps of a net", "a net below a head"};
  const void *tables[TABLES * LAYERS_MOST];
  const struct header *h = p->header;
  const int64_t size = h->dtype == RF_F32 ? 4 : 8;
  const struct array y = p->output[way == BELOW_A_HEAD ? HEAD_Y : Y];
  rf_problem r = record_of(p, tables);
  rf_net *net = net_make(p, &r, way);
  size_t state_bytes, workspace_bytes;
  check(rf_net_state_bytes(net, h->batch, &state_bytes));
  check(rf_net_workspace_bytes(net, h->steps, h->batch, &workspace_bytes));
  void *state = lines((int64_t)state_bytes), *workspace = lines((int64_t)workspace_bytes);
  check(rf_net_state_reset(net, h->batch, state, NULL));
  if (p->input[H0].data && way != BELOW_A_HEAD) {
    check(rf_net_state_write(net, 0, h->batch, state, p->input[H0].data, p->input[C0].data));
  }
  char *out[] = {room(y, 0xff), room(p->output[H_N], 0xff), room(p->output[C_N], 0xff)};
  const int64_t y_row = y.bytes / size / h->steps / h->batch;
  const rf_sequence s = {sizeof s,         h->steps, h->batch, r.x,       r.x_stride_t, r.x_stride_b, out[0],
                         y_row * h->batch, y_row,    state,    r.lengths, r.mask,       r.resets,     workspace};
  for (int64_t t = 0; t < h->steps && way == BY_STEPS; t++) {
    rf_net_step(net, h->batch, p->input[X].data + t * s.x_stride_t * size, out[0] + t * s.y_stride_t * size, state,
                workspace);
  }
  if (way != BY_STEPS) check(rf_net_forward(net, &s));
  compare(p, ways[way], "y", out[0], y);
  if (way != BELOW_A_HEAD) {
    check(rf_net_state_read(net, 0, h->batch, state, out[1], out[2]));
    for (int i = H_N; i <= C_N; i++) compare(p, ways[way], output_names[i], out[i], p->output[i]);
  }
  for (int i = 0; i < 3; i++) free(out[i]);
  free(state);
  free(workspace);
  rf_net_free(net);
}

static void run(const struct problem *p) {
  const struct header *h = p->header;
  if (h->function >= 0) {
    char *y = room(p->output[Y], 0xff);
    check(rf_elementwise(isa, (int32_t)h->dtype, (int32_t)h->function, p->input[X].bytes / (h->dtype == RF_F32 ? 4 : 8),
                         p->input[X].data, y));
    compare(p, "element-wise", "y", y, p->output[Y]);
    free(y);
    return;
  }
  const int whole = h->dropout == 0 && h->input_dropout == 0 && h->recurrent_dropout == 0;
  const int live = !p->input[LENGTHS].data && !p->input[MASK].data && !p->input[RESETS].data;
  for (int32_t threads = 1; threads <= 2; threads++) {
    if (whole) run_call(p, threads, 0);
    if (h->weights == h->dtype) run_call(p, threads, 1);
  }
  if (whole) run_net(p, AT_ONCE);
  if (whole && live && h->directions == 1) run_net(p, BY_STEPS);
  if (p->input[HEAD_WEIGHT].data) run_net(p, BELOW_A_HEAD);
}

int main(int count, char **words) {
  if (count < 3) stop("usage: replay FILE ISA [fault]");
  struct file file = file_read(words[1]);
  int problems = 0, seen = 0;
  isa = rf_isa_id(words[2]);
  if (rf_isa_reason(isa) != NULL) stop(rf_isa_reason(isa));
  for (; file.at < file.end; problems++) {
    const struct problem p = problem_take(&file);
    if (count > 3) p.output[Y].data[p.output[Y].bytes - (p.header->dtype == RF_F32 ? 4 : 8)] ^= 1;
    const int64_t before = wrong;
    run(&p);
    seen += wrong > before;
  }
  printf("%s: %lld numbers of %d problems, %lld at the smallest normal number, %lld of them differ, in %d problems\n",
         words[2], (long long)numbers, problems, (long long)edges, (long long)wrong, seen);
  return wrong > 0;
}
