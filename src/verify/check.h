/* Backends compared with cpu/ref, on problems of the engine. */
#ifndef AMM_VERIFY_CHECK_H
#define AMM_VERIFY_CHECK_H

#include "backend/backend.h"
#include "search/space_problem.h"
#include <ammeter/verify.h>

enum { AMM_VERIFY_TOP = 1000 };

/* name, word, what is counted */
#define AMM_OPERATION_LIST(X)                                                                      \
    X(BOUND, "bound", "bounds")                                                                    \
    X(SOLVE, "solve", "solves")                                                                    \
    X(SCORE, "score", "random candidates")                                                         \
    X(SWEEP, "sweep", "partitions swept")

typedef enum amm_operation {
#define AMM_OPERATION_ENUM(name, word, counted) AMM_OPERATION_##name,
    AMM_OPERATION_LIST(AMM_OPERATION_ENUM)
#undef AMM_OPERATION_ENUM
        AMM_OPERATION_COUNT
} amm_operation;

/* A backend, and how it did. */
typedef struct amm_subject {
    const char *name;
    const char *note;           /* what it runs on, or why it is not there */
    const amm_backend *backend; /* NULL: not there */
    int32_t threads;            /* it runs on; fewer than asked for where it takes no more */
    amm_engine *engine;         /* of the current problem; NULL: the problem is beyond its limits */
    uint64_t checked[AMM_OPERATION_COUNT];
    uint64_t mismatches;
    uint64_t beyond;       /* calls answered with LIMIT: nothing was compared */
    char beyond_text[256]; /* the first one's message */
} amm_subject;

/* The first difference, completely. */
typedef struct amm_mismatch {
    const char *backend;
    int32_t threads;
    amm_operation operation;
    uint64_t seed; /* of the problem */
    int32_t config;
    const char *problem, *shape, *cuts; /* in the arena; "" where there are none */
    const char *expected, *got;
} amm_mismatch;

struct amm_verification {
    amm_context *context;
    amm_arena arena;
    amm_engine_options options;
    uint64_t seed, candidates;
    amm_subject *subjects;
    int32_t subject_count;
    uint64_t problems, configs;
    bool differs;
    amm_mismatch first;
    /* Of a PROBLEM: */
    const char *problem; /* NULL: synthetic problems */
    uint64_t accepted, direct, step, beyond;
    char beyond_text[256];
    double wall_s;
};

/* One problem to compare on. */
typedef struct amm_verify_case {
    const amm_problem *problem;
    uint64_t seed;               /* of the problem, and of all that is drawn for it */
    uint64_t random, exhaustive; /* candidates to score, partitions to sweep at least, where there
                                    are as many */
    const char *name;
    void (*describe)(amm_text *out, const void *payload, int32_t config);
    const void *payload;
} amm_verify_case;

/* The layouts of a problem as such a case: `describe` and its payload. As amm_evaluate reads
 * them. */
typedef struct amm_described_space {
    const amm_spec *spec;
    const amm_space_problem *space;
} amm_described_space;
void amm_describe_space(amm_text *out, const void *payload, int32_t config);

/* What one comparison knows; handed down to the operations. */
typedef struct amm_check {
    amm_verification *v;
    const amm_verify_case *c;
    amm_engine *reference;
    amm_arena arena;       /* of the case */
    uint64_t seed;         /* moves on with the problem */
    uint64_t subject_seed; /* moves on with one subject's calls; begins the same for all, so that a
                              run with one of them alone is the same run */
} amm_check;

/* Every operation of every subject on one problem. Differences are counted, they are no error. Errors:
 * NO_MEMORY, UNAVAILABLE (the device is gone), INTERNAL (cpu/ref itself fails). */
amm_status amm_verify_run(amm_verification *v, const amm_verify_case *c);

/* The operations; each forms cpu/ref's answer once and compares all subjects with it. */
amm_status amm_check_bound(amm_check *x);
amm_status amm_check_solve(amm_check *x);
amm_status amm_check_score(amm_check *x);
amm_status amm_check_sweep(amm_check *x);

/* What a call of a subject came to. True: compare what it returned. False: *status says whether to
 * give up; LIMIT is counted as beyond, other failures as a mismatch. */
bool amm_check_returned(amm_check *x, amm_subject *subject, amm_operation operation,
                        amm_status *status);

/* Counts a difference and keeps the first. `cuts` [stages + 1] or NULL. Errors: NO_MEMORY. */
amm_status amm_mismatch_note(amm_check *x, amm_subject *subject, amm_operation operation,
                             int32_t config, const int32_t *cuts, const char *expected,
                             const char *got);

/* Empty, with no subjects. */
amm_status amm_verification_create(amm_verification **out, amm_context *context);

#endif
