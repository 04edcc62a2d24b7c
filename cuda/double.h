/* The double: kernel words on the host, for tests. Each CUDA thread is a fiber; between two words
 * where threads meet they run in an order drawn from a seed, so a missing barrier gives wrong results
 * rather than right ones by luck. Several blocks are under way at once. Device memory is poisoned,
 * ends at a page that cannot be touched, and cannot be touched at all while host code runs. */
#ifndef AMM_CUDA_DOUBLE_H
#define AMM_CUDA_DOUBLE_H

#include <stdbool.h>
#include <stdint.h>

/* What a test may set before a device is opened. 0: the default. */
typedef struct amm_double_options {
    uint64_t seed;
    int32_t most_configs, most_units, most_pushed; /* chunks */
    int64_t most_candidates, unit_ranks;
    int32_t slice;          /* the time of a launch is over once in so many looks at the clock */
    uint64_t shared_bytes;  /* of a block */
    uint64_t memory_bytes;  /* of the device: allocations beyond fail */
    int64_t fail_at_launch; /* the n-th launch (from 1) finds the device lost */
} amm_double_options;
extern amm_double_options amm_double_settings;

/* Where the thread under way is. */
typedef struct amm_double_place {
    int32_t thread, threads, block, blocks;
    uint8_t *shared;
} amm_double_place;
extern amm_double_place amm_double_here;

typedef enum amm_double_meeting {
    AMM_DOUBLE_BLOCK_SYNC,
    AMM_DOUBLE_WARP_SYNC,
    AMM_DOUBLE_BALLOT,
    AMM_DOUBLE_GATHER
} amm_double_meeting;

/* Waits for the warp (or block); the ballot of `value`, or `value` of lane `source`. */
uint64_t amm_double_meet(amm_double_meeting meeting, uint64_t value, int32_t source);
/* Lets others run first, sometimes. */
void amm_double_yield(void);
int64_t amm_double_now_ns(void);

#define AMM_DEVICE static inline __attribute__((unused))

#define AMM_KERNEL(name, type, threads, blocks)                                                    \
    AMM_DEVICE void amm_kernel_##name##_text(const type *a);                                       \
    void amm_kernel_##name(const void *args);                                                      \
    void amm_kernel_##name(const void *args)                                                       \
    {                                                                                              \
        amm_kernel_##name##_text((const type *)args);                                              \
    }                                                                                              \
    AMM_DEVICE void amm_kernel_##name##_text(const type *a)

AMM_DEVICE int32_t amm_thread(void)
{
    return amm_double_here.thread;
}
AMM_DEVICE int32_t amm_threads(void)
{
    return amm_double_here.threads;
}
AMM_DEVICE int32_t amm_block(void)
{
    return amm_double_here.block;
}
AMM_DEVICE int32_t amm_blocks(void)
{
    return amm_double_here.blocks;
}
AMM_DEVICE uint8_t *amm_shared(void)
{
    return amm_double_here.shared;
}
AMM_DEVICE void amm_block_sync(void)
{
    (void)amm_double_meet(AMM_DOUBLE_BLOCK_SYNC, 0, 0);
}
AMM_DEVICE void amm_warp_sync(void)
{
    (void)amm_double_meet(AMM_DOUBLE_WARP_SYNC, 0, 0);
}
AMM_DEVICE uint32_t amm_warp_ballot(bool x)
{
    return (uint32_t)amm_double_meet(AMM_DOUBLE_BALLOT, x, 0);
}
AMM_DEVICE int32_t amm_warp_from_i32(int32_t x, int32_t lane)
{
    return (int32_t)(uint32_t)amm_double_meet(AMM_DOUBLE_GATHER, (uint32_t)x, lane);
}
AMM_DEVICE uint64_t amm_warp_from_u64(uint64_t x, int32_t lane)
{
    return amm_double_meet(AMM_DOUBLE_GATHER, x, lane);
}
AMM_DEVICE uint32_t amm_atomic_add_u32(uint32_t *at, uint32_t x)
{
    amm_double_yield();
    const uint32_t before = *at;
    *at = before + x;
    return before;
}
AMM_DEVICE uint64_t amm_atomic_add_u64(uint64_t *at, uint64_t x)
{
    amm_double_yield();
    const uint64_t before = *at;
    *at = before + x;
    return before;
}
AMM_DEVICE uint64_t amm_fresh_u64(const uint64_t *at)
{
    amm_double_yield();
    return *at;
}
AMM_DEVICE int64_t amm_now_ns(void)
{
    return amm_double_now_ns();
}
AMM_DEVICE int32_t amm_bits(uint32_t x)
{
    return __builtin_popcount(x);
}
AMM_DEVICE int32_t amm_lowest_bit(uint32_t x)
{
    return __builtin_ctz(x);
}

#endif
