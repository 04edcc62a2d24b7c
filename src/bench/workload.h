/* Throughput of backends: cases, clocks, what the processor can do. */
#ifndef AMM_BENCH_WORKLOAD_H
#define AMM_BENCH_WORKLOAD_H

#include "backend/names.h"
#include "verify/instance.h"
#include <ammeter/bench.h>
#include <ammeter/spec.h>

/* ---- what the processor can do ----------------------------------------------------------------- */

/* name, unit, what one is. Of all threads together. */
#define AMM_CEILING_LIST(X)                                                                        \
    X(FMA, "fma", "lanes/s", "single-precision multiply-adds")                                     \
    X(MAX, "max", "lanes/s", "single-precision maxima or compares")                                \
    X(PERMUTE, "permute", "lanes/s", "look-ups in a register table of `permute_entries`")          \
    X(GATHER, "gather", "lanes/s", "look-ups in memory that stays in L1")                          \
    X(LOAD, "load", "bytes/s", "vector loads that stay in L1")

typedef enum amm_bench_ceiling {
#define AMM_CEILING_ENUM(name, word, unit, what) AMM_CEILING_##name,
    AMM_CEILING_LIST(AMM_CEILING_ENUM)
#undef AMM_CEILING_ENUM
        AMM_CEILING_COUNT
} amm_bench_ceiling;

typedef struct amm_ceilings {
    int32_t threads;
    double per_s[AMM_CEILING_COUNT]; /* 0: the processor has no such instruction */
} amm_ceilings;

/* Instruction set used, "avx512f", "avx2" or "baseline", and entries of its register table, bytes of
 * a vector. */
const char *amm_ceilings_isa(int32_t *permute_entries, int32_t *vector_bytes);

/* Measures all rates on `threads` threads at once, `seconds` each. Errors: UNAVAILABLE (a thread
 * cannot be started). */
amm_status amm_ceilings_measure(amm_ceilings *out, int32_t threads, double seconds);

/* One kernel: at least `rounds` rounds; returns how many lanes or bytes a round takes. */
double amm_ceiling_kernel(amm_bench_ceiling rate, int64_t rounds);

/* ---- clocks ------------------------------------------------------------------------------------ */

/* Processor time of the whole process; else the wall's. */
double amm_bench_clock_s(bool cpu_time);

typedef struct amm_machine_facts {
    char cpu[96]; /* "" where it does not tell */
    int64_t processors;
    double mhz_told, mhz_measured; /* NaN: not told, no way to measure */
} amm_machine_facts;
void amm_machine_facts_read(amm_machine_facts *out);

/* ---- cases ------------------------------------------------------------------------------------- */

typedef enum amm_bench_kind {
    AMM_BENCH_SCORE,      /* candidates that come from the caller, their costs as an array */
    AMM_BENCH_SCORE_KEPT, /* candidates that the backend keeps, the best 100 of them */
    AMM_BENCH_SWEEP,      /* every cost formed, the best one kept: the rate of the kernel */
    AMM_BENCH_SWEEP_KEPT, /* the best 100 kept, others left out unformed: units are decided */
    AMM_BENCH_SOLVE,
    AMM_BENCH_BOUND,
    AMM_BENCH_LOOK /* host: the configs of a space composed from their classes */
} amm_bench_kind;

typedef struct amm_bench_case {
    amm_bench_kind kind;
    const char *name, *unit;
    amm_instance_shape shape;       /* of the configs of its problem */
    int32_t configs, quick_configs; /* of its problem */
    const char *problem;            /* look: preset of the space; else NULL */
} amm_bench_case;
/* What a case is about, beside its name: "16 stages and 128 layers", or a preset. Returns `out`. */
enum { AMM_BENCH_SHAPE_BYTES = 64 };
const char *amm_bench_shape_words(char out[AMM_BENCH_SHAPE_BYTES], const amm_bench_case *c);
extern const amm_bench_case amm_bench_cases[];
extern const int32_t amm_bench_case_count;

/* A case made ready. */
typedef struct amm_workload {
    const amm_bench_case *c;
    amm_problem_builder builder;
    amm_arena arena;
    uint64_t candidates; /* score: of amount 1 */
    int32_t configs;     /* solve, bound: of amount 1 */
    amm_spec *spec;      /* look */
    int32_t threads;     /* look; 1 until set */
    int32_t most;        /* amounts of one call: more are several */
    uint8_t *cuts;
    float *scores;
    int64_t *bounds, *upper;
    amm_solved *solved;
    uint16_t *solved_cuts;
    amm_key *keys;
} amm_workload;

/* `wide`: one call may be given AMM_BENCH_WIDE times amount 1, to fill an accelerator. */
enum { AMM_BENCH_WIDE = 32 };
amm_status amm_workload_open(amm_workload *out, amm_context *context, const amm_bench_case *c,
                             bool quick, bool wide);
/* Has the backend keep the candidates of the case, or form all costs, where the case is about that
 * and the backend can do otherwise. */
amm_status amm_workload_prepare(const amm_workload *workload, const amm_backend *backend,
                                amm_engine *engine);
void amm_workload_close(amm_workload *workload);

/* What one run came to. */
typedef struct amm_work_done {
    double units, covered; /* covered: of a sweep, formed or not; else the same */
    double passes;         /* solve: dynamic programmes, all together */
    uint64_t checksum;     /* of all results of the run */
} amm_work_done;

/* `amount` 1 is the same work for every backend; n is n times as much. A look has no
 * engine, and no backend has a part in it. */
amm_status amm_workload_run(amm_workload *workload, amm_work_done *out, const amm_backend *backend,
                            amm_engine *engine, uint64_t amount);

/* look.c: the space of a case of kind LOOK (`quick`: a slice of it); its configs composed on `threads`. */
amm_status amm_look_open(amm_workload *out, amm_context *context, bool quick);
amm_status amm_look_run(const amm_workload *workload, amm_work_done *out, uint64_t amount);

/* Most units per second that the rates allow: the operations of a unit over the rate of each, the
 * scarcest one (docs/cli.md, "bench"). 0: not known. `passes`: dynamic programmes of a solve. */
double amm_workload_ceiling(const amm_workload *workload, const amm_ceilings *rates, double passes,
                            amm_bench_ceiling *binding);

/* The same for an accelerator's ceilings; `by`: the name of the scarce one, or NULL. */
double amm_workload_device_ceiling(const amm_workload *workload, const amm_ceiling *rates,
                                   int32_t count, double passes, const char **by);

/* ---- figures ----------------------------------------------------------------------------------- */

enum { AMM_BENCH_REPEATS = 7, AMM_BENCH_QUICK_REPEATS = 5 };

typedef struct amm_figure {
    const amm_bench_case *c;
    const char *backend;
    int32_t threads;
    bool cpu_time;
    double value, covered_value; /* units per second, of the median */
    double ceiling;              /* 0: none */
    const char *ceiling_by;      /* NULL: none */
    double median_s, spread;     /* of the repeats; spread: (largest - smallest) / median */
    uint64_t amount, checksum;
} amm_figure;

/* Fills amount, value, covered_value, median_s and spread: as much work as takes `wanted_s` at
 * least, `repeats` (at most AMM_BENCH_REPEATS) times. f->cpu_time says by which clock. *done: of
 * the last. */
amm_status amm_figure_time(amm_figure *f, amm_work_done *done, amm_workload *workload,
                           const amm_backend *backend, amm_engine *engine, double wanted_s,
                           int32_t repeats);

/* A backend that did not take a number of threads, or a case. */
typedef struct amm_bench_skip {
    const amm_bench_case *c;
    const char *backend, *reason;
    int32_t threads;
} amm_bench_skip;

/* The word of a rate of the processor. */
const char *amm_bench_rate_word(amm_bench_ceiling rate);

struct amm_bench {
    amm_context *context;
    amm_arena arena;
    bool quick;
    int32_t repeats, device;
    amm_backend_choice backends;
    int32_t thread_count;
    amm_ceilings *rates;               /* [thread_count] */
    const amm_backend *device_backend; /* the accelerator, or NULL */
    amm_ceiling device_rates[AMM_CEILING_KINDS];
    int32_t device_rate_count;
    amm_figure *figures;
    amm_bench_skip *skips;
    int32_t figure_count, skip_count;
    amm_machine_facts before, after;
    double wall_s;
};

#endif
