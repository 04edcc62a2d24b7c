/* Explained = validated: every measured run that counts, written as a problem and a strategy, gets
 * from amm_evaluate the seconds and bytes that the table of runs predicts for it. */
#include "test_support.h"

#include "calibrate/runs.h"
#include "describe/check.h"
#include "search/planner.h"

#include <ammeter/plan.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sums are taken in another order. */
#define SAME 1e-12

/* Why a row has no counterpart as a strategy, and how many rows of the table have none. What is not
 * in this list has to agree. */
#define SKIP_LIST(X)                                                                               \
    X(UNREAD, 0, "the table's reader refuses it")                                                  \
    X(MIXED, 0, "several device types")                                                            \
    X(OMNI_PATH, 133, "a cluster has no word for its collectives over Omni-Path")                  \
    X(DOMAINS, 0, "its devices do not fill equal domains")                                         \
    X(FRACTION, 0, "part of a sequence as micro-batch, or of a replica")                           \
    X(HEADS, 0, "heads of no whole width")                                                         \
    X(EMPTY_STAGE, 1, "a stage without any layer")                                                 \
    X(RULE, 0, "a layout that explain refuses")

typedef enum skip {
#define SKIP_ENUM(name, count, what) SKIP_##name,
    SKIP_LIST(SKIP_ENUM)
#undef SKIP_ENUM
        SKIP_COUNT,
    COMPARED = SKIP_COUNT
} skip;

/* ---- a row as a problem ---------------------------------------------------------------------- */

static void write_block(amm_json *j, const amm_block_shape *x, int32_t count)
{
    amm_json_open_row(j, NULL, '{');
    amm_json_string(j, "kind", "block");
    amm_json_integer(j, "count", count);
    amm_json_integer(j, "hidden", (int64_t)x->hidden);
#define WRITE_SIZE(member, key, low, high)                                                         \
    if (x->member > 0) {                                                                           \
        amm_json_integer(j, key, (int64_t)x->member);                                              \
    }
    AMM_SHAPE_SIZE_LIST(WRITE_SIZE)
#undef WRITE_SIZE
#define WRITE_FLAG(member, key, value) amm_json_bool(j, key, x->member > 0);
    AMM_SHAPE_FLAG_LIST(WRITE_FLAG)
#undef WRITE_FLAG
    amm_json_string(j, "norm", x->norm_vectors > 1 ? "layer" : "rms");
    amm_json_close(j, '}');
}

static void write_end(amm_json *j, const amm_network *n, const char *kind)
{
    amm_json_open_row(j, NULL, '{');
    amm_json_string(j, "kind", kind);
    amm_json_integer(j, "hidden", (int64_t)n->hidden);
    amm_json_integer(j, "vocab", (int64_t)n->vocab);
    if (strcmp(kind, "head") == 0) {
        amm_json_bool(j, "tied", n->tied);
    } else {
        amm_json_integer(j, "positions", (int64_t)n->positions);
    }
    amm_json_close(j, '}');
}

static void write_model(amm_json *j, const amm_run_row *row)
{
    const amm_network *n = &row->network;
    amm_json_open(j, "model", '{');
    amm_json_string(j, "name", "row");
    amm_json_integer(j, "seq_len", (int64_t)row->run.seq_len);
    amm_json_integer(j, "prediction_layers", (int64_t)n->prediction_layers);
    amm_json_open(j, "layers", '[');
    write_end(j, n, "embedding");
    for (int32_t b = 0, end = 0; b < n->block_count; b = end) {
        for (end = b; end < n->block_count && n->kind_of[end] == n->kind_of[b];) {
            end++;
        }
        write_block(j, &n->kind[n->kind_of[b]], end - b);
    }
    write_end(j, n, "head");
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

static void write_cluster(amm_json *j, const amm_run_row *row)
{
    const amm_fabric *f = &row->parts[0].fabric;
    amm_json_open(j, "cluster", '{');
    amm_json_string(j, "name", "row");
    amm_json_open(j, "nodes", '[');
    amm_json_open(j, NULL, '{');
    amm_json_integer(j, "count", (int64_t)(f->devices / f->domain));
    amm_json_open(j, "devices", '[');
    amm_json_open(j, NULL, '{');
    amm_json_string(j, "device", row->device->name);
    amm_json_integer(j, "count", (int64_t)f->domain);
    amm_json_close(j, '}');
    amm_json_close(j, ']');
    amm_json_number(j, "intra", f->scaleup_bytes_per_s);
    /* One domain does not use its NICs, which were not published then. */
    amm_json_number(j, "inter", f->network_bytes_per_s > 0.0 ? f->network_bytes_per_s : 1e9);
    amm_json_close(j, '}');
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

static void write_problem(amm_text *out, const amm_runs *runs, const amm_run_row *row)
{
    static const char *const precisions[AMM_PRECISION_COUNT] = {
#define WORD(name, word, ...) word,
        AMM_PRECISION_LIST(WORD)
#undef WORD
    };
    const amm_run *run = &row->run;
    amm_json json;
    amm_json_init(&json, out, false);
    amm_json_open(&json, NULL, '{');
    amm_json_string(&json, "format", "ammeter-problem");
    amm_json_integer(&json, "version", 1);
    amm_json_string(&json, "name", "row");
    amm_json_string(&json, "precision", precisions[run->precision]);
    /* What the step sees of a batch that does not divide. */
    amm_json_integer(&json, "global_batch",
                     (int64_t)(run->micro_batches * run->micro_batch * run->dp));
    amm_json_string(&json, "runtime", runs->owners[row->runtime_owner].runtime->name);
    write_model(&json, row);
    write_cluster(&json, row);
    amm_json_close(&json, '}');
}

/* ---- a row as a strategy --------------------------------------------------------------------- */

static void write_words(amm_text *out, const amm_run *run)
{
    const double all = run->dp * run->cp;
    char word[AMM_RECOMPUTE_CHARS];
    amm_recompute_format(word, run->recompute);
    amm_text_printf(out, ",recompute=%s,sharding=%s", word, amm_sharding_word(run->sharding));
#define WRITE_CHOICE(name, key, option, megatron, member, fact, usual)                             \
    int32_t name = (int32_t)run->member;                                                           \
    if (AMM_CHOICE_##name == AMM_CHOICE_SHARD_GROUP && (double)name == all) {                      \
        name = AMM_SHARD_ALL;                                                                      \
    }                                                                                              \
    if (AMM_CHOICE_##name == AMM_CHOICE_SCHEDULE && run->schedule == AMM_SCHEDULE_INTERLEAVED) {   \
        name = AMM_SCHEDULE_1F1B;                                                                  \
    }                                                                                              \
    amm_choice_format(word, AMM_CHOICE_##name, name);                                              \
    amm_text_printf(out, ",%s=%s", option, word);
    AMM_CHOICE_LIST(WRITE_CHOICE)
#undef WRITE_CHOICE
}

/* Model layers of each stage: its blocks, and the ends. */
static bool write_stages(amm_text *out, const amm_run_row *row)
{
    const int32_t p = (int32_t)row->run.pp;
    amm_text_append(out, ",stage-layers=");
    for (int32_t s = 0; s < p; s++) {
        const int32_t layers =
            amm_stage_blocks(&row->network, &row->run, s) + (s == 0) + (s == p - 1);
        amm_text_printf(out, "%s%d", s > 0 ? "-" : "", layers);
        if (layers == 0) {
            return false;
        }
    }
    return true;
}

static bool write_strategy(amm_text *out, const amm_run_row *row)
{
    const amm_run *run = &row->run;
    amm_text_printf(out, "tp=%.0f,pp=%.0f,dp=%.0f,cp=%.0f,ep=%.0f,etp=%.0f,vpp=%.0f", run->tp,
                    run->pp, run->dp, run->cp, run->ep, run->etp, run->vpp);
    amm_text_printf(out, ",micro-batch=%.0f", run->micro_batch);
    write_words(out, run);
    return write_stages(out, row);
}

/* ---- both -------------------------------------------------------------------------------------- */

static bool whole(double x)
{
    return x == floor(x);
}

static skip skip_of(const amm_run_row *row)
{
    const amm_run *run = &row->run;
    if (row->reason != NULL) {
        return SKIP_UNREAD;
    }
    if (row->part_count > 1) {
        return SKIP_MIXED;
    }
    if (row->omni_path) {
        return SKIP_OMNI_PATH;
    }
    if (!whole(row->parts[0].fabric.domain)) {
        return SKIP_DOMAINS;
    }
    if (!whole(run->micro_batch) || !whole(run->dp)) {
        return SKIP_FRACTION;
    }
    for (int32_t k = 0; k < row->network.kind_count; k++) {
        if (!whole(row->network.kind[k].head_qk)) {
            return SKIP_HEADS;
        }
    }
    return COMPARED;
}

/* The rule that explain names when it refuses a layout. */
static bool is_rule(const char *message)
{
    for (amm_rejection k = (amm_rejection)0; k < AMM_REJECTION_COUNT; k++) {
        if (k != AMM_REJECT_LAUNCH && strstr(message, amm_rejection_sentence(k)) != NULL) {
            return true;
        }
    }
    return false;
}

static void compare(const amm_result *result, const amm_runs *runs, const amm_run_row *row)
{
    const amm_plan_entry *plan = &result->plans[0];
    amm_run_prediction predicted;
    double bytes = 0.0;
    amm_run_predict(&predicted, runs, row);
    for (int32_t s = 0; s < plan->config.pp; s++) {
        bytes = fmax(bytes, plan->stages[s].memory_bytes);
    }
    assert_close(plan->time_s, predicted.time_s, SAME, 0.0);
    assert_close(bytes, predicted.memory_gib * 1073741824.0, SAME, 0.0);
    assert_close(plan->flops, predicted.flops, SAME, 0.0);
    if (row->assumed != 0) { /* its range covers settings that the strategy states */
        assert_true(plan->range.low_s >= predicted.low_s * (1.0 - SAME));
        assert_true(plan->range.high_s <= predicted.high_s * (1.0 + SAME));
    } else if (isnan(predicted.low_s)) {
        assert_true(isnan(plan->range.low_s));
    } else {
        assert_close(plan->range.low_s, predicted.low_s, SAME, 0.0);
        assert_close(plan->range.high_s, predicted.high_s, SAME, 0.0);
    }
}

/* What was measured can be started. */
static void launch(const amm_result *result, int64_t number)
{
    const amm_runtime *runtime = result->spec->problem.runtime;
    if (!amm_runtime_launches(runtime, &result->plans[0].config)) {
        fail_msg("row %lld: %s cannot start what it ran", (long long)number, runtime->name);
    }
}

static skip explain(const amm_runs *runs, const amm_run_row *row, int64_t number)
{
    amm_text problem;
    amm_text strategy;
    amm_spec *spec = NULL;
    amm_result *result = NULL;
    skip outcome = skip_of(row);
    if (outcome != COMPARED) {
        return outcome;
    }
    amm_text_init(&problem, test_context());
    amm_text_init(&strategy, test_context());
    write_problem(&problem, runs, row);
    if (!write_strategy(&strategy, row)) {
        outcome = SKIP_EMPTY_STAGE;
    } else if (amm_spec_create(&spec, test_context(), problem.data) != AMM_OK) {
        fail_msg("row %lld: %s: %s", (long long)number, amm_last_error(), problem.data);
    } else {
        const char *text = strategy.data;
        const amm_status status = amm_evaluate(&result, spec, &text, 1);
        if (status == AMM_OK) {
            compare(result, runs, row);
            launch(result, number);
        } else if (is_rule(amm_last_error())) {
            outcome = SKIP_RULE;
        } else {
            fail_msg("row %lld: %s", (long long)number, amm_last_error());
        }
    }
    amm_result_free(result);
    amm_spec_free(spec);
    amm_text_discard(&problem);
    amm_text_discard(&strategy);
    return outcome;
}

static void explained_as_validated(void **state)
{
    static const struct {
        int count;
        const char *what;
    } expected[SKIP_COUNT] = {
#define SKIP_ROW(name, count, what) { count, what },
        SKIP_LIST(SKIP_ROW)
#undef SKIP_ROW
    };
    char path[1024];
    const char *source = getenv("SRC");
    amm_runs *runs = NULL;
    int count[SKIP_COUNT + 1] = { 0 };
    (void)state;
    (void)snprintf(path, sizeof path, "%s/benchmarks/measured/train.csv",
                   source == NULL ? "." : source);
    assert_int_equal(amm_runs_create(&runs, test_context(), path), AMM_OK);
    for (int64_t i = 0; i < (int64_t)amm_runs_count(runs); i++) {
        if (strcmp(amm_runs_text(runs, i, AMM_COLUMN_score), "1") == 0) {
            count[explain(runs, &runs->rows[i], i)]++;
        }
    }
    for (int k = 0; k < SKIP_COUNT; k++) {
        print_message("%5d rows skipped: %s\n", count[k], expected[k].what);
    }
    print_message("%5d rows compared\n", count[COMPARED]);
    for (int k = 0; k < SKIP_COUNT; k++) {
        assert_int_equal(count[k], expected[k].count);
    }
    amm_runs_free(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explained_as_validated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
