#define _GNU_SOURCE
#include "options.h"

static const amm_cli_command command = {
    "ammeter show",
    "KIND NAME",
    "Shows what the program understands of one description, with derived numbers. KIND is model, "
    "device, cluster, runtime, profile or problem; NAME a preset (ammeter list), a file, - for "
    "standard input, JSON, or (cluster) a one-line form."
    "\vExamples:\n"
    "  ammeter show problem amp-homogeneous\n"
    "  ammeter show cluster 4xnode:4xT4,intra=50gbit,inter=50gbit\n"
    "  ammeter show cluster aws-p3.8xlarge-x4 --line\n\n"
    "The JSON is a file that can be given back. Exit codes: 0, 1 internal or unwritable output, 2 "
    "usage or invalid input.",
    AMM_CLI_LINE,
    2,
};

static int check(const amm_cli_options *options, const char **kind)
{
    if (options->argument_count < 2) {
        return amm_cli_usage_error("show: KIND and NAME are needed, e.g. ammeter show problem "
                                   "amp-homogeneous");
    }
    *kind = amm_cli_kind(options->arguments[0]);
    if (*kind == NULL) {
        return amm_cli_usage_error("show: kind: got '%.64s', allowed model, device, cluster, "
                                   "runtime, profile, problem",
                                   options->arguments[0]);
    }
    if (options->json && options->line) {
        return amm_cli_usage_error("show: --json and --line exclude each other");
    }
    return AMM_EXIT_OK;
}

int amm_cli_show(int argc, char **argv)
{
    amm_cli_options options;
    amm_context *context = NULL;
    const char *kind = NULL;
    char *text = NULL;
    amm_cli_options_read(&options, &command, argc, argv);
    int code = check(&options, &kind);
    if (code == AMM_EXIT_OK) {
        amm_status status = amm_context_create(&context, NULL);
        if (status == AMM_OK) {
            const int form = options.line ? 2 : (options.json ? 1 : 0);
            status = amm_show(context, &text, kind, options.arguments[1], form);
        }
        code = status == AMM_OK ? amm_cli_write(options.output, text) : amm_cli_fail(status);
        amm_text_free(context, text);
    }
    amm_context_free(context);
    amm_cli_options_free(&options);
    return code;
}
