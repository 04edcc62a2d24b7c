#include "options.h"
#include "watch.h"

static const amm_cli_command command = {
    "ammeter plan",
    "[PROBLEM]",
    "Searches for the fastest strategy. PROBLEM is a preset (ammeter list problems), a file, - for "
    "standard input, or JSON; options replace its parts."
    "\vExamples:\n"
    "  ammeter plan amp-homogeneous\n"
    "  ammeter plan amp-homogeneous --global-batch-size 64 --tp 1,2 --top 3\n"
    "  ammeter plan amp-homogeneous --json -o plans.json\n\n"
    "Exit codes: 0 a plan was found, 1 internal or unwritable output, 2 usage or invalid input, "
    "3 backend not available, 4 no feasible plan, 130 interrupted (the best so far is written).",
    AMM_CLI_PROBLEM | AMM_CLI_SPACE | AMM_CLI_SEARCH | AMM_CLI_RESULT,
    1,
};

/* Whole or not at all: a kill leaves the one before. */
static int save_checkpoint(const char *text, void *payload)
{
    amm_cli_watch *p = payload;
    p->unwritable = amm_cli_write(p->checkpoint, text) != AMM_EXIT_OK;
    return p->unwritable;
}

/* ---- command --------------------------------------------------------------------------------- */

static int run(amm_context *context, const amm_spec *spec, const amm_cli_options *options)
{
    amm_plan_options plan = options->plan;
    amm_cli_watch p = amm_cli_watch_begin(options);
    amm_result *result = NULL;
    plan.progress = amm_cli_watch_progress;
    plan.payload = &p;
    plan.save = options->checkpoint != NULL ? save_checkpoint : NULL;
    const amm_status status = amm_plan(&result, spec, &plan);
    amm_cli_watch_end(&p);
    /* Why it ended is said before the result is written: that may fail too. */
    int ended = AMM_EXIT_OK;
    if (status != AMM_OK) {
        const bool said = p.unwritable && status == AMM_IO; /* where it failed */
        ended = said ? AMM_EXIT_FAILURE : amm_cli_fail(status);
        ended = p.unwritable ? AMM_EXIT_FAILURE : ended;
    }
    const int code = result != NULL
                         ? amm_cli_options_result(options, context, result, options->verbose)
                         : AMM_EXIT_OK;
    amm_result_free(result);
    return code != AMM_EXIT_OK ? code : ended;
}

int amm_cli_plan(int argc, char **argv)
{
    return amm_cli_with_spec(argc, argv, &command, run);
}
