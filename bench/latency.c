/* latency.c - one step of a small net from C, in nanoseconds: rf_net_step in turn with plain loops and, if wanted, others.
 *
 * latency.sh builds and runs it. All candidates take turns, a hundred times some steps in a row, of which the median counts.
 * Then 10^6 steps are timed one by one, beside as many of nothing: what is over there comes from the system. `floor` is the
 * longest of: multiply-adds over their peak; the weights' bytes over the speed at which as many bytes are read; the chain
 * of one unit, its products one after the other and its activations. With a library as its argument, whatever function
 * that has for void *beside(const char *cell, int inputs, int hidden) is one more candidate: void step(const float *x,
 * float *y). */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rnnfast.h"

#define VARIANT(name)                                                                                                  \
  void *name##_make(int inputs, int hidden, int gates);                                                                \
  void name##_step(void *net, const float *x, float *y);
#include "plain_variants.inc"
#undef VARIANT

enum { MOST = 256, ROUNDS = 101, SINGLE = 1000000, CANDIDATES = 32 };

typedef void plain_step(void *net, const float *x, float *y);
typedef void beside_step(const float *x, float *y);
typedef void *beside_find(const char *cell, int inputs, int hidden);

/* What can make a step: exactly one of the three. */
struct candidate {
  const char *name;
  const rf_net *net;
  void *state, *workspace;
  plain_step *plain;
  void *plain_net;
  beside_step *beside;
};

static float x[MOST], y[MOST];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  const double d = *(const double *)a - *(const double *)b;
  return (d > 0) - (d < 0);
}

static double quantile(double *of, int count, double q) {
  qsort(of, (size_t)count, sizeof *of, by_size);
  return of[(int)(q * (count - 1))];
}

static void *lines(size_t bytes) { return memset(aligned_alloc(64, (bytes + 64) / 64 * 64), 0, bytes); }

static void must(int32_t status) {
  if (status == RF_OK) return;
  fprintf(stderr, "%s\n", rf_status_text(status));
  exit(1);
}

static float *drawn(int count, double most) {
  float *to = lines((size_t)count * sizeof *to);
  for (int i = 0; i < count; i++) to[i] = (float)(most * (rand() % 2001 - 1000) / 1000);
  return to;
}

static struct candidate ours(const char *cell, int gates, int inputs, int hidden) {
  const double most = 1 / sqrt(hidden);
  const void *wi = drawn(gates * hidden * inputs, most), *wh = drawn(gates * hidden * hidden, most);
  const void *bi = drawn(gates * hidden, most), *bh = drawn(gates * hidden, most);
  rf_problem p = {.struct_size = sizeof p, .cell = rf_cell_id(cell), .dtype = RF_F32, .weight_dtype = RF_F32};
  p.isa = RF_ISA_AUTO;
  p.num_layers = p.num_directions = 1;
  p.input_size = inputs;
  p.hidden_size = p.state_size = hidden;
  p.weight_ih = &wi, p.weight_hh = &wh, p.bias_ih = &bi, p.bias_hh = &bh;
  rf_net *net;
  size_t state, workspace;
  must(rf_net_create(&p, NULL, 0, &net));
  must(rf_net_state_bytes(net, 1, &state));
  must(rf_net_workspace_bytes(net, 1, 1, &workspace));
  struct candidate c = {.name = "rf_net_step", .net = net, .state = lines(state), .workspace = lines(workspace)};
  must(rf_net_state_reset(net, 1, c.state, NULL));
  return c;
}

static int others(const char *cell, int gates, int inputs, int hidden, beside_find *find, struct candidate *c) {
  int n = 0;
#define VARIANT(v)                                                                                                     \
  c[n++] = (struct candidate){.name = #v, .plain = v##_step, .plain_net = v##_make(inputs, hidden, gates)};
#include "plain_variants.inc"
#undef VARIANT
  beside_step *beside = find ? (beside_step *)find(cell, inputs, hidden) : NULL;
  if (beside) c[n++] = (struct candidate){.name = "beside", .beside = beside};
  return n;
}

static inline void step(const struct candidate *c) {
  if (c->net) {
    rf_net_step(c->net, 1, x, y, c->state, c->workspace);
  } else if (c->plain) {
    c->plain(c->plain_net, x, y);
  } else {
    c->beside(x, y);
  }
}

/* Medians of ROUNDS rounds in which all take turns. */
static void measure(struct candidate *c, int count, int steps, double *median) {
  static double time[CANDIDATES][ROUNDS];
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < count; i++) {
      for (int n = 0; n < steps / 8 + 4; n++) step(&c[i]);
      const double start = now();
      for (int n = 0; n < steps; n++) step(&c[i]);
      time[i][round] = (now() - start) / steps;
    }
  }
  for (int i = 0; i < count; i++) median[i] = quantile(time[i], ROUNDS, 0.5);
}

/* The 99.9th percentile and the longest of SINGLE steps, or of nothing. */
static double single(const struct candidate *c, double *longest) {
  static double time[SINGLE];
  for (int i = 0; i < SINGLE; i++) {
    const double start = now();
    if (c) step(c);
    time[i] = now() - start;
  }
  const double high = quantile(time, SINGLE, 0.999);
  *longest = time[SINGLE - 1];
  return high;
}

/* Nanoseconds of a multiply-add that waits for the one before it. */
static double chain_latency(void) {
  double best = 1e9;
  for (int round = 0; round < 20; round++) {
    volatile float start = 0.5f;
    float a = start;
    const double begun = now();
    for (int i = 0; i < 100000; i++) a = fmaf(a, 0.999f, 0.001f);
    start = a;
    best = fmin(best, (now() - begun) / 100000);
  }
  return best;
}

/* An activation is about as long as 14 multiply-adds by the latencies of its instructions; a step has two in a chain, a RNN
 * one. `bound` says which of the three limits the floor is. */
static double least(int gates, int inputs, int hidden, double latency, const char **bound) {
  const double products = (double)gates * hidden * (inputs + hidden), bytes = products * sizeof(float);
  const int chain = hidden <= 32 ? 16 : hidden <= 64 ? 32 : 64, length = hidden < chain ? hidden : chain;
  void *data = lines((size_t)bytes + 4096);
  double flops, done, peak = 1e9, read = 1e9;
  for (int i = 0; i < 10; i++) {
    double start = now();
    must(rf_fma_loop(RF_ISA_AUTO, RF_F32, 20000, &flops));
    peak = fmin(peak, (now() - start) / flops);
    start = now();
    must(rf_read_loop(RF_ISA_AUTO, (int64_t)bytes / 512 * 512 + 512, data, 1 + (int64_t)(1e6 / bytes), &done));
    read = fmin(read, (now() - start) / done);
  }
  free(data);
  const double limit[] = {2 * products * peak, bytes * read, latency * (length + (gates > 1 ? 28 : 14))};
  static const char *const name[] = {"multiply-adds", "bytes", "chain"};
  int most = 0;
  for (int i = 1; i < 3; i++) most = limit[i] > limit[most] ? i : most;
  *bound = name[most];
  return limit[most];
}

static void row(const char *cell, int gates, int inputs, int hidden, beside_find *find) {
  struct candidate c[CANDIDATES] = {ours(cell, gates, inputs, hidden)};
  double median[CANDIDATES], longest, longest_of_nothing;
  const char *bound;
  const int count = 1 + others(cell, gates, inputs, hidden, find, c + 1);
  measure(c, count, hidden < 32 ? 1000 : hidden < 100 ? 200 : 40, median);
  int plain = 0;
  for (int i = 1; i < count; i++) {
    if (c[i].plain && (plain == 0 || median[i] < median[plain])) plain = i;
  }
  const double beside = c[count - 1].beside ? median[count - 1] : NAN;
  const double floor_ns = least(gates, inputs, hidden, chain_latency(), &bound);
  const double nothing = single(NULL, &longest_of_nothing), high = single(&c[0], &longest);
  printf("%-9s %4d %4d %9.1f %9.1f %9.1f  %-18s %9.1f %-14s %7.0f%%  %8.0f %8.0f  %8.0f %8.0f\n", cell, inputs, hidden,
         median[0], beside, median[plain], c[plain].name, floor_ns, bound, 100 * floor_ns / median[0], high, longest,
         nothing, longest_of_nothing);
  fflush(stdout);
}

int main(int argc, char **argv) {
  static const int sizes[] = {8, 16, 24, 32, 40, 64, 128, 256};
  static const struct {
    const char *name;
    int gates;
  } cells[] = {{"lstm", 4}, {"gru", 3}, {"rnn_tanh", 1}};
  void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
  if (argc > 1 && !library) fprintf(stderr, "%s\n", dlerror());
  beside_find *find = library ? (beside_find *)dlsym(library, "beside") : NULL;
  for (int i = 0; i < MOST; i++) x[i] = (float)(rand() % 2001 - 1000) / 1000;
  printf("ns a step    I    H rf_net_step   beside   plain  which             floor  by                of it");
  printf("   p99.9  longest   nothing's p99.9, longest\n");
  for (int cell = 0; cell < 3; cell++) {
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      row(cells[cell].name, cells[cell].gates, 1, sizes[i], find);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      row(cells[cell].name, cells[cell].gates, sizes[i], sizes[i], find);
    }
  }
  return 0;
}
