/* Any bytes as a table of measured runs: read, or refused with a message. Of what was read there are
 * predictions, reports, and a table that reads back with the same cells. */
#include "round_trip.h"

#include "calibrate/runs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_predictions(const amm_runs *runs)
{
    const size_t count = amm_runs_count(runs);
    double *time_s = calloc(count + 1, sizeof *time_s);
    double *bytes = calloc(count + 1, sizeof *bytes);
    require(time_s != NULL && bytes != NULL);
    require(amm_runs_predict(runs, NULL, time_s, bytes) == AMM_OK);
    for (size_t i = 0; i < count; i++) {
        const bool refused = amm_runs_reason(runs, i)[0] != '\0';
        require(!refused || (time_s[i] != time_s[i] && bytes[i] != bytes[i]));
    }
    free(time_s);
    free(bytes);
}

static void check_reports(amm_context *context, const amm_runs *runs)
{
    static const char *const parts[] = { NULL, "configuration" };
    for (int k = 0; k < 4; k++) {
        amm_report_options options = AMM_REPORT_OPTIONS_INIT;
        char *text = NULL;
        options.json = k / 2;
        options.by = parts[k % 2];
        require(amm_runs_report(runs, &text, &options) == AMM_OK);
        amm_text_free(context, text);
    }
}

static void check_round_trip(amm_context *context, const amm_runs *runs)
{
    char *text = NULL;
    amm_runs *again = NULL;
    require(amm_runs_csv(runs, &text) == AMM_OK);
    require(amm_runs_read(&again, context, text, strlen(text), "again.csv") == AMM_OK);
    require(again->csv.rows == runs->csv.rows &&
            again->csv.columns == runs->csv.columns + AMM_PREDICTION_COLUMNS);
    for (int64_t r = 0; r < runs->csv.rows; r++) {
        for (int32_t c = 0; c < runs->csv.columns; c++) {
            require(strcmp(runs->csv.cells[r * runs->csv.columns + c],
                           again->csv.cells[r * again->csv.columns + c]) == 0);
        }
    }
    amm_runs_free(again);
    amm_text_free(context, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    amm_context *context = NULL;
    amm_runs *runs = NULL;
    require(amm_context_create(&context, NULL) == AMM_OK);
    if (amm_runs_read(&runs, context, (const char *)data, size, "fuzz.csv") == AMM_OK) {
        check_predictions(runs);
        check_reports(context, runs);
        check_round_trip(context, runs);
    } else {
        require(amm_last_error()[0] != '\0');
    }
    amm_runs_free(runs);
    amm_context_free(context);
    return 0;
}
