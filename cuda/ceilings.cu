/* Ceilings of a device: what kernels are compared with. Each is the best of several timed launches. */
#include <cuda_runtime.h>

extern "C" { /* C code of ours */
#include "core/core.h"
}
#include "driver.h"

enum { REPEATS = 5, THREADS = 256, ROUNDS = 4096, CHAINS = 8, TABLE = 128, REPLICAS = 8 };

typedef enum ceiling_kind { ISSUE, MAXIMUM, ROWS_RANDOM, ROWS_REPLICATED, KINDS } ceiling_kind;

/* The work of one thread: independent chains, so that latency hides. */
template <int kind>
__global__ void __launch_bounds__(THREADS, 4) work(float *out, float by, int odd)
{
    __shared__ float4 rows[TABLE * REPLICAS];
    float x[CHAINS];
    for (int k = (int)threadIdx.x; k < TABLE * REPLICAS; k += THREADS) {
        rows[k] = make_float4(by, by, by, by);
    }
    __syncthreads();
    for (int k = 0; k < CHAINS; k++) {
        x[k] = by * (float)(threadIdx.x + (unsigned)k);
    }
    unsigned at = threadIdx.x * 2654435761u;
    for (int n = 0; n < ROUNDS; n++) {
        if (kind == ISSUE) {
#pragma unroll
            for (int k = 0; k < CHAINS; k++) {
                x[k] = x[k] + by;
            }
        } else if (kind == MAXIMUM) {
#pragma unroll
            for (int k = 0; k < CHAINS; k++) {
                x[k] = fmaxf(x[k], x[(k + 1) % CHAINS]);
            }
            x[n % 2 == odd ? 0 : 1] += by;
        } else {
            at = at * 1664525u + 1013904223u;
            const unsigned item = at >> 25; /* below TABLE */
            const unsigned place =
                kind == ROWS_RANDOM ? item : item * REPLICAS + (threadIdx.x & (REPLICAS - 1));
            const float4 row = rows[place];
            x[0] += row.x;
            x[1] += row.y;
            x[2] += row.z;
            x[3] += row.w;
        }
    }
    float sum = 0.0f;
    for (int k = 0; k < CHAINS; k++) {
        sum += x[k];
    }
    if (sum == 12345.678f) {
        out[threadIdx.x] = sum;
    }
}

/* Reads 16 bytes a thread and step. */
__global__ void read_all(float *out, const float4 *from, size_t count)
{
    float sum = 0.0f;
    for (size_t k = (size_t)blockIdx.x * blockDim.x + threadIdx.x; k < count;
         k += (size_t)gridDim.x * blockDim.x) {
        const float4 v = from[k];
        sum += v.x + v.y + v.z + v.w;
    }
    if (sum == 12345.678f) {
        *out = sum;
    }
}

/* What is measured with, freed together. */
struct bench {
    cudaStream_t stream;
    cudaEvent_t begin, end;
    float *out;
    void *device, *host;
    size_t bytes;
    int processors;
};

static amm_status fail(cudaError_t error, const char *call)
{
    (void)cudaGetLastError();
    return amm_fail(error == cudaErrorMemoryAllocation ? AMM_NO_MEMORY : AMM_UNAVAILABLE,
                    "cuda: %s: %s", call, cudaGetErrorString(error));
}

#define CUDA_TRY(call)                                                                             \
    do {                                                                                           \
        const cudaError_t error_ = (call);                                                         \
        if (error_ != cudaSuccess) {                                                               \
            return fail(error_, #call);                                                            \
        }                                                                                          \
    } while (0)

/* Starts kind `which` once; *amount: how much of its unit that is. */
static amm_status start(bench *b, int which, double *amount)
{
    const int blocks = b->processors * 4;
    const double threads = (double)blocks * THREADS;
    switch (which) {
    case ISSUE:
        work<ISSUE><<<blocks, THREADS, 0, b->stream>>>(b->out, 0.5f, 0);
        *amount = threads * ROUNDS * CHAINS;
        break;
    case MAXIMUM:
        work<MAXIMUM><<<blocks, THREADS, 0, b->stream>>>(b->out, 0.5f, 0);
        *amount = threads * ROUNDS * CHAINS;
        break;
    case ROWS_RANDOM:
        work<ROWS_RANDOM><<<blocks, THREADS, 0, b->stream>>>(b->out, 0.5f, 0);
        *amount = threads * ROUNDS;
        break;
    case ROWS_REPLICATED:
        work<ROWS_REPLICATED><<<blocks, THREADS, 0, b->stream>>>(b->out, 0.5f, 0);
        *amount = threads * ROUNDS;
        break;
    case KINDS:
        read_all<<<blocks * 2, THREADS, 0, b->stream>>>(b->out, (const float4 *)b->device,
                                                        b->bytes / sizeof(float4));
        *amount = (double)b->bytes;
        break;
    default:
        *amount = (double)(b->bytes / 8);
        CUDA_TRY(
            cudaMemcpyAsync(b->device, b->host, b->bytes / 8, cudaMemcpyHostToDevice, b->stream));
        break;
    }
    CUDA_TRY(cudaGetLastError());
    return AMM_OK;
}

/* The best rate of several, after one to warm up. */
static amm_status measure(bench *b, int which, double *rate)
{
    *rate = 0.0;
    for (int n = 0; n <= REPEATS; n++) {
        float ms = 0.0f;
        double amount = 0.0;
        CUDA_TRY(cudaEventRecord(b->begin, b->stream));
        AMM_TRY(start(b, which, &amount));
        CUDA_TRY(cudaEventRecord(b->end, b->stream));
        CUDA_TRY(cudaStreamSynchronize(b->stream));
        CUDA_TRY(cudaEventElapsedTime(&ms, b->begin, b->end));
        if (n > 0 && ms > 0.0f && amount / (1e-3 * (double)ms) > *rate) {
            *rate = amount / (1e-3 * (double)ms);
        }
    }
    return AMM_OK;
}

static amm_status prepare(bench *b, int32_t device)
{
    b->bytes = (size_t)1 << 31; /* many times what caches hold */
    CUDA_TRY(cudaSetDevice(device));
    CUDA_TRY(cudaDeviceGetAttribute(&b->processors, cudaDevAttrMultiProcessorCount, device));
    CUDA_TRY(cudaStreamCreateWithFlags(&b->stream, cudaStreamNonBlocking));
    CUDA_TRY(cudaEventCreate(&b->begin));
    CUDA_TRY(cudaEventCreate(&b->end));
    CUDA_TRY(cudaMalloc((void **)&b->out, THREADS * sizeof(float)));
    CUDA_TRY(cudaMalloc(&b->device, b->bytes));
    CUDA_TRY(cudaMallocHost(&b->host, b->bytes / 8));
    CUDA_TRY(cudaMemset(b->device, 1, b->bytes));
    return AMM_OK;
}

static void clean(bench *b)
{
    (void)cudaFreeHost(b->host);
    (void)cudaFree(b->device);
    (void)cudaFree(b->out);
    if (b->begin != NULL) {
        (void)cudaEventDestroy(b->begin);
    }
    if (b->end != NULL) {
        (void)cudaEventDestroy(b->end);
    }
    if (b->stream != NULL) {
        (void)cudaStreamDestroy(b->stream);
    }
    (void)cudaGetLastError();
}

extern "C" amm_status amm_cuda_ceilings(amm_ceiling *out, int32_t capacity, int32_t *count,
                                        const amm_context *context,
                                        const amm_engine_options *options)
{
    static const struct {
        const char *name, *unit;
    } list[] = { { "issue", "lanes/s" },  { "maxima", "lanes/s" }, { "rows", "lanes/s" },
                 { "copies", "lanes/s" }, { "read", "bytes/s" },   { "send", "bytes/s" } };
    bench b = {};
    amm_status status = prepare(&b, options->device);
    (void)context;
    *count = 0;
    for (int k = 0; k < (int)(sizeof list / sizeof list[0]) && k < capacity && status == AMM_OK;
         k++) {
        out[k].kind = (amm_ceiling_kind)k; /* the order of both lists */
        out[k].name = list[k].name;
        out[k].unit = list[k].unit;
        status = measure(&b, k, &out[k].value);
        *count += status == AMM_OK ? 1 : 0;
    }
    clean(&b);
    return status;
}
