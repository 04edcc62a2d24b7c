/* The last line of a table: the command that goes on from it. */
#include "emit/emit.h"

#include "io/io.h"

#include <string.h>

/* A word of a POSIX shell: plain where nothing in it has a meaning there, else in single quotes. */
static void emit_word(amm_text *out, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "._-+:,=/@%";
    if (*word != '\0' && strspn(word, plain) == strlen(word)) {
        amm_text_append(out, word);
        return;
    }
    amm_text_append(out, "'");
    for (const char *at = word; *at != '\0'; at++) {
        amm_text_append_bytes(out, *at == '\'' ? "'\\''" : at, *at == '\'' ? 4 : 1);
    }
    amm_text_append(out, "'");
}

/* Every device is the preset of its name: the one-line form says all of the cluster. */
static bool presets_alone(const amm_result *r)
{
    const amm_cluster *cluster = r->spec->problem.cluster;
    bool all = true;
    amm_arena arena;
    amm_arena_init(&arena, r->context);
    amm_reader reader = { .context = r->context, .arena = &arena, .hash = AMM_HASH_START };
    for (int32_t k = 0; k < cluster->type_count && all; k++) {
        const amm_device *type = cluster->types[k];
        const amm_device *preset = NULL;
        all = amm_get_device(&reader, &preset, type->name, "device") == AMM_OK &&
              strcmp(preset->source, type->source) == 0 &&
              preset->memory_bytes == type->memory_bytes &&
              memcmp(preset->peaks, type->peaks, sizeof type->peaks) == 0;
    }
    amm_arena_free(&arena);
    return all;
}

/* The cluster that --min-nodes left. */
static void emit_fewest(amm_text *out, const amm_result *r)
{
    const amm_cluster *cluster = r->spec->problem.cluster;
    amm_text text;
    amm_json j;
    amm_text_init(&text, r->context);
    if (presets_alone(r)) {
        amm_cluster_format_line(&text, cluster);
    } else {
        amm_json_init(&j, &text, false);
        amm_write_cluster(&j, NULL, cluster);
    }
    amm_text_append(out, " --cluster ");
    emit_word(out, text.length > 0 ? text.data : "");
    amm_text_discard(&text);
}

static void emit_parts(amm_text *out, const amm_result *r)
{
    static const char *const options[AMM_PART_COUNT] = {
#define AMM_PART_OPTION(key, option) option,
        AMM_PART_LIST(AMM_PART_OPTION)
#undef AMM_PART_OPTION
    };
    const bool fewer = r->nodes_given > 0 && r->nodes_given > r->spec->problem.cluster->node_count;
    for (int k = 0; k < (int)AMM_PART_COUNT; k++) {
        if (k == (int)AMM_PART_cluster && fewer) {
            emit_fewest(out, r);
        } else if (r->spec->parts[k] != NULL) {
            amm_text_printf(out, " --%s ", options[k]);
            emit_word(out, r->spec->parts[k]);
        }
    }
}

void amm_emit_next(amm_text *out, const amm_result *r)
{
    amm_text strategy;
    if (r->evaluated_only || r->plan_count == 0) {
        return;
    }
    amm_text_init(&strategy, r->context);
    amm_emit_strategy(&strategy, &r->spec->problem, &r->plans[0].config);
    amm_text_append(&strategy, r->annealed ? ",tp-term=explicit" : "");
    amm_emit_heading(out, "next");
    amm_text_append(out, "ammeter explain");
    if (r->spec->given != NULL) {
        amm_text_append(out, " ");
        emit_word(out, r->spec->given);
    }
    emit_parts(out, r);
    amm_text_append(out, " --strategy ");
    emit_word(out, strategy.length > 0 ? strategy.data : "");
    amm_text_discard(&strategy);
    amm_text_append(out, "\n");
    if (amm_spec_is_preset(r->spec, true)) {
        amm_emit_heading(out, "");
        amm_text_printf(out, "ammeter plan %s --top all --json -o plans.json\n",
                        r->spec->problem.name);
    }
}
