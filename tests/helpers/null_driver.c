/* A CUDA driver library that does nothing: every call succeeds at once; launches and writes are counted. */

#include <stddef.h>
#include <stdint.h>

static long launches, clears;
static uintptr_t handles = 64;

static int give(void **to)
{
    *to = (void *)(handles += 64);
    return 0;
}

long null_launches(void) { return launches; }
long null_clears(void) { return clears; }

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
int cuModuleLoadData(void **module, const void *image) { return ((void)image, give(module)); }
int cuModuleGetFunction(void **function, void *module, const char *name)
{
    return ((void)module, (void)name, give(function));
}
int cuFuncGetAttribute(int *value, int attribute, void *function)
{
    return ((void)attribute, (void)function, *value = 0, 0);
}
int cuFuncSetAttribute(void *function, int attribute, int value)
{
    return ((void)function, (void)attribute, (void)value, 0);
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared)
{
    return ((void)function, (void)threads, (void)shared, *blocks = 1, 0);
}
int cuOccupancyMaxActiveClusters(int *clusters, void *function, const void *config)
{
    return ((void)function, (void)config, *clusters = 1, 0);
}
int cuLaunchKernelEx(const void *config, void *function, void **parameters, void **extra)
{
    launches++;
    return config == NULL || function == NULL || parameters == NULL || extra != NULL;
}
int cuMemHostAlloc(void **found, size_t bytes, unsigned flags)
{
    static uint32_t words[16];
    return ((void)flags, *found = words, bytes > sizeof words);
}
int cuMemHostGetDevicePointer_v2(uint64_t *found, void *host, unsigned flags)
{
    return (*found = (uintptr_t)host, (int)flags);
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream)
{
    return ((void)from, (void)stream, to == 0 && bytes > 0);
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void *stream)
{
    clears++;
    return ((void)value, (void)stream, to == 0 && count > 0);
}
