/* steps.c - a thousand steps of a kernel, RF_TESTED, against the same as one sequence: every bit of y, h and c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/rnnfast.h"
#include "kernel.h"
#include "system/cpu.h"

extern const struct rf_kernel RF_TESTED;
static const struct rf_kernel *const kernel = &RF_TESTED;
enum { BATCH = 3, GATES = 4 };

static size_t size; /* of a number */
static uint32_t seed = 1;

static void *numbers(int64_t count) { return calloc((size_t)count + 1, size); }

static void *lines(size_t bytes, int value) {
  void *memory = aligned_alloc(RF_LINE, (bytes / RF_LINE + 1) * RF_LINE);
  return memset(memory, value, bytes);
}

static void *drawn(int64_t count, double most) {
  void *to = numbers(count);
  for (int64_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    const double a = most * ((double)(seed >> 8) / 8388608.0 - 1);
    if (size == sizeof(float)) {
      ((float *)to)[i] = (float)a;
    } else {
      ((double *)to)[i] = a;
    }
  }
  return to;
}

static const void *at(const void *base, int64_t count) { return (const char *)base + (size_t)count * size; }

/* One layer's results both ways; 1 where a bit differs. */
static int differs(int64_t steps, int64_t inputs, int64_t hidden, int bias) {
  const double most = 1 / sqrt((double)hidden);
  const void *weights[] = {drawn(GATES * hidden * inputs, most), drawn(GATES * hidden * hidden, most),
                           bias ? drawn(GATES * hidden, most) : NULL, bias ? drawn(GATES * hidden, most) : NULL};
  const void *x = drawn(steps * BATCH * inputs, 1.7);
  void *y = numbers(steps * BATCH * hidden), *y_steps = numbers(steps * BATCH * hidden);
  void *h_n = numbers(BATCH * hidden), *c_n = kernel->shape.states > 1 ? numbers(BATCH * hidden) : NULL;
  rf_problem p = {
      .struct_size = sizeof p,
      .cell = rf_cell_id(kernel->cell),
      .dtype = kernel->dtype,
      .weight_dtype = kernel->dtype,
      .isa = RF_ISA_AUTO,
      .num_layers = 1,
      .num_directions = 1,
      .steps = steps,
      .batch = BATCH,
      .input_size = inputs,
      .hidden_size = hidden,
      .state_size = hidden,
      .t1 = steps,
      .weight_ih = &weights[0],
      .weight_hh = &weights[1],
      .bias_ih = bias ? &weights[2] : NULL,
      .bias_hh = bias ? &weights[3] : NULL,
      .x = x,
      .x_stride_t = BATCH * inputs,
      .x_stride_b = inputs,
      .y = y,
      .y_stride_t = BATCH * hidden,
      .y_stride_b = hidden,
      .h_n = h_n,
      .c_n = c_n,
  };
  if (rf_workspace_bytes(&p, &p.workspace_bytes) != RF_OK) return 1;
  p.workspace = lines(p.workspace_bytes, 0xff);
  if (rf_forward(&p) != RF_OK) return 1;

  struct rf_step step = {inputs,     hidden,     inputs, hidden, rf_step_state(hidden, size), weights[0], weights[1],
                         weights[2], weights[3], NULL,   0};
  step.packed = lines(kernel->step.bytes(&step), 0xff);
  kernel->step.pack(&step);
  const size_t state = (size_t)(BATCH * step.state_stride) * size;
  void *h = lines(state, 0), *c = lines(state, 0), *workspace = lines(kernel->step.workspace_bytes(&step), 0xff);
  rf_flush_mode mode;
  rf_flush_on(&mode);
  for (int64_t t = 0; t < steps; t++) {
    void *to = t % 7 == 3 ? NULL : (void *)at(y_steps, t * BATCH * hidden);
    kernel->step.run(&step, BATCH, at(x, t * BATCH * inputs), to, h, c, t / 5, workspace);
    if (!to)
      memcpy((void *)at(y_steps, t * BATCH * hidden), at(y, t * BATCH * hidden), (size_t)(BATCH * hidden) * size);
  }
  rf_flush_restore(&mode);
  int found = memcmp(y, y_steps, (size_t)(steps * BATCH * hidden) * size) != 0;
  for (int64_t b = 0; b < BATCH; b++) {
    found |= memcmp(at(h_n, b * hidden), at(h, b * step.state_stride), (size_t)hidden * size) != 0;
    if (c_n) found |= memcmp(at(c_n, b * hidden), at(c, b * step.state_stride), (size_t)hidden * size) != 0;
  }
  return found; /* the process ends soon: nothing is freed */
}

int main(void) {
  static const int64_t hidden[] = {1, 3, 8, 12, 16, 20, 24, 33, 40, 64, 100, 130}, inputs[] = {1, 2, 17, 70, 300};
  size = kernel->dtype == RF_F32 ? sizeof(float) : sizeof(double);
  int wrong = 0;
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
    const int64_t width = inputs[i % (sizeof inputs / sizeof *inputs)];
    if (differs(hidden[i] > 32 ? 50 : 1000, width, hidden[i], i % 4 != 1)) {
      printf("%d -> %d differs\n", (int)width, (int)hidden[i]);
      wrong = 1;
    }
  }
  if (!wrong) printf("all well\n");
  return wrong;
}
