/* The command: a thin client of the public interface. One file per command, a table in main.c. */
#ifndef AMM_CLI_CLI_H
#define AMM_CLI_CLI_H

#include <ammeter/ammeter.h>
#include <stdbool.h>
#include <stddef.h>

/* Exit codes, as docs/cli.md promises them. */
enum {
    AMM_EXIT_OK = 0,
    AMM_EXIT_FAILURE = 1, /* internal, or output that cannot be written */
    AMM_EXIT_INPUT = 2,   /* usage or invalid input */
    AMM_EXIT_UNAVAILABLE = 3,
    AMM_EXIT_NO_PLAN = 4,
    AMM_EXIT_INTERRUPTED = 130
};

/* Each command gets its own name as argv[0] and returns the exit code. */
int amm_cli_plan(int argc, char **argv);
int amm_cli_map(int argc, char **argv);
int amm_cli_explain(int argc, char **argv);
int amm_cli_validate(int argc, char **argv);
int amm_cli_verify(int argc, char **argv);
int amm_cli_bench(int argc, char **argv);
int amm_cli_show(int argc, char **argv);
int amm_cli_list(int argc, char **argv);
int amm_cli_doctor(int argc, char **argv);

/* Three real examples under the usage of the command `name`, plan, explain or map, to standard
 * error; returns AMM_EXIT_INPUT. */
int amm_cli_short_usage(const char *name);

/* Exit code of a status. */
int amm_cli_exit_code(amm_status status);
/* Prints "ammeter: <message>" of the last failing call; returns its exit code. */
int amm_cli_fail(amm_status status);
/* Prints "ammeter: <message>" for a mistake in the call; returns AMM_EXIT_INPUT. */
int amm_cli_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes `text` to standard output ("-"), on to what standard output or standard error is
 * redirected to, or to a file that appears whole or not at all. Returns an exit code, the message
 * is printed. */
int amm_cli_write(const char *path, const char *text);

/* Standard output or standard error, by any name: what is behind it is never replaced. */
bool amm_cli_is_stream(const char *path);

/* After a failed write to standard output: when nobody reads it any more (head has enough), the
 * process ends as if SIGPIPE had not been ignored. Else does nothing. Reads errno. */
void amm_cli_end_on_closed_pipe(void);

/* Something that a command writes: the option that says where, and its value as amm_cli_write takes
 * it; NULL: not asked for. */
typedef struct amm_cli_output {
    const char *option, *path;
} amm_cli_output;
/* That each of `outputs` [count] can be written, and goes to a place of its own: tried before work
 * that would be lost. Returns an exit code, the message is printed. */
int amm_cli_check_outputs(const amm_cli_output *outputs, size_t count);

/* "model" of "model" or "models"; NULL: no such kind. Static storage. */
const char *amm_cli_kind(const char *word);
/* The index-th kind, NULL past the end. */
const char *amm_cli_kind_at(size_t index);

/* The candidate closest to `word`, NULL when none is close enough to be what was meant. */
const char *amm_cli_nearest(const char *word, const char *const *candidates, size_t count);

#endif
