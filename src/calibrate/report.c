#include "calibrate/scores.h"

#include <string.h>

void amm_report_options_init(amm_report_options *out)
{
    const amm_report_options usual = AMM_REPORT_OPTIONS_INIT;
    *out = usual;
}

static amm_status check_options(const amm_report_options *options, int *parts)
{
    if (options->size != sizeof *options) {
        return amm_fail(AMM_INPUT, "report options: size is %zu, allowed %zu", options->size,
                        sizeof *options);
    }
    if (options->json != 0 && options->json != 1) {
        return amm_fail(AMM_INPUT, "report options: json is %d, allowed 0 or 1", options->json);
    }
    if (options->by == NULL) {
        *parts = AMM_BY_SOURCE | AMM_BY_REGIME;
    } else if (strcmp(options->by, "source") == 0) {
        *parts = AMM_BY_SOURCE;
    } else if (strcmp(options->by, "regime") == 0) {
        *parts = AMM_BY_REGIME;
    } else if (strcmp(options->by, "configuration") == 0) {
        *parts = AMM_BY_CONFIGURATION;
    } else {
        return amm_fail(AMM_INPUT, "by: got '%.64s', allowed source, regime, configuration",
                        options->by);
    }
    return AMM_OK;
}

/* Rows of the source move to the front; they are one stretch already. */
static amm_status select_source(amm_scores *scores, const char *source)
{
    int64_t first = 0;
    int64_t end = 0;
    if (source == NULL) {
        return AMM_OK;
    }
    while (first < scores->count && strcmp(scores->rows[first].source_name, source) != 0) {
        first++;
    }
    if (first == scores->count) {
        return amm_fail(AMM_INPUT, "%s:source_id: no scored row has it, got '%.64s'",
                        scores->runs->file, source);
    }
    for (end = first; end < scores->count; end++) {
        if (scores->rows[end].source != scores->rows[first].source) {
            break;
        }
    }
    scores->rows += first;
    scores->count = end - first;
    return AMM_OK;
}

static amm_status write_report(amm_text *out, const amm_report *report, bool json)
{
    if (json) {
        amm_json j;
        amm_json_init(&j, out, true);
        amm_report_json(&j, report);
        amm_text_append(out, "\n");
    } else {
        amm_report_text(out, report);
    }
    return out->status;
}

static amm_status make_report(amm_text *out, amm_arena *arena, const amm_runs *runs,
                              const amm_report_options *options)
{
    amm_scores scores;
    amm_report report = { &scores, NULL, 0, NULL, 0, options->source };
    AMM_TRY(check_options(options, &report.parts));
    AMM_TRY(amm_scores_create(&scores, runs, arena));
    AMM_TRY(select_source(&scores, options->source));
    AMM_TRY(amm_reasons_count(&report.reasons, &report.reason_count, &scores));
    if ((report.parts & AMM_BY_REGIME) != 0) {
        AMM_TRY(amm_regimes_create(&report.regimes, &scores));
    }
    return write_report(out, &report, options->json == 1);
}

amm_status amm_runs_report(const amm_runs *runs, char **out, const amm_report_options *options)
{
    const amm_report_options usual = AMM_REPORT_OPTIONS_INIT;
    amm_arena arena;
    amm_text text;
    *out = NULL;
    amm_arena_init(&arena, runs->arena.context);
    amm_text_init(&text, runs->arena.context);
    amm_status status = make_report(&text, &arena, runs, options == NULL ? &usual : options);
    if (status == AMM_OK) {
        status = amm_text_take(&text, out);
    } else {
        amm_text_discard(&text);
    }
    amm_arena_free(&arena);
    return status;
}
