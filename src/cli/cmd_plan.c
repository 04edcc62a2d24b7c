#define _GNU_SOURCE /* sigaction, clock_gettime */
#include "options.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* A second interrupt ends the program at once. */
static void catch_interrupt(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    action.sa_flags = (int)SA_RESETHAND;
    (void)sigaction(SIGINT, &action, NULL);
}

/* ---- progress -------------------------------------------------------------------------------- */

typedef struct progress {
    const char *checkpoint; /* NULL: none */
    bool unwritable;        /* the checkpoint */
    bool shown, terminal;
    bool drawn; /* a line is on the terminal that has to go */
    double next_s;
} progress;

static double clock_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int on_progress(double done, double best_s, void *payload)
{
    static const double interval_s = 0.2;
    progress *p = payload;
    if (!p->shown) {
        return interrupted;
    }
    const double now_s = clock_s();
    if (now_s < p->next_s) {
        return interrupted;
    }
    p->next_s = now_s + interval_s;
    (void)fprintf(stderr, "%s%3.0f %%", p->terminal ? "\r\033[K" : "", 100.0 * done);
    if (best_s >= 0.0) {
        (void)fprintf(stderr, "  best %.4f s/step", best_s);
    }
    if (!p->terminal) {
        (void)fputc('\n', stderr);
    }
    p->drawn = p->terminal;
    return interrupted;
}

static progress begin_progress(const amm_cli_options *options)
{
    const bool terminal = isatty(STDERR_FILENO) == 1;
    /* A search that is over at once shows nothing. */
    static const double patience_s = 0.5;
    const progress p = { options->checkpoint,
                         false,
                         options->progress || (terminal && !options->quiet),
                         terminal,
                         false,
                         options->progress ? 0.0 : clock_s() + patience_s };
    return p;
}

static void end_progress(const progress *p)
{
    if (p->drawn) {
        (void)fputs("\r\033[K", stderr);
    }
}

/* Whole or not at all: a kill leaves the one before. */
static int save_checkpoint(const char *text, void *payload)
{
    progress *p = payload;
    p->unwritable = amm_cli_write(p->checkpoint, text) != AMM_EXIT_OK;
    return p->unwritable;
}

/* ---- command --------------------------------------------------------------------------------- */

static int run(amm_context *context, const amm_spec *spec, const amm_cli_options *options)
{
    amm_plan_options plan = options->plan;
    progress p = begin_progress(options);
    amm_result *result = NULL;
    plan.progress = on_progress;
    plan.payload = &p;
    plan.save = options->checkpoint != NULL ? save_checkpoint : NULL;
    catch_interrupt();
    const amm_status status = amm_plan(&result, spec, &plan);
    end_progress(&p);
    int code = AMM_EXIT_OK;
    if (result != NULL) {
        code = amm_cli_options_result(options, context, result, options->verbose);
    }
    if (code == AMM_EXIT_OK && status != AMM_OK) {
        code = p.unwritable ? AMM_EXIT_FAILURE : amm_cli_fail(status); /* said where it failed */
    }
    amm_result_free(result);
    return code;
}

int amm_cli_plan(int argc, char **argv)
{
    amm_cli_options options;
    amm_context *context = NULL;
    amm_spec *spec = NULL;
    amm_cli_options_read(&options, &command, argc, argv);
    if (!amm_cli_options_have_problem(&options)) {
        return amm_cli_short_usage();
    }
    const amm_status status = amm_context_create(&context, NULL);
    int code =
        status == AMM_OK ? amm_cli_options_spec(&spec, context, &options) : amm_cli_fail(status);
    if (code == AMM_EXIT_OK) {
        code = run(context, spec, &options);
    }
    amm_spec_free(spec);
    amm_context_free(context);
    amm_cli_options_free(&options);
    return code;
}
