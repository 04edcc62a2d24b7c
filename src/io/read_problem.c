#include "describe/check.h"
#include "io/read.h"

#include <stdio.h>
#include <string.h>

static const char *const dim_keys[AMM_DIM_COUNT] = {
#define AMM_DIM_KEY(name, key, ...) key,
    AMM_DIM_LIST(AMM_DIM_KEY)
#undef AMM_DIM_KEY
};

/* [1, 2, 4], "1,2,4" or "1..8". */
static amm_status read_item(const amm_value *item, amm_dim dim, int64_t *out)
{
    const char *word = NULL;
    char digits[24];
    if (!amm_dim_has_words(dim)) {
        return amm_value_integer(item, out, 1, AMM_MAX_BATCH);
    }
    if (dim >= AMM_DIM_FIRST_CHOICE &&
        amm_value_is_number(item)) { /* 0 and 1 of a switch, a group of 8 */
        AMM_TRY(amm_value_integer(item, out, 0, AMM_MAX_BATCH));
        (void)snprintf(digits, sizeof digits, "%lld", (long long)*out);
        word = digits;
    } else {
        AMM_TRY(amm_value_text(item, &word, AMM_MAX_NAME));
    }
    return amm_dim_value_parse(out, dim, word, strlen(word))
               ? AMM_OK
               : amm_value_refuse(item, NULL, "unknown, got \"%s\", allowed %s", word,
                                  amm_dim_words(dim));
}

static amm_status read_list(const amm_value *value, amm_dim dim, amm_list *out)
{
    amm_arena *arena = value->document->reader->arena;
    const char *text = NULL;
    char where[AMM_WHERE_CHARS];
    int32_t count = 0;
    if (amm_value_is_string(value)) {
        AMM_TRY(amm_value_text(value, &text, AMM_MAX_SOURCE));
        amm_value_where(where, value, NULL);
        return amm_dim_list_parse(arena, out, dim, text, where);
    }
    AMM_TRY(amm_value_count(value, &count, AMM_MAX_LIST));
    if (count == 0) {
        return amm_value_refuse(value, NULL, "empty: leave the key out to allow everything");
    }
    int64_t *values = amm_arena_alloc(arena, (size_t)count, sizeof *values);
    if (values == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_value item;
    int32_t i = 0;
    for (bool ok = amm_value_first(value, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(read_item(&item, dim, &values[i++]));
    }
    amm_list_finish(out, values, count);
    return AMM_OK;
}

static amm_status read_space(const amm_value *value, amm_space *space)
{
    const char *keys[AMM_DIM_COUNT + 2] = { NULL };
    amm_value field;
    const char *word = NULL;
    if (amm_value_is_string(value)) { /* the whole space of what is given elsewhere */
        AMM_TRY(amm_value_text(value, &word, AMM_MAX_NAME));
        return amm_space_word_parse(space, word)
                   ? AMM_OK
                   : amm_value_refuse(value, NULL,
                                      "got \"%s\", allowed launchable, full or an object", word);
    }
    memcpy(keys, dim_keys, sizeof dim_keys);
    keys[AMM_DIM_COUNT] = "full";
    AMM_TRY(amm_value_keys(value, keys));
    for (int d = 0; d < AMM_DIM_COUNT; d++) {
        if (amm_field(value, dim_keys[d], &field)) {
            AMM_TRY(read_list(&field, (amm_dim)d, &space->dims[d]));
        }
    }
    return amm_field_bool(value, "full", &space->full);
}

static amm_status read_mix(const amm_value *value, amm_problem_desc *problem)
{
    amm_reader *r = value->document->reader;
    amm_value item;
    AMM_TRY(amm_value_keys(value, NULL));
    amm_mix_entry *mix = amm_arena_alloc(r->arena, AMM_MAX_DEVICE_TYPES, sizeof *mix);
    if (mix == NULL) {
        return AMM_NO_MEMORY;
    }
    for (bool ok = amm_value_first(value, &item); ok; ok = amm_value_next(&item)) {
        if (problem->mix_count == AMM_MAX_DEVICE_TYPES) {
            return amm_value_refuse(value, NULL, "too many devices, allowed %d",
                                    AMM_MAX_DEVICE_TYPES);
        }
        amm_mix_entry *entry = &mix[problem->mix_count++];
        AMM_TRY(amm_value_number(&item, &entry->weight));
        if (!(entry->weight > 0 && entry->weight <= 1)) {
            return amm_value_refuse(&item, NULL, "out of range, got %g, allowed above 0 to 1",
                                    entry->weight);
        }
        AMM_TRY(amm_device_canonical(r, &entry->device, item.key));
        for (const amm_mix_entry *other = mix; other < entry; other++) {
            if (strcmp(other->device, entry->device) == 0) {
                return amm_value_refuse(&item, NULL, "device \"%s\" given twice", entry->device);
            }
        }
    }
    problem->mix = mix;
    return AMM_OK;
}

static amm_status read_cost_model(const amm_value *value, amm_cost_model *out)
{
    amm_value field;
    const char *word = NULL;
    if (!amm_field(value, "cost_model", &field)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_text(&field, &word, AMM_MAX_NAME));
    if (!amm_cost_model_parse(out, word)) {
        return amm_value_refuse(
            &field, NULL, "unknown cost model, got \"%s\", allowed default, amp-reference", word);
    }
    return AMM_OK;
}

static amm_status read_parts(const amm_value *value, amm_problem_desc *problem)
{
    const struct {
        const char *key;
        amm_preset_kind kind;
        void *out;
    } parts[] = { { "model", AMM_PRESET_MODEL, (void *)&problem->model },
                  { "cluster", AMM_PRESET_CLUSTER, (void *)&problem->cluster },
                  { "runtime", AMM_PRESET_RUNTIME, (void *)&problem->runtime },
                  { "profile", AMM_PRESET_PROFILE, (void *)&problem->profile } };
    amm_value field;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (amm_field(value, parts[i].key, &field)) {
            AMM_TRY(amm_read_part(&field, parts[i].kind, parts[i].out));
        }
    }
    if (amm_field(value, "space", &field)) {
        AMM_TRY(read_space(&field, &problem->space));
    }
    return amm_field(value, "profile_mix", &field) ? read_mix(&field, problem) : AMM_OK;
}

amm_status amm_read_problem_value(const amm_value *value, void *out)
{
    static const char *const keys[] = { "format",     "version",       "name",         "source",
                                        "model",      "cluster",       "runtime",      "profile",
                                        "space",      "precision",     "global_batch", "seq_len",
                                        "cost_model", "memory_margin", "profile_mix",  NULL };
    amm_problem_desc *problem = out;
    const char *source = NULL; /* for readers of the file only */
    AMM_TRY(amm_value_description(value, "ammeter-problem", keys));
    memset(problem, 0, sizeof *problem);
    AMM_TRY(amm_value_name(value, &problem->name, &source));
    AMM_TRY(amm_field_text(value, "precision", false, AMM_MAX_NAME, &problem->precision));
    AMM_TRY(
        amm_field_integer(value, "global_batch", false, 1, AMM_MAX_BATCH, &problem->global_batch));
    AMM_TRY(amm_field_integer(value, "seq_len", false, 1, INT32_MAX, &problem->seq_len));
    AMM_TRY(amm_field_number(value, "memory_margin", false, &problem->memory_margin));
    if (!(problem->memory_margin >= 0 && problem->memory_margin < 1)) {
        return amm_value_refuse(value, "memory_margin",
                                "out of range, got %g, allowed 0 to below 1",
                                problem->memory_margin);
    }
    AMM_TRY(read_cost_model(value, &problem->cost_model));
    AMM_TRY(read_parts(value, problem));
    if (problem->precision == NULL && problem->profile != NULL) {
        problem->precision = "fp16"; /* what version 1 began with; without a profile bf16 */
    }
    return amm_problem_resolve(problem, value->document->reader->arena);
}
