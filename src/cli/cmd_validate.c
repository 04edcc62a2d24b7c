#define _GNU_SOURCE
#include "options.h"

static const amm_cli_command command = {
    "ammeter validate",
    "RUNS.csv",
    "Compares predictions with measured training runs: errors of the step time, how good the "
    "choice "
    "among the runs of a sweep would have been, memory, and three baselines on the same rows. "
    "RUNS.csv is a table of runs, one a row (docs/formats.md, \"Measured runs\"), or - for "
    "standard "
    "input. Rows whose score is 1 are judged."
    "\vExamples:\n"
    "  ammeter validate benchmarks/measured/train.csv\n"
    "  ammeter validate benchmarks/measured/train.csv --source llm-foundry --by configuration\n"
    "  ammeter validate benchmarks/measured/train.csv --predictions predicted.csv\n"
    "  ammeter validate my-runs.csv --json -o report.json\n\n"
    "A row that cannot be modelled is no error: it has no prediction but a reason. Exit codes: 0, "
    "1 "
    "internal or unwritable output, 2 usage or invalid input.",
    AMM_CLI_VALIDATE,
    1,
};

static int check(const amm_cli_options *options)
{
    if (options->argument_count == 0) {
        return amm_cli_usage_error("validate: RUNS.csv is needed, e.g. ammeter validate "
                                   "benchmarks/measured/train.csv");
    }
    return AMM_EXIT_OK;
}

static int write_predictions(amm_context *context, const amm_runs *runs,
                             const amm_cli_options *options)
{
    char *text = NULL;
    if (options->predictions == NULL) {
        return AMM_EXIT_OK;
    }
    const amm_status status = amm_runs_csv(runs, &text);
    const int code =
        status == AMM_OK ? amm_cli_write(options->predictions, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    return code;
}

static int write_report(amm_context *context, const amm_runs *runs, const amm_cli_options *options)
{
    amm_report_options report = AMM_REPORT_OPTIONS_INIT;
    char *text = NULL;
    report.json = options->json;
    report.source = options->source;
    report.by = options->by;
    const amm_status status = amm_runs_report(runs, &text, &report);
    const int code = status == AMM_OK ? amm_cli_write(options->output, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    return code;
}

int amm_cli_validate(int argc, char **argv)
{
    amm_cli_options options;
    amm_context *context = NULL;
    amm_runs *runs = NULL;
    amm_cli_options_read(&options, &command, argc, argv);
    int code = check(&options);
    if (code == AMM_EXIT_OK) {
        amm_status status = amm_context_create(&context, NULL);
        if (status == AMM_OK) {
            status = amm_runs_create(&runs, context, options.arguments[0]);
        }
        code = status == AMM_OK ? AMM_EXIT_OK : amm_cli_fail(status);
    }
    if (code == AMM_EXIT_OK) {
        code = write_predictions(context, runs, &options);
    }
    if (code == AMM_EXIT_OK) {
        code = write_report(context, runs, &options);
    }
    amm_runs_free(runs);
    amm_context_free(context);
    amm_cli_options_free(&options);
    return code;
}
