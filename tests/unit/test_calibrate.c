/* Measured runs: reading a table, refusing what cannot be modelled, judging predictions. */
#include "test_support.h"

#include "calibrate/scores.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- tables ---------------------------------------------------------------------------------- */

enum { COLUMNS = 46, ROOM = 32768 };

/* A run that is understood: column and usual cell. */
static const char *const usual[COLUMNS][2] = {
    { "source_id", "s" },
    { "framework", "megatron-core" },
    { "model", "m" },
    { "layers", "8" },
    { "hidden", "1024" },
    { "ffn_hidden", "4096" },
    { "heads", "16" },
    { "kv_heads", "" },
    { "vocab", "51200" },
    { "seq_len", "1024" },
    { "gated_mlp", "0" },
    { "moe_experts", "" },
    { "moe_topk", "" },
    { "gpu", "A100-80GB" },
    { "gpus", "8" },
    { "gpus_per_node", "8" },
    { "scaleup_domain", "8" },
    { "nic_gbit_per_node", "1600" },
    { "cluster", "" },
    { "precision", "bf16" },
    { "tp", "2" },
    { "pp", "2" },
    { "dp", "2" },
    { "cp", "1" },
    { "ep", "1" },
    { "vpp", "1" },
    { "zero_stage_or_fsdp", "zero1" },
    { "seq_parallel", "0" },
    { "recompute", "none" },
    { "micro_batch", "1" },
    { "global_batch", "16" },
    { "flash_attention", "1" },
    { "schedule", "" },
    { "stage_layers", "" },
    { "measured_iter_s", "1" },
    { "measured_mem_gb", "" },
    { "oom", "0" },
    { "recompute_modules", "" },
    { "first_k_dense", "" },
    { "tp_comm_overlap", "0" },
    { "moe_ffn_hidden", "" },
    { "cp_comm", "" },
    { "cuda_graph", "" },
    { "moe_dispatcher", "" },
    { "score", "1" },
    { "notes", "" },
};

typedef struct table {
    char text[ROOM];
    size_t length;
} table;

static void put(table *t, const char *text)
{
    const int n = snprintf(t->text + t->length, ROOM - t->length, "%s", text);
    assert_true(n >= 0 && t->length + (size_t)n < ROOM);
    t->length += (size_t)n;
}

static table start_table(void)
{
    table t = { "", 0 };
    for (int c = 0; c < COLUMNS; c++) {
        put(&t, c == 0 ? "" : ",");
        put(&t, usual[c][0]);
    }
    put(&t, "\n");
    return t;
}

/* Changes as "column=cell|column=cell". */
static bool find_change(char out[256], const char *changes, const char *column)
{
    const size_t length = strlen(column);
    for (const char *c = changes; *c != '\0'; c += strcspn(c, "|"), c += *c == '|') {
        if (strncmp(c, column, length) == 0 && c[length] == '=') {
            (void)snprintf(out, 256, "%.*s", (int)strcspn(c + length + 1, "|"), c + length + 1);
            return true;
        }
    }
    return false;
}

static void put_row(table *t, const char *changes)
{
    char cell[256];
    for (int c = 0; c < COLUMNS; c++) {
        put(t, c == 0 ? "" : ",");
        put(t, find_change(cell, changes, usual[c][0]) ? cell : usual[c][1]);
    }
    put(t, "\n");
}

static amm_runs *read_table(const table *t)
{
    amm_runs *runs = NULL;
    if (amm_runs_read(&runs, test_context(), t->text, t->length, "t.csv") != AMM_OK) {
        fail_msg("%s", amm_last_error());
    }
    return runs;
}

/* ---- figures --------------------------------------------------------------------------------- */

static void means_and_medians(void **state)
{
    (void)state;
    double odd[] = { 9, 1, 4 };
    double even[] = { 8, 1, 2, 3 };
    assert_close(amm_mean(odd, 3), 14.0 / 3.0, 1e-15, 0);
    assert_close(amm_median(odd, 3), 4, 0, 0);
    assert_close(amm_median(even, 4), 2.5, 0, 0);
    assert_true(isnan(amm_mean(odd, 0)) && isnan(amm_median(odd, 0)));
}

static void spearman_with_ties(void **state)
{
    (void)state;
    amm_ranked scratch[10];
    const double rising[] = { 1, 2, 3, 4 };
    const double falling[] = { 9, 7, 5, 1 };
    const double tied[] = { 1, 2, 2, 3 };
    const double equal[] = { 5, 5, 5, 5 };
    const double swapped[] = { 1, 3, 2, 4 };
    assert_close(amm_spearman(rising, rising, 4, scratch), 1, 1e-15, 0);
    assert_close(amm_spearman(rising, falling, 4, scratch), -1, 1e-15, 0);
    /* d = 0, 1, -1, 0: 1 - 6 * 2 / (4 * 15) */
    assert_close(amm_spearman(rising, swapped, 4, scratch), 0.8, 1e-15, 0);
    /* ranks -1.5 -.5 .5 1.5 and -1.5 0 0 1.5: 4.5 / sqrt(5 * 4.5) */
    assert_close(amm_spearman(rising, tied, 4, scratch), 4.5 / sqrt(22.5), 1e-15, 0);
    assert_true(isnan(amm_spearman(rising, equal, 4, scratch)));
    assert_true(isnan(amm_spearman(rising, rising, 0, scratch)));
}

static void regret_of_a_pick(void **state)
{
    (void)state;
    double regret = -1;
    amm_candidate c[6] = { { 1.0, 12, true, false }, { 2.0, 10, true, false },
                           { 3.0, 11, true, false }, { 4.0, 13, true, false },
                           { 5.0, 14, true, false }, { 0.5, 9, false, false } };
    /* Predicted to be too big: not picked, but its time counts as the best. */
    assert_int_equal(amm_regret(&regret, c, 6), AMM_PICK_RUN);
    assert_close(regret, 12.0 / 9.0 - 1.0, 1e-15, 0);
    assert_int_equal(amm_regret(&regret, c, 5), AMM_PICK_RUN);
    assert_close(regret, 0.2, 1e-15, 0);
    assert_int_equal(amm_regret(&regret, c, 4), AMM_PICK_FEW);
    /* A tie goes to the worst member, also one that is apart by rounding only. */
    c[1].predicted_s = 1.0;
    c[3].predicted_s = 1.0 + 1e-12;
    assert_int_equal(amm_regret(&regret, c, 5), AMM_PICK_RUN);
    assert_close(regret, 0.3, 1e-15, 0);
    c[3].predicted_s = 1.0 + 1e-8;
    assert_int_equal(amm_regret(&regret, c, 5), AMM_PICK_RUN);
    assert_close(regret, 0.2, 1e-15, 0);
}

static void regret_without_a_good_pick(void **state)
{
    (void)state;
    double regret = -1;
    amm_candidate c[7] = { { 1.0, 12, true, false },         { 2.0, 10, true, false },
                           { 3.0, 11, true, false },         { 4.0, 13, true, false },
                           { 5.0, 14, true, false },         { 1.0, (double)NAN, true, true },
                           { 0.9, (double)NAN, true, false } };
    assert_int_equal(amm_regret(&regret, c, 6), AMM_PICK_OOM); /* tied with one that fits */
    assert_close(regret, 1, 0, 0);
    /* Fastest, but nobody timed it and it did not fail: no charge, no credit. */
    assert_int_equal(amm_regret(&regret, c, 7), AMM_PICK_UNKNOWN);
    for (int i = 0; i < 7; i++) {
        c[i].feasible = false;
    }
    assert_int_equal(amm_regret(&regret, c, 7), AMM_PICK_NONE);
    assert_close(regret, 1, 0, 0);
    for (int i = 0; i < 7; i++) {
        c[i].feasible = true;
        c[i].predicted_s = (double)NAN;
    }
    assert_int_equal(amm_regret(&regret, c, 7), AMM_PICK_NONE);
}

static void balanced_accuracy(void **state)
{
    (void)state;
    /* 3 of 4 failures called, 90 of 100 successes */
    assert_close(amm_balanced(4, 3, 100, 90), (0.75 + 0.9) / 2, 1e-15, 0);
    assert_true(isnan(amm_balanced(0, 0, 100, 90)));
    assert_true(isnan(amm_balanced(4, 3, 0, 0)));
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What a row is changed to, and what its reason has to name. "": it is understood. */
static const char *const refusals[][2] = {
    { "", "" },
    { "notes=anything", "" },
    { "gpu=H200-141GB", "" },
    { "stage_layers=5-3", "" },
    { "recompute=selective|recompute_modules=core_attn+mlp", "" },
    { "gpu=TPUv4", "gpu: unknown device, got \"TPUv4\"" },
    { "gpu=", "gpu: unknown device" },
    { "layers=", "layers: missing" },
    { "layers=nan", "layers: not a number in range" },
    { "layers=1e400", "layers: not a number in range" },
    { "layers=-3", "layers: not a number in range" },
    { "layers=0", "layers: not a number in range" },
    { "layers=7.5", "layers: not a whole number" },
    { "layers=1000000000000000000", "layers: not a number in range" },
    { "layers=1000000000", "layers: out of range" },
    { "first_k_dense=9", "layers: out of range" },
    { "hidden=", "hidden: missing" },
    { "hidden=0x10", "hidden: not a number in range" },
    { "heads=0", "heads: not a number in range" },
    { "seq_len=-1", "seq_len: not a number in range" },
    { "vocab=many", "vocab: not a number in range" },
    { "precision=int3", "precision: unknown" },
    { "zero_stage_or_fsdp=zero9", "zero_stage_or_fsdp: unknown" },
    { "recompute=some", "recompute: unknown" },
    { "recompute=selective|recompute_modules=core_attn+luck", "recompute_modules: unknown module" },
    { "gpus=9", "dp: tp x pp x cp x dp is not the number of devices" },
    { "tp=16|dp=0.25", "dp: not a number in range" },
    { "pp=64|dp=1|gpus=128", "pp: more stages than layers" },
    { "vpp=9", "pp: more stages than layers" },
    { "micro_batch=", "micro_batch: missing" },
    { "micro_batch=0", "micro_batch: not a number in range" },
    { "global_batch=inf", "global_batch: not a number in range" },
    { "stage_layers=5-4", "stage_layers: does not list the layers" },
    { "stage_layers=4-2-2", "stage_layers: does not list the layers" },
    { "stage_layers=4-x", "stage_layers: does not list the layers" },
    { "cluster=nowhere-x9", "cluster: unknown" },
    { "measured_iter_s=soon", "measured_iter_s: not a number in range" },
    { "cp_comm=ring", "cp_comm: unknown" },
    { "cp=2|tp=2|dp=1|cp_comm=a2a|heads=16|kv_heads=2",
      "layout: the heads do not divide by tp x the context ranks that exchange them" },
    { "cp=2|tp=2|dp=1|cp_comm=all_gather|heads=16|kv_heads=2", "" },
    { "measured_iter_s=-1", "measured_iter_s: not a number in range" },
    /* Layouts: the rules for strategies. */
    { "heads=24|hidden=1536|tp=5|gpus=20", "layout: tp does not divide the attention heads" },
    { "heads=24|hidden=1536|tp=48|gpus=192", "layout: tp does not divide the attention heads" },
    { "heads=24|hidden=1536|tp=8|gpus=32", "" },
    { "tp=8|gpus=32|kv_heads=2", "" },
    { "heads=24|hidden=1536|tp=4|gpus=16|kv_heads=6",
      "layout: tp does not divide the attention heads" },
    { "cp=3|gpus=24|seq_len=2048", "layout: the sequence does not divide by 2 cp" },
    { "cp=4|gpus=32|seq_len=2048", "" },
    { "moe_experts=8|moe_topk=2|ep=3|gpus=12|dp=3|global_batch=18",
      "layout: ep does not divide the experts" },
    { "moe_experts=8|moe_topk=2|ep=4", "" },
    { "moe_experts=1000|moe_topk=2|ep=1000|gpus=32|dp=8",
      "layout: ep x etp does not divide tp x cp x dp" },
    { "ep=2", "layout: ep does not divide the experts" },
    { "ep=3000000", "ep: not a number in range" },
    { "gpus=4000000|dp=1000000", "gpus: not a number in range" },
    { "vpp=2", "" },
    { "vpp=2|global_batch=6", "layout: vpp needs equal chunks" },
    { "schedule=zb-h2|tp=1|pp=4|global_batch=12|dp=2", "layout: gpipe and zero-bubble schedules" },
    { "zero_stage_or_fsdp=zero1(group=2)", "" },
    { "zero_stage_or_fsdp=zero1(group=4)", "layout: the shard group does not divide" },
    { "zero_stage_or_fsdp=zero1(group=many)", "zero_stage_or_fsdp: unknown" },
    { "zero_stage_or_fsdp=zero1(all-dp)", "" },
    { "zero_stage_or_fsdp=zero15", "zero_stage_or_fsdp: unknown" },
    /* 16 samples on 2 replicas */
    { "micro_batch=3", "layout: the batch does not divide by dp and micro-batch" },
    { "global_batch=15", "layout: the batch does not divide by dp and micro-batch" },
    { "micro_batch=16", "layout: the batch does not divide by dp and micro-batch" },
    { "micro_batch=8", "" },
    { "micro_batch=0.5", "micro_batch: not a number in range" },
    { "tp=4|gpus=6|dp=0.75", "dp: not a number in range" },
    { "tp=4|gpus=12|dp=", "dp: tp x pp x cp x dp is not the number of devices" },
    /* Blocks: the rules for models. */
    { "moe_experts=4|moe_topk=9", "network:top_k: out of range, got 9, allowed 1 to 4" },
    { "heads=24|tp=2", "network:head_size: missing (heads does not divide hidden)" },
    { "kv_heads=6", "network:kv_heads: does not divide heads" },
    /* Qwen3-30B-A3B: heads of 128, 32 x 128 = 2 x 2048. */
    { "layers=48|hidden=2048|heads=32|kv_heads=4|gated_mlp=1|moe_experts=128|moe_topk=8|"
      "ffn_hidden=768|moe_ffn_hidden=768",
      "" },
    /* Words. */
    { "gated_mlp=7", "gated_mlp: neither 0 nor 1, got \"7\"" },
    { "tp_comm_overlap=9", "tp_comm_overlap: neither 0 nor 1" },
    { "seq_parallel=0.5", "seq_parallel: neither 0 nor 1" },
    { "flash_attention=yes", "flash_attention: not a number in range" },
    { "cuda_graph=fulliteration", "cuda_graph: unknown, got \"fulliteration\"" },
    { "cuda_graph=transformer_engine_2", "cuda_graph: unknown" },
    { "cuda_graph=full_iteration", "" },
    { "cuda_graph=transformer_engine:attn", "" },
    { "cuda_graph=none", "" },
    { "moe_dispatcher=x", "moe_dispatcher: unknown, got \"x\"" },
    { "moe_dispatcher=alltoall+x", "moe_dispatcher: unknown" },
    { "moe_dispatcher=hybridep+ep_overlap", "" },
    { "recompute=full|recompute_modules=mlp", "recompute_modules: for selective recomputation" },
    { "precision=fp8-zz", "precision: unknown" },
    { "precision=fp8-cs|gpu=H100-80GB", "" },
    { "precision=fp4|gpu=B200-180GB", "" },
    { "precision=fp4", "precision: the device has no matrix units for it, got \"fp4\"" },
    { "precision=bf16|gpu=T4-16GB", "precision: the device has no matrix units for it" },
};

enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

static void every_reason(void **state)
{
    double time_s[REFUSALS];
    double bytes[REFUSALS];
    (void)state;
    table t = start_table();
    for (size_t i = 0; i < REFUSALS; i++) {
        put_row(&t, refusals[i][0]);
    }
    amm_runs *runs = read_table(&t);
    assert_int_equal(amm_runs_count(runs), REFUSALS);
    assert_int_equal(amm_runs_predict(runs, NULL, time_s, bytes), AMM_OK);
    for (size_t i = 0; i < REFUSALS; i++) {
        const char *reason = amm_runs_reason(runs, i);
        const bool understood = refusals[i][1][0] == '\0';
        if (strncmp(reason, refusals[i][1], strlen(refusals[i][1])) != 0 ||
            understood != (reason[0] == '\0')) {
            fail_msg("%s: got reason '%s', expected '%s'", refusals[i][0], reason, refusals[i][1]);
        }
        assert_true(understood ? time_s[i] > 0 && bytes[i] > 0
                               : isnan(time_s[i]) && isnan(bytes[i]));
    }
    assert_string_equal(amm_runs_reason(runs, REFUSALS), "no such row");
    assert_string_equal(amm_runs_cell(runs, 2, "gpu"), "H200-141GB");
    assert_string_equal(amm_runs_cell(runs, REFUSALS, "gpu"), "");
    assert_string_equal(amm_runs_cell(runs, 0, "colour"), "");
    amm_runs_free(runs);
}

static void refuses_table(const char *text, const char *message)
{
    amm_runs *runs = NULL;
    assert_int_equal(amm_runs_read(&runs, test_context(), text, strlen(text), "t.csv"), AMM_INPUT);
    assert_null(runs);
    if (strstr(amm_last_error(), message) == NULL) {
        fail_msg("'%s' does not say '%s'", amm_last_error(), message);
    }
}

static void tables_that_are_none(void **state)
{
    (void)state;
    amm_runs *runs = NULL;
    refuses_table("", "t.csv: no header");
    refuses_table("layers,hidden\n1,2,3\n", "t.csv:record 2: wrong number of cells, got 3");
    refuses_table("layers,hidden\n1\n", "t.csv:record 2: wrong number of cells, got 1");
    refuses_table("layers,hidden\n1,\"2\n", "not closed");
    refuses_table("layers,hidden\n1,a\"b\n", "t.csv:record 2: not CSV");
    refuses_table("layers,hidden,heads,gpu,gpus,micro_batch,seq_len\n", "record 1: missing column");
    refuses_table("layers,hidden\n1,2\n", "header with heads");
    assert_int_equal(amm_runs_create(&runs, test_context(), "/none/such.csv"), AMM_IO);
    assert_non_null(strstr(amm_last_error(), "/none/such.csv"));
    assert_int_equal(amm_runs_create(&runs, test_context(), "/"), AMM_IO);
    amm_runs_free(NULL);
}

/* Cells that need quotes come back as they were, behind seven more columns. */
static void quoting_round_trip(void **state)
{
    (void)state;
    char *first = NULL;
    char *second = NULL;
    amm_runs *again = NULL;
    table t = start_table();
    put_row(&t, "model=\"a,b \"\"c\"\"\"|notes=\"two\nlines\"|source_id=\" blank \"");
    put_row(&t, "gpu=none");
    amm_runs *runs = read_table(&t);
    assert_string_equal(amm_runs_cell(runs, 0, "model"), "a,b \"c\"");
    assert_int_equal(amm_runs_csv(runs, &first), AMM_OK);
    assert_int_equal(amm_runs_read(&again, test_context(), first, strlen(first), "again"), AMM_OK);
    for (size_t row = 0; row < 2; row++) {
        for (int c = 0; c < COLUMNS; c++) {
            assert_string_equal(amm_runs_cell(runs, row, usual[c][0]),
                                amm_runs_cell(again, row, usual[c][0]));
        }
    }
    assert_string_equal(amm_runs_cell(again, 0, "source_id"), " blank ");
    assert_string_equal(amm_runs_cell(again, 0, "reason"), "");
    assert_string_equal(amm_runs_cell(again, 1, "reason"), "gpu: unknown device, got \"none\"");
    assert_string_equal(amm_runs_cell(again, 1, "predicted_iter_s"), "");
    assert_int_equal(amm_runs_csv(again, &second), AMM_OK);
    assert_int_equal(strncmp(first, second, strcspn(first, "\n")), 0);
    amm_text_free(test_context(), first);
    amm_text_free(test_context(), second);
    amm_runs_free(runs);
    amm_runs_free(again);
}

static void constants_have_bounds(void **state)
{
    (void)state;
    double constants[256];
    double shipped[1];
    double moved[1];
    amm_constant_info info;
    table t = start_table();
    put_row(&t, "");
    amm_runs *runs = read_table(&t);
    const size_t count = amm_runs_constant_count(runs);
    assert_true(count > 10 && count <= 256);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(amm_runs_constant(runs, i, &info), AMM_OK);
        assert_true(info.low <= info.value && info.value <= info.high);
        constants[i] = info.value;
    }
    assert_int_equal(amm_runs_constant(runs, count, &info), AMM_INPUT);
    assert_int_equal(amm_runs_predict(runs, NULL, shipped, NULL), AMM_OK);
    assert_int_equal(amm_runs_predict(runs, constants, moved, NULL), AMM_OK);
    assert_same_bits(shipped[0], moved[0]);
    constants[0] = 1e9;
    assert_int_equal(amm_runs_predict(runs, constants, moved, NULL), AMM_INPUT);
    assert_non_null(strstr(amm_last_error(), "out of range, got 1e+09"));
    amm_runs_free(runs);
}

/* ---- judging --------------------------------------------------------------------------------- */

/* Alternatives of one sweep with equal work, so that one MFU gives all of them one time. */
/* Devices serve stages in order: a slow part costs what its stages do, wherever it stands, and the
 * whole run when every stage has some of it. */
static void mixed_devices(void **state)
{
    static const char *const devices[] = { "A100-80GB", "V100-32GB", "A100-80GB(4)+V100-32GB(4)",
                                           "V100-32GB(4)+A100-80GB(4)",
                                           "A100-80GB(4)+V100-32GB(3)" };
    table t = start_table();
    double time_s[10];
    char changes[256];
    (void)state;
    for (int pp = 1; pp <= 2; pp++) {
        for (int k = 0; k < 5; k++) {
            (void)snprintf(changes, sizeof changes,
                           "gpu=%s|precision=fp16|gpus=8|tp=1|pp=%d|dp=%d|cp=1", devices[k], pp,
                           8 / pp);
            put_row(&t, changes);
        }
    }
    amm_runs *runs = read_table(&t);
    assert_int_equal(amm_runs_predict(runs, NULL, time_s, NULL), AMM_OK);
    assert_same_bits(time_s[2], time_s[1]); /* dp alone: the slowest replica */
    assert_same_bits(time_s[3], time_s[1]);
    assert_true(time_s[5] < time_s[7] && time_s[7] < time_s[6]);
    assert_true(time_s[5] < time_s[8] && time_s[8] < time_s[6]);
    assert_string_equal(amm_runs_reason(runs, 4),
                        "gpu: does not add up to the number of devices, got "
                        "\"A100-80GB(4)+V100-32GB(3)\"");
    amm_runs_free(runs);
}

/* Zero bubble is faster and holds more than 1F1B, GPipe as fast and holds every micro-batch; a word
 * that is none is refused. */
static void schedules(void **state)
{
    static const char *const words[] = { "1f1b", "gpipe", "zb-h1", "zb-h2", "zigzag" };
    table t = start_table();
    double time_s[5];
    double bytes[5];
    char changes[256];
    (void)state;
    for (int k = 0; k < 5; k++) {
        (void)snprintf(changes, sizeof changes, "tp=1|pp=4|dp=2|schedule=%s|global_batch=32",
                       words[k]);
        put_row(&t, changes);
    }
    amm_runs *runs = read_table(&t);
    assert_int_equal(amm_runs_predict(runs, NULL, time_s, bytes), AMM_OK);
    assert_true(time_s[1] > time_s[0] && time_s[1] < 1.01 * time_s[0]); /* one more send */
    assert_true(bytes[1] > bytes[0]);
    assert_true(time_s[3] <= time_s[2] && time_s[2] < time_s[0]);
    assert_true(bytes[3] > bytes[0]);
    assert_string_equal(amm_runs_reason(runs, 4), "schedule: unknown, got \"zigzag\"");
    amm_runs_free(runs);
}

/* Of what a row does not tell: one word each, and a range over all values that it may have had. */
static void unknown_settings(void **state)
{
    static const struct {
        const char *changes, *words;
        int64_t variants; /* by hand */
    } cases[] = {
        { "", "", 1 },
        { "recompute=", "recompute", 3 },
        { "tp_comm_overlap=0|recompute=", "recompute", 3 },
        /* 8 blocks on 2 stages: 2 chunks of 2 blocks, 4 of 1, 5 with embedding and head on their own */
        { "schedule=interleaved-1f1b|vpp=", "vpp", 3 },
        { "schedule=1f1b|vpp=", "", 1 },
        { "gpus=16|dp=4|nic_gbit_per_node=", "nic", 3 },
        { "gpus=8|nic_gbit_per_node=", "", 1 }, /* one domain needs none */
        { "gpus=16|dp=4|nic_gbit_per_node=|recompute=", "nic+recompute", 9 },
        { "tp_comm_overlap=", "tp-overlap", 2 },
        { "tp=1|dp=4|tp_comm_overlap=", "", 1 },
        { "framework=megatron-lm-2021|tp_comm_overlap=", "", 1 },
        { "framework=nobody-knows-it", "framework", 1 },
        { "framework=|recompute=", "recompute+framework", 3 },
        { "framework=generic", "", 1 },
        { "cuda_graph=unclear(impl=none;scope=full_iteration)", "graphs", 2 },
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    table t = start_table();
    (void)state;
    for (int k = 0; k < CASES; k++) {
        put_row(&t, cases[k].changes);
    }
    amm_runs *runs = read_table(&t);
    for (int k = 0; k < CASES; k++) {
        char words[AMM_ASSUMED_CHARS];
        amm_run_row variant;
        amm_run_prediction p;
        amm_step step;
        int64_t n = 0;
        assert_string_equal(amm_runs_reason(runs, (size_t)k), "");
        amm_assumed_format(words, runs->rows[k].assumed);
        assert_string_equal(words, cases[k].words);
        amm_run_predict(&p, runs, &runs->rows[k]);
        amm_runs_step(runs, &runs->rows[k], NULL, &step);
        assert_same_bits(p.time_s, step.time_s); /* the usual values */
        for (; amm_run_variant(&variant, &runs->rows[k], n); n++) {
            amm_runs_step(runs, &variant, NULL, &step);
            assert_true(p.low_s < step.time_s && step.time_s < p.high_s);
        }
        assert_int_equal(n, cases[k].variants);
    }
    amm_runs_free(runs);
}

/* One of two rows that do not tell their network lies within its values; such rows are counted apart
 * from those that tell everything. */
static void unknown_settings_apart(void **state)
{
    table t = start_table();
    amm_scores scores;
    amm_score s;
    double time_s[1];
    char changes[128];
    (void)state;
    put_row(&t, "gpus=16|dp=4|global_batch=32");
    amm_runs *runs = read_table(&t);
    assert_int_equal(amm_runs_predict(runs, NULL, time_s, NULL), AMM_OK);
    amm_runs_free(runs);
    t = start_table();
    for (int k = 0; k < 3; k++) {
        (void)snprintf(changes, sizeof changes,
                       "gpus=16|dp=4|global_batch=32|measured_iter_s=%.17g%s",
                       k == 1 ? 9.0 * time_s[0] : time_s[0], k < 2 ? "|nic_gbit_per_node=" : "");
        put_row(&t, changes);
    }
    runs = read_table(&t);
    assert_int_equal(amm_scores_create(&scores, runs, &test_arena), AMM_OK);
    amm_score_measure(&s, &scores, scores.all, scores.count, AMM_PREDICTOR_MODEL);
    assert_int_equal(s.predicted, 3);
    assert_int_equal(s.ranged, 1);
    assert_close(s.range_holds, 1.0, 0, 0);
    assert_int_equal(s.assumed, 2);
    assert_int_equal(s.assumed_held, 1);
    amm_runs_free(runs);
}

static table sweep_table(void)
{
    table t = start_table();
    put_row(&t, "micro_batch=1|measured_iter_s=2");
    put_row(&t, "micro_batch=2|measured_iter_s=3");
    put_row(&t, "micro_batch=4|measured_iter_s=10");
    put_row(&t, "micro_batch=4|measured_iter_s=12");
    put_row(&t, "micro_batch=1|measured_iter_s=5|recompute=full");
    put_row(&t, "micro_batch=8|measured_iter_s=|oom=1");
    put_row(&t, "source_id=r|gpu=H100-80GB|measured_iter_s=1");
    put_row(&t, "source_id=r|score=0");
    put_row(&t, "source_id=r|measured_iter_s=2");
    put_row(&t, "source_id=r|gpu=none|measured_iter_s=2");
    return t;
}

static void groups_of_rows(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        { "r", NULL }, { "r", "A100" }, { "r", "H100" }, { "r", "none" }, { "s", NULL }
    };
    static const int64_t sizes[] = { 3, 1, 1, 1, 6 };
    const table t = sweep_table();
    amm_runs *runs = read_table(&t);
    amm_scores scores;
    amm_score_group group = { 0 };
    size_t n = 0;
    assert_int_equal(amm_scores_create(&scores, runs, &test_arena), AMM_OK);
    assert_int_equal(scores.count, 9);
    for (; amm_score_next(&group, &scores); n++) {
        assert_true(n < 5);
        assert_string_equal(group.source, wanted[n][0]);
        assert_int_equal(group.end - group.first, sizes[n]);
        if (wanted[n][1] == NULL) {
            assert_null(group.family);
        } else {
            assert_string_equal(group.family, wanted[n][1]);
        }
    }
    assert_int_equal(n, 5);
    amm_runs_free(runs);
}

static const amm_scored *scored_row(const amm_scores *scores, int64_t row)
{
    for (int64_t i = 0; i < scores->count; i++) {
        if (scores->rows[i].row == row) {
            return &scores->rows[i];
        }
    }
    fail_msg("row %d is not scored", (int)row);
    return NULL;
}

static void sweeps_and_repeats(void **state)
{
    (void)state;
    const table t = sweep_table();
    amm_runs *runs = read_table(&t);
    amm_scores scores;
    amm_score s;
    assert_int_equal(amm_scores_create(&scores, runs, &test_arena), AMM_OK);
    amm_score_measure(&s, &scores, scores.all + 3, 6, AMM_PREDICTOR_MODEL);
    assert_int_equal(s.rows, 6);
    assert_int_equal(s.timed, 5);
    assert_int_equal(s.predicted, 5);
    assert_int_equal(s.configurations, 4); /* micro-batch 4 twice */
    assert_int_equal(s.sweeps, 1);
    assert_int_equal(s.ranged, 5);
    assert_int_equal(s.memory_rows, 0);
    assert_close(s.coverage, 1, 0, 0);
    assert_false(isnan(s.oom_balanced) || isnan(s.spearman) || isnan(s.bias));
    assert_int_equal(scored_row(&scores, 2)->configuration, scored_row(&scores, 3)->configuration);
    assert_int_not_equal(scored_row(&scores, 0)->configuration,
                         scored_row(&scores, 4)->configuration);
    assert_int_equal(scored_row(&scores, 0)->sweep, scored_row(&scores, 4)->sweep);
    assert_int_not_equal(scored_row(&scores, 0)->sweep, scored_row(&scores, 8)->sweep);
    /* One of three is not predicted. */
    amm_score_measure(&s, &scores, scores.all, 3, AMM_PREDICTOR_MODEL);
    assert_int_equal(s.timed, 3);
    assert_close(s.coverage, 2.0 / 3.0, 1e-15, 0);
    assert_int_equal(s.sweeps, 0);
    amm_runs_free(runs);
}

static void baselines_by_hand(void **state)
{
    (void)state;
    const table t = sweep_table();
    amm_runs *runs = read_table(&t);
    amm_scores scores;
    amm_score s;
    double at[6][AMM_PREDICTOR_COUNT];
    assert_int_equal(amm_scores_create(&scores, runs, &test_arena), AMM_OK);
    for (int64_t row = 0; row < 6; row++) {
        memcpy(at[row], scored_row(&scores, row)->predicted_s, sizeof at[row]);
        /* The middle of 2, 3, 5, 10, 12. */
        assert_close(at[row][AMM_PREDICTOR_MFU], 5, 1e-12, 0);
    }
    assert_true(at[0][AMM_PREDICTOR_RULE] < at[1][AMM_PREDICTOR_RULE]);
    assert_true(at[2][AMM_PREDICTOR_RULE] < at[4][AMM_PREDICTOR_RULE]);
    assert_same_bits(at[2][AMM_PREDICTOR_RULE], at[3][AMM_PREDICTOR_RULE]);
    /* Micro-batch 1 is one word (recompute) from row 4, nearer than micro-batch 2 (two doublings). */
    assert_close(at[0][AMM_PREDICTOR_NEAREST], 5, 1e-12, 0);
    assert_close(at[1][AMM_PREDICTOR_NEAREST], 2, 1e-12, 0); /* as near as 4, which comes later */
    assert_close(at[2][AMM_PREDICTOR_NEAREST], 3, 1e-12, 0); /* not its repeat */
    assert_close(at[4][AMM_PREDICTOR_NEAREST], 2, 1e-12, 0);
    assert_close(at[5][AMM_PREDICTOR_NEAREST], 10, 1e-12, 0);
    /* All tied: the worst, which did not fit if it is believed to. */
    amm_score_measure(&s, &scores, scores.all + 3, 6, AMM_PREDICTOR_MFU);
    assert_true(isnan(s.spearman));
    assert_close(s.error_mean, (3 / 2.0 + 2 / 3.0 + 0 + 5 / 10.0 + 7 / 12.0) / 5, 1e-12, 0);
    assert_close(s.log_error, (log(5 / 2.0) + log(5 / 3.0) + log(10 / 5.0) + log(12 / 5.0)) / 5,
                 1e-12, 0);
    amm_score_measure(&s, &scores, scores.all + 3, 6, AMM_PREDICTOR_RULE);
    assert_close(s.regret_mean, 0, 1e-15, 0);
    assert_int_equal(s.predicted, 0);
    amm_runs_free(runs);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void reports(void **state)
{
    (void)state;
    static const char *const parts[] = { NULL, "source", "regime", "configuration" };
    const table t = sweep_table();
    amm_runs *runs = read_table(&t);
    amm_report_options options = AMM_REPORT_OPTIONS_INIT;
    char *text = NULL;
    for (int json = 0; json < 2; json++) {
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            options.json = json;
            options.by = parts[k];
            assert_int_equal(amm_runs_report(runs, &text, &options), AMM_OK);
            assert_non_null(strstr(text, "unknown device"));
            assert_true((strstr(text, "unvalidated") != NULL) == (k == 0 || k == 2));
            amm_text_free(test_context(), text);
        }
    }
    options.source = "r";
    assert_int_equal(amm_runs_report(runs, &text, &options), AMM_OK);
    amm_text_free(test_context(), text);
    options.source = "q";
    assert_int_equal(amm_runs_report(runs, &text, &options), AMM_INPUT);
    assert_null(text);
    options.source = NULL;
    options.by = "colour";
    assert_int_equal(amm_runs_report(runs, &text, &options), AMM_INPUT);
    options.by = NULL;
    options.json = 2;
    assert_int_equal(amm_runs_report(runs, &text, &options), AMM_INPUT);
    options.json = 0;
    options.size = 1;
    assert_int_equal(amm_runs_report(runs, &text, &options), AMM_INPUT);
    amm_runs_free(runs);
}

static void options_macro_and_function_agree(void **state)
{
    (void)state;
    const amm_report_options a = AMM_REPORT_OPTIONS_INIT;
    amm_report_options b;
    amm_report_options_init(&b);
    assert_true(a.size == b.size && a.size == sizeof a && a.json == b.json);
    assert_true(a.source == b.source && a.by == b.by);
}

static void a_table_without_rows(void **state)
{
    (void)state;
    const table t = start_table();
    amm_runs *runs = read_table(&t);
    char *text = NULL;
    assert_int_equal(amm_runs_count(runs), 0);
    assert_int_equal(amm_runs_report(runs, &text, NULL), AMM_OK);
    assert_non_null(strstr(text, "0 rows, 0 scored"));
    amm_text_free(test_context(), text);
    assert_int_equal(amm_runs_csv(runs, &text), AMM_OK);
    amm_text_free(test_context(), text);
    amm_runs_free(runs);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const table t = sweep_table();
    failing_allocator failing = { -1, 0, 0 };
    amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
    amm_report_options report = AMM_REPORT_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_runs *runs = NULL;
    char *text = NULL;
    options.allocator = failing_allocator_make(&failing);
    assert_int_equal(amm_context_create(&context, &options), AMM_OK);
    /* Reading also reads every preset: a sample of its many allocations. */
    int64_t n = 0;
    for (amm_status status = AMM_NO_MEMORY; status != AMM_OK; n += 7) {
        const int64_t before = failing.live;
        failing.fail_at = n;
        failing.calls = 0;
        status = amm_runs_read(&runs, context, t.text, t.length, "t.csv");
        assert_true(status == AMM_OK || (status == AMM_NO_MEMORY && failing.live == before));
    }
    for (int json = 0; json < 2; json++) {
        const int64_t before = failing.live;
        report.json = json;
        for (n = 0, text = NULL; text == NULL; n++) {
            failing.fail_at = n;
            failing.calls = 0;
            const amm_status status = amm_runs_report(runs, &text, &report);
            assert_true((status == AMM_OK) == (text != NULL));
            assert_true(status == AMM_OK || failing.live == before);
        }
        assert_true(n > 3);
        amm_text_free(context, text);
    }
    amm_runs_free(runs);
    amm_context_free(context);
    assert_int_equal(failing.live, 0);
}

#define WITH_ARENA(f) cmocka_unit_test_setup_teardown(f, arena_start, arena_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_and_medians),
        cmocka_unit_test(spearman_with_ties),
        cmocka_unit_test(regret_of_a_pick),
        cmocka_unit_test(regret_without_a_good_pick),
        cmocka_unit_test(balanced_accuracy),
        cmocka_unit_test(every_reason),
        cmocka_unit_test(tables_that_are_none),
        cmocka_unit_test(quoting_round_trip),
        cmocka_unit_test(constants_have_bounds),
        cmocka_unit_test(unknown_settings),
        WITH_ARENA(unknown_settings_apart),
        WITH_ARENA(groups_of_rows),
        WITH_ARENA(sweeps_and_repeats),
        WITH_ARENA(baselines_by_hand),
        cmocka_unit_test(mixed_devices),
        cmocka_unit_test(schedules),
        cmocka_unit_test(reports),
        cmocka_unit_test(options_macro_and_function_agree),
        cmocka_unit_test(a_table_without_rows),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
