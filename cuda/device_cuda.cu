/* The device layer over the CUDA runtime: see device.h. */
#include <cuda_runtime.h>
#include <stdio.h>

extern "C" { /* C code of ours */
#include "core/core.h"
}
#include "device.h"
#include "kernels.h"

struct amm_device {
    const amm_context *context;
    amm_device_facts facts;
    cudaStream_t streams[AMM_DEVICE_STREAMS];
    int32_t stream_count; /* made so far */
    int32_t number;
    struct block *blocks;
};

/* What was allocated. */
struct block {
    block *next;
    void *memory;
    bool host;
};

static const void *const kernels[AMM_KERNEL_COUNT] = {
#define ENTRY(name, NAME) (const void *)amm_kernel_##name,
    AMM_KERNEL_LIST(ENTRY)
#undef ENTRY
};

/* ---- errors ------------------------------------------------------------------------------------- */

static amm_status status_of(cudaError_t error)
{
    return error == cudaErrorMemoryAllocation ? AMM_NO_MEMORY : AMM_UNAVAILABLE;
}

static const char *reason_of(cudaError_t error)
{
    switch (error) {
    case cudaErrorInsufficientDriver:
        return "no usable NVIDIA driver (none, or older than this build's CUDA)";
    case cudaErrorNoDevice:
        return "no CUDA device";
    case cudaErrorMemoryAllocation:
        return "out of device memory";
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
        return "this build has no code for the device";
    default:
        return cudaGetErrorString(error);
    }
}

/* Records the message and takes the error off the runtime, so that it is not seen twice. */
static amm_status fail(cudaError_t error, const char *call)
{
    (void)cudaGetLastError();
    return amm_fail(status_of(error), "cuda: %s: %s (%s)", call, reason_of(error),
                    cudaGetErrorName(error));
}

#define CUDA_TRY(call)                                                                             \
    do {                                                                                           \
        const cudaError_t error_ = (call);                                                         \
        if (error_ != cudaSuccess) {                                                               \
            return fail(error_, #call);                                                            \
        }                                                                                          \
    } while (0)

/* ---- device ------------------------------------------------------------------------------------- */

bool amm_device_describe(char *note, size_t note_bytes, int32_t number)
{
    cudaDeviceProp facts;
    int count = 0;
    int driver = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && number >= count) {
        error = cudaErrorNoDevice;
    }
    if (error == cudaSuccess) {
        error = cudaGetDeviceProperties(&facts, number);
    }
    if (error != cudaSuccess) {
        (void)cudaGetLastError();
        (void)snprintf(note, note_bytes, "%s (%s)", reason_of(error), cudaGetErrorName(error));
        return false;
    }
    (void)cudaDriverGetVersion(&driver);
    (void)snprintf(note, note_bytes, "%s, sm_%d%d, %.1f GiB; CUDA %d.%d, driver for %d.%d",
                   facts.name, facts.major, facts.minor,
                   (double)facts.totalGlobalMem / 1073741824.0, CUDART_VERSION / 1000,
                   CUDART_VERSION / 10 % 100, driver / 1000, driver / 10 % 100);
    return true;
}

static amm_status read_facts(amm_device *device)
{
    int processors = 0;
    int shared = 0;
    size_t room = 0;
    size_t all = 0;
    CUDA_TRY(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device->number));
    CUDA_TRY(
        cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device->number));
    CUDA_TRY(cudaMemGetInfo(&room, &all));
    amm_device_facts *facts = &device->facts;
    facts->processors = processors;
    facts->shared_bytes = (size_t)shared;
    facts->memory_bytes = room;
    facts->most_configs = 1 << 16;
    facts->most_candidates = 1 << 21;
    facts->most_units = 1 << 15;
    facts->unit_ranks = 1 << 20;
    facts->most_pushed = 1 << 16;
    facts->slice_ns = 40000000; /* and what is under way when it is over: 50 ms in all */
    return AMM_OK;
}

static amm_status prepare(amm_device *device)
{
    CUDA_TRY(cudaSetDevice(device->number));
    AMM_TRY(read_facts(device));
    for (; device->stream_count < AMM_DEVICE_STREAMS; device->stream_count++) {
        CUDA_TRY(cudaStreamCreateWithFlags(&device->streams[device->stream_count],
                                           cudaStreamNonBlocking));
    }
    for (int32_t k = 0; k < AMM_KERNEL_COUNT; k++) {
        CUDA_TRY(cudaFuncSetAttribute(kernels[k], cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      (int)device->facts.shared_bytes));
    }
    return AMM_OK;
}

amm_status amm_device_open(amm_device **out, const amm_context *context, int32_t number)
{
    int count = 0;
    *out = NULL;
    CUDA_TRY(cudaGetDeviceCount(&count));
    if (number < 0 || number >= count) {
        return amm_fail(AMM_INPUT, "device: got %d, allowed 0 to %d", number, count - 1);
    }
    amm_device *device = (amm_device *)amm_alloc(context, 1, sizeof *device);
    if (device == NULL) {
        return AMM_NO_MEMORY;
    }
    device->context = context;
    device->number = number;
    const amm_status status = prepare(device);
    if (status != AMM_OK) {
        amm_device_close(device);
        return status;
    }
    *out = device;
    return AMM_OK;
}

void amm_device_close(amm_device *device)
{
    if (device == NULL) {
        return;
    }
    for (int32_t k = 0; k < device->stream_count; k++) {
        (void)cudaStreamSynchronize(device->streams[k]);
        (void)cudaStreamDestroy(device->streams[k]);
    }
    while (device->blocks != NULL) {
        amm_device_release(device, device->blocks->memory);
    }
    (void)cudaGetLastError();
    amm_release(device->context, device);
}

const amm_device_facts *amm_device_facts_of(const amm_device *device)
{
    return &device->facts;
}

/* ---- memory ------------------------------------------------------------------------------------- */

static amm_status allocate(amm_device *device, void **out, size_t bytes, bool host)
{
    *out = NULL;
    block *fresh = (block *)amm_alloc(device->context, 1, sizeof *fresh);
    if (fresh == NULL) {
        return AMM_NO_MEMORY;
    }
    const size_t size = bytes == 0 ? 1 : bytes;
    const cudaError_t error =
        host ? cudaMallocHost(&fresh->memory, size) : cudaMalloc(&fresh->memory, size);
    if (error != cudaSuccess) {
        amm_release(device->context, fresh);
        (void)cudaGetLastError();
        return amm_fail(status_of(error), "cuda: %zu bytes of %s memory: %s", size,
                        host ? "pinned host" : "device", reason_of(error));
    }
    fresh->host = host;
    fresh->next = device->blocks;
    device->blocks = fresh;
    *out = fresh->memory;
    return AMM_OK;
}

amm_status amm_device_allocate(amm_device *device, void **out, size_t bytes)
{
    return allocate(device, out, bytes, false);
}

amm_status amm_device_allocate_host(amm_device *device, void **out, size_t bytes)
{
    return allocate(device, out, bytes, true);
}

void amm_device_release(amm_device *device, void *memory)
{
    for (block **at = &device->blocks; memory != NULL && *at != NULL; at = &(*at)->next) {
        block *found = *at;
        if (found->memory == memory) {
            *at = found->next;
            (void)(found->host ? cudaFreeHost(memory) : cudaFree(memory));
            amm_release(device->context, found);
            return;
        }
    }
}

/* ---- streams ------------------------------------------------------------------------------------ */

amm_status amm_device_copy_in(amm_device *device, int32_t stream, void *to, const void *from,
                              size_t bytes)
{
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device->streams[stream]));
    return AMM_OK;
}

amm_status amm_device_copy_out(amm_device *device, int32_t stream, void *to, const void *from,
                               size_t bytes)
{
    CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->streams[stream]));
    return AMM_OK;
}

amm_status amm_device_zero(amm_device *device, int32_t stream, void *to, size_t bytes)
{
    CUDA_TRY(cudaMemsetAsync(to, 0, bytes, device->streams[stream]));
    return AMM_OK;
}

amm_status amm_device_launch(amm_device *device, int32_t stream, amm_kernel_id kernel,
                             int32_t blocks, int32_t threads, size_t shared_bytes, const void *args,
                             size_t args_bytes)
{
    void *pointers[] = { (void *)args }; /* the runtime copies as many bytes as the kernel takes */
    (void)args_bytes;
    CUDA_TRY(cudaLaunchKernel(kernels[kernel], dim3((unsigned)blocks), dim3((unsigned)threads),
                              pointers, shared_bytes, device->streams[stream]));
    return AMM_OK;
}

amm_status amm_device_occupancy(amm_device *device, int32_t *out, amm_kernel_id kernel,
                                int32_t threads, size_t shared_bytes)
{
    int blocks = 0;
    CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernels[kernel], threads,
                                                           shared_bytes));
    if (blocks < 1) {
        return amm_fail(AMM_LIMIT, "cuda: a block of %d threads with %zu shared bytes does not fit",
                        threads, shared_bytes);
    }
    *out = blocks * device->facts.processors;
    return AMM_OK;
}

amm_status amm_device_wait(amm_device *device, int32_t stream)
{
    CUDA_TRY(cudaStreamSynchronize(device->streams[stream]));
    return AMM_OK;
}
