/* A thin layer over one accelerator, so that the driver is one text for two of them: device_cuda.cu
 * (the CUDA runtime) and double.c (the double: the same kernels on the host, for tests).
 *
 * Work goes through streams: copies, fills and launches of one stream happen in order, some time
 * before amm_device_wait returns. Host memory of a copy stays untouched until then. */
#ifndef AMM_CUDA_DEVICE_H
#define AMM_CUDA_DEVICE_H

#include "core/core.h"

enum { AMM_DEVICE_STREAMS = 2, AMM_WARP = 32 };

/* What can be launched; the arguments of each are in kernel_args.h. */
#define AMM_KERNEL_LIST(X)                                                                         \
    X(bound, BOUND)                                                                                \
    X(score, SCORE)                                                                                \
    X(score_several, SCORE_SEVERAL)                                                                \
    X(score_direct, SCORE_DIRECT)                                                                  \
    X(solve, SOLVE)                                                                                \
    X(solve_large, SOLVE_LARGE)                                                                    \
    X(sweep, SWEEP)

typedef enum amm_kernel_id {
#define AMM_KERNEL_ENUM(name, NAME) AMM_KERNEL_##NAME,
    AMM_KERNEL_LIST(AMM_KERNEL_ENUM)
#undef AMM_KERNEL_ENUM
        AMM_KERNEL_COUNT
} amm_kernel_id;

typedef struct amm_device_facts {
    int32_t processors;   /* multiprocessors */
    size_t shared_bytes;  /* of a block, at most */
    size_t memory_bytes;  /* free when it was opened */
    int32_t most_configs; /* chunk limits: how much one launch may be given */
    int64_t most_candidates;
    int32_t most_units;
    int64_t unit_ranks;
    int32_t most_pushed; /* keys; more than AMM_MAX_TOP */
    int64_t slice_ns;    /* how long a launch may take up work */
} amm_device_facts;

typedef struct amm_device amm_device;

#ifdef __cplusplus
extern "C" {
#endif

/* One line about device `number`: what it is (true), or why there is none (false). */
bool amm_device_describe(char *note, size_t note_bytes, int32_t number);

/* Errors: UNAVAILABLE (no device, driver too old, device lost), INPUT (number out of range),
 * NO_MEMORY. Every call below: UNAVAILABLE, NO_MEMORY. */
amm_status amm_device_open(amm_device **out, const amm_context *context, int32_t number);
void amm_device_close(amm_device *device); /* frees what was allocated; NULL is fine */
const amm_device_facts *amm_device_facts_of(const amm_device *device);

/* Until amm_device_close or amm_device_release. Contents undefined. */
amm_status amm_device_allocate(amm_device *device, void **out, size_t bytes);
/* Host memory that copies reach without a detour. */
amm_status amm_device_allocate_host(amm_device *device, void **out, size_t bytes);
void amm_device_release(amm_device *device, void *memory); /* of either kind; NULL is fine */

amm_status amm_device_copy_in(amm_device *device, int32_t stream, void *to, const void *from,
                              size_t bytes);
amm_status amm_device_copy_out(amm_device *device, int32_t stream, void *to, const void *from,
                               size_t bytes);
amm_status amm_device_zero(amm_device *device, int32_t stream, void *to, size_t bytes);

/* `args` is copied. */
amm_status amm_device_launch(amm_device *device, int32_t stream, amm_kernel_id kernel,
                             int32_t blocks, int32_t threads, size_t shared_bytes, const void *args,
                             size_t args_bytes);
/* Blocks of the kernel that all processors together hold at once. */
amm_status amm_device_occupancy(amm_device *device, int32_t *out, amm_kernel_id kernel,
                                int32_t threads, size_t shared_bytes);
amm_status amm_device_wait(amm_device *device, int32_t stream);

#ifdef __cplusplus
}
#endif
#endif
