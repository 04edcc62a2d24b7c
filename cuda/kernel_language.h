/* The words kernels are written in: C that nvcc reads as CUDA and that gcc compiles for the double
 * (double.h), where every thread is a fiber. Collectives take whole warps or blocks. */
#ifndef AMM_CUDA_KERNEL_LANGUAGE_H
#define AMM_CUDA_KERNEL_LANGUAGE_H

#include "device.h"
#include "kernel_args.h"

#if defined(__CUDACC__)

#define AMM_DEVICE static __device__ __forceinline__

/* A kernel `name` and its text, which has its arguments as `a`. `blocks`: of a processor, at least. */
#define AMM_KERNEL(name, type, threads, blocks)                                                    \
    AMM_DEVICE void amm_kernel_##name##_text(const type *a);                                       \
    extern "C" __global__ void __launch_bounds__(threads, blocks)                                  \
        amm_kernel_##name(const __grid_constant__ type args)                                       \
    {                                                                                              \
        amm_kernel_##name##_text(&args);                                                           \
    }                                                                                              \
    AMM_DEVICE void amm_kernel_##name##_text(const type *a)

AMM_DEVICE int32_t amm_thread(void)
{
    return (int32_t)threadIdx.x;
}
AMM_DEVICE int32_t amm_threads(void)
{
    return (int32_t)blockDim.x;
}
AMM_DEVICE int32_t amm_block(void)
{
    return (int32_t)blockIdx.x;
}
AMM_DEVICE int32_t amm_blocks(void)
{
    return (int32_t)gridDim.x;
}
AMM_DEVICE uint8_t *amm_shared(void)
{
    extern __shared__ __align__(16) uint8_t amm_shared_memory[];
    return amm_shared_memory;
}
AMM_DEVICE void amm_block_sync(void)
{
    __syncthreads();
}
AMM_DEVICE void amm_warp_sync(void)
{
    __syncwarp();
}
AMM_DEVICE uint32_t amm_warp_ballot(bool x)
{
    return __ballot_sync(0xffffffffu, x);
}
AMM_DEVICE int32_t amm_warp_from_i32(int32_t x, int32_t lane)
{
    return __shfl_sync(0xffffffffu, x, lane);
}
AMM_DEVICE uint64_t amm_warp_from_u64(uint64_t x, int32_t lane)
{
    return (uint64_t)__shfl_sync(0xffffffffu, (unsigned long long)x, lane);
}
AMM_DEVICE uint32_t amm_atomic_add_u32(uint32_t *at, uint32_t x)
{
    return atomicAdd(at, x);
}
AMM_DEVICE uint64_t amm_atomic_add_u64(uint64_t *at, uint64_t x)
{
    return (uint64_t)atomicAdd((unsigned long long *)at, (unsigned long long)x);
}
/* What other threads write meanwhile. */
AMM_DEVICE uint64_t amm_fresh_u64(const uint64_t *at)
{
    return *(const volatile uint64_t *)at;
}
AMM_DEVICE int64_t amm_now_ns(void)
{
    uint64_t now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return (int64_t)now;
}
AMM_DEVICE int32_t amm_bits(uint32_t x)
{
    return __popc(x);
}
AMM_DEVICE int32_t amm_lowest_bit(uint32_t x)
{
    return __ffs((int)x) - 1;
}
#define AMM_UNROLL _Pragma("unroll")
#define AMM_LOOP   _Pragma("unroll 1")

#else
#include "double.h"
#define AMM_UNROLL
#define AMM_LOOP
#endif

typedef struct amm_float4 {
    float x, y, z, w;
} __attribute__((aligned(16))) amm_float4;

AMM_DEVICE int32_t amm_lane(void)
{
    return amm_thread() % AMM_WARP;
}
/* Number of the warp in its block, and in the grid. */
AMM_DEVICE int32_t amm_warp(void)
{
    return amm_thread() / AMM_WARP;
}
AMM_DEVICE int32_t amm_grid_warp(void)
{
    return amm_block() * (amm_threads() / AMM_WARP) + amm_warp();
}
AMM_DEVICE bool amm_warp_any(bool x)
{
    return amm_warp_ballot(x) != 0;
}
AMM_DEVICE uint64_t amm_warp_sum_u64(uint64_t x)
{
    for (int32_t step = AMM_WARP / 2; step > 0; step /= 2) {
        x += amm_warp_from_u64(x, amm_lane() ^ step);
    }
    return x;
}
AMM_DEVICE int32_t amm_warp_sum_i32(int32_t x)
{
    for (int32_t step = AMM_WARP / 2; step > 0; step /= 2) {
        x += amm_warp_from_i32(x, amm_lane() ^ step);
    }
    return x;
}
/* The next number of a queue, the same in all lanes. */
AMM_DEVICE uint32_t amm_warp_ticket(uint32_t *ticket)
{
    uint32_t mine = 0;
    if (amm_lane() == 0) {
        mine = amm_atomic_add_u32(ticket, 1);
    }
    return (uint32_t)amm_warp_from_i32((int32_t)mine, 0);
}
AMM_DEVICE int32_t amm_min_i32(int32_t x, int32_t y)
{
    return x < y ? x : y;
}
AMM_DEVICE int32_t amm_max_i32(int32_t x, int32_t y)
{
    return x > y ? x : y;
}
AMM_DEVICE int64_t amm_min_i64(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

#endif
