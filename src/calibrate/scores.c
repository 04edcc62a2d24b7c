#include "calibrate/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns that name a sweep: runs of one are alternatives to each other. The source and the family
 * of the device come before them, the kernel of the notes after. */
static const int sweep_columns[] = {
    AMM_COLUMN_gpu,     AMM_COLUMN_model,        AMM_COLUMN_layers,
    AMM_COLUMN_hidden,  AMM_COLUMN_heads,        AMM_COLUMN_gpus,
    AMM_COLUMN_seq_len, AMM_COLUMN_global_batch, AMM_COLUMN_precision,
};

/* Columns that tell runs of a sweep apart: equal ones are repeated measurements. */
static const int configuration_columns[] = {
    AMM_COLUMN_framework,
    AMM_COLUMN_cluster,
    AMM_COLUMN_ffn_hidden,
    AMM_COLUMN_kv_heads,
    AMM_COLUMN_vocab,
    AMM_COLUMN_moe_experts,
    AMM_COLUMN_moe_topk,
    AMM_COLUMN_gpus_per_node,
    AMM_COLUMN_tp,
    AMM_COLUMN_pp,
    AMM_COLUMN_dp,
    AMM_COLUMN_cp,
    AMM_COLUMN_cp_comm,
    AMM_COLUMN_ep,
    AMM_COLUMN_etp,
    AMM_COLUMN_vpp,
    AMM_COLUMN_micro_batch,
    AMM_COLUMN_zero_stage_or_fsdp,
    AMM_COLUMN_seq_parallel,
    AMM_COLUMN_recompute,
    AMM_COLUMN_recompute_modules,
    AMM_COLUMN_flash_attention,
    AMM_COLUMN_schedule,
    AMM_COLUMN_stage_layers,
    AMM_COLUMN_cuda_graph,
    AMM_COLUMN_tp_comm_overlap,
    AMM_COLUMN_moe_dispatcher,
};

int32_t amm_family_length(const char *device)
{
    return (int32_t)strcspn(device, "-(");
}

static void add_field(amm_text *key, const char *text, size_t length)
{
    amm_text_append_bytes(key, text, length);
    amm_text_append_bytes(key, "\x1f", 1);
}

static void add_columns(amm_text *key, const amm_runs *runs, int64_t row, const int *columns,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *cell = amm_runs_text(runs, row, columns[i]);
        add_field(key, cell, strlen(cell));
    }
}

/* `key` is overwritten; the row gets a copy. */
static amm_status make_key(amm_scored *out, const amm_scores *scores, amm_text *key)
{
    const amm_runs *runs = scores->runs;
    const char *source = amm_runs_text(runs, out->row, AMM_COLUMN_source_id);
    const char *device = amm_runs_text(runs, out->row, AMM_COLUMN_gpu);
    const char *kernel = strstr(amm_runs_text(runs, out->row, AMM_COLUMN_notes), "kernel=");
    const size_t family = (size_t)amm_family_length(device);
    key->length = 0;
    add_field(key, source, strlen(source));
    add_field(key, device, family);
    add_columns(key, runs, out->row, sweep_columns, sizeof sweep_columns / sizeof *sweep_columns);
    kernel = kernel == NULL ? "" : kernel + strlen("kernel=");
    add_field(key, kernel, strcspn(kernel, ";"));
    out->sweep_length = (int32_t)key->length;
    add_columns(key, runs, out->row, configuration_columns,
                sizeof configuration_columns / sizeof *configuration_columns);
    if (key->status == AMM_OK) {
        out->key = amm_arena_copy(scores->arena, key->data, key->length);
        out->source_name = source;
        out->family_name = amm_arena_copy(scores->arena, device, family);
    }
    return out->key == NULL || out->family_name == NULL ? AMM_NO_MEMORY : AMM_OK;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static double positive(const amm_runs *runs, int64_t row, int column)
{
    double value = 0.0;
    return amm_number_parse(amm_runs_text(runs, row, column), &value) && value > 0.0 ? value
                                                                                     : (double)NAN;
}

static int yes_or_no(const char *cell)
{
    return strcmp(cell, "1") == 0 ? 1 : strcmp(cell, "0") == 0 ? 0 : -1;
}

/* Nominal FLOP/s of all devices in the run's number format. */
static double peak(const amm_run_row *row)
{
    return row->device->peaks[amm_precision_peak(row->run.precision)] * row->run.devices;
}

static amm_status read_scored(amm_scored *out, const amm_scores *scores)
{
    const amm_runs *runs = scores->runs;
    const amm_run_row *row = &runs->rows[out->row];
    amm_run_prediction p;
    amm_run_predict(&p, runs, row);
    out->measured_s = positive(runs, out->row, AMM_COLUMN_measured_iter_s);
    out->measured_gib = positive(runs, out->row, AMM_COLUMN_measured_mem_gb);
    out->oom = yes_or_no(amm_runs_text(runs, out->row, AMM_COLUMN_oom));
    out->low_s = p.low_s;
    out->high_s = p.high_s;
    out->predicted_gib = p.memory_gib;
    out->feasible = p.feasible;
    out->assumed = row->assumed;
    out->ideal_s = p.feasible < 0 ? (double)NAN : p.flops / peak(row);
    for (int k = 0; k < AMM_PREDICTOR_COUNT; k++) {
        out->predicted_s[k] = (double)NAN;
    }
    out->predicted_s[AMM_PREDICTOR_MODEL] = p.time_s;
    out->regime = amm_arena_copy(scores->arena, p.regime, strlen(p.regime));
    return out->regime == NULL ? AMM_NO_MEMORY : AMM_OK;
}

/* ---- order ----------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const amm_scored *x = a;
    const amm_scored *y = b;
    const int order = strcmp(x->key, y->key);
    return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

/* Bytes of a key up to the end of its n-th field. */
static size_t field_end(const char *key, int n)
{
    const char *c = key;
    for (; n > 0; n--) {
        c += strcspn(c, "\x1f") + 1;
    }
    return (size_t)(c - key);
}

static bool same_start(const amm_scored *a, const amm_scored *b, size_t length)
{
    return strncmp(a->key, b->key, length) == 0;
}

static void number_rows(amm_scores *scores)
{
    enum { SOURCE = 1, FAMILY = 2, DEVICE = 3 };
    for (int64_t i = 1; i < scores->count; i++) {
        const amm_scored *before = &scores->rows[i - 1];
        amm_scored *row = &scores->rows[i];
        row->source = before->source + !same_start(row, before, field_end(row->key, SOURCE));
        row->family = before->family + !same_start(row, before, field_end(row->key, FAMILY));
        row->device = before->device + !same_start(row, before, field_end(row->key, DEVICE));
        row->sweep = before->sweep + !same_start(row, before, (size_t)row->sweep_length);
        row->configuration = before->configuration + (strcmp(row->key, before->key) != 0);
    }
}

static bool counts(const amm_runs *runs, int64_t row)
{
    return runs->column[AMM_COLUMN_score] < 0 ||
           strcmp(amm_runs_text(runs, row, AMM_COLUMN_score), "1") == 0;
}

static amm_status make_room(amm_scores *out, size_t rows)
{
    out->rows = amm_arena_alloc(out->arena, rows, sizeof *out->rows);
    out->all = amm_arena_alloc(out->arena, rows, sizeof *out->all);
    out->ranked = amm_arena_alloc(out->arena, rows, 2 * sizeof *out->ranked);
    out->candidates = amm_arena_alloc(out->arena, rows, sizeof *out->candidates);
    bool all =
        out->rows != NULL && out->all != NULL && out->ranked != NULL && out->candidates != NULL;
    for (size_t k = 0; k < sizeof out->number / sizeof *out->number; k++) {
        out->number[k] = amm_arena_alloc(out->arena, rows, sizeof *out->number[k]);
        all = all && out->number[k] != NULL;
    }
    return all ? AMM_OK : AMM_NO_MEMORY;
}

amm_status amm_scores_create(amm_scores *out, const amm_runs *runs, amm_arena *arena)
{
    amm_text key;
    amm_status status = AMM_OK;
    memset(out, 0, sizeof *out);
    out->runs = runs;
    out->arena = arena;
    AMM_TRY(make_room(out, (size_t)runs->csv.rows));
    amm_text_init(&key, arena->context);
    for (int64_t i = 0; i < runs->csv.rows && status == AMM_OK; i++) {
        if (counts(runs, i)) {
            amm_scored *row = &out->rows[out->count];
            out->all[out->count] = out->count;
            out->count++;
            row->row = i;
            status = make_key(row, out, &key);
            status = status == AMM_OK ? read_scored(row, out) : status;
        }
    }
    amm_text_discard(&key);
    AMM_TRY(status);
    qsort(out->rows, (size_t)out->count, sizeof *out->rows, by_key);
    number_rows(out);
    return amm_scores_baselines(out);
}

/* After a source with several families come those families, one by one. */
bool amm_score_next(amm_score_group *group, const amm_scores *scores)
{
    const amm_scored *rows = scores->rows;
    const bool opens = group->family == NULL && group->end > group->first &&
                       rows[group->first].family != rows[group->end - 1].family;
    const bool goes_on = group->family != NULL && group->end < scores->count &&
                         rows[group->end].source == rows[group->first].source;
    const int64_t first = opens ? group->first : group->end;
    if (first >= scores->count) {
        return false;
    }
    group->first = first;
    group->source = rows[first].source_name;
    group->family = opens || goes_on ? rows[first].family_name : NULL;
    for (group->end = first; group->end < scores->count; group->end++) {
        const amm_scored *row = &rows[group->end];
        if (row->source != rows[first].source ||
            (group->family != NULL && row->family != rows[first].family)) {
            break;
        }
    }
    return true;
}
