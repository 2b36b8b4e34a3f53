/* threads_toggled.c - one thread trains while another changes the number of threads; every buffer ends at a page that
 * nobody may touch. The argument says for how many milliseconds. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "rnnfast.h"

enum { STEPS = 4, BATCH = 64, INPUT = 16, HIDDEN = 64, GATES = 4 };

static float x[STEPS][BATCH][INPUT], y[STEPS][BATCH][HIDDEN], dx[STEPS][BATCH][INPUT];
static float w[GATES * HIDDEN][INPUT], u[GATES * HIDDEN][HIDDEN], dw[GATES * HIDDEN][INPUT];
static float expected_y[STEPS][BATCH][HIDDEN], expected_dw[GATES * HIDDEN][INPUT];
static const void *weight_ih[] = {w}, *weight_hh[] = {u};
static void *d_weight_ih[] = {dw};
static atomic_bool done;

static void fill(void *array, size_t bytes, int period, float divisor) {
  float *number = array;
  for (size_t i = 0; i < bytes / sizeof *number; i++)
    number[i] = ((float)(i % (size_t)period) - (float)(period / 2)) / divisor;
}

static void check(int32_t status) {
  if (status == RF_OK) return;
  puts(rf_status_text(status));
  exit(1);
}

struct region {
  void *start, *mapping;
  size_t mapped;
};

/* Bytes that begin at a multiple of 64 and end, but for at most 63, at the page. */
static struct region region_make(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), held = (bytes + page - 1) / page * page;
  char *mapping = mmap(NULL, held + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping + held, page, PROT_NONE) != 0) exit(2);
  return (struct region){mapping + held - (bytes + 63) / 64 * 64, mapping, held + page};
}

static void train(rf_problem problem) {
  check(rf_reserve_bytes(&problem, &problem.reserve_bytes));
  const struct region reserve = region_make(problem.reserve_bytes);
  problem.reserve = reserve.start;
  check(rf_workspace_bytes(&problem, &problem.workspace_bytes));
  const struct region workspace = region_make(problem.workspace_bytes);
  problem.workspace = workspace.start;
  check(rf_forward(&problem));
  check(rf_backward(&problem));
  munmap(reserve.mapping, reserve.mapped);
  munmap(workspace.mapping, workspace.mapped);
}

static void *toggle(void *nothing) {
  for (int32_t n = 1; !done; n = n % 23 + 1) rf_set_num_threads(n);
  return nothing;
}

int main(int count, char **arguments) {
  const double seconds = count > 1 ? atof(arguments[1]) / 1000 : 1;
  fill(x, sizeof x, 17, 8);
  fill(w, sizeof w, 13, 32);
  fill(u, sizeof u, 11, 64);
  const rf_problem problem = {
      .struct_size = sizeof problem,
      .cell = rf_cell_id("lstm"),
      .isa = RF_ISA_AUTO,
      .num_layers = 1,
      .num_directions = 1,
      .steps = STEPS,
      .batch = BATCH,
      .input_size = INPUT,
      .hidden_size = HIDDEN,
      .state_size = HIDDEN,
      .t1 = STEPS,
      .overwrite = 1,
      .weight_ih = weight_ih,
      .weight_hh = weight_hh,
      .x = x,
      .x_stride_t = BATCH * INPUT,
      .x_stride_b = INPUT,
      .y = y,
      .y_stride_t = BATCH * HIDDEN,
      .y_stride_b = HIDDEN,
      .dy = y,
      .dy_stride_t = BATCH * HIDDEN,
      .dy_stride_b = HIDDEN,
      .dx = dx,
      .dx_stride_t = BATCH * INPUT,
      .dx_stride_b = INPUT,
      .d_weight_ih = d_weight_ih,
  };
  rf_set_num_threads(1);
  train(problem);
  memcpy(expected_y, y, sizeof y);
  memcpy(expected_dw, dw, sizeof dw);
  pthread_t other;
  if (pthread_create(&other, NULL, toggle, NULL) != 0) return 2;
  struct timespec from, now;
  clock_gettime(CLOCK_MONOTONIC, &from);
  do {
    train(problem);
    if (memcmp(expected_y, y, sizeof y) != 0 || memcmp(expected_dw, dw, sizeof dw) != 0) return puts("other bits"), 1;
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((double)(now.tv_sec - from.tv_sec) + 1e-9 * (double)(now.tv_nsec - from.tv_nsec) < seconds);
  done = 1;
  pthread_join(other, NULL);
  puts("the same bits");
  return 0;
}
