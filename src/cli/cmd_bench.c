#define _GNU_SOURCE
#include "options.h"

static const amm_cli_command command = {
    "ammeter bench",
    NULL,
    "Measures how fast every backend scores candidates, sweeps over all partitions, solves and "
    "bounds configs on synthetic problems, and how fast the search looks at the configs of a large "
    "space, beside ceilings measured on this machine. Results are compared with those of cpu/ref "
    "before anything is timed."
    "\vExamples:\n"
    "  ammeter bench\n"
    "  ammeter bench --backend cpu/ref --threads 1 --quick\n"
    "  ammeter bench --json -o bench.json\n\n"
    "Exit codes: 0, 1 a backend has other results (or internal or unwritable output), 2 usage, 3 a "
    "backend asked for is not here, or takes none of the numbers of threads.",
    AMM_CLI_ENGINE | AMM_CLI_BENCH,
    0,
};

int amm_cli_bench(int argc, char **argv)
{
    amm_cli_options options;
    amm_bench_options bench = AMM_BENCH_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_bench *figures = NULL;
    char *text = NULL;
    amm_cli_options_read(&options, &command, argc, argv);
    bench.backends = options.backends;
    bench.threads = options.thread_list;
    bench.quick = options.quick;
    amm_status status = amm_context_create(&context, NULL);
    if (status == AMM_OK) {
        status = amm_bench_run(&figures, context, &bench);
    }
    if (status == AMM_OK) {
        status = amm_bench_text(figures, &text, options.json);
    }
    const int code = status == AMM_OK ? amm_cli_write(options.output, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    amm_bench_free(figures);
    amm_context_free(context);
    amm_cli_options_free(&options);
    return code;
}
