/* What kernels are given. All pointers are device memory. */
#ifndef AMM_CUDA_KERNEL_ARGS_H
#define AMM_CUDA_KERNEL_ARGS_H

#include <assert.h>
#include "backend/backend.h"

enum {
    AMM_BLOCK = 256,       /* threads of bound, score */
    AMM_SOLVE_BLOCK = 128, /* warps work alone: small blocks fill a processor better */
    AMM_SWEEP_BLOCK = 256,
    AMM_GROUP = 4,            /* candidates of a thread in score */
    AMM_TILE_COLUMNS = 4,     /* columns of a lane in sweep */
    AMM_MOST_REPLICAS_LOG = 3 /* of a table row in shared memory: 8, one bank group each */
};

/* The problem as uploaded. AMM_NO_TABLE has become a table of zeros (a window of zeros: no limit), so
 * kernels need not ask. */
typedef struct amm_gpu_problem {
    int32_t items, stride, max_stages;
    const float *tables;
    const uint16_t *windows;
    const uint16_t *reaches; /* [window][stride]: greatest j with window[j] <= i */
    const amm_problem_entry *entries;
    const amm_problem_stage *stages;
    const amm_problem_config *configs;
    const uint64_t *choose; /* [items + 1][max_stages + 1] binomials; 0: 2^63 or more */
} amm_gpu_problem;

typedef struct amm_bound_args {
    amm_gpu_problem problem;
    int32_t first, count;
    int64_t *out; /* [count] */
} amm_bound_args;

/* Keys that may be among the best: below the k-th triple so far, cost within `upper`. More than
 * `capacity` of them: `count` says so, and the work that found them is done again. */
typedef struct amm_gpu_top {
    amm_key *keys;   /* [capacity]; NULL: nobody asks */
    uint64_t *count; /* one number */
    uint64_t capacity;
    amm_key last; /* the k-th so far */
    int64_t upper;
} amm_gpu_top;

/* How a config is scored from shared memory. Rows of 16 bytes {t, u, d, d + o} by class and item;
 * pairs {e, window} by item. */
typedef struct amm_score_class {
    int32_t t, u, d;
} amm_score_class;
typedef struct amm_score_pair {
    int32_t e, window;
} amm_score_pair;
typedef struct amm_score_entry {
    int32_t row, pair; /* which class, which pair */
    float rho;
} amm_score_entry;
typedef struct amm_score_stage {
    int32_t entry, entry_count;
} amm_score_stage;
enum { AMM_SCORE_STEP_BYTES = 16 }; /* what kernel score makes of a stage */
typedef struct amm_score_plan {
    int32_t class_count, pair_count, entry_count, replicas_log;
    const amm_score_class *classes;
    const amm_score_pair *pairs;
    const amm_score_entry *entries;
    const amm_score_stage *stages;
} amm_score_plan;

typedef struct amm_score_args {
    amm_gpu_problem problem;
    amm_score_plan plan;
    int32_t config;
    uint64_t first, count; /* number of the first candidate, how many */
    uint64_t pitch;        /* from plane to plane: a multiple of AMM_GROUP, >= count */
    const uint8_t *cuts;   /* [stages - 1][pitch] */
    float *scores;         /* [pitch] or NULL */
    amm_gpu_top top;
} amm_score_args;

/* Where a solve stands between two passes: launches end, searches go on. */
/* Bytes of a warp's two columns of sums and its bounds of cuts; a multiple of 16. */
#define AMM_SOLVE_COLUMN_BYTES(items, stages)                                                      \
    ((((size_t)(items) + 1) * 2 * sizeof(amm_ticks) + ((size_t)(stages) + 1) * 4 + 15) / 16 * 16)

typedef enum amm_solve_phase {
    AMM_SOLVE_NEW = 0, /* memory of zeros */
    AMM_SOLVE_WIDE,    /* no limit on t */
    AMM_SOLVE_NARROW,  /* the least limit on t that the probe lets through */
    AMM_SOLVE_DESCEND, /* below the last max t */
    AMM_SOLVE_LAST,    /* under both limits of the optimum, for its cuts */
    AMM_SOLVE_DONE
} amm_solve_phase;

typedef struct amm_solve_state {
    int64_t total; /* the best T, or the limit on it */
    int64_t v;     /* the best A max t + sum under d_limit, or the limit on it */
    int32_t phase;
    int32_t found, v_found, with_d;
    int32_t d_limit, d_floor; /* d_floor < 0: not known */
    int32_t mean_t;           /* no max t is below */
    int32_t t_floor, narrow, widest, m;
    int32_t sum;          /* of the last pass */
    int32_t v_t, v_d;     /* of the best v */
    int32_t max_t, max_d; /* of the best T */
    int32_t passes;
} amm_solve_state;

typedef struct amm_solve_args {
    amm_gpu_problem problem;
    int32_t queue_count;   /* configs of this launch */
    const int32_t *queue;  /* their places in the arrays below */
    uint32_t *ticket;      /* next in the queue */
    const int32_t *number; /* of the config, by place, as all that follow */
    const int64_t *upper;
    amm_solve_state *state;
    amm_solved *out;
    uint16_t *cuts; /* [place][max_stages + 1] */
    int64_t slice_ns;
    uint8_t *scratch; /* [warp][scratch_bytes]: starts; solve_large: sums as well */
    uint64_t scratch_bytes;
} amm_solve_args;

typedef struct amm_sweep_unit {
    int32_t config;
    uint64_t rank, count;
} amm_sweep_unit;

typedef struct amm_sweep_args {
    amm_gpu_problem problem;
    int32_t queue_count;
    const int32_t *queue; /* numbers of units still to be done */
    uint32_t *ticket;
    const amm_sweep_unit *units;
    uint64_t *scored; /* by unit: candidates formed, + 1; 0: not done */
    amm_gpu_top top;
    int64_t slice_ns;
} amm_sweep_args;

/* Bytes of shared memory of a warp of sweep: what a warp knows, counts, rows, levels of the prefix. */
#define AMM_SWEEP_SHARED_BYTES(stages)                                                             \
    (((size_t)96 + AMM_WARP * (4 + 32) + (size_t)(stages)*24 + 15) / 16 * 16)

#endif
