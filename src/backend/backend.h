/* Backends: operations tables chosen at run time by name. A backend owns loops and memory, never
 * arithmetic of the model: that is in formula/. Every backend returns the bits of cpu/ref. */
#ifndef AMM_BACKEND_BACKEND_H
#define AMM_BACKEND_BACKEND_H

#include "backend/problem.h"
#include "backend/top.h"

enum {
    AMM_BACKEND_VERSION = 5,
    AMM_MAX_SCORE_ITEMS = 255 /* candidates are given as bytes */
};

/* No partition: in totals, bounds. */
#define AMM_TICKS_NONE INT64_MAX

typedef struct amm_engine_options {
    int32_t threads; /* >= 1; a backend without threads takes 1 only */
    int32_t device;  /* number of the accelerator */
} amm_engine_options;

/* A backend with a problem uploaded and its scratch; one call at a time. */
typedef struct amm_engine amm_engine;

/* The optimum of a config. The partition is the canonical one (backend/solve.h). */
typedef struct amm_solved {
    int64_t total; /* ticks of the config; AMM_TICKS_NONE: no partition within the limit */
    float max_t, sum, max_d;
    int32_t passes; /* dynamic programmes run: may differ between backends */
} amm_solved;

/* Candidates: a config and cuts each. Cut s (1 <= s < stages) of candidate n is
 * cuts[(s - 1) * stride + n]; cuts of a candidate ascend strictly between 0 and the items. */
typedef struct amm_score_segment {
    int32_t config;
    uint64_t first, count; /* candidates [first, first + count) */
} amm_score_segment;
typedef struct amm_score_batch {
    int32_t segment_count;
    const amm_score_segment *segments;
    const uint8_t *cuts;
    uint64_t stride;
} amm_score_batch;

/* A place in the order of all partitions of all configs. */
typedef struct amm_place {
    int32_t config;
    uint64_t rank;
} amm_place;

typedef struct amm_sweep_count {
    uint64_t scored;  /* costs formed */
    uint64_t covered; /* partitions decided: scored, outside a window, or above a limit */
} amm_sweep_count;

/* What a device can do at most, measured: rates that kernels are compared with. */
typedef enum amm_ceiling_kind {
    AMM_CEILING_ISSUE,  /* single-precision additions, or any instruction of full rate */
    AMM_CEILING_MAXIMA, /* single-precision */
    AMM_CEILING_ROWS, /* 16-byte rows of shared memory in random order, nothing done against conflicts */
    AMM_CEILING_COPIES, /* the same with a copy of each row for every eighth lane */
    AMM_CEILING_READ,   /* bytes of device memory */
    AMM_CEILING_SEND,   /* bytes from the host */
    AMM_CEILING_KINDS
} amm_ceiling_kind;
typedef struct amm_ceiling {
    amm_ceiling_kind kind;
    const char *name; /* static, a word */
    const char *unit;
    double value;
} amm_ceiling;

typedef struct amm_backend {
    int32_t version; /* AMM_BACKEND_VERSION it was written for */
    const char *name;

    /* REQUIRED. `problem` is borrowed until close. Errors: NO_MEMORY, UNAVAILABLE, INPUT (threads or
     * device that are not there), LIMIT. */
    amm_status (*open)(amm_engine **out, const amm_context *context, const amm_problem *problem,
                       const amm_engine_options *options);
    void (*close)(amm_engine *engine);

    /* REQUIRED. For configs [first, first + count): a number that no partition undercuts,
     *     a * M + U + E + D
     * M, D the least integers for which stages that each go as far as they can under t <= M, or
     * max(d - o, rho) <= D, alone reach the end; U the sum over items of the cheapest u of any stage;
     * E the sum over boundaries of the cheapest e of a cut that leaves every stage an item.
     * AMM_TICKS_NONE: no partition surely. Errors: LIMIT. */
    amm_status (*bound)(amm_engine *engine, int64_t *out, int32_t first, int32_t count);

    /* REQUIRED. For the configs [count] of a list, in any order (NULL: 0, 1 … count - 1); all
     * arrays are by place in the list. `upper` [count]: the caller has no use for T > upper
     * (AMM_TICKS_NONE: any will do); such configs come back as if they had no partition. `cuts`
     * [count][max_stages + 1], rows of the engine's problem, `cuts[0]` = 0; undefined where there
     * is no partition. Errors: LIMIT. */
    amm_status (*solve)(amm_engine *engine, amm_solved *out, uint16_t *cuts, const int64_t *upper,
                        const int32_t *configs, int32_t count);

    /* REQUIRED. `scores` (or NULL) [candidates of all segments, by number]: T rounded once to single
     * precision; infinite when a stage has no feasible entry. `top` (or NULL) takes up the feasible ones
     * (rank: the candidate's number), each once however often it is scored. Errors: LIMIT: more than AMM_MAX_SCORE_ITEMS items. */
    amm_status (*score)(amm_engine *engine, float *scores, amm_top *top,
                        const amm_score_batch *batch);

    /* REQUIRED. Every feasible partition from *from on, before `to`, is offered to `top`; those that
     * cannot be among its keys, or cost more than `upper` base ticks, may be skipped by any rule that
     * loses none of the others. What `top` holds already stays, and no key is listed twice: to sweep a
     * range again changes nothing but `count`. Returns early after a slice of work: *from is where it got to, so call
     * until it is `to`. `count` is added to. Errors: LIMIT: more than AMM_MAX_SCORE_ITEMS items, or a
     * config with 2^63 partitions. */
    amm_status (*sweep)(amm_engine *engine, amm_top *top, amm_sweep_count *count, amm_place *from,
                        amm_place to, int64_t upper);

    /* OPTIONAL, both or none (NULL: the caller's memory is where the backend computes). keep: a copy of
     * the batch where the backend computes, until the next keep (NULL: none) or close. score_kept: what
     * score(engine, NULL, top, batch) does with that copy. Errors: those of score; NO_MEMORY; INTERNAL:
     * nothing is kept. */
    amm_status (*keep)(amm_engine *engine, const amm_score_batch *batch);
    amm_status (*score_kept)(amm_engine *engine, amm_top *top);

    /* OPTIONAL (NULL: none). Measures limits of the device, some seconds; at most `capacity` of them.
     * Errors: UNAVAILABLE, INPUT, NO_MEMORY. */
    amm_status (*ceilings)(amm_ceiling *out, int32_t capacity, int32_t *count,
                           const amm_context *context, const amm_engine_options *options);

    /* OPTIONAL (NULL: sweep always does). From now on sweep forms the cost of every partition that
     * the windows admit, whatever is in the list: to time it, and to test what it leaves out. */
    void (*form_all)(amm_engine *engine);
} amm_backend;

struct amm_engine {
    const amm_backend *backend;
    const amm_context *context;
    const amm_problem *problem;
    amm_engine_options options;
    /* The backend's own part follows. */
};

/* What backends share. The number of partitions of a config; LIMIT: 2^63 or more. */
amm_status amm_config_ranks(uint64_t *out, const amm_problem *problem, int32_t config);
/* LIMIT: more items than candidates can name. */
amm_status amm_check_score_items(const amm_problem *problem);
/* INPUT: a candidate whose cuts do not ascend, a config that is not there. For candidates that come
 * from outside; score takes them on trust. */
amm_status amm_check_batch(const amm_problem *problem, const amm_score_batch *batch);

/* The config at a place of a list, which may be NULL: all of them, from the first on. */
static inline int32_t amm_config_at(const int32_t *configs, int32_t k)
{
    return configs == NULL ? k : configs[k];
}

static inline bool amm_place_less(amm_place a, amm_place b)
{
    return a.config < b.config || (a.config == b.config && a.rank < b.rank);
}

/* NULL and "auto" give the fastest CPU backend. Errors: INPUT (no such name), UNAVAILABLE (known, but
 * not here: the message says why). */
amm_status amm_backend_find(const amm_backend **out, const char *name);

/* INPUT: fewer threads than 1, or more than any backend takes. `where`: for the message. */
amm_status amm_threads_check(int64_t threads, const char *where);

/* The threads that a search gives a backend: `asked`, or with 0 all processors that it can use. Errors:
 * INPUT, UNAVAILABLE (more than the backend, or this build of it, takes). */
amm_status amm_backend_threads(int32_t *out, const amm_backend *backend, int32_t asked);

/* All known ones by index; false past the end. `note`: what it runs on, or why it is not there. */
bool amm_backend_describe(int32_t index, const char **name, bool *available, const char **note);

#endif
