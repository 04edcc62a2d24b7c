/* What a search returns, in the open for search/ and emit/. */
#ifndef AMM_SEARCH_RESULT_H
#define AMM_SEARCH_RESULT_H

#include "analytic/range.h"
#include "lower/lower.h"
#include <ammeter/plan.h>

/* Keys of amm_spec_set that `ammeter explain` takes too, and their options. */
#define AMM_PART_LIST(X)                                                                           \
    X(model, "model")                                                                              \
    X(cluster, "cluster")                                                                          \
    X(runtime, "runtime")                                                                          \
    X(profile, "profile")                                                                          \
    X(precision, "precision")                                                                      \
    X(global_batch, "global-batch-size")                                                           \
    X(seq_len, "seq-length")                                                                       \
    X(cost_model, "cost-model")                                                                    \
    X(memory_margin, "memory-margin")                                                              \
    X(space, "space")

enum {
#define AMM_PART_ENUM(key, option) AMM_PART_##key,
    AMM_PART_LIST(AMM_PART_ENUM)
#undef AMM_PART_ENUM
        AMM_PART_COUNT
};

struct amm_spec {
    amm_context *context;
    const char *file;                  /* the preset or file it came from, for messages */
    const char *given;                 /* what amm_spec_create was given; NULL: nothing */
    const char *parts[AMM_PART_COUNT]; /* what amm_spec_set was given last; NULL: nothing */
    amm_arena arena;
    amm_problem_desc problem;
    bool runtime_assumed; /* not given: the usual one */
    uint64_t hash;        /* of every input text */
};

/* word in results, what a person reads */
#define AMM_REJECTION_LIST(X)                                                                      \
    X(DIVISIBILITY, "divisibility", "the batch does not divide by dp and micro-batch")             \
    X(PIPELINE_LENGTH, "pipeline-longer-than-model", "more stages than layers")                    \
    X(DEVICES, "devices", "a tp or dp of the space does not divide the number of devices")         \
    X(HEADS, "heads", "tp does not divide the attention heads of a layer")                         \
    X(TOPOLOGY, "topology", "a tensor group would cross nodes")                                    \
    X(SEQUENCE, "sequence", "the sequence does not divide by 2 cp")                                \
    X(EXPERTS, "experts", "ep does not divide the experts of a layer")                             \
    X(EXPERT_MESH, "expert-mesh", "ep x etp does not divide tp x cp x dp")                         \
    X(INTERLEAVED, "interleaved-uneven",                                                           \
      "vpp needs equal chunks of blocks and micro-batches in rounds of pp")                        \
    X(SCHEDULE, "schedule",                                                                        \
      "gpipe and zero-bubble schedules take one chunk per stage, zb-h1 pp, zb-h2 2 pp - 1 "        \
      "micro-batches")                                                                             \
    X(CP_COMM, "cp-comm", "the heads do not divide by tp x the context ranks that exchange them")  \
    X(SHARD_GROUP, "shard-group", "the shard group does not divide dp x cp")                       \
    X(REPEATED, "no-effect", "a choice that changes nothing in this layout")                       \
    X(LAUNCH, "not-launchable",                                                                    \
      "the runtime cannot start it, nor zero2, zero3 or (most) other sets by stage in a pipeline") \
    X(PROFILE, "no-profile", "no measured layer times for this tp")                                \
    X(MEMORY, "memory", "no partition fits in memory")

typedef enum amm_rejection {
#define AMM_REJECTION_ENUM(name, word, sentence) AMM_REJECT_##name,
    AMM_REJECTION_LIST(AMM_REJECTION_ENUM)
#undef AMM_REJECTION_ENUM
        AMM_REJECTION_COUNT,
    AMM_ACCEPTED = AMM_REJECTION_COUNT
} amm_rejection;

const char *amm_rejection_word(amm_rejection reason);
const char *amm_rejection_sentence(amm_rejection reason);

typedef struct amm_stage_plan {
    int32_t first, end; /* model layers [first, end) */
    int32_t counted;    /* layers by the cost model's own count (amp-reference: work layers) */
    double time_s;      /* one micro-batch, forward + backward, slowest replica */
    uint32_t type_mask;
    amm_memory memory; /* default cost model with a profile */
    amm_ledger ledger; /* analytic model */
    double memory_bytes, capacity_bytes;
    double oom_probability; /* analytic model: of needing more than the device has, margin aside */
} amm_stage_plan;

/* Seconds; they add up to the plan's time. */
typedef struct amm_time_parts {
    double compute_s, bubble_s, tp_s, cp_s, ep_s, pp_s, dp_s, optimizer_s, other_s;
} amm_time_parts;

typedef struct amm_plan_entry {
    amm_config config;
    double time_s;
    double engine_s; /* what the engine compared (ticks, additive approximation) */
    double
        simulated_s; /* analytic model, finalists with a pipeline: the schedule simulated; else NaN */
    bool fits;       /* every stage within capacity (amp-reference: not modelled, true) */
    amm_time_parts time;
    amm_stage_plan *stages;      /* [config.pp] */
    double oom_probability;      /* analytic model: of the fullest stage */
    amm_step_spread range;       /* analytic model, listed plans; NaN: not known */
    uint8_t *used_facts;         /* [AMM_FACT_COUNT] AMM_USED_..., of evaluated strategies without a
                                    profile; else NULL */
    amm_pair_spread vs_best;     /* of its time over the fastest plan's; NaN: not known */
    int32_t tie_class;           /* 0: cannot be told from the fastest plan, 1: from the fastest of
                                    the rest, ...; -1: not known */
    int64_t largest_micro_batch; /* that fits with these cuts; 0: none, or not asked for */
    double flops;                /* of the model per step (analytic model; 0: not known) */
    int32_t *device_of_rank;     /* [tp dp pp] or NULL: rank = device */
} amm_plan_entry;

/* The best plan with one choice changed (and dp, pp or cp so that all devices stay in use). */
typedef struct amm_neighbour {
    amm_plan_entry plan; /* reason == AMM_ACCEPTED: with time; it need not fit */
    amm_rejection reason;
} amm_neighbour;
enum { AMM_MAX_NEIGHBOURS = 16 };

/* Partitions of the best plan, swept. */
typedef struct amm_partition {
    uint64_t rank;       /* in the order of all partitions (formula/tick/partition.h) */
    amm_plan_entry plan; /* engine_s: its ticks, by which they are sorted */
} amm_partition;
typedef struct amm_partition_list {
    bool asked;    /* true from the end of the search on */
    bool complete; /* all are decided */
    bool only;     /* the layout has one, the plan's: nothing is swept */
    int32_t count;
    amm_partition *items; /* best first */
    uint64_t all;         /* 0: not known */
    uint64_t covered, scored;
} amm_partition_list;

/* A plan under draws of the constants. Regret: its time over that of the fastest plan under the same
 * draw, less 1; infinite under a draw in which it does not fit. */
typedef struct amm_draw_candidate {
    amm_plan_entry plan; /* partition, sets and time_s of the constants as they are */
    int32_t rank;        /* in the result's plans; -1: not among them */
    int32_t wins;        /* draws in which no config is faster */
    int32_t misfits;     /* draws in which it does not fit */
    double mean_regret, regret_95, largest_regret; /* 95 %: as low as this, or lower, in so many */
} amm_draw_candidate;

typedef struct amm_draws {
    int32_t asked, done;  /* asked 0: none */
    int32_t without_plan; /* of those done: nothing fits */
    uint64_t redrawn;     /* outside the bounds of the constants, drawn again */
    int32_t rate_count, rate[AMM_RATE_COUNT], fact_count, fact[AMM_FACT_COUNT]; /* what is drawn */
    int32_t count;
    amm_draw_candidate *items;   /* [count] most wins first, then the least mean regret */
    int32_t minimax, least_mean; /* numbers in items; -1: none that fits under every draw */
} amm_draws;

typedef struct amm_rejected {
    uint64_t count;
    /* Memory: the config that misses by least, with its fastest partition that ignores memory (with a
     * profile) or its even cut (without). Other reasons, without a profile: the config that differs
     * least from the best plan. */
    bool has_nearest;
    amm_config nearest;
    double short_bytes;
    int32_t stage;
} amm_rejected;

struct amm_result {
    amm_context *context;
    amm_arena arena;
    const amm_spec *spec;
    const char *backend;
    bool proven, evaluated_only, annealed;
    bool interrupted; /* the search, by the caller or an error: the best so far */
    bool bare; /* set before an analytic search: plans alone, without ranges, neighbours, gap … */
    double resolution_s, model_gap;
    double gap; /* share of the best time by which an unproven better plan could win; 0: proven */
    uint64_t configs; /* points of the space that use all devices */
    uint64_t solved, bounded_out;
    uint64_t host_solved;      /* of solved: by the host, as no problem of a backend takes them */
    double candidates_covered; /* partitions that the exact solver stands for */
    amm_rejected rejected[AMM_REJECTION_COUNT];
    size_t plan_count;
    amm_plan_entry *plans;   /* best first */
    int32_t neighbour_count; /* of plans[0]; without a profile */
    amm_neighbour *neighbours;
    amm_partition_list partitions; /* of plans[0] */
    amm_draws draws;
    uint64_t seed;
    int32_t threads;
    int32_t nodes_given; /* of the cluster, of which the plans use as few as can be; 0: all */
    double wall_s;
    int64_t passes;
};

amm_status amm_result_create(amm_result **out, const amm_spec *spec);

#endif
