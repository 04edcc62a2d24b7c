/* The options, in tables that commands put together: what they are called, what they do, and where
 * their values go. --help is made from them. */
#ifndef AMM_CLI_OPTIONS_H
#define AMM_CLI_OPTIONS_H

#include "cli.h"

/* Options that set a part of the problem: option, key of amm_spec_set. */
#define AMM_CLI_KEY_LIST(X)                                                                        \
    X(MODEL, "model")                                                                              \
    X(CLUSTER, "cluster")                                                                          \
    X(RUNTIME, "runtime")                                                                          \
    X(PROFILE, "profile")                                                                          \
    X(PRECISION, "precision")                                                                      \
    X(GLOBAL_BATCH, "global_batch")                                                                \
    X(SEQ_LEN, "seq_len")                                                                          \
    X(COST_MODEL, "cost_model")                                                                    \
    X(MEMORY_MARGIN, "memory_margin")                                                              \
    X(TP, "tp")                                                                                    \
    X(PP, "pp")                                                                                    \
    X(DP, "dp")                                                                                    \
    X(MICRO_BATCH, "micro_batch")                                                                  \
    X(CP, "cp")                                                                                    \
    X(EP, "ep")                                                                                    \
    X(ETP, "etp")                                                                                  \
    X(VPP, "vpp")                                                                                  \
    X(RECOMPUTE, "recompute")                                                                      \
    X(SHARDING, "sharding")                                                                        \
    X(SCHEDULE, "schedule")                                                                        \
    X(SEQUENCE_PARALLEL, "sequence_parallel")                                                      \
    X(CP_COMM, "cp_comm")                                                                          \
    X(TP_OVERLAP, "tp_overlap")                                                                    \
    X(DP_OVERLAP, "dp_overlap")                                                                    \
    X(EP_OVERLAP, "ep_overlap")                                                                    \
    X(DISPATCHER, "dispatcher")                                                                    \
    X(GRAPHS, "graphs")                                                                            \
    X(SHARD_GROUP, "shard_group")                                                                  \
    X(ATTENTION, "attention")                                                                      \
    X(FUSED_NORM, "fused_norm")                                                                    \
    X(SPACE, "space")

enum {
#define AMM_CLI_KEY_ENUM(name, key) AMM_CLI_KEY_##name,
    AMM_CLI_KEY_LIST(AMM_CLI_KEY_ENUM)
#undef AMM_CLI_KEY_ENUM
        AMM_CLI_KEY_COUNT
};

/* Groups of options that a command may offer. */
enum {
    AMM_CLI_PROBLEM = 1,   /* PROBLEM and its parts */
    AMM_CLI_SPACE = 2,     /* which layouts the search may use */
    AMM_CLI_SEARCH = 4,    /* backend, top, threads … */
    AMM_CLI_STRATEGY = 8,  /* the strategies to explain */
    AMM_CLI_RESULT = 16,   /* --no-run-info */
    AMM_CLI_LINE = 32,     /* --line */
    AMM_CLI_VALIDATE = 64, /* --predictions, --source, --by */
    AMM_CLI_MAP = 128,     /* --x, --y, --points, --csv, --break-even */
    AMM_CLI_ENGINE = 256,  /* --backend LIST */
    AMM_CLI_VERIFY = 512,  /* --candidates, --threads, --seed */
    AMM_CLI_BENCH = 1024   /* --threads LIST, --quick */
};

/* What was asked for. Pointers are into argv. */
typedef struct amm_cli_options {
    const char *arguments[2]; /* positional */
    int argument_count, argument_limit;
    const char *values[AMM_CLI_KEY_COUNT]; /* NULL: not given */
    amm_plan_options plan;
    const char **strategies; /* owned: amm_cli_options_free */
    size_t strategy_count;
    const char *tp_term;                   /* NULL, "profile" or "explicit" */
    const char *trace, *checkpoint;        /* NULL: none */
    const char *output;                    /* "-": standard output */
    const char *predictions, *source, *by; /* NULL: not given */
    amm_map_options map;
    bool points_for_each;         /* map.points has both; else the first is for every range */
    const char *csv, *break_even; /* NULL: not given */
    const char *backends;         /* NULL: not given */
    const char *thread_list;      /* NULL: not given */
    uint64_t candidates;          /* 0: not given */
    bool json, no_run_info, line, progress, quiet, verbose, quick;
} amm_cli_options;

/* What a command takes. */
typedef struct amm_cli_command {
    const char *name;      /* "ammeter plan" */
    const char *arguments; /* "[PROBLEM]", or NULL */
    const char *doc;       /* argp's: before the options, then \v, then what comes after them */
    int groups;            /* of AMM_CLI_PROBLEM … */
    int argument_limit;
} amm_cli_command;

/* Reads the command line; prints help or version and exits where asked to, and exits with
 * AMM_EXIT_INPUT on a mistake, AMM_EXIT_FAILURE where an output cannot be written. */
void amm_cli_options_read(amm_cli_options *out, const amm_cli_command *command, int argc,
                          char **argv);
void amm_cli_options_free(amm_cli_options *options);

/* A part of a problem was given by an option. */
bool amm_cli_options_have_problem(const amm_cli_options *options);

/* The problem that was asked for; the first argument is its name. Prints the message of a failure
 * and returns its exit code. */
int amm_cli_options_spec(amm_spec **out, amm_context *context, const amm_cli_options *options);

/* The whole of a command that reads its options and a problem and does `run` with them. */
int amm_cli_with_spec(int argc, char **argv, const amm_cli_command *command,
                      int (*run)(amm_context *, const amm_spec *, const amm_cli_options *));

/* Writes a result as asked for. `details`: the long table. Returns an exit code. */
int amm_cli_options_result(const amm_cli_options *options, amm_context *context,
                           const amm_result *result, bool details);

#endif
