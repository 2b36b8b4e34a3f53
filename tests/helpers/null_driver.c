/* A CUDA driver library that does nothing: every call that a device could serve succeeds at once; launches and writes
   are counted, and graphs that are started. */

#include <stddef.h>
#include <stdint.h>

static long launches, clears, graphs;
static uintptr_t handles = 64;

static int give(void **to) {
  *to = (void *)(handles += 64);
  return 0;
}

long null_launches(void) { return launches; }
long null_clears(void) { return clears; }
long null_graphs(void) { return graphs; }

int cuInit(unsigned flags) { return (int)flags; }
int cuDriverGetVersion(int *version) { return (*version = 13000, 0); }
int cuGetErrorName(int error, const char **name) { return (*name = "NONE", error * 0); }
int cuGetErrorString(int error, const char **text) { return (*text = "nothing", error * 0); }
int cuDeviceGet(int *device, int ordinal) { return (*device = ordinal, 0); }
int cuDevicePrimaryCtxRetain(void **context, int device) { return (*context = (void *)(uintptr_t)16, device * 0); }
int cuCtxGetCurrent(void **context) { return (*context = (void *)(uintptr_t)16, 0); }
int cuCtxPushCurrent_v2(void *context) { return context == NULL; }
int cuCtxPopCurrent_v2(void **context) { return give(context); }
int cuCtxSynchronize(void) { return 0; }
int cuStreamSynchronize(void *stream) { return ((void)stream, 0); }
int cuStreamCreate(void **stream, unsigned flags) { return flags != 1 || give(stream); }
int cuStreamDestroy_v2(void *stream) { return stream == NULL; }
int cuStreamBeginCapture_v2(void *stream, int mode) { return stream == NULL || mode != 1; }
int cuStreamEndCapture(void *stream, void **graph) { return stream == NULL || give(graph); }
int cuGraphInstantiateWithFlags(void **prepared, void *graph, unsigned long long flags) {
  return graph == NULL || flags != 0 || give(prepared);
}
int cuGraphLaunch(void *prepared, void *stream) { return (graphs++, (void)stream, prepared == NULL); }
int cuGraphDestroy(void *graph) { return graph == NULL; }
int cuGraphExecDestroy(void *prepared) { return prepared == NULL; }
int cuModuleLoadData(void **module, const void *image) { return ((void)image, give(module)); }
int cuModuleGetFunction(void **function, void *module, const char *name) {
  return ((void)module, (void)name, give(function));
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  return ((void)function, (void)attribute, (void)value, 0);
}
int cuOccupancyMaxActiveClusters(int *clusters, void *function, const void *config) {
  return ((void)function, (void)config, *clusters = 1, 0);
}
int cuLaunchKernelEx(const void *config, void *function, void **parameters, void **extra) {
  const unsigned *grid = config;
  launches++;
  if (grid == NULL || grid[0] == 0 || grid[1] == 0 || grid[2] == 0 || grid[0] >> 31 || grid[1] >> 16 || grid[2] >> 16)
    return 1;
  return function == NULL || parameters == NULL || extra != NULL;
}
int cuLinkCreate_v2(unsigned count, int *options, void **values, void **state) {
  return count != 2 || options[0] != 5 || options[1] != 6 || values[0] == NULL || give(state);
}
int cuLinkAddData_v2(void *state, int type, void *data, size_t size, const char *name, unsigned count, int *options,
                     void **values) {
  int ends = ((const char *)data)[size - 1] == 0;
  return state == NULL || type != 1 || !ends || name == NULL || count != 0 || options != NULL || values != NULL;
}
int cuLinkComplete(void *state, void **cubin, size_t *size) {
  static char code[] = "code";
  return (*cubin = code, *size = 4, state == NULL);
}
int cuLinkDestroy(void *state) { return state == NULL; }
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
  return ((void)stream, bytes > 0 && (to == 0 || from == 0));
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  return ((void)stream, bytes > 0 && (to == NULL || from == 0));
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void *stream) {
  clears++;
  return ((void)value, (void)stream, to == 0 && count > 0);
}
int cuPointerGetAttribute(void *found, int attribute, uint64_t pointer) {
  return ((void)attribute, (void)pointer, found == NULL);
}
int cuMemHostAlloc(void **found, size_t bytes, unsigned flags) {
  static uint32_t words[1024];
  return ((void)flags, *found = words, bytes > sizeof words);
}
int cuMemHostGetDevicePointer_v2(uint64_t *found, void *host, unsigned flags) {
  return (*found = (uintptr_t)host, (int)flags);
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  return ((void)from, (void)stream, to == 0 && bytes > 0);
}
