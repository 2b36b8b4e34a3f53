"""The part of CUDA's driver library that is used, as its header cuda.h declares it, and where the library is."""

from __future__ import annotations

import sys
from typing import Any

import cffi  # type: ignore[import-untyped]

ffi = cffi.FFI()
ffi.cdef(
    """
    typedef struct {
        int id; char padding[4];
        union { char bytes[64]; int cooperative; struct { unsigned x, y, z; } cluster; } value;
    } Attribute;
    typedef struct {
        unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared;
        void *stream; Attribute *attributes; unsigned count;
    } Config;

    int cuInit(unsigned flags);
    int cuDriverGetVersion(int *version);
    int cuGetErrorName(int error, const char **name);
    int cuGetErrorString(int error, const char **text);

    int cuDeviceGet(int *device, int ordinal);
    int cuDevicePrimaryCtxRetain(void **context, int device);
    int cuCtxGetCurrent(void **context);
    int cuCtxPushCurrent_v2(void *context);
    int cuCtxPopCurrent_v2(void **context);
    int cuCtxSynchronize(void);
    int cuStreamSynchronize(void *stream);

    int cuLinkCreate_v2(unsigned count, int *options, void **values, void **state);
    int cuLinkAddData_v2(void *state, int type, void *data, size_t size, const char *name,
                         unsigned count, int *options, void **values);
    int cuLinkComplete(void *state, void **cubin, size_t *size);
    int cuLinkDestroy(void *state);
    int cuModuleLoadData(void **module, const void *image);
    int cuModuleGetFunction(void **function, void *module, const char *name);
    int cuFuncSetAttribute(void *function, int attribute, int value);
    int cuOccupancyMaxActiveClusters(int *clusters, void *function, const Config *config);

    int cuLaunchKernelEx(const Config *config, void *function, void **parameters, void **extra);
    int cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void *stream);
    int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream);
    int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream);
    int cuStreamCreate(void **stream, unsigned flags);
    int cuStreamDestroy_v2(void *stream);
    int cuStreamBeginCapture_v2(void *stream, int mode);
    int cuStreamEndCapture(void *stream, void **graph);
    int cuGraphInstantiateWithFlags(void **prepared, void *graph, unsigned long long flags);
    int cuGraphLaunch(void *prepared, void *stream);
    int cuGraphDestroy(void *graph);
    int cuGraphExecDestroy(void *prepared);

    int cuPointerGetAttribute(void *found, int attribute, uint64_t pointer);
    int cuMemHostAlloc(void **found, size_t bytes, unsigned flags);
    int cuMemHostGetDevicePointer_v2(uint64_t *found, void *host, unsigned flags);
    int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream);
    """
)

LAUNCH_COOPERATIVE, LAUNCH_CLUSTER = 2, 4
"""CUlaunchAttributeID."""
DYNAMIC_SHARED_BYTES, CLUSTERS_BEYOND_EIGHT = 8, 14
"""CUfunction_attribute."""
SEEN_BY_DEVICES = 1 | 2
"""CU_MEMHOSTALLOC_PORTABLE and CU_MEMHOSTALLOC_DEVICEMAP."""
WAITS_FOR_NONE, OF_THIS_THREAD = 1, 1
"""CU_STREAM_NON_BLOCKING and CU_STREAM_CAPTURE_MODE_THREAD_LOCAL."""
IS_MANAGED, DEVICE_ORDINAL = 8, 9
"""CUpointer_attribute."""
PTX, ERROR_LOG, ERROR_LOG_BYTES = 1, 5, 6
"""CUjitInputType and CUjit_option."""


def open_library() -> Any:
    """Return the driver's library. Raises OSError where there is none."""
    return ffi.dlopen("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
