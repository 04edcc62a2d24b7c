#define _GNU_SOURCE
#include "options.h"

#include <stdio.h>

static const amm_cli_command command = {
    "ammeter verify",
    "[PROBLEM]",
    "Compares every backend with cpu/ref, which defines every result: bounds, optimal partitions, "
    "scores of random candidates, the best 1,000 of sweeps over all partitions, resumed at random "
    "places; all bit by bit. Without PROBLEM on random synthetic problems, with it on the layouts "
    "of its space."
    "\vExamples:\n"
    "  ammeter verify\n"
    "  ammeter verify --backend cpu/simd --threads 2 --candidates 100000000\n"
    "  ammeter verify amp-homogeneous --seed 7\n\n"
    "Exit codes: 0 all equal, 1 a mismatch (or internal or unwritable output), 2 usage or invalid "
    "input, 3 a backend asked for is not here, or there was nothing to compare with.",
    AMM_CLI_PROBLEM | AMM_CLI_SPACE | AMM_CLI_ENGINE | AMM_CLI_VERIFY,
    1,
};

/* What was found decides, once it is written. */
static int verdict(const amm_verification *verification)
{
    if (amm_verification_mismatches(verification) > 0) {
        return AMM_EXIT_FAILURE;
    }
    if (amm_verification_checked(verification) == 0) {
        (void)fputs("ammeter: verify: nothing was compared\n", stderr);
        return AMM_EXIT_UNAVAILABLE;
    }
    return AMM_EXIT_OK;
}

static int run(amm_context *context, const amm_spec *spec, const amm_cli_options *options)
{
    amm_verify_options verify = AMM_VERIFY_OPTIONS_INIT;
    amm_verification *verification = NULL;
    char *text = NULL;
    verify.backends = options->backends;
    verify.candidates = options->candidates;
    verify.seed = options->plan.seed;
    verify.threads = options->plan.threads;
    amm_status status = amm_verify(&verification, context, spec, &verify);
    if (status == AMM_OK) {
        status = amm_verification_text(verification, &text, options->json);
    }
    int code = status == AMM_OK ? amm_cli_write(options->output, text) : amm_cli_fail(status);
    if (code == AMM_EXIT_OK) {
        code = verdict(verification);
    }
    amm_text_free(context, text);
    amm_verification_free(verification);
    return code;
}

int amm_cli_verify(int argc, char **argv)
{
    amm_cli_options options;
    amm_context *context = NULL;
    amm_spec *spec = NULL;
    amm_cli_options_read(&options, &command, argc, argv);
    const amm_status status = amm_context_create(&context, NULL);
    int code = status == AMM_OK ? AMM_EXIT_OK : amm_cli_fail(status);
    if (code == AMM_EXIT_OK && amm_cli_options_have_problem(&options)) {
        code = amm_cli_options_spec(&spec, context, &options);
    }
    if (code == AMM_EXIT_OK) {
        code = run(context, spec, &options);
    }
    amm_spec_free(spec);
    amm_context_free(context);
    amm_cli_options_free(&options);
    return code;
}
