/* fuzz_load.c - weights files made up by libFuzzer: whatever the bytes, a status, or a net that steps, and no more memory than
 * rnnfast.h promises.
 *
 * Built with `-fsanitize=fuzzer,address,undefined` on the library's sources; `.ci/full fuzz` runs it on tests/corpus. */
#include <sanitizer/allocator_interface.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rnnfast.h"

enum { MOST = 1 << 20 }; /* bytes of state, scratch and rows that are worth running */

static void *aligned(size_t bytes) { return aligned_alloc(64, (bytes / 64 + 1) * 64); }

static void run(const rf_net *net) {
  rf_net_sizes sizes = {.struct_size = sizeof sizes};
  size_t state_bytes, scratch_bytes;
  if (rf_net_get_sizes(net, &sizes) != RF_OK) abort();
  if (rf_net_state_bytes(net, 2, &state_bytes) != RF_OK || state_bytes > MOST) return;
  if (rf_net_workspace_bytes(net, 3, 2, &scratch_bytes) != RF_OK || scratch_bytes > MOST) return;
  if (sizes.input_size > 1000 || sizes.output_size > 1000) return;
  void *state = aligned(state_bytes), *scratch = aligned(scratch_bytes);
  char *x = calloc(6 * (size_t)sizes.input_size, 8), *y = calloc(6 * (size_t)sizes.output_size, 8);
  const rf_sequence sequence = {.struct_size = sizeof sequence,
                                .steps = 3,
                                .batch = 2,
                                .x = x,
                                .x_stride_t = 2 * sizes.input_size,
                                .x_stride_b = sizes.input_size,
                                .y = y,
                                .y_stride_t = 2 * sizes.output_size,
                                .y_stride_b = sizes.output_size,
                                .state = state,
                                .workspace = scratch};
  if (rf_net_state_reset(net, 2, state, NULL) != RF_OK || rf_net_forward(net, &sequence) != RF_OK) abort();
  if (sizes.steps_alone) rf_net_step(net, 2, x, y, state, scratch);
  free(state);
  free(scratch);
  free(x);
  free(y);
}

/* Of rnnfast.h: bytes that loading may ask for, given back or not, for each byte of the file, and beyond those. */
enum { TIMES = 40, BEYOND = 512 << 10 };
static size_t asked;

static void count(const volatile void *memory, size_t size) {
  (void)memory;
  asked += size;
}

static void pass_over(const volatile void *memory) { (void)memory; }

int LLVMFuzzerInitialize(int *words, char ***word) {
  (void)words, (void)word;
  return __sanitizer_install_malloc_and_free_hooks(count, pass_over) > 0 ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  rf_net *net = NULL;
  uint8_t *copy = malloc(size + 1); /* so that reading one byte too far is seen */
  memcpy(copy, data, size);
  uint8_t *exact = realloc(copy, size > 0 ? size : 1);
  asked = 0;
  const int32_t status = rf_net_load_memory(exact, size, RF_ISA_AUTO, 1, &net);
  if (asked > TIMES * size + BEYOND) {
    fprintf(stderr, "%zu bytes asked for to load %zu\n", asked, size);
    abort();
  }
  if (status == RF_OK) run(net);
  rf_net_free(net);
  free(exact);
  return 0;
}
