/* load_cost.c - what loading weights files asks of malloc: `load_cost FILE...` prints for each the status, the bytes of the file
 * and the bytes asked for, given back or not. */
#include <stdio.h>
#include <stdlib.h>

#include "rnnfast.h"

static size_t bytes, counting;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  bytes += counting * size;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  bytes += counting * count * size;
  return __libc_calloc(count, size);
}
void *realloc(void *memory, size_t size) {
  bytes += counting * size;
  return __libc_realloc(memory, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
  bytes += counting * size;
  return __libc_memalign(alignment, size);
}

int main(int count, char **paths) {
  for (int n = 1; n < count; n++) {
    FILE *file = fopen(paths[n], "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) return 2;
    const size_t size = (size_t)ftell(file);
    void *data = malloc(size);
    rewind(file);
    if (data == NULL || fread(data, 1, size, file) != size) return 2;
    fclose(file);
    rf_net *net = NULL;
    bytes = 0;
    counting = 1;
    const int32_t status = rf_net_load_memory(data, size, RF_ISA_AUTO, 1, &net);
    counting = 0;
    printf("%d %zu %zu\n", (int)status, size, bytes);
    rf_net_free(net);
    free(data);
  }
  return 0;
}
