/* The problem as every backend sees it: flat arrays of ticks and numbers that point into them, no
 * pointers into descriptions. A block is immutable once built; a backend uploads it once.
 *
 * The engine knows items, stages and entries (the alternatives a stage may use: recompute sets,
 * device classes …). What the rows mean is lower/'s business. */
#ifndef AMM_BACKEND_PROBLEM_H
#define AMM_BACKEND_PROBLEM_H

#include "backend/solve.h"
#include "core/core.h"

enum {
    AMM_NO_TABLE = -1,
    AMM_MAX_ITEMS = 65534, /* windows are 16 bits wide */
    AMM_TABLE_ALIGN = 16   /* elements: a table starts on a 64-byte line */
};

/* One alternative of a stage, by table number. The stage that covers items (i, j] costs
 * table[j] - table[i] of each; d and window may be AMM_NO_TABLE (0; no limit). */
typedef struct amm_problem_entry {
    int32_t t, u, d; /* u of a first stage with the cost of its end, and so no sum of items */
    int32_t window;  /* smallest feasible start of a stage that ends at j; j: none */
    float rho;
} amm_problem_entry;

/* A stage uses the first of its entries whose window admits it. Entries come in order of cost: no
 * item costs less in a later one, in t, u or d, and rho does not fall. */
typedef struct amm_problem_stage {
    int32_t entry, entry_count; /* the first one's number, how many */
    int32_t
        e; /* table (no prefix): cost of the boundary when the stage ends at j; or AMM_NO_TABLE */
} amm_problem_stage;

typedef struct amm_problem_config {
    uint64_t id;           /* orders configs of equal cost */
    int32_t stage, stages; /* number of the first stage, how many */
    int32_t a;             /* 0 <= a < 2^24 */
    int32_t o;     /* table: what a stage that starts at i finishes early; or AMM_NO_TABLE */
    int32_t scale; /* its tick is 2^scale base ticks: costs compare as T 2^scale */
} amm_problem_config;

typedef struct amm_problem {
    int32_t items;  /* L: tables hold L + 1 values */
    int32_t stride; /* elements from one table or window to the next: L + 1 rounded up */
    int32_t max_stages;
    int32_t table_count, window_count, entry_count, stage_count, config_count;
    const float *tables;     /* [table_count][stride] integers >= 0; past L + 1: 0 */
    const uint16_t *windows; /* [window_count][stride] */
    const amm_problem_entry *entries;
    const amm_problem_stage *stages;
    const amm_problem_config *configs;
} amm_problem;

/* An array of the config being added, and the number of its content. */
typedef struct amm_problem_seen {
    const void *array;
    int32_t number;
} amm_problem_seen;
enum { AMM_PROBLEM_SEEN = 64 };

/* Builds one. Tables with the same content are kept once. */
typedef struct amm_problem_builder {
    const amm_context *context;
    amm_problem view;   /* the arrays so far; they move when the next config is added */
    size_t capacity[6]; /* of tables, windows, entries, stages, configs, slots */
    int32_t *slots;     /* hash of content -> table (>= 0) or window (-2 - number), -1: free */
    float *row;         /* [stride] the one being looked up */
    /* Stages share arrays: most need no look at the content. */
    amm_problem_seen seen[AMM_PROBLEM_SEEN];
} amm_problem_builder;

amm_status amm_problem_open(amm_problem_builder *out, const amm_context *context, int32_t items);
void amm_problem_close(amm_problem_builder *builder);

/* Adds a config whose tables are ticks of 2^scale base ticks. Errors: NO_MEMORY; LIMIT: more items,
 * stages or ticks than the engine takes, a cost that int64 cannot hold in base ticks, or entries out
 * of order; INTERNAL: a value is no integer, or a stage but the first has an `end`. */
amm_status amm_problem_add(amm_problem_builder *builder, const amm_solve_config *config,
                           uint64_t id, int32_t scale);

static inline const float *amm_problem_table(const amm_problem *p, int32_t table)
{
    return p->tables + (size_t)table * (size_t)p->stride;
}

static inline const uint16_t *amm_problem_window(const amm_problem *p, int32_t window)
{
    return p->windows + (size_t)window * (size_t)p->stride;
}

#endif
