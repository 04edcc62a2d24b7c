/* Pieces that the result as JSON, the table and `show` have in common; internal. */
#ifndef AMM_EMIT_EMIT_H
#define AMM_EMIT_EMIT_H

#include "search/result.h"
#include "simulate/simulate.h"

/* Parts of a plan's time in the order in which they are printed: key, word, field (or 0), what the
 * number is in the default cost model, what it is in amp-reference. */
#define AMM_TIME_LIST(X)                                                                           \
    X(compute_s, "compute", "micro-batches x slowest stage", "sum of all work layers")             \
    X(bubble_s, "bubble", "every other stage once: pipeline fill and drain",                       \
      "(micro-batches - 1) x slowest stage")                                                       \
    X(pp_s, "pp", "boundary transfers: (2 + exposed (micro-batches - 1) 2 / pp) x bytes / rate",   \
      "sum of the transfers at the cuts")                                                          \
    X(dp_s, "dp", "ring all-reduce of gradients: 2 (dp - 1) / dp x bytes / rate",                  \
      "slowest stage's gradient all-reduce")                                                       \
    X(optimizer_s, "optimizer", "parameters x bytes / memory bandwidth", "not modelled")           \
    X(other_s, "other", "all-reduce of the tied embedding's gradient", "not modelled")

typedef struct amm_time_term {
    const char *word, *formula, *reference;
    double value_s;
} amm_time_term;

enum { AMM_TIME_TERMS = 6 };

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

/* Bytes by which the worst stage exceeds its capacity (<= 0: it fits); its number in `stage`. */
double amm_plan_short_bytes(const amm_plan_entry *plan, int32_t *stage);

/* Tokens per sample. */
int64_t amm_problem_tokens(const amm_problem_desc *problem);

/* "tp=2,pp=4,dp=2,micro-batch=1": what amm_evaluate reads. */
void amm_emit_strategy(amm_text *out, const amm_config *config);

/* 1234567 -> "1,234,567". */
void amm_emit_count(amm_text *out, uint64_t value);

/* "4 nodes x 4 T4-16GB + 2 nodes x … = 24 devices" */
void amm_emit_cluster(amm_text *out, const amm_cluster *cluster);

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
