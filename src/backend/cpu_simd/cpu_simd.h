/* cpu/simd: the bits of cpu/ref at the speed of the processor. One kernel text (kernel_*.h) over lanes
 * (lanes.h), compiled once per path; the fastest path that the processor has is taken at open.
 * Threads (OpenMP) share out candidates, ranks and configs; no result depends on how many there are. */
#ifndef AMM_BACKEND_CPU_SIMD_H
#define AMM_BACKEND_CPU_SIMD_H

#include "backend/backend.h"
#include "formula/tick/partition.h"

enum {
    AMM_SIMD_ROWS = 256, /* of a table for candidates: AMM_MAX_SCORE_ITEMS + 1 */
    AMM_SIMD_PAD = 16    /* widest lanes: what arrays have past their last element */
};

/* A filter that may round twice is two halves of a unit in the last place off, at most; so may the
 * limit be: more than what both need. */
#define AMM_NEAR_SLACK 1.000001f

/* Single numbers; a > b ? a : b is one instruction, fmaxf is a call. */
#define AMM_SIMD_NO_FMA(x, y, z) ((x) * (y) + (z))
AMM_OBJECTIVE_DEFINE(amm_simd_parts, float, AMM_OBJECTIVE_MAX, AMM_SIMD_NO_FMA)

/* ---- score ------------------------------------------------------------------------------------- */

/* What a stage (or a boundary) looks up by item. Columns t, u, d, w: lanes.h has the layout. */
typedef struct amm_simd_rows {
    const float *end, *start;
    float rho;
} amm_simd_rows;

typedef enum amm_simd_chain {
    AMM_SIMD_STAGES, /* any config: entries by stage, end and start rows of each */
    /* One entry per stage, no windows, the same t and d everywhere: a row per boundary. */
    AMM_SIMD_CHAIN,   /* d is 0 */
    AMM_SIMD_CHAIN_D, /* o is 0 */
    AMM_SIMD_CHAIN_O
} amm_simd_chain;

/* A config ready to score. */
typedef struct amm_simd_score {
    const amm_problem *problem;
    int32_t number; /* of the config; -1: none */
    amm_simd_chain chain;
    amm_simd_rows *rows; /* by entry: those of stage s from first[s]; or by boundary */
    int32_t *first;      /* [stages + 1] */
    float *values;
    size_t row_capacity, first_capacity, value_capacity;
} amm_simd_score;

typedef struct amm_simd_span {
    float *scores;
    amm_top *top;
    const uint8_t *cuts;
    uint64_t stride, first, count;
} amm_simd_span;

/* ---- sweep ------------------------------------------------------------------------------------- */

/* A config ready to be enumerated. "After (s, i)": what stages s, s + 1, … make of the items after i. */
typedef struct amm_simd_walk {
    const amm_problem *problem;
    int32_t number; /* of the config; -1: none */
    bool with_d;
    int32_t last_from; /* first start from which the last stage is admitted */
    size_t stride;     /* floats from row to row */
    uint64_t *ranks;   /* [stages + 1][items + 1] partitions after (s, i) */
    /* [stages][3][stride] least max t, sum, max d after (s, i), s < stages - 1; infinite: none */
    float *least;
    float *middle; /* [items][3][stride] t, u + e, d of stage S - 3 over (i, j] */
    float *last;   /* [3][stride] the same of the last stage, by its start */
    float *pairs;  /* the last two stages over (b, c], (c, items]: lanes of max t, sum, max d */
    size_t *pair;  /* [items + 1] of b: where its lanes begin */
    int32_t *vectors, *from,
        *count;       /* [items] of b: its lanes, first feasible c, how many of them */
    uint64_t *counts; /* [items + 1] sum of count below b */
    void *memory;
} amm_simd_walk;

/* Ranks of one config for one thread. */
typedef struct amm_simd_range {
    uint64_t from, to; /* from: where it got to */
    uint64_t work;     /* left before it stops */
    bool prune;        /* leave out what cannot be among the keys (off: to test and time) */
    int64_t upper;
    const amm_key *worst; /* of the caller's full list, or NULL */
    amm_top top;
    amm_sweep_count count;
    int32_t *cuts;         /* [stages + 1] */
    uint64_t *base;        /* [stages + 1] rank of the first partition with the same first s cuts */
    amm_simd_parts *parts; /* [stages + 1] */
    float *record;         /* [3][stride] parts before b */
} amm_simd_range;

/* ---- solve ------------------------------------------------------------------------------------- */

enum { AMM_SIMD_SOLVE_ITEMS = 1023 }; /* more are solved by cpu/ref's queues: O(L), not lanes */

/* Scratch of one thread. */
typedef struct amm_simd_solver {
    float *f, *g;        /* [stride] least sums before, after the stage */
    float *start;        /* [max_stages][stride] of the best stage that ends at j */
    int32_t *low, *high; /* [max_stages + 1] bounds of the cuts */
    int32_t *cuts;       /* [max_stages + 1] of the last pass */
} amm_simd_solver;

/* ---- paths ------------------------------------------------------------------------------------- */

typedef struct amm_simd_path {
    const char *name; /* what AMM_SIMD calls it */
    const char *title;
    int32_t lanes;
    bool columns; /* layout of rows: columns of AMM_SIMD_ROWS, not rows of four */
    void (*score)(const amm_simd_score *config, const amm_simd_span *span);
    /* Fills the arrays of `walk`. */
    void (*prepare)(amm_simd_walk *walk);
    void (*walk)(const amm_simd_walk *walk, amm_simd_range *range);
    int64_t (*bound)(const amm_problem *problem, int32_t config);
    void (*solve)(amm_simd_solver *solver, amm_solved *out, uint16_t *cuts, int64_t upper,
                  const amm_problem *problem, int32_t config);
} amm_simd_path;

/* NULL: this build or this processor lacks it. */
const amm_simd_path *amm_simd_path_portable(void);
const amm_simd_path *amm_simd_path_avx2(void);
const amm_simd_path *amm_simd_path_avx512(void);

/* The path to use: AMM_SIMD in the environment (portable, avx2, avx512), else the fastest there is.
 * Errors: INPUT (no such path), UNAVAILABLE (not on this processor). */
amm_status amm_simd_path_find(const amm_simd_path **out);

/* ---- engine ------------------------------------------------------------------------------------ */

typedef struct amm_simd_engine {
    amm_engine base;
    const amm_simd_path *path;
    amm_arena arena;
    bool prune; /* on; sweep otherwise forms every cost */
    amm_simd_score score;
    amm_simd_walk walk;
    uint64_t slice;         /* ranks of a range of the next sweep */
    amm_simd_range *ranges; /* [range_count] */
    int32_t range_count;
    amm_key *keys; /* lists of ranges or threads */
    size_t key_capacity;
    amm_simd_solver *solvers; /* [threads] */
    amm_engine **queues;      /* [threads] cpu/ref, for problems of too many items */
} amm_simd_engine;

/* open with a path. */
amm_status amm_simd_open(amm_engine **out, const amm_context *context, const amm_problem *problem,
                         const amm_engine_options *options, const amm_simd_path *path);

/* Make a config ready. Errors: NO_MEMORY. */
amm_status amm_simd_score_ready(amm_simd_engine *engine, int32_t config);
amm_status amm_simd_walk_ready(amm_simd_engine *engine, int32_t config);

amm_status amm_simd_score_batch(amm_engine *engine, float *scores, amm_top *top,
                                const amm_score_batch *batch);
amm_status amm_simd_sweep(amm_engine *engine, amm_top *top, amm_sweep_count *count, amm_place *from,
                          amm_place to, int64_t upper);

/* Lists of `lists` times `capacity` keys in engine->keys. Errors: NO_MEMORY. */
amm_status amm_simd_lists(amm_simd_engine *engine, size_t lists, int32_t capacity);

/* What it runs on ("AVX2, 2 threads possible"), or why it does not (false: AMM_SIMD asks for a path that
 * is not there). */
bool amm_simd_note(const char **note);

/* Threads of its own accord: one for each processor, up to the most it takes. */
int32_t amm_simd_threads(void);
/* INPUT: fewer than 1 or more than it takes; UNAVAILABLE: more than one without OpenMP. */
amm_status amm_simd_check_threads(int32_t threads);

extern const amm_backend amm_backend_cpu_simd;

/* A table, or NULL. */
static inline const float *amm_simd_table(const amm_problem *p, int32_t table)
{
    return table == AMM_NO_TABLE ? NULL : amm_problem_table(p, table);
}

static inline const uint16_t *amm_simd_window(const amm_problem *p, int32_t window)
{
    return window == AMM_NO_TABLE ? NULL : amm_problem_window(p, window);
}

static inline float amm_simd_at(const float *table, int32_t item)
{
    return table == NULL ? 0.0f : table[item];
}

#endif
