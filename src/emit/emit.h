/* Pieces that the result as JSON, the table and `show` have in common; internal. */
#ifndef AMM_EMIT_EMIT_H
#define AMM_EMIT_EMIT_H

#include "search/result.h"
#include "simulate/simulate.h"

/* Parts of a plan's time in the order in which they are printed: field, word, what the number is with
 * a profile, in amp-reference, in the analytic model. */
#define AMM_TIME_LIST(X)                                                                           \
    X(compute_s, "compute", "micro-batches x slowest stage", "sum of all work layers",             \
      "micro-batches x slowest stage, less its communication")                                     \
    X(bubble_s, "bubble", "every other stage once: pipeline fill and drain",                       \
      "(micro-batches - 1) x slowest stage", "every other stage once, over vpp")                   \
    X(tp_s, "tp", NULL, NULL, "collectives of the slowest stage's tensor groups, not hidden")      \
    X(cp_s, "cp", NULL, NULL, "exchange of keys and values, not hidden")                           \
    X(ep_s, "ep", NULL, NULL, "tokens to experts and back, not hidden")                            \
    X(pp_s, "pp", "boundary transfers: (2 + exposed (micro-batches - 1) 2 / pp) x bytes / rate",   \
      "sum of the transfers at the cuts", "transfers between stages, not hidden")                  \
    X(dp_s, "dp", "ring all-reduce of gradients: 2 (dp - 1) / dp x bytes / rate",                  \
      "slowest stage's gradient all-reduce", "gradients and weights of replicas, not hidden")      \
    X(optimizer_s, "optimizer", "parameters x bytes / memory bandwidth", "not modelled",           \
      "parameters x bytes / memory bandwidth")                                                     \
    X(other_s, "other", "all-reduce of the tied embedding's gradient", "not modelled",             \
      "host seconds per step, gradients of a tied table")

/* `formula` NULL: no such part in the cost model. */
typedef struct amm_time_term {
    const char *word, *formula, *reference, *analytic;
    double value_s;
} amm_time_term;

enum { AMM_TIME_TERMS = 9 };

void amm_time_terms(amm_time_term out[AMM_TIME_TERMS], const amm_time_parts *parts);

/* "optimal-in-model" | "gap" | "interrupted" | "evaluated" */
const char *amm_result_status_word(const amm_result *result);

/* "calibrated" when every number that a prediction uses of every device type in use was fitted to
 * measurements, "unvalidated" otherwise. */
/* The problem is the preset of its name, unchanged. `whole` false: but for space and margin. */
bool amm_spec_is_preset(const amm_spec *spec, bool whole);
/* "calibrated", "extrapolated" or "unvalidated". */
const char *amm_result_regime(const amm_result *result);

/* Shortest time among the plans; 0 without plans. */
double amm_result_best_s(const amm_result *result);

enum { AMM_TIE_CHARS = 8 };
/* "A" to "Z", "AA" … of a plan's tie_class; "" for -1. */
void amm_tie_class_format(char out[AMM_TIE_CHARS], int32_t tie_class);

/* Bytes by which the worst stage exceeds its capacity (<= 0: it fits); its number in `stage`. */
double amm_plan_short_bytes(const amm_plan_entry *plan, int32_t *stage);

/* "19,2x21,19": blocks of each stage, with a profile layers; runs of equal ones as one. */
void amm_emit_stage_counts(amm_text *out, const amm_problem_desc *problem,
                           const amm_plan_entry *plan);
/* Columns of that. Without memory 0: the failure comes again where the text is kept. */
size_t amm_stage_counts_width(const amm_result *result, const amm_plan_entry *plan);

/* The stage that uses the largest share of its memory. */
const amm_stage_plan *amm_plan_tightest(const amm_plan_entry *plan);

/* Whether plans of one config cut it in the same places. */
bool amm_plan_same_cuts(const amm_plan_entry *a, const amm_plan_entry *b);

/* The listed partitions that take as many ticks as the best of them. */
int32_t amm_partition_ties(const amm_partition_list *list);

/* "no" for a plan that does not fit in what may be used of the memory. Else "tight" where, by the
 * analytic model, it runs out of memory with AMM_OOM_TIGHT or more, or with a profile its fullest
 * stage leaves little; "yes" otherwise. */
#define AMM_OOM_TIGHT          0.05
#define AMM_OOM_TIGHT_QUANTILE 1.6449 /* of the standard normal: 1 - AMM_OOM_TIGHT lie below */
const char *amm_fit_word(const amm_result *result, const amm_plan_entry *plan);

/* Tokens per sample. */
int64_t amm_problem_tokens(const amm_problem_desc *problem);

/* "tp=2,pp=4,dp=2,micro-batch=1": what amm_evaluate reads. */
void amm_emit_strategy(amm_text *out, const amm_problem_desc *problem, const amm_config *config);

/* ",schedule=zb-h1,tp-overlap=off" with "," before each: the choices of a problem without a profile
 * that are not what the runtime usually does. */
void amm_emit_choices(amm_text *out, const amm_problem_desc *problem, const amm_config *config,
                      const char *before);
/* "none", "full", "2xfull/none" where stages differ, "auto" where they are still to choose. */
void amm_emit_recompute(amm_text *out, const amm_config *config);

/* " tp 4→8 dp 2→1": every choice that differs. */
void amm_emit_changes(amm_text *out, const amm_config *from, const amm_config *to);

/* The name of a heading of the table, and where its text starts. */
void amm_emit_heading(amm_text *out, const char *word);

/* analytic_table.c: the table of a problem without a profile. */
bool amm_problem_has_experts(const amm_problem_desc *problem);
/* Peak FLOP/s of the problem's number format, all devices. */
double amm_problem_peak_flops(const amm_problem_desc *problem);
void amm_emit_analytic_model(amm_text *out, const amm_result *r);
void amm_emit_analytic_runtime(amm_text *out, const amm_problem_desc *p);
void amm_emit_analytic_plans(amm_text *out, const amm_result *r);
/* "calibrated" (measured runs of the plan's kind and about its sizes), "extrapolated" (fitted on other
 * kinds or sizes) or "unvalidated" (constants of the datasheet). */
const char *amm_analytic_regime(const amm_problem_desc *problem, const amm_plan_entry *plan);
void amm_emit_analytic_sure(amm_text *out, const amm_result *r);
/* Constants of the devices, and facts of the software that move the time or the bytes. */
void amm_emit_analytic_constants(amm_text *out, const amm_result *r);
/* "0.82 ± 0.01 · source" */
void amm_emit_constant(amm_text *out, const amm_constant *constant);
void amm_emit_analytic_ledger(amm_text *out, const amm_plan_entry *plan);

/* partitions_table.c: the best partitions of the best plan, where they were asked for. */
void amm_emit_partitions(amm_text *out, const amm_result *r);

/* next.c: the command that explains the best plan, as a shell takes it. */
void amm_emit_next(amm_text *out, const amm_result *r);

/* draws_table.c: plans under draws of the constants, where these were asked for. */
void amm_emit_draws(amm_text *out, const amm_result *r);
/* draws_json.c: the same as the key "draws". */
typedef struct amm_json amm_json;
void amm_json_draws(amm_json *j, const amm_result *r);

/* 1234567 -> "1,234,567". */
void amm_emit_count(amm_text *out, uint64_t value);

/* "4 nodes x 4 T4-16GB + 2 nodes x … = 24 devices" */
void amm_emit_cluster(amm_text *out, const amm_cluster *cluster);

/* result_table.c: lines of the header. That of the cluster comes without its end. */
void amm_emit_network(amm_text *out, const amm_cluster *cluster);
void amm_emit_runtime(amm_text *out, const amm_problem_desc *p);

/* "6.25 GB/s": powers of ten, three digits. */
void amm_emit_rate(amm_text *out, double bytes_per_s);

/* Nodes a and b look the same: devices, bandwidths. */
bool amm_nodes_equal(const amm_node *a, const amm_node *b);

/* The events of a simulated iteration as Chrome trace JSON (Perfetto, chrome://tracing): a process per
 * stage, a thread for its passes and one per direction of its messages, arrows between them; us.
 * `name` is shown as the schedule. Free *out with amm_text_free. Errors: NO_MEMORY.
 * Format: Trace Event Format (Google, 2016), events M, X, s, f. */
amm_status amm_trace_json(char **out, const amm_context *context, const amm_schedule_result *result,
                          const char *name);

#define AMM_GIB (1024.0 * 1024.0 * 1024.0)

#endif
