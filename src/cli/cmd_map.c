#include "options.h"
#include "watch.h"

static const amm_cli_command command = {
    "ammeter map",
    "[PROBLEM]",
    "The best plan at every point of a grid, and where one strategy gives way to another. An axis "
    "is "
    "nic (Gb/s per device), nvlink (GB/s per device), nodes, or batch, with =LOW..HIGH or a list."
    "\vExamples:\n"
    "  ammeter map --model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64 --x nic=50..800\n"
    "  ammeter map --model llama-3-70b --cluster 8xdgx-h100 --global-batch-size 1024 \\\n"
    "      --x nic=100..1600 --y nodes=4,8,16,32 --csv map.csv --break-even lines.csv\n\n"
    "Exit codes: 0, 1 internal or unwritable output, 2 usage or invalid input, 3 backend not "
    "available, 130 interrupted (the points done are written).",
    AMM_CLI_PROBLEM | AMM_CLI_SPACE | AMM_CLI_MAP,
    1,
};

static int write_text(amm_context *context, const amm_map *map, const char *path,
                      amm_status (*emit)(const amm_map *, char **))
{
    char *text = NULL;
    const amm_status status = emit(map, &text);
    const int code = status == AMM_OK ? amm_cli_write(path, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    return code;
}

static int write_all(amm_context *context, const amm_map *map, const amm_cli_options *options)
{
    int code = AMM_EXIT_OK;
    if (options->csv != NULL) {
        code = write_text(context, map, options->csv, amm_map_csv);
    }
    if (code == AMM_EXIT_OK && options->break_even != NULL) {
        code = write_text(context, map, options->break_even, amm_map_break_even_csv);
    }
    if (code == AMM_EXIT_OK) {
        code =
            write_text(context, map, options->output, options->json ? amm_map_json : amm_map_table);
    }
    return code;
}

static int run(amm_context *context, const amm_spec *spec, const amm_cli_options *options)
{
    amm_map *map = NULL;
    amm_cli_watch watch = amm_cli_watch_begin(options);
    amm_map_options grid = options->map;
    grid.threads = options->plan.threads;
    grid.backend = options->plan.backend;
    grid.progress = amm_cli_watch_progress;
    grid.payload = &watch;
    const amm_status status = amm_map_create(&map, spec, &grid);
    amm_cli_watch_end(&watch);
    int code = map != NULL ? write_all(context, map, options) : AMM_EXIT_OK;
    if (code == AMM_EXIT_OK && status != AMM_OK) {
        code = amm_cli_fail(status);
    }
    amm_map_free(map);
    return code;
}

int amm_cli_map(int argc, char **argv)
{
    return amm_cli_with_spec(argc, argv, &command, run);
}
