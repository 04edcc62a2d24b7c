/* Searching for the fastest strategy, evaluating a given one, and reading the result. */
#ifndef AMMETER_PLAN_H
#define AMMETER_PLAN_H

#include <ammeter/spec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called now and then with the share of the space that is done, [0, 1], and the best step time so
 * far (negative: none yet). Not 0: stop; the best so far is returned with AMM_INTERRUPTED. */
typedef int (*amm_progress)(double done, double best_s, void *payload);

enum { AMM_TOP_ALL = -1 };

typedef struct amm_plan_options {
    size_t size;         /* sizeof(amm_plan_options): grows by appending only */
    const char *backend; /* NULL or "auto"; "cpu/ref" … see amm_doctor */
    int32_t top;         /* plans to return: 0 means 10, AMM_TOP_ALL every feasible one */
    /* 0: as many as the backend takes, for cpu/simd all processors. cpu/simd: up to 1024; others
     * refuse more than 1 with UNAVAILABLE. With draws: of any backend, draws that are searched side
     * by side; 0: all processors. Plans do not depend on it. Unless it is 1, the context's
     * allocator is called from several threads at once and must be safe for that; progress from the
     * caller's thread alone. */
    int32_t threads;
    uint64_t seed;         /* recorded; used by anneal and draws */
    int32_t anneal;        /* 1: AMP's annealing instead of enumeration (amp-reference only) */
    amm_progress progress; /* may be NULL */
    void *payload;         /* borrowed, given to progress */
    int32_t min_nodes;     /* 1: only the first nodes of the cluster, as few as hold a plan */
    /* The best partitions of the best plan, by a sweep of all of them; 0: none, at most 1,024. Partitions
     * that the engine cannot number (2^63 and more, or over 255 layers): LIMIT. */
    int32_t partitions;
    /* Such a sweep can be long. `save` (or NULL) is called every few seconds, at its end and when
     * an error ends it, with a text from which `resume` (a file's name, or NULL) goes on; not 0: it
     * could not be kept, stop with IO. */
    int (*save)(const char *text, void *payload);
    const char *resume;
    /* The search again under draws of the device's constants and the runtime's facts from what
     * their fit leaves unknown (docs/calibration.md): how often each plan is the best, and its
     * regret; 0: none, at most 4,096. Only without a profile, on devices with a posterior (INPUT).
     * Stopped on its way (INTERRUPTED), the draws done so far count. */
    int32_t draws;
} amm_plan_options;

#define AMM_PLAN_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(amm_plan_options), NULL, 0, 0, 0, 0, NULL, NULL, 0, 0, NULL, NULL, 0                \
    }
AMM_API void amm_plan_options_init(amm_plan_options *out);

/* The answer; refers to its spec, which must outlive it and stay unchanged. */
typedef struct amm_result amm_result;

/* Searches. `options` may be NULL. AMM_NO_PLAN (nothing feasible) and AMM_INTERRUPTED also give a
 * result, with the reasons in it; so does any error that came after plans were found (a device that
 * is lost, no memory, partitions that cannot be swept): *out is not NULL then, has the plans, and
 * is to be freed. Other errors: INPUT, IO (`save` failed), UNAVAILABLE, NO_MEMORY, LIMIT. */
AMM_API amm_status amm_plan(amm_result **out, const amm_spec *spec,
                            const amm_plan_options *options);

/* Evaluates strategies without searching: each "tp=2,pp=4,dp=2,micro-batch=1"; degrees that are
 * left out are 1, and
 *   cp ep etp vpp=..., recompute=core_attn+mlp, sharding=zero1   without a profile; default 1, none,
 *                          the runtime's sharding
 *   schedule=zb-h1, tp-overlap=off, ...   every choice, without a profile; default the runtime's
 *   stage-layers=8-7-7-8   layers (model entries) of each stage; left out: the best partition
 *   placement=[[1,2,..],..] amp-reference only: stage of device row k on node column j
 *   tp-term=profile|explicit amp-reference only: the placement path's tensor term
 * A strategy that does not fit in memory is evaluated all the same and marked. */
AMM_API amm_status amm_evaluate(amm_result **out, const amm_spec *spec,
                                const char *const *strategies, size_t count);
AMM_API void amm_result_free(amm_result *result);

/* Flat views for bindings. `index` counts plans from the best. */
AMM_API size_t amm_result_count(const amm_result *result);
AMM_API double amm_result_time_s(const amm_result *result, size_t index);

enum { AMM_RESULT_NO_RUN_INFO = 1 }; /* leave out what may differ between equal runs */

/* The result as JSON (docs/formats.md, "ammeter-result") or as a table for people; `details`: with
 * the terms and the memory ledger of every plan. Free with amm_text_free. */
AMM_API amm_status amm_result_json(const amm_result *result, char **out, int flags);
AMM_API amm_status amm_result_table(const amm_result *result, char **out, int details);

/* The step of a plan without a profile, its schedule simulated pass by pass, as Chrome trace JSON: open
 * it in Perfetto or chrome://tracing. Free with amm_text_free. Errors: INPUT (no such plan; layer times
 * from a profile), LIMIT (more than a million passes), NO_MEMORY. */
AMM_API amm_status amm_result_trace(const amm_result *result, char **out, size_t index);

#ifdef __cplusplus
}
#endif
#endif
