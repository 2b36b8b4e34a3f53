/* net_steps.c - a C program that steps nets of every cell: `net_steps WHAT [fault]`. It counts what the library allocates, or
 * lets the system kill it at the first call into it, or has eight threads share each net. With `fault` it does itself what it looks
 * for, to be seen. Prints what it counted. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rnnfast.h"

enum { I = 3, H = 24, O = 2, B = 2, T = 16, STEPS = 100000, THREADS = 8, NETS = 32 };

static long allocations, counting;

#ifndef WITHOUT_COUNTING /* a sanitizer has its own malloc */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *memory);

void *malloc(size_t bytes) {
  allocations += counting;
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  allocations += counting;
  return __libc_calloc(count, bytes);
}
void *realloc(void *memory, size_t bytes) {
  allocations += counting;
  return __libc_realloc(memory, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  allocations += counting;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void **memory, size_t alignment, size_t bytes) {
  allocations += counting;
  *memory = __libc_memalign(alignment, bytes);
  return *memory == NULL;
}
void free(void *memory) {
  allocations += counting && memory;
  __libc_free(memory);
}
#endif

static void check(int32_t status) {
  if (status == RF_OK) return;
  fprintf(stderr, "%s\n", rf_status_text(status));
  exit(1);
}

static float numbers[4 * H * (I + H + 2)];

/* Layers, a linear one above them and a softmax. */
static rf_net *make(int32_t cell, int32_t layers) {
  rf_net *net;
  rf_problem p;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) numbers[i] = (float)(i * 7919 % 1000) / 2500 - 0.2f;
  const void *weight_ih[] = {numbers, numbers}, *weight_hh[] = {numbers, numbers};
  const void *bias[] = {numbers, numbers};
  check(rf_problem_init(&p, sizeof p, cell, RF_F32, layers, 1, 0, 0, I, H));
  p.weight_ih = weight_ih;
  p.weight_hh = weight_hh;
  p.bias_ih = p.bias_hh = bias;
  const rf_head_part head[] = {{RF_HEAD_LINEAR, O, numbers, numbers}, {RF_HEAD_SOFTMAX, 0, NULL, NULL}};
  check(rf_net_create(&p, head, 2, &net));
  return net;
}

struct rows {
  const rf_net *net;
  void *state, *scratch;
  float x[T * B * I], y[T * B * O];
};

static void *aligned(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

static void begin(struct rows *rows, const rf_net *net) {
  size_t state, scratch;
  check(rf_net_state_bytes(net, B, &state));
  check(rf_net_workspace_bytes(net, T, B, &scratch));
  rows->net = net;
  rows->state = aligned(state);
  rows->scratch = aligned(scratch);
  for (int i = 0; i < T * B * I; i++) rows->x[i] = (float)(i % 17) / 17;
  check(rf_net_state_reset(net, B, rows->state, NULL));
}

static void end(struct rows *rows) {
  free(rows->state);
  free(rows->scratch);
}

static void step(struct rows *rows, int64_t count) {
  const rf_sequence sequence = {.struct_size = sizeof sequence,
                                .steps = T,
                                .batch = B,
                                .x = rows->x,
                                .x_stride_t = B * I,
                                .x_stride_b = I,
                                .y = rows->y,
                                .y_stride_t = B * O,
                                .y_stride_b = O,
                                .state = rows->state,
                                .workspace = rows->scratch};
  for (int64_t n = 0; n < count; n++) {
    rf_net_step(rows->net, B, rows->x + n % T * B * I, rows->y, rows->state, rows->scratch);
    if (n % 1000 == 0) check(rf_net_forward(rows->net, &sequence));
  }
}

static void *work(void *rows) {
  step(rows, STEPS / 100);
  return NULL;
}

/* Returns whether all threads found the same. */
static int share(const rf_net *net, int fault) {
  static struct rows rows[THREADS];
  pthread_t threads[THREADS];
  int same = 1;
  for (int n = 0; n < THREADS; n++) begin(&rows[n], net);
  void *own = rows[1].state;
  if (fault) rows[1].state = rows[0].state;
  for (int n = 0; n < THREADS; n++) pthread_create(&threads[n], NULL, work, &rows[n]);
  for (int n = 0; n < THREADS; n++) pthread_join(threads[n], NULL);
  rows[1].state = own;
  for (int n = 1; n < THREADS; n++) same &= memcmp(rows[n].y, rows[0].y, sizeof rows[n].y) == 0;
  for (int n = 0; n < THREADS; n++) end(&rows[n]);
  return same;
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  const int fault = count > 2;
  static struct rows rows[NETS];
  rf_net *nets[NETS];
  int made = 0;
  for (int32_t cell = 0; rf_cell_name(cell); cell++) {
    for (int32_t layers = 1; layers <= 2 && made < NETS; layers++) nets[made++] = make(cell, layers);
  }
  for (int n = 0; n < made; n++) begin(&rows[n], nets[n]);
  if (strcmp(what, "allocations") == 0) {
    counting = 1;
    for (int n = 0; n < made; n++) step(&rows[n], STEPS);
    if (fault) rf_net_free(make(0, 1)); /* which the library allocates */
    counting = 0;
    printf("%ld\n", allocations);
  } else if (strcmp(what, "calls") == 0) {
    printf("0\n");
    fflush(stdout);
    if (prctl(PR_SET_SECCOMP, 1) != 0) return 2; /* strict: any call but read, write and exit kills */
    for (int n = 0; n < made; n++) step(&rows[n], STEPS);
    if (fault) getppid();
    syscall(SYS_exit, 0);
  } else if (strcmp(what, "threads") == 0) {
    int same = 1;
    for (int n = 0; n < made; n++) same &= share(nets[n], fault);
    printf("%d\n", same);
  } else {
    return 2;
  }
  for (int n = 0; n < made; n++) end(&rows[n]);
  for (int n = 0; n < made; n++) rf_net_free(nets[n]);
  return 0;
}
