#define _GNU_SOURCE /* argp */
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables ---------------------------------------------------------------------------------- */

/* Options without a short form; the first ones are the keys of amm_spec_set. */
enum {
    OPTION_KEY = 256,
    OPTION_BACKEND = OPTION_KEY + AMM_CLI_KEY_COUNT,
    OPTION_TOP,
    OPTION_THREADS,
    OPTION_SEED,
    OPTION_SEARCH,
    OPTION_PROGRESS,
    OPTION_MIN_NODES,
    OPTION_PARTITIONS,
    OPTION_DRAWS,
    OPTION_CHECKPOINT,
    OPTION_RESUME,
    OPTION_STRATEGY,
    OPTION_TP_TERM,
    OPTION_TRACE,
    OPTION_JSON,
    OPTION_NO_RUN_INFO,
    OPTION_LINE,
    OPTION_PREDICTIONS,
    OPTION_SOURCE,
    OPTION_BY,
    OPTION_X,
    OPTION_Y,
    OPTION_POINTS,
    OPTION_CSV,
    OPTION_BREAK_EVEN,
    OPTION_BACKENDS,
    OPTION_CANDIDATES,
    OPTION_THREAD_LIST,
    OPTION_QUICK
};

#define KEY(name) (OPTION_KEY + AMM_CLI_KEY_##name)
#define HEADER(text)                                                                               \
    {                                                                                              \
        NULL, 0, NULL, 0, text, 0                                                                  \
    }
#define OPTION(name, key, value, doc)                                                              \
    {                                                                                              \
        name, key, value, 0, doc, 0                                                                \
    }
#define ALIAS(name, key)                                                                           \
    {                                                                                              \
        name, key, NULL, OPTION_ALIAS, NULL, 0                                                     \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, 0, NULL, 0, NULL, 0                                                                  \
    }

static const struct argp_option problem_options[] = {
    HEADER("The problem (default: what PROBLEM says):"),
    OPTION("model", KEY(MODEL), "MODEL", "Model: preset, file, or JSON"),
    OPTION("cluster", KEY(CLUSTER), "CLUSTER",
           "Cluster: preset, file, JSON, or a line like 4xnode:4xT4,intra=50gbit,inter=50gbit"),
    OPTION("runtime", KEY(RUNTIME), "RUNTIME", "Training software: preset, file, or JSON"),
    OPTION("profile", KEY(PROFILE), "PROFILE", "Measured layer times: preset, file, or JSON"),
    OPTION("precision", KEY(PRECISION), "NAME",
           "Number format: fp32, tf32, fp16, bf16 (default), fp8, mxfp8, nvfp4; with a profile a "
           "label"),
    OPTION("global-batch-size", KEY(GLOBAL_BATCH), "N", "Samples per optimizer step"),
    OPTION("seq-length", KEY(SEQ_LEN), "N", "Tokens per sample (default: the model's)"),
    OPTION("cost-model", KEY(COST_MODEL), "NAME",
           "default, or amp-reference: what the AMP reference code computes"),
    OPTION("memory-margin", KEY(MEMORY_MARGIN), "SHARE",
           "Share of each device's memory to leave free, [0, 1) (default 0)"),
    OPTION("space", KEY(SPACE), "NAME",
           "launchable (default): what the runtime can start; full: everything that can be timed"),
    END,
};

static const struct argp_option space_options[] = {
    HEADER("What the search may use, as a LIST 1,2,4 or a RANGE 1..8 (default: every divisor):"),
    OPTION("tp", KEY(TP), "LIST", "Tensor-parallel degrees"),
    ALIAS("tensor-model-parallel-size", KEY(TP)),
    OPTION("pp", KEY(PP), "LIST", "Pipeline stages"),
    ALIAS("pipeline-model-parallel-size", KEY(PP)),
    OPTION("dp", KEY(DP), "LIST", "Data-parallel degrees"),
    ALIAS("data-parallel-size", KEY(DP)),
    OPTION("micro-batch", KEY(MICRO_BATCH), "LIST", "Samples per micro-batch"),
    ALIAS("micro-batch-size", KEY(MICRO_BATCH)),
    HEADER("Without a profile also (default: what the runtime launches):"),
    OPTION("cp", KEY(CP), "LIST", "Context-parallel degrees"),
    ALIAS("context-parallel-size", KEY(CP)),
    OPTION("ep", KEY(EP), "LIST", "Expert-parallel degrees"),
    ALIAS("expert-model-parallel-size", KEY(EP)),
    OPTION("etp", KEY(ETP), "LIST", "Tensor-parallel degrees of experts (default 1)"),
    ALIAS("expert-tensor-parallel-size", KEY(ETP)),
    OPTION("vpp", KEY(VPP), "LIST", "Chunks of a pipeline stage"),
    ALIAS("num-virtual-stages-per-pipeline-rank", KEY(VPP)),
    OPTION("recompute", KEY(RECOMPUTE), "SETS",
           "What is computed again in the backward pass: none, selective, full, or modules joined "
           "by +; several separated by commas: stages may differ where the runtime starts that; "
           "auto (default): what saves most"),
    ALIAS("recompute-granularity", KEY(RECOMPUTE)),
    OPTION("sharding", KEY(SHARDING), "KINDS",
           "Shared among data-parallel replicas: none, zero1 (optimizer), zero2 (and gradients), "
           "zero3 (and weights)"),
    ALIAS("data-parallel-sharding-strategy", KEY(SHARDING)),
    OPTION("shard-group", KEY(SHARD_GROUP), "LIST",
           "Ranks that share them: all, or a number that divides dp x cp (hybrid sharding)"),
    OPTION("schedule", KEY(SCHEDULE), "KINDS",
           "Order of passes: 1f1b (interleaved where vpp is above 1), gpipe, zb-h1, zb-h2"),
    OPTION("sequence-parallel", KEY(SEQUENCE_PARALLEL), "LIST",
           "Norms and dropouts split along the sequence: off, on"),
    OPTION("cp-comm", KEY(CP_COMM), "LIST",
           "How context ranks share keys and values: p2p (a ring), all_gather, a2a, a2a+p2p"),
    ALIAS("cp-comm-type", KEY(CP_COMM)),
    OPTION("tp-overlap", KEY(TP_OVERLAP), "LIST",
           "Tensor-parallel transfers beside their GEMMs: off, on"),
    ALIAS("tp-comm-overlap", KEY(TP_OVERLAP)),
    OPTION("dp-overlap", KEY(DP_OVERLAP), "LIST",
           "Gradients and weights sent beside compute: off, on"),
    ALIAS("overlap-grad-reduce", KEY(DP_OVERLAP)),
    OPTION("ep-overlap", KEY(EP_OVERLAP), "LIST",
           "Dispatch and combine beside another micro-batch's compute: off, on"),
    ALIAS("overlap-moe-expert-parallel-comm", KEY(EP_OVERLAP)),
    OPTION("dispatcher", KEY(DISPATCHER), "LIST",
           "How tokens reach their experts: alltoall; deepep: one copy per domain"),
    ALIAS("moe-token-dispatcher-type", KEY(DISPATCHER)),
    OPTION("graphs", KEY(GRAPHS), "LIST",
           "CUDA graphs: none, partial (of parts of a layer), full_iteration"),
    OPTION("attention", KEY(ATTENTION), "KERNELS",
           "Attention kernel: torch, fused (scale, mask and softmax), flash1, flash, triton"),
    OPTION("fused-norm", KEY(FUSED_NORM), "LIST", "Norms in one kernel: off, on"),
    END,
};

static const struct argp_option search_options[] = {
    HEADER("The search:"),
    OPTION("backend", OPTION_BACKEND, "NAME", "auto (default), cpu/ref, cpu/simd, cuda"),
    OPTION("top", OPTION_TOP, "K", "Plans to show: a number, or all (default 10)"),
    OPTION("threads", OPTION_THREADS, "N",
           "Threads of cpu/simd, or draws at a time (default: all processors)"),
    OPTION("seed", OPTION_SEED, "N", "Seed of --search anneal and --draws (default 0)"),
    OPTION("search", OPTION_SEARCH, "METHOD",
           "exhaustive (default), or anneal: AMP's annealing, amp-reference only"),
    OPTION("min-nodes", OPTION_MIN_NODES, NULL,
           "Use as few of the cluster's nodes (its first ones) as hold a plan"),
    OPTION("partitions", OPTION_PARTITIONS, "K",
           "Also sweep every partition of the best plan, and show the K best"),
    OPTION(
        "draws", OPTION_DRAWS, "N",
        "Also search under N draws of the fitted constants from what their fit leaves unknown: how "
        "often each plan is the best, and its regret"),
    OPTION("checkpoint", OPTION_CHECKPOINT, "FILE",
           "Keep in FILE, every few seconds, how far --partitions got"),
    OPTION("resume", OPTION_RESUME, "FILE", "Go on from such a FILE"),
    OPTION("progress", OPTION_PROGRESS, NULL,
           "Show progress even where standard error is no terminal"),
    END,
};

static const struct argp_option strategy_options[] = {
    HEADER("The strategies:"),
    OPTION("strategy", OPTION_STRATEGY, "TEXT",
           "tp=2,pp=4,dp=2,micro-batch=1[,stage-layers=8-7-7-8]; degrees left out are 1; may be "
           "given several times. With amp-reference also placement=[[1,2],[1,2]]"),
    OPTION("amp-tp-term", OPTION_TP_TERM, "WHICH",
           "Tensor term of amp-reference's placement path: profile (default) or explicit"),
    OPTION(
        "trace", OPTION_TRACE, "FILE",
        "Write the simulated schedule of the one strategy as a Chrome trace (without a profile)"),
    END,
};

static const struct argp_option result_options[] = {
    HEADER("Output:"),
    OPTION("no-run-info", OPTION_NO_RUN_INFO, NULL,
           "Leave out of the JSON what may differ between equal runs"),
    END,
};

static const struct argp_option line_options[] = {
    HEADER("Output:"),
    OPTION("line", OPTION_LINE, NULL, "A cluster in its one-line form"),
    END,
};

static const struct argp_option validate_options[] = {
    HEADER("What to report:"),
    OPTION("source", OPTION_SOURCE, "ID", "Only the rows of this source_id"),
    OPTION("by", OPTION_BY, "WHAT",
           "source, regime or configuration (default: the tables by source and by regime)"),
    HEADER("Output:"),
    OPTION(
        "predictions", OPTION_PREDICTIONS, "FILE",
        "Write the table with predicted_iter_s, predicted_low_s, predicted_high_s, "
        "predicted_mem_gb, predicted_feasible, regime, assumed, the terms of the time (compute_s, "
        "bubble_s, tp_s, cp_s, ep_s, pp_s, dp_s, optimizer_s, other_s) and reason added to every "
        "row"),
    END,
};

static const struct argp_option map_options[] = {
    HEADER("The grid:"),
    OPTION("x", OPTION_X, "AXIS", "nic, nvlink, nodes or batch with =LOW..HIGH or =A,B,C"),
    OPTION("y", OPTION_Y, "AXIS", "The same, upwards (default: one row)"),
    OPTION("points", OPTION_POINTS, "X[,Y]",
           "Points of LOW..HIGH axes: one number for all (default 100)"),
    OPTION("backend", OPTION_BACKEND, "NAME", "auto (default), cpu/ref, cpu/simd, cuda"),
    OPTION("threads", OPTION_THREADS, "N",
           "Points at a time; a single one has all threads (default: all processors)"),
    OPTION("progress", OPTION_PROGRESS, NULL,
           "Show progress even where standard error is no terminal"),
    HEADER("Output:"),
    OPTION("csv", OPTION_CSV, "FILE", "Write a row per point"),
    OPTION("break-even", OPTION_BREAK_EVEN, "FILE",
           "Write a row per place along x where another strategy gets ahead"),
    END,
};

static const struct argp_option engine_options[] = {
    HEADER("What is looked at:"),
    OPTION("backend", OPTION_BACKENDS, "LIST",
           "Backends, separated by commas: cpu/ref, cpu/simd, cuda (default: all that are here)"),
    END,
};

static const struct argp_option verify_options[] = {
    HEADER("What is looked at:"),
    OPTION("candidates", OPTION_CANDIDATES, "N",
           "Random candidates to score, and partitions to sweep, at least (default 10000000)"),
    OPTION("threads", OPTION_THREADS, "N", "Threads of a backend (default: all processors)"),
    OPTION("seed", OPTION_SEED, "N", "Problem n has the seed N + n (default 0)"),
    END,
};

static const struct argp_option bench_options[] = {
    HEADER("What is looked at:"),
    OPTION("threads", OPTION_THREAD_LIST, "LIST",
           "Numbers of threads, 1,2,4 (default: 1, and all processors)"),
    OPTION("quick", OPTION_QUICK, NULL, "A few seconds in all: figures are rough"),
    END,
};

static const struct argp_option common_options[] = {
    HEADER("Output:"),
    OPTION("json", OPTION_JSON, NULL, "JSON instead of text"),
    OPTION("output", 'o', "FILE",
           "Write to FILE, whole or not at all (- and default: standard "
           "output)"),
    OPTION("quiet", 'q', NULL, "Say nothing but results and errors"),
    OPTION("verbose", 'v', NULL, "Say more"),
    END,
};

/* ---- one option ------------------------------------------------------------------------------ */

/* Digits only: strtoull would take a sign and blanks. */
static bool read_number(const char *text, unsigned long long limit, unsigned long long *out)
{
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0 && *out <= limit;
}

static int32_t read_at_least_1(const char *option, const char *text, const char *most,
                               struct argp_state *state)
{
    unsigned long long value = 0;
    if (!read_number(text, INT32_MAX, &value) || value == 0) {
        argp_error(state, "option --%s: got '%s', allowed 1 %s", option, text, most);
    }
    return (int32_t)value;
}

static int32_t read_count(const char *option, const char *text, struct argp_state *state)
{
    return read_at_least_1(option, text, "or more", state);
}

static const char *read_word(const char *option, const char *text, const char *first,
                             const char *second, struct argp_state *state)
{
    if (strcmp(text, first) != 0 && strcmp(text, second) != 0) {
        argp_error(state, "option --%s: got '%s', allowed %s, %s", option, text, first, second);
    }
    return text;
}

static void add_strategy(amm_cli_options *o, const char *text, struct argp_state *state)
{
    const char **fresh = realloc(o->strategies, (o->strategy_count + 1) * sizeof *o->strategies);
    if (fresh == NULL) {
        argp_failure(state, AMM_EXIT_FAILURE, ENOMEM, "--strategy");
        return;
    }
    o->strategies = fresh;
    o->strategies[o->strategy_count++] = text;
}

static error_t parse_search(int key, char *text, struct argp_state *state, amm_cli_options *o)
{
    unsigned long long value = 0;
    char most[16];
    switch (key) {
    case OPTION_BACKEND:
        o->plan.backend = text;
        return 0;
    case OPTION_TOP:
        o->plan.top = strcmp(text, "all") == 0
                          ? (int32_t)AMM_TOP_ALL
                          : read_at_least_1("top", text, "or more, or all", state);
        return 0;
    case OPTION_THREADS:
        (void)snprintf(most, sizeof most, "to %d", AMM_MAX_THREADS);
        o->plan.threads = read_at_least_1("threads", text, most, state);
        return 0;
    case OPTION_SEED:
        if (!read_number(text, UINT64_MAX, &value)) {
            argp_error(state, "option --seed: got '%s', allowed an integer from 0", text);
        }
        o->plan.seed = value;
        return 0;
    case OPTION_SEARCH:
        text = (char *)read_word("search", text, "exhaustive", "anneal", state);
        o->plan.anneal = strcmp(text, "anneal") == 0;
        return 0;
    case OPTION_PROGRESS:
        o->progress = true;
        return 0;
    case OPTION_MIN_NODES:
        o->plan.min_nodes = 1;
        return 0;
    case OPTION_PARTITIONS:
        o->plan.partitions = read_count("partitions", text, state);
        return 0;
    case OPTION_DRAWS:
        o->plan.draws = read_count("draws", text, state);
        return 0;
    case OPTION_CHECKPOINT:
        o->checkpoint = text;
        return 0;
    case OPTION_RESUME:
        o->plan.resume = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_validate(int key, char *text, struct argp_state *state, amm_cli_options *o)
{
    static const char *const tables[] = { "source", "regime", "configuration" };
    switch (key) {
    case OPTION_PREDICTIONS:
        o->predictions = text;
        return 0;
    case OPTION_SOURCE:
        o->source = text;
        return 0;
    case OPTION_BY:
        for (size_t k = 0; k < sizeof tables / sizeof tables[0]; k++) {
            o->by = strcmp(text, tables[k]) == 0 ? tables[k] : o->by;
        }
        if (o->by == NULL || strcmp(o->by, text) != 0) {
            argp_error(state, "option --by: got '%s', allowed source, regime, configuration", text);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "100" or "100,20" */
static void read_points(amm_cli_options *o, char *text, struct argp_state *state)
{
    char *comma = strchr(text, ',');
    o->map.points[1] = 0;
    if (comma != NULL) {
        *comma = '\0';
        o->map.points[1] = read_count("points", comma + 1, state);
    }
    o->map.points[0] = read_count("points", text, state);
    o->points_for_each = comma != NULL;
}

static error_t parse_map(int key, char *text, struct argp_state *state, amm_cli_options *o)
{
    switch (key) {
    case OPTION_X:
        o->map.x = text;
        return 0;
    case OPTION_Y:
        o->map.y = text;
        return 0;
    case OPTION_POINTS:
        read_points(o, text, state);
        return 0;
    case OPTION_CSV:
        o->csv = text;
        return 0;
    case OPTION_BREAK_EVEN:
        o->break_even = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_engine(int key, char *text, struct argp_state *state, amm_cli_options *o)
{
    unsigned long long value = 0;
    switch (key) {
    case OPTION_BACKENDS:
        o->backends = text;
        return 0;
    case OPTION_CANDIDATES:
        if (!read_number(text, UINT64_MAX, &value) || value == 0) {
            argp_error(state, "option --candidates: got '%s', allowed 1 or more", text);
        }
        o->candidates = value;
        return 0;
    case OPTION_THREAD_LIST:
        o->thread_list = text;
        return 0;
    case OPTION_QUICK:
        o->quick = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_output(int key, char *text, amm_cli_options *o)
{
    switch (key) {
    case OPTION_JSON:
        o->json = true;
        return 0;
    case OPTION_NO_RUN_INFO:
        o->no_run_info = true;
        return 0;
    case OPTION_LINE:
        o->line = true;
        return 0;
    case 'o':
        o->output = text;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case 'v':
        o->verbose = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    amm_cli_options *o = state->input;
    if (key >= OPTION_KEY && key < OPTION_KEY + (int)AMM_CLI_KEY_COUNT) {
        o->values[key - OPTION_KEY] = text;
        return 0;
    }
    if (key == OPTION_STRATEGY) {
        add_strategy(o, text, state);
        return 0;
    }
    if (key == OPTION_TP_TERM) {
        o->tp_term = read_word("amp-tp-term", text, "profile", "explicit", state);
        return 0;
    }
    if (key == OPTION_TRACE) {
        o->trace = text;
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        if (o->argument_count == o->argument_limit) {
            argp_error(state, "unexpected argument '%s'", text);
            return EINVAL;
        }
        o->arguments[o->argument_count++] = text;
        return 0;
    }
    error_t parsed = parse_search(key, text, state, o);
    parsed = parsed == ARGP_ERR_UNKNOWN ? parse_validate(key, text, state, o) : parsed;
    parsed = parsed == ARGP_ERR_UNKNOWN ? parse_map(key, text, state, o) : parsed;
    parsed = parsed == ARGP_ERR_UNKNOWN ? parse_engine(key, text, state, o) : parsed;
    return parsed == ARGP_ERR_UNKNOWN ? parse_output(key, text, o) : parsed;
}

/* ---- putting a command together -------------------------------------------------------------- */

enum { MAX_OPTIONS = 120 };

static const struct {
    int group; /* 0: every command */
    const struct argp_option *options;
} groups[] = {
    { AMM_CLI_PROBLEM, problem_options },   { AMM_CLI_SPACE, space_options },
    { AMM_CLI_STRATEGY, strategy_options }, { AMM_CLI_SEARCH, search_options },
    { AMM_CLI_RESULT, result_options },     { AMM_CLI_LINE, line_options },
    { AMM_CLI_VALIDATE, validate_options }, { AMM_CLI_MAP, map_options },
    { AMM_CLI_ENGINE, engine_options },     { AMM_CLI_VERIFY, verify_options },
    { AMM_CLI_BENCH, bench_options },       { 0, common_options },
};

/* Groups are numbered as they come; one header opens all output options. */
static size_t gather(struct argp_option *out, int wanted)
{
    size_t count = 0;
    int number = 0;
    const char *header = "";
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        if (groups[g].group != 0 && (groups[g].group & wanted) == 0) {
            continue;
        }
        for (const struct argp_option *o = groups[g].options; o->name != NULL || o->doc != NULL;
             o++) {
            if (o->name == NULL) {
                if (strcmp(o->doc, header) == 0) {
                    continue;
                }
                header = o->doc;
                number++;
            }
            out[count] = *o;
            out[count++].group = number;
        }
    }
    const struct argp_option end = END;
    out[count] = end;
    return count;
}

static bool takes_value(const struct argp_option *options, size_t count, int key)
{
    for (size_t k = 0; k < count; k++) {
        if (options[k].key == key && options[k].arg != NULL) {
            return true;
        }
    }
    return false;
}

/* Key of a long option (an unambiguous beginning will do, as for getopt), 0 when none fits. */
static int find_long(const struct argp_option *options, size_t count, const char *name,
                     size_t length)
{
    int found = 0;
    for (size_t k = 0; k < count; k++) {
        if (options[k].name != NULL && strncmp(options[k].name, name, length) == 0) {
            found = options[k].key;
            if (options[k].name[length] == '\0') {
                break;
            }
        }
    }
    return found;
}

static int unknown_option(const struct argp_option *options, size_t count, const char *name,
                          size_t length, const char *command)
{
    const char *names[MAX_OPTIONS + 3] = { "help", "usage", "version" };
    char wanted[64];
    size_t n = 3;
    for (size_t k = 0; k < count; k++) {
        if (options[k].name != NULL) {
            names[n++] = options[k].name;
        }
    }
    (void)snprintf(wanted, sizeof wanted, "%.*s", (int)length, name);
    const char *nearest = amm_cli_nearest(wanted, names, n);
    return amm_cli_usage_error("unknown option '--%s'%s%s%s; see %s --help", wanted,
                               nearest != NULL ? ", did you mean '--" : "",
                               nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "",
                               command);
}

/* argp would only say that an option is unknown; this says which one was meant. */
static void check_names(const struct argp_option *options, size_t count, const char *command,
                        int argc, char **argv)
{
    for (int k = 1; k < argc && strcmp(argv[k], "--") != 0; k++) {
        const char *text = argv[k];
        if (text[0] != '-' || text[1] == '\0') {
            continue;
        }
        if (text[1] != '-') { /* short ones: argp's own message is clear enough */
            k += text[strlen(text) - 1] == 'o' ? 1 : 0;
            continue;
        }
        const char *name = text + 2;
        const size_t length = strcspn(name, "=");
        const int key = find_long(options, count, name, length);
        if (key == 0 && strncmp("help", name, length) != 0 && strncmp("usage", name, length) != 0 &&
            strncmp("version", name, length) != 0) {
            exit(unknown_option(options, count, name, length, command));
        }
        if (name[length] == '\0' && key != 0 && takes_value(options, count, key)) {
            k++;
        }
    }
}

/* Everything that a command writes, whichever it is. */
static int check_outputs(const amm_cli_options *o)
{
    const amm_cli_output outputs[] = {
        { "--checkpoint", o->checkpoint },   { "--trace", o->trace },
        { "--predictions", o->predictions }, { "--csv", o->csv },
        { "--break-even", o->break_even },   { "--output", o->output },
    };
    if (o->checkpoint != NULL && amm_cli_is_stream(o->checkpoint)) { /* replaced at every save */
        return amm_cli_usage_error("checkpoint: got \"%s\", allowed the name of a file",
                                   o->checkpoint);
    }
    return amm_cli_check_outputs(outputs, sizeof outputs / sizeof outputs[0]);
}

void amm_cli_options_read(amm_cli_options *out, const amm_cli_command *command, int argc,
                          char **argv)
{
    struct argp_option options[MAX_OPTIONS + 1];
    const size_t count = gather(options, command->groups);
    const struct argp argp = {
        options, parse, command->arguments, command->doc, NULL, NULL, NULL,
    };
    memset(out, 0, sizeof *out);
    amm_plan_options_init(&out->plan);
    amm_map_options_init(&out->map);
    out->argument_limit = command->argument_limit;
    out->output = "-";
    argv[0] = (char *)command->name;
    check_names(options, count, command->name, argc, argv);
    const error_t error = argp_parse(&argp, argc, argv, 0, NULL, out);
    if (error != 0) {
        exit(amm_cli_usage_error("%s: %s", command->name, strerror(error)));
    }
    const int code = check_outputs(out);
    if (code != AMM_EXIT_OK) {
        exit(code);
    }
}

void amm_cli_options_free(amm_cli_options *options)
{
    free(options->strategies);
    options->strategies = NULL;
    options->strategy_count = 0;
}

/* ---- using them ------------------------------------------------------------------------------ */

bool amm_cli_options_have_problem(const amm_cli_options *options)
{
    bool have = options->argument_count > 0;
    for (int k = 0; k < (int)AMM_CLI_KEY_COUNT; k++) {
        have = have || options->values[k] != NULL;
    }
    return have;
}

int amm_cli_options_spec(amm_spec **out, amm_context *context, const amm_cli_options *options)
{
    static const char *const keys[] = {
#define AMM_CLI_KEY_NAME(name, key) key,
        AMM_CLI_KEY_LIST(AMM_CLI_KEY_NAME)
#undef AMM_CLI_KEY_NAME
    };
    const char *problem = options->argument_count > 0 ? options->arguments[0] : NULL;
    amm_status status = amm_spec_create(out, context, problem);
    for (int k = 0; k < (int)AMM_CLI_KEY_COUNT && status == AMM_OK; k++) {
        if (options->values[k] != NULL) {
            status = amm_spec_set(*out, keys[k], options->values[k]);
        }
    }
    if (status != AMM_OK) {
        const int code = amm_cli_fail(status);
        amm_spec_free(*out);
        *out = NULL;
        return code;
    }
    return AMM_EXIT_OK;
}

int amm_cli_options_result(const amm_cli_options *options, amm_context *context,
                           const amm_result *result, bool details)
{
    char *text = NULL;
    const int flags = options->no_run_info ? (int)AMM_RESULT_NO_RUN_INFO : 0;
    const amm_status status = options->json ? amm_result_json(result, &text, flags)
                                            : amm_result_table(result, &text, details);
    const int code = status == AMM_OK ? amm_cli_write(options->output, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    return code;
}

int amm_cli_with_spec(int argc, char **argv, const amm_cli_command *command,
                      int (*run)(amm_context *, const amm_spec *, const amm_cli_options *))
{
    amm_cli_options options;
    amm_context *context = NULL;
    amm_spec *spec = NULL;
    amm_cli_options_read(&options, command, argc, argv);
    if (!amm_cli_options_have_problem(&options)) {
        return amm_cli_short_usage(strchr(command->name, ' ') + 1);
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
