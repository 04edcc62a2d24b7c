#define _GNU_SOURCE
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const amm_cli_command command = {
    "ammeter explain",
    "[PROBLEM]",
    "Evaluates given strategies without searching: every part of the step with its share and "
    "formula, and the memory of every stage. A strategy that does not fit is evaluated all the "
    "same "
    "and marked."
    "\vExamples:\n"
    "  ammeter explain amp-homogeneous --strategy tp=2,pp=4,dp=2,micro-batch=1\n"
    "  ammeter explain amp-homogeneous --strategy tp=4,dp=4 --strategy tp=1,pp=4,dp=4 --json\n"
    "  ammeter explain --model llama-3-8b --cluster dgx-h100 --global-batch-size 64 --strategy "
    "tp=2,pp=4,micro-batch=1 --trace step.json\n\n"
    "`ammeter cost' is the same command. Exit codes: 0 evaluated, 1 internal or unwritable output, "
    "2 usage or invalid input.",
    AMM_CLI_PROBLEM | AMM_CLI_STRATEGY | AMM_CLI_RESULT,
    1,
};

/* The strategies with the option --amp-tp-term appended. Frees nothing on failure: the caller frees
 * `out` [count]. */
static bool append_term(char **out, const amm_cli_options *options)
{
    static const char word[] = ",tp-term=";
    for (size_t k = 0; k < options->strategy_count; k++) {
        const size_t size = strlen(options->strategies[k]) + sizeof word + strlen(options->tp_term);
        out[k] = malloc(size);
        if (out[k] == NULL) {
            return false;
        }
        (void)snprintf(out[k], size, "%s%s%s", options->strategies[k], word, options->tp_term);
    }
    return true;
}

static int write_trace(amm_context *context, const amm_result *result,
                       const amm_cli_options *options)
{
    char *text = NULL;
    if (options->trace == NULL) {
        return AMM_EXIT_OK;
    }
    const amm_status status = amm_result_trace(result, &text, 0);
    const int code = status == AMM_OK ? amm_cli_write(options->trace, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    return code;
}

static int evaluate(amm_context *context, const amm_spec *spec, const amm_cli_options *options,
                    const char *const *strategies)
{
    amm_result *result = NULL;
    const amm_status status = amm_evaluate(&result, spec, strategies, options->strategy_count);
    int code = status == AMM_OK ? write_trace(context, result, options) : amm_cli_fail(status);
    if (code == AMM_EXIT_OK) {
        code = amm_cli_options_result(options, context, result, true);
    }
    amm_result_free(result);
    return code;
}

static int evaluate_with_term(amm_context *context, const amm_spec *spec,
                              const amm_cli_options *options)
{
    if (options->tp_term == NULL) {
        return evaluate(context, spec, options, options->strategies);
    }
    int code = AMM_EXIT_FAILURE;
    char **longer = calloc(options->strategy_count, sizeof *longer);
    if (longer == NULL || !append_term(longer, options)) {
        (void)fputs("ammeter: out of memory\n", stderr);
    } else {
        code = evaluate(context, spec, options, (const char *const *)longer);
    }
    for (size_t k = 0; longer != NULL && k < options->strategy_count; k++) {
        free(longer[k]);
    }
    free(longer);
    return code;
}

static int check(const amm_cli_options *options)
{
    for (int k = 0; k < options->argument_count; k++) {
        if (options->arguments[k][0] == '@') {
            return amm_cli_usage_error(
                "explain: %s: results are not kept in this version; give the problem and "
                "--strategy tp=..,pp=..,dp=..,micro-batch=..",
                options->arguments[k]);
        }
    }
    if (!amm_cli_options_have_problem(options)) {
        return amm_cli_short_usage("explain");
    }
    if (options->strategy_count == 0) {
        return amm_cli_usage_error(
            "explain: --strategy is missing, e.g. --strategy tp=2,pp=4,dp=2,micro-batch=1");
    }
    if (options->trace != NULL && options->strategy_count > 1) {
        return amm_cli_usage_error("explain: --trace takes one --strategy, got %zu",
                                   options->strategy_count);
    }
    return AMM_EXIT_OK;
}

int amm_cli_explain(int argc, char **argv)
{
    amm_cli_options options;
    amm_context *context = NULL;
    amm_spec *spec = NULL;
    amm_cli_options_read(&options, &command, argc, argv);
    int code = check(&options);
    if (code == AMM_EXIT_OK) {
        const amm_status status = amm_context_create(&context, NULL);
        code = status == AMM_OK ? amm_cli_options_spec(&spec, context, &options)
                                : amm_cli_fail(status);
    }
    if (code == AMM_EXIT_OK) {
        code = evaluate_with_term(context, spec, &options);
    }
    amm_spec_free(spec);
    amm_context_free(context);
    amm_cli_options_free(&options);
    return code;
}
