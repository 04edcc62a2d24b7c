/* The backend `cuda`: host side, one text for every device layer (device.h). */
#ifndef AMM_CUDA_DRIVER_H
#define AMM_CUDA_DRIVER_H

#include "device.h"
#include "kernel_args.h"

/* The same number of bytes on both sides; grows, contents are lost then. */
typedef struct amm_cuda_buffer {
    void *host, *device;
    size_t bytes;
} amm_cuda_buffer;

/* Keys on their way to a list of the best. */
typedef struct amm_cuda_pushed {
    amm_cuda_buffer keys, count;
} amm_cuda_pushed;

/* One of the two halves of a score: while one is computed the other is filled. */
typedef struct amm_cuda_lane {
    amm_cuda_buffer cuts, scores, plan;
    amm_cuda_pushed pushed;
    amm_score_args args; /* of the chunk under way */
    bool busy;
} amm_cuda_lane;

/* A segment in device memory. */
typedef struct amm_cuda_kept {
    amm_score_segment segment;
    uint64_t pitch;
    void *cuts;
} amm_cuda_kept;

typedef struct amm_cuda_engine {
    amm_engine base;
    amm_device *device;
    amm_gpu_problem problem; /* device memory */
    amm_cuda_buffer bounds;
    amm_cuda_lane lanes[AMM_DEVICE_STREAMS];
    amm_cuda_kept *kept; /* [kept_count] */
    int32_t kept_count;
    struct {
        amm_cuda_buffer queue, ticket, number, upper, state, out, cuts;
        void *scratch;
        size_t scratch_bytes;
    } solve;
    struct {
        amm_cuda_buffer queue, ticket, units, scored;
        amm_cuda_pushed pushed;
    } sweep;
} amm_cuda_engine;

/* On the device what is not there is the last table or window: zeros, and one without a limit. */
static inline int32_t amm_cuda_or_last(int32_t table, int32_t last)
{
    return table == AMM_NO_TABLE ? last : table;
}

extern const amm_backend amm_backend_cuda;

amm_status amm_cuda_reserve(amm_cuda_engine *e, amm_cuda_buffer *buffer, size_t bytes);
/* The first `bytes` of the buffer. */
amm_status amm_cuda_send(amm_cuda_engine *e, int32_t stream, amm_cuda_buffer *buffer, size_t bytes);
amm_status amm_cuda_fetch(amm_cuda_engine *e, int32_t stream, amm_cuda_buffer *buffer,
                          size_t bytes);

amm_status amm_cuda_solve(amm_engine *engine, amm_solved *out, uint16_t *cuts, const int64_t *upper,
                          const int32_t *configs, int32_t count);
amm_status amm_cuda_score(amm_engine *engine, float *scores, amm_top *top,
                          const amm_score_batch *batch);
amm_status amm_cuda_keep(amm_engine *engine, const amm_score_batch *batch);
amm_status amm_cuda_score_kept(amm_engine *engine, amm_top *top);
amm_status amm_cuda_sweep(amm_engine *engine, amm_top *top, amm_sweep_count *count, amm_place *from,
                          amm_place to, int64_t upper);
#ifdef __cplusplus
extern "C"
#endif
    amm_status
    amm_cuda_ceilings(amm_ceiling *out, int32_t capacity, int32_t *count,
                      const amm_context *context, const amm_engine_options *options);

/* ---- keys --------------------------------------------------------------------------------------- */

/* What a kernel is told about `top` (NULL: nobody asks), with no keys counted yet. */
amm_status amm_cuda_top_begin(amm_cuda_engine *e, int32_t stream, amm_gpu_top *out,
                              amm_cuda_pushed *pushed, const amm_top *top, int64_t upper);
/* Asks for the keys back; after the next wait amm_cuda_top_take offers them. */
amm_status amm_cuda_top_fetch(amm_cuda_engine *e, int32_t stream, amm_cuda_pushed *pushed);
/* false in *complete: there were more than fit, the work has to be done again. */
amm_status amm_cuda_top_take(amm_cuda_engine *e, int32_t stream, amm_cuda_pushed *pushed,
                             amm_top *top, bool *complete);

#endif
