#include "search/result.h"

#include "io/io.h"
#include <string.h>

/* What trains on clusters of today unless something else is said. */
#define DEFAULT_RUNTIME "megatron-core"

/* What a problem without a profile needs besides: the constants of its device. Without a runtime it
 * takes the usual one; a profile given later takes it away again, as its times belong to a runtime that has to be named. */
static amm_status complete(amm_problem_desc *problem, bool *assumed, amm_arena *arena)
{
    amm_reader reader = { .context = arena->context, .arena = arena, .hash = AMM_HASH_START };
    const bool measured = problem->profile != NULL || problem->cost_model != AMM_COST_DEFAULT;
    if (*assumed && measured) {
        problem->runtime = NULL;
        *assumed = false;
    }
    if (problem->runtime == NULL && !measured && problem->model != NULL &&
        problem->cluster != NULL) {
        *assumed = true;
        AMM_TRY(amm_get_runtime(&reader, &problem->runtime, DEFAULT_RUNTIME, "runtime"));
    }
    problem->constants = NULL;
    if (measured || problem->cluster == NULL || problem->cluster->types[0]->constants_of == NULL) {
        return AMM_OK;
    }
    return amm_get_device(&reader, &problem->constants, problem->cluster->types[0]->constants_of,
                          "constants_of");
}

amm_status amm_spec_create(amm_spec **out, amm_context *context, const char *problem)
{
    *out = NULL;
    amm_spec *spec = amm_alloc(context, 1, sizeof *spec);
    if (spec == NULL) {
        return AMM_NO_MEMORY;
    }
    spec->context = context;
    amm_arena_init(&spec->arena, context);
    amm_reader reader = { .context = context, .arena = &spec->arena, .hash = AMM_HASH_START };
    amm_status status =
        problem == NULL ? AMM_OK : amm_get_problem(&reader, &spec->problem, problem, "problem");
    spec->hash = reader.hash;
    spec->file = "problem";
    if (status == AMM_OK && problem != NULL) {
        spec->given = amm_arena_copy(&spec->arena, problem, strlen(problem));
        status = spec->given == NULL ? AMM_NO_MEMORY : AMM_OK;
    }
    if (spec->given != NULL && problem[strspn(problem, " \t\r\n")] != '{') {
        spec->file = spec->given;
    }
    if (status == AMM_OK) {
        status = complete(&spec->problem, &spec->runtime_assumed, &spec->arena);
    }
    if (status != AMM_OK) {
        amm_spec_free(spec);
        return status;
    }
    *out = spec;
    return AMM_OK;
}

void amm_spec_free(amm_spec *spec)
{
    if (spec != NULL) {
        amm_arena_free(&spec->arena);
        amm_release(spec->context, spec);
    }
}

/* ---- one key at a time ----------------------------------------------------------------------- */

/* A change in the making: the spec gets `problem` and the reader's hash only when all went well. */
typedef struct change {
    amm_problem_desc problem;
    amm_reader reader;
    const char *key, *value;
} change;

static amm_status set_model(change *c, amm_dim unused)
{
    (void)unused;
    return amm_get_model(&c->reader, &c->problem.model, c->value, c->key);
}

static amm_status set_cluster(change *c, amm_dim unused)
{
    (void)unused;
    return amm_get_cluster(&c->reader, &c->problem.cluster, c->value, c->key);
}

static amm_status set_runtime(change *c, amm_dim unused)
{
    (void)unused;
    return amm_get_runtime(&c->reader, &c->problem.runtime, c->value, c->key);
}

static amm_status set_profile(change *c, amm_dim unused)
{
    (void)unused;
    return amm_get_profile(&c->reader, &c->problem.profile, c->value, c->key);
}

static amm_status set_precision(change *c, amm_dim unused)
{
    (void)unused;
    const size_t length = strlen(c->value);
    if (length == 0 || length > AMM_MAX_NAME) {
        return amm_fail(AMM_INPUT, "precision: got %zu characters, allowed a label of 1 to %d",
                        length, AMM_MAX_NAME);
    }
    c->problem.precision = amm_arena_copy(c->reader.arena, c->value, length);
    return c->problem.precision == NULL ? AMM_NO_MEMORY : AMM_OK;
}

static amm_status set_count(int64_t *out, const change *c)
{
    int64_t value = 0;
    if (!amm_integer_parse(c->value, &value) || value < 1 || value > AMM_MAX_BATCH) {
        return amm_fail(AMM_INPUT, "%s: got '%.64s', allowed an integer from 1 to %d", c->key,
                        c->value, AMM_MAX_BATCH);
    }
    *out = value;
    return AMM_OK;
}

static amm_status set_global_batch(change *c, amm_dim unused)
{
    (void)unused;
    return set_count(&c->problem.global_batch, c);
}

static amm_status set_seq_len(change *c, amm_dim unused)
{
    (void)unused;
    return set_count(&c->problem.seq_len, c);
}

static amm_status set_cost_model(change *c, amm_dim unused)
{
    (void)unused;
    if (strcmp(c->value, "default") == 0) {
        c->problem.cost_model = AMM_COST_DEFAULT;
    } else if (strcmp(c->value, "amp-reference") == 0) {
        c->problem.cost_model = AMM_COST_AMP_REFERENCE;
    } else {
        return amm_fail(AMM_INPUT, "cost_model: got '%.64s', allowed default, amp-reference",
                        c->value);
    }
    return AMM_OK;
}

static amm_status set_memory_margin(change *c, amm_dim unused)
{
    (void)unused;
    double value = 0.0;
    if (!amm_number_parse(c->value, &value) || value < 0.0 || value >= 1.0) {
        return amm_fail(AMM_INPUT, "memory_margin: got '%.64s', allowed a number in [0, 1)",
                        c->value);
    }
    c->problem.memory_margin = value;
    return AMM_OK;
}

static amm_status set_dim(change *c, amm_dim dim)
{
    return amm_dim_list_parse(c->reader.arena, &c->problem.space.dims[dim], dim, c->value, c->key);
}

static amm_status set_space(change *c, amm_dim unused)
{
    (void)unused;
    return amm_space_word_parse(&c->problem.space, c->value)
               ? AMM_OK
               : amm_fail(AMM_INPUT, "space: got '%.64s', allowed launchable, full", c->value);
}

typedef struct key {
    const char *name;
    amm_status (*set)(change *c, amm_dim dim);
    amm_dim dim;
} key;

/* Parts first: their number is that of AMM_PART_LIST. */
static const key keys[] = {
#define AMM_PART_KEY(word, option) { #word, set_##word, AMM_DIM_COUNT },
    AMM_PART_LIST(AMM_PART_KEY)
#undef AMM_PART_KEY
#define AMM_DIM_KEY(name, key, ...) { key, set_dim, AMM_DIM_##name },
        AMM_DIM_LIST(AMM_DIM_KEY)
#undef AMM_DIM_KEY
};

static const key *find_key(const char *name)
{
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        if (strcmp(keys[k].name, name) == 0) {
            return &keys[k];
        }
    }
    return NULL;
}

/* Texts read from files are in the hash already, wherever the files lie; a value that is no text of
 * its own goes in as typed. */
static uint64_t hash_change(const change *c, uint64_t before)
{
    uint64_t hash = amm_hash(c->reader.hash, c->key, strlen(c->key) + 1);
    if (c->reader.hash == before) {
        hash = amm_hash(hash, c->value, strlen(c->value) + 1);
    }
    return hash;
}

/* ", micro_batch, tp, … " */
#define DIM_WORD(name, key, ...) ", " key
#define DIM_WORDS                AMM_DIM_LIST(DIM_WORD)

amm_status amm_spec_set(amm_spec *spec, const char *name, const char *value)
{
    const key *found = find_key(name);
    if (found == NULL) {
        return amm_fail(AMM_INPUT,
                        "key: got '%.64s', allowed model, cluster, runtime, profile, precision, "
                        "global_batch, seq_len, cost_model, memory_margin, space" DIM_WORDS,
                        name);
    }
    if (value == NULL) {
        return amm_fail(AMM_INPUT, "%s: value missing", name);
    }
    const amm_reader reader = { .context = spec->context,
                                .arena = &spec->arena,
                                .hash = spec->hash };
    change c = { spec->problem, reader, found->name, value };
    bool assumed = spec->runtime_assumed && strcmp(name, "runtime") != 0;
    AMM_TRY(found->set(&c, found->dim));
    AMM_TRY(complete(&c.problem, &assumed, &spec->arena));
    AMM_TRY(amm_problem_resolve(&c.problem, &spec->arena));
    if (found - keys < AMM_PART_COUNT) {
        const char *text = amm_arena_copy(&spec->arena, value, strlen(value));
        if (text == NULL) {
            return AMM_NO_MEMORY;
        }
        spec->parts[found - keys] = text;
    }
    spec->runtime_assumed = assumed;
    spec->problem = c.problem;
    spec->hash = hash_change(&c, spec->hash);
    return AMM_OK;
}

amm_status amm_spec_check(const amm_spec *spec)
{
    return amm_problem_check(&spec->problem, spec->file);
}

amm_status amm_spec_json(const amm_spec *spec, char **out)
{
    amm_text text;
    amm_json json;
    amm_text_init(&text, spec->context);
    amm_json_init(&json, &text, true);
    amm_write_problem(&json, NULL, &spec->problem);
    amm_text_append(&text, "\n");
    return amm_text_take(&text, out);
}

const char *amm_preset(const char *kind, int32_t index)
{
    amm_preset_kind parsed;
    return amm_preset_kind_parse(&parsed, kind) ? amm_preset_name(parsed, index) : NULL;
}
