#define _GNU_SOURCE /* argp */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- commands -------------------------------------------------------------------------------- */

typedef struct command {
    const char *name, *alias;
    int (*run)(int argc, char **argv);
    const char *summary;
} command;

static const command commands[] = {
    { "plan", NULL, amm_cli_plan, "search for the fastest strategy" },
    { "explain", "cost", amm_cli_explain, "evaluate given strategies, part by part (alias: cost)" },
    { "map", NULL, amm_cli_map, "the best plan at every point of a grid, and where it changes" },
    { "validate", NULL, amm_cli_validate, "compare predictions with measured runs" },
    { "verify", NULL, amm_cli_verify, "compare every backend with cpu/ref" },
    { "bench", NULL, amm_cli_bench, "how fast every backend is, beside what the machine can do" },
    { "show", NULL, amm_cli_show, "what the program understands of a model, a cluster, ..." },
    { "list", NULL, amm_cli_list, "the presets" },
    { "doctor", NULL, amm_cli_doctor, "what works here and what does not" },
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static const command *find_command(const char *name)
{
    for (size_t k = 0; k < COMMAND_COUNT; k++) {
        if (strcmp(name, commands[k].name) == 0 ||
            (commands[k].alias != NULL && strcmp(name, commands[k].alias) == 0)) {
            return &commands[k];
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[2 * COMMAND_COUNT + 1] = { "help" };
    size_t count = 1;
    for (size_t k = 0; k < COMMAND_COUNT; k++) {
        names[count++] = commands[k].name;
        if (commands[k].alias != NULL) {
            names[count++] = commands[k].alias;
        }
    }
    const char *nearest = amm_cli_nearest(name, names, count);
    if (nearest != NULL) {
        return amm_cli_usage_error("unknown command '%.64s', did you mean '%s'? See ammeter --help",
                                   name, nearest);
    }
    return amm_cli_usage_error("unknown command '%.64s'; see ammeter --help", name);
}

/* ---- help and version ------------------------------------------------------------------------ */

int amm_cli_short_usage(const char *name)
{
    const char *needed = strcmp(name, "explain") == 0 ? "--strategy TEXT "
                         : strcmp(name, "map") == 0   ? "--x AXIS "
                                                      : "";
    (void)fprintf(
        stderr,
        "usage: ammeter %s PROBLEM %s[options]    (all options: ammeter %s --help)\n"
        "  ammeter plan amp-homogeneous\n"
        "  ammeter plan amp-homogeneous --cluster 2xnode:4xT4,intra=50gbit,inter=50gbit --top 3\n"
        "%s\n"
        "What there is: ammeter list. All commands: ammeter --help.\n",
        name, needed, name,
        strcmp(name, "map") == 0
            ? "  ammeter map amp-homogeneous --x batch=16,32,64"
            : "  ammeter explain amp-homogeneous --strategy tp=2,pp=4,dp=2,micro-batch=1");
    return AMM_EXIT_INPUT;
}

static void print_help(void)
{
    (void)fputs("usage: ammeter COMMAND [options]\n\n"
                "Finds the fastest way to train a model on the accelerators you have.\n\n",
                stdout);
    for (size_t k = 0; k < COMMAND_COUNT; k++) {
        (void)printf("  %-9s %s\n", commands[k].name, commands[k].summary);
    }
    (void)fputs(
        "  help      help on a command: ammeter help plan\n\n"
        "  --help, --version\n\n"
        "Exit codes: 0 done, 1 internal failure or output that cannot be written,\n"
        "2 usage or invalid input, 3 backend or device not available, 4 no feasible plan,\n"
        "130 interrupted. Results go to standard output, everything else to standard error.\n",
        stdout);
}

static void print_version(FILE *out, struct argp_state *state)
{
    (void)state;
    (void)fprintf(out, "ammeter %s\ncommit %s\nbackends cpu/ref, cpu/simd\n", amm_version(),
                  amm_commit());
}

/* `ammeter help X` is `ammeter X --help`. */
static int help(int argc, char **argv)
{
    char option[] = "--help";
    char *forged[] = { argv[0], option, NULL };
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help();
        return AMM_EXIT_OK;
    }
    const command *found = find_command(argv[1]);
    return found == NULL ? unknown_command(argv[1]) : found->run(2, forged);
}

/* ---- process --------------------------------------------------------------------------------- */

/* What argp printed may not have arrived either. */
static void close_stdout(void)
{
    if (ferror(stdout) != 0 || fflush(stdout) != 0) {
        amm_cli_end_on_closed_pipe();
        (void)fprintf(stderr, "ammeter: standard output: cannot be written: %s\n", strerror(errno));
        _exit(AMM_EXIT_FAILURE);
    }
}

/* With a standard stream closed, the next file would get its number: results would go into it. What
 * takes its place cannot be used in that direction, so that a use is still an error. */
static void fill_standard_streams(void)
{
    for (int file = 0; file <= 2; file++) {
        if (fcntl(file, F_GETFD) == -1 && errno == EBADF) {
            (void)open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY);
        }
    }
}

int main(int argc, char **argv)
{
    argp_err_exit_status = AMM_EXIT_INPUT;
    argp_program_version_hook = print_version;
    fill_standard_streams();
    (void)signal(SIGPIPE, SIG_IGN); /* a file is still written when standard output is closed */
    (void)atexit(close_stdout);
    if (argc < 2) {
        return amm_cli_short_usage("plan");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "-?") == 0) {
        print_help();
        return AMM_EXIT_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        print_version(stdout, NULL);
        return AMM_EXIT_OK;
    }
    if (strcmp(name, "help") == 0) {
        return help(argc - 1, argv + 1);
    }
    if (name[0] == '-') {
        return amm_cli_usage_error("unknown option '%.64s'; the command comes first: ammeter "
                                   "COMMAND [options], see ammeter --help",
                                   name);
    }
    const command *found = find_command(name);
    return found == NULL ? unknown_command(name) : found->run(argc - 1, argv + 1);
}
