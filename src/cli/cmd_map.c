#include "options.h"
#include "watch.h"

#include <string.h>

/* Lines of examples stay under 79 columns: longer ones are filled like text. */
static const amm_cli_command command = {
    "ammeter map",
    "[PROBLEM]",
    "The best plan at every point of a grid, and where one strategy gives way to another. An axis "
    "is nic (Gb/s per device), nvlink (GB/s per device), nodes, or batch, with =LOW..HIGH or a "
    "list. The problem need not have what an axis gives."
    "\vExamples:\n"
    "  ammeter map --model llama-3-8b --cluster 2xdgx-h100 \\\n"
    "      --global-batch-size 64 --x nic=50..800\n"
    "  ammeter map --model llama-3-70b --cluster dgx-h100 \\\n"
    "      --x nodes=4,8,16 --y batch=256..1024 --points 5 \\\n"
    "      --csv map.csv --break-even lines.csv\n\n"
    "Exit codes: 0, 1 internal or unwritable output, 2 usage or invalid input, 3 backend not "
    "available, 130 interrupted (the points done are written).",
    AMM_CLI_PROBLEM | AMM_CLI_SPACE | AMM_CLI_MAP,
    1,
};

/* ---- output ---------------------------------------------------------------------------------- */

static int write_text(amm_context *context, const amm_map *map, const char *path,
                      amm_status (*emit)(const amm_map *, char **))
{
    char *text = NULL;
    const amm_status status = emit(map, &text);
    const int code = status == AMM_OK ? amm_cli_write(path, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    return code;
}

/* All of them, whatever becomes of one; the first failure's exit code. */
static int write_outputs(amm_context *context, const amm_map *map, const amm_cli_options *options)
{
    const struct {
        const char *path;
        amm_status (*emit)(const amm_map *, char **);
    } outputs[] = {
        { options->csv, amm_map_csv },
        { options->break_even, amm_map_break_even_csv },
        { options->output, options->json ? amm_map_json : amm_map_table },
    };
    int code = AMM_EXIT_OK;
    for (size_t k = 0; k < sizeof outputs / sizeof outputs[0]; k++) {
        const int one = outputs[k].path != NULL
                            ? write_text(context, map, outputs[k].path, outputs[k].emit)
                            : AMM_EXIT_OK;
        code = code == AMM_EXIT_OK ? one : code;
    }
    return code;
}

/* ---- command --------------------------------------------------------------------------------- */

static bool is_range(const char *axis)
{
    return axis != NULL && strstr(axis, "..") != NULL;
}

/* One number of points is for every range; without one it stays with x, which is told. */
static void spread_points(amm_map_options *grid)
{
    const int32_t points = grid->points[0];
    grid->points[1] = is_range(grid->y) ? points : 0;
    grid->points[0] = is_range(grid->x) || !is_range(grid->y) ? points : 0;
}

static int run(amm_context *context, const amm_spec *spec, const amm_cli_options *options)
{
    amm_map *map = NULL;
    amm_cli_watch watch = amm_cli_watch_begin(options);
    amm_map_options grid = options->map;
    if (!options->points_for_each) {
        spread_points(&grid);
    }
    grid.threads = options->plan.threads;
    grid.backend = options->plan.backend;
    grid.progress = amm_cli_watch_progress;
    grid.payload = &watch;
    const amm_status status = amm_map_create(&map, spec, &grid);
    amm_cli_watch_end(&watch);
    const int failed = status == AMM_OK ? AMM_EXIT_OK : amm_cli_fail(status);
    const int code = map != NULL ? write_outputs(context, map, options) : AMM_EXIT_OK;
    amm_map_free(map);
    return code != AMM_EXIT_OK ? code : failed;
}

int amm_cli_map(int argc, char **argv)
{
    return amm_cli_with_spec(argc, argv, &command, run);
}
