#define _GNU_SOURCE /* open_memstream */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

static const amm_cli_command command = {
    "ammeter list",
    "[KIND]",
    "Lists the presets: the kinds with their numbers, or the names of one kind, one a line. KIND "
    "is "
    "model(s), device(s), cluster(s), runtime(s), profile(s) or problem(s)."
    "\vExit codes: 0, 1 internal or unwritable output, 2 usage.",
    0,
    1,
};

static void list_text(FILE *out, const char *only)
{
    const char *kind;
    for (size_t k = 0; (kind = amm_cli_kind_at(k)) != NULL; k++) {
        int32_t count = 0;
        for (; amm_preset(kind, count) != NULL; count++) {
            if (kind == only) {
                (void)fprintf(out, "%s\n", amm_preset(kind, count));
            }
        }
        if (only == NULL) {
            (void)fprintf(out, "%3d %ss\n", count, kind);
        }
    }
}

/* Names of presets are file names of the project: nothing in them needs escaping. */
static void list_json(FILE *out, const char *only)
{
    const char *kind;
    const char *separator = "";
    (void)fputs("{\n  \"format\": \"ammeter-list\",\n  \"version\": 1,\n  \"presets\": {", out);
    for (size_t k = 0; (kind = amm_cli_kind_at(k)) != NULL; k++) {
        if (only != NULL && kind != only) {
            continue;
        }
        (void)fprintf(out, "%s\n    \"%s\": [", separator, kind);
        separator = ",";
        for (int32_t n = 0; amm_preset(kind, n) != NULL; n++) {
            (void)fprintf(out, "%s\"%s\"", n > 0 ? ", " : "", amm_preset(kind, n));
        }
        (void)fputc(']', out);
    }
    (void)fputs("\n  }\n}\n", out);
}

int amm_cli_list(int argc, char **argv)
{
    amm_cli_options options;
    const char *only = NULL;
    char *text = NULL;
    size_t size = 0;
    amm_cli_options_read(&options, &command, argc, argv);
    if (options.argument_count > 0) {
        only = amm_cli_kind(options.arguments[0]);
        if (only == NULL) {
            return amm_cli_usage_error(
                "list: kind: got '%.64s', allowed models, devices, clusters, "
                "runtimes, profiles, problems",
                options.arguments[0]);
        }
    }
    FILE *memory = open_memstream(&text, &size);
    if (memory != NULL) {
        (options.json ? list_json : list_text)(memory, only);
    }
    if (memory == NULL || fclose(memory) != 0) {
        (void)fputs("ammeter: out of memory\n", stderr);
        free(text);
        return AMM_EXIT_FAILURE;
    }
    const int code = amm_cli_write(options.output, text);
    free(text);
    return code;
}
