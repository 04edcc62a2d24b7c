#include "calibrate/scores.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- cells ----------------------------------------------------------------------------------- */

enum { NAME_COLUMNS = 27, LISTED_REASONS = 5 };

/* Text of a table may be any bytes; a terminal must not obey them. Cut at `room` columns. */
static void put_name(amm_text *out, const char *name, size_t room)
{
    size_t columns = 0;
    for (const char *c = name; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        columns += (byte & 0xc0) != 0x80;
        if (columns > room) {
            break;
        }
        amm_text_append_bytes(out, byte < 0x20 || byte == 0x7f ? "?" : c, 1);
    }
}

static void put_right(amm_text *out, int width, const char *text)
{
    const int columns = (int)amm_text_columns(text);
    amm_text_printf(out, "%*s%s", columns < width ? width - columns : 0, "", text);
}

static void put_count(amm_text *out, int width, int64_t value)
{
    amm_text_printf(out, "%*lld", width, (long long)value);
}

/* A share as per cent; "-" where there is none. */
static void put_share(amm_text *out, int width, double share, bool sign)
{
    if (isnan(share)) {
        put_right(out, width, "-");
    } else {
        amm_text_printf(out, sign ? "%+*.1f" : "%*.1f", width, 100.0 * share);
    }
}

static void put_number(amm_text *out, int width, double value)
{
    if (isnan(value)) {
        put_right(out, width, "-");
    } else {
        amm_text_printf(out, "%*.3f", width, value);
    }
}

/* ---- by source ------------------------------------------------------------------------------- */

static void put_errors(amm_text *out, const amm_score *s)
{
    put_count(out, 6, s->rows);
    put_count(out, 7, s->timed);
    put_share(out, 8, s->coverage, false);
    put_share(out, 8, s->error_mean, false);
    put_share(out, 8, s->error_median, false);
    put_share(out, 8, s->bias, true);
    put_number(out, 8, s->log_error);
    put_count(out, 9, s->configurations);
    put_share(out, 8, s->configuration_error_mean, false);
    put_share(out, 8, s->range_holds, false);
}

static void put_choice(amm_text *out, const amm_score *s)
{
    put_count(out, 7, s->sweeps);
    put_number(out, 10, s->spearman);
    put_share(out, 9, s->regret_mean, false);
    put_share(out, 8, s->regret_median, false);
    put_share(out, 8, s->regret_max, false);
    put_count(out, 12, s->picked_oom);
    put_count(out, 9, s->no_pick);
    put_share(out, 8, s->oom_balanced, false);
    put_share(out, 9, s->memory_error, false);
}

typedef void (*put_columns)(amm_text *out, amm_scores *scores, const int64_t *members,
                            int64_t count);

static void error_columns(amm_text *out, amm_scores *scores, const int64_t *members, int64_t count)
{
    amm_score s;
    amm_score_measure(&s, scores, members, count, AMM_PREDICTOR_MODEL);
    put_errors(out, &s);
}

static void choice_columns(amm_text *out, amm_scores *scores, const int64_t *members, int64_t count)
{
    amm_score s;
    amm_score_measure(&s, scores, members, count, AMM_PREDICTOR_MODEL);
    put_choice(out, &s);
}

static void baseline_columns(amm_text *out, amm_scores *scores, const int64_t *members,
                             int64_t count)
{
    amm_score s[AMM_PREDICTOR_COUNT];
    for (amm_predictor p = AMM_PREDICTOR_MODEL; p < AMM_PREDICTOR_COUNT; p++) {
        amm_score_measure(&s[p], scores, members, count, p);
    }
    put_share(out, 9, s[AMM_PREDICTOR_MODEL].error_mean, false);
    put_share(out, 9, s[AMM_PREDICTOR_MFU].error_mean, false);
    put_share(out, 9, s[AMM_PREDICTOR_NEAREST].error_mean, false);
    put_share(out, 11, s[AMM_PREDICTOR_MODEL].regret_mean, false);
    put_share(out, 9, s[AMM_PREDICTOR_RULE].regret_mean, false);
    put_share(out, 9, s[AMM_PREDICTOR_MFU].regret_mean, false);
    put_share(out, 9, s[AMM_PREDICTOR_NEAREST].regret_mean, false);
}

/* One line per source and family, and one for all rows where there is more than one. */
static void put_table(amm_text *out, amm_scores *scores, put_columns columns)
{
    amm_score_group group = { 0 };
    int64_t sources = 0;
    while (amm_score_next(&group, scores)) {
        amm_text_append(out, group.family == NULL ? "" : "  @");
        put_name(out, group.family == NULL ? group.source : group.family,
                 group.family == NULL ? NAME_COLUMNS - 1 : NAME_COLUMNS - 4);
        amm_text_pad(out, NAME_COLUMNS);
        columns(out, scores, scores->all + group.first, group.end - group.first);
        amm_text_append(out, "\n");
        sources += group.family == NULL;
    }
    if (sources != 1) {
        amm_text_append(out, "all rows");
        amm_text_pad(out, NAME_COLUMNS);
        columns(out, scores, scores->all, scores->count);
        amm_text_append(out, "\n");
    }
}

/* Rows whose range covers what they do not tell. */
static void put_assumed(amm_text *out, amm_scores *scores)
{
    amm_score s;
    amm_score_measure(&s, scores, scores->all, scores->count, AMM_PREDICTOR_MODEL);
    if (s.assumed > 0) {
        amm_text_printf(out,
                        "rows with unknown settings: %lld, inside the range over their plausible "
                        "values: %lld (not in \"in range\")\n",
                        (long long)s.assumed, (long long)s.assumed_held);
    }
}

static void put_sources(amm_text *out, amm_scores *scores)
{
    amm_text_append(
        out, "\nStep time, errors in % of the measured time (|ln|: of predicted over measured)\n"
             "source                       rows  timed covered    mean  median    bias    |ln|"
             "  configs    mean in range\n");
    put_table(out, scores, error_columns);
    put_assumed(out, scores);
    amm_text_append(
        out,
        "\nChoice within a sweep (same network, devices, batch; 5 runs or more) and memory, %\n"
        "source                     sweeps  spearman   regret  median     max  picked OOM"
        "  no pick  OOM ok  mem.err\n");
    put_table(out, scores, choice_columns);
    amm_text_append(
        out, "\nBeside baselines, all of them with this program's memory estimate, %\n"
             "                           ------ mean error -------  ------------ mean regret "
             "-------------\n"
             "source                      ammeter one MFU  nearest    ammeter     rule  one MFU"
             "  nearest\n");
    put_table(out, scores, baseline_columns);
    amm_text_append(out,
                    "rule: no recompute, then least micro-batch, then least tp x pp. one MFU: per "
                    "source and device, fitted\nto these rows. nearest: the most similar run of "
                    "another configuration, scaled by FLOP over peak.\n");
}

/* ---- by regime ------------------------------------------------------------------------------- */

static bool has_rows(const amm_regime *regime)
{
    bool any = false;
    for (int t = 0; t < AMM_TECHNIQUE_COUNT; t++) {
        any = any || regime->technique[t].predicted > 0;
    }
    return any;
}

static const char *const class_words[AMM_PRECISION_CLASS_COUNT] = {
#define AMM_CLASS_WORD(name, word) word,
    AMM_PRECISION_CLASS_LIST(AMM_CLASS_WORD)
#undef AMM_CLASS_WORD
};

enum { NETWORK_COLUMN = 12, CLASS_COLUMN = 20, TECHNIQUE_COLUMN = 29, TECHNIQUE_COLUMNS = 16 };

static void put_regime_head(amm_text *out)
{
    static const char *const words[AMM_TECHNIQUE_COUNT] = {
#define AMM_TECHNIQUE_WORD(name, key, word) word,
        AMM_TECHNIQUE_LIST(AMM_TECHNIQUE_WORD)
#undef AMM_TECHNIQUE_WORD
    };
    amm_text_append(out, "\nMean error and rows per regime (a run counts once, in the last column "
                         "that it uses)\n");
    amm_text_append(out, "device");
    amm_text_pad(out, NETWORK_COLUMN);
    amm_text_append(out, "network");
    amm_text_pad(out, CLASS_COLUMN);
    amm_text_append(out, "products");
    for (int t = 0; t < AMM_TECHNIQUE_COUNT; t++) {
        put_right(out, TECHNIQUE_COLUMNS, words[t]);
    }
    amm_text_append(out, "\n");
}

static void put_regime(amm_text *out, const amm_regime *regime)
{
    put_name(out, regime->family, NETWORK_COLUMN - 1);
    amm_text_pad(out, NETWORK_COLUMN);
    amm_text_append(out, regime->moe ? "MoE" : "dense");
    amm_text_pad(out, CLASS_COLUMN);
    amm_text_append(out, class_words[regime->precision_class]);
    amm_text_pad(out, TECHNIQUE_COLUMN);
    for (int t = 0; t < AMM_TECHNIQUE_COUNT; t++) {
        const amm_score *s = &regime->technique[t];
        char cell[64] = "unvalidated";
        if (s->predicted > 0) {
            (void)snprintf(cell, sizeof cell, "%.1f %% of %lld", 100.0 * s->error_mean,
                           (long long)s->predicted);
        }
        put_right(out, TECHNIQUE_COLUMNS, cell);
    }
    amm_text_append(out, "\n");
}

/* Regimes of a family follow each other by precision; those of no row are told in one line. */
static void put_unvalidated(amm_text *out, const amm_regimes *regimes)
{
    enum { REGIMES_OF_A_LINE = 5 };
    int written = 0;
    amm_text_append(out, "unvalidated, for want of rows:");
    for (int64_t i = 0; i < regimes->count; i++) {
        const amm_regime *r = &regimes->list[i];
        if (!has_rows(r)) {
            amm_text_append(out, written == 0 ? "" : ",");
            amm_text_append(out, written++ % REGIMES_OF_A_LINE == 0 ? "\n    " : " ");
            put_name(out, r->family, NETWORK_COLUMN - 1);
            amm_text_printf(out, " %s %s", r->moe ? "MoE" : "dense",
                            class_words[r->precision_class]);
        }
    }
    amm_text_append(out, written == 0 ? " none\n" : "\n");
}

static void put_regimes(amm_text *out, const amm_regimes *regimes)
{
    put_regime_head(out);
    for (int64_t i = 0; i < regimes->count; i++) {
        if (has_rows(&regimes->list[i])) {
            put_regime(out, &regimes->list[i]);
        }
    }
    put_unvalidated(out, regimes);
}

/* ---- by configuration ------------------------------------------------------------------------ */

static void put_configuration(amm_text *out, const amm_scores *scores, const amm_configuration *c)
{
    const amm_scored *first = &scores->rows[c->first];
    const amm_run *run = &scores->runs->rows[first->row].run;
    put_name(out, first->source_name, 18);
    amm_text_pad(out, 19);
    put_name(out, amm_runs_text(scores->runs, first->row, AMM_COLUMN_model), 15);
    amm_text_pad(out, 35);
    put_name(out, amm_runs_text(scores->runs, first->row, AMM_COLUMN_gpu), 11);
    amm_text_pad(out, 46);
    amm_text_printf(out, "%6g%4g%4g%6g%3g%4g%4g%4g", run->devices, run->tp, run->pp, run->dp,
                    run->cp, run->ep, run->vpp, run->micro_batch);
    amm_text_printf(out, "%3lld %8.4g %8.4g", (long long)c->rows, c->measured_s, c->predicted_s);
    put_share(out, 7, (c->predicted_s - c->measured_s) / c->measured_s, true);
    amm_text_append(out, "\n");
}

static void put_configurations(amm_text *out, const amm_scores *scores)
{
    amm_configuration c = { 0 };
    amm_text_append(
        out, "\nConfigurations, repeated measurements averaged; seconds, error in %\n"
             "source             model           device       gpus  tp  pp    dp cp  ep vpp  mb"
             "  n measured predict.  error\n");
    while (c.end < scores->count) {
        amm_score_configuration(&c, scores, scores->all, c.end, scores->count, AMM_PREDICTOR_MODEL);
        if (c.rows > 0) {
            put_configuration(out, scores, &c);
        }
    }
}

/* ---- report ---------------------------------------------------------------------------------- */

static void put_head(amm_text *out, const amm_report *report)
{
    const amm_scores *scores = report->scores;
    int64_t missing = 0;
    amm_text_append(out, "runs     ");
    put_name(out, scores->runs->file, 60);
    amm_text_printf(out, " · %lld rows, %lld scored", (long long)scores->runs->csv.rows,
                    (long long)scores->count);
    if (report->source != NULL) {
        amm_text_append(out, " of ");
        put_name(out, report->source, 40);
    }
    for (int64_t i = 0; i < report->reason_count; i++) {
        missing += report->reasons[i].rows;
    }
    amm_text_printf(out, "\nmodelled %lld rows\n", (long long)(scores->count - missing));
    for (int64_t i = 0; i < report->reason_count && i < LISTED_REASONS; i++) {
        amm_text_printf(out, "         not %lld: ", (long long)report->reasons[i].rows);
        put_name(out, report->reasons[i].reason, 80);
        amm_text_append(out, "\n");
    }
    if (report->reason_count > LISTED_REASONS) {
        amm_text_printf(out, "         and %lld other reasons\n",
                        (long long)(report->reason_count - LISTED_REASONS));
    }
}

void amm_report_text(amm_text *out, const amm_report *report)
{
    put_head(out, report);
    if ((report->parts & AMM_BY_SOURCE) != 0) {
        put_sources(out, report->scores);
    }
    if ((report->parts & AMM_BY_REGIME) != 0) {
        put_regimes(out, report->regimes);
    }
    if ((report->parts & AMM_BY_CONFIGURATION) != 0) {
        put_configurations(out, report->scores);
    }
}
