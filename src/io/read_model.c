#include "describe/check.h"
#include "io/read.h"

#include <string.h>

static const char *const model_keys[] = { "format",        "version", "name",
                                          "source",        "seq_len", "prediction_layers",
                                          "amp_reference", "layers",  NULL };

/* Keys that every layer may have. */
#define COMMON "kind", "name", "count", "hidden", "tokens", "out_elements", "out_sharded"

static const char *const embedding_keys[] = { COMMON, "vocab", "positions", "norm", NULL };
static const char *const norm_keys[] = { COMMON, "norm", NULL };
static const char *const head_keys[] = { COMMON, "vocab", "tied", NULL };
static const char *const other_keys[] = { COMMON, "parameters", "kept_bytes", NULL };
static const char *const block_keys[] = { COMMON, "norm",
#define BLOCK_SIZE(member, key, low, high) key,
                                          AMM_SHAPE_SIZE_LIST(BLOCK_SIZE)
#undef BLOCK_SIZE
#define BLOCK_FLAG(member, key, value) key,
                                              AMM_SHAPE_FLAG_LIST(BLOCK_FLAG)
#undef BLOCK_FLAG
                                                  NULL };

static const char *const *const layer_keys[AMM_LAYER_KIND_COUNT] = {
    [AMM_LAYER_EMBEDDING] = embedding_keys, [AMM_LAYER_BLOCK] = block_keys,
    [AMM_LAYER_NORM] = norm_keys,           [AMM_LAYER_HEAD] = head_keys,
    [AMM_LAYER_OTHER] = other_keys,
};

static amm_status read_kind(const amm_value *value, amm_layer_kind *out)
{
    amm_value field;
    const char *word = NULL;
    if (!amm_value_is_object(value)) {
        return amm_value_refuse(value, NULL, "wrong type, allowed an object");
    }
    AMM_TRY(amm_field_needed(value, "kind", &field));
    AMM_TRY(amm_value_text(&field, &word, AMM_MAX_NAME));
    if (!amm_layer_kind_parse(out, word)) {
        return amm_value_refuse(&field, NULL,
                                "unknown kind, got \"%s\", allowed embedding, block, norm, head, "
                                "other",
                                word);
    }
    return AMM_OK;
}

/* Everything that stands in the file; the rest is -1. The keys were checked against the kind. */
static amm_status read_numbers(const amm_value *value, amm_layer *x)
{
    const struct {
        const char *key;
        int64_t *out, low, high;
    } fields[] = {
        { "hidden", &x->hidden, x->kind == AMM_LAYER_OTHER ? 0 : 1, AMM_MAX_WIDTH },
        { "tokens", &x->tokens, 1, INT32_MAX },
        { "vocab", &x->vocab, 1, INT32_MAX },
        { "positions", &x->positions, 0, INT32_MAX },
        { "parameters", &x->parameters, 0, AMM_MAX_INTEGER },
        { "kept_bytes", &x->kept_bytes, 0, AMM_MAX_INTEGER },
        { "out_elements", &x->out_elements, 1, AMM_MAX_INTEGER },
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        AMM_TRY(amm_field_integer(value, fields[i].key, false, fields[i].low, fields[i].high,
                                  fields[i].out));
    }
    return AMM_OK;
}

/* A norm by its word: the learned vectors in it. */
static amm_status read_norm(const amm_value *value, double *norm_vectors)
{
    amm_value field;
    const char *word = NULL;
    if (!amm_field(value, "norm", &field)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_text(&field, &word, AMM_MAX_NAME));
    if (strcmp(word, "layer") != 0 && strcmp(word, "rms") != 0) {
        return amm_value_refuse(&field, NULL, "unknown norm, got \"%s\", allowed layer, rms", word);
    }
    *norm_vectors = strcmp(word, "layer") == 0 ? 2 : 1;
    return AMM_OK;
}

/* What is not there stays as it is. */
static amm_status read_shape(const amm_value *value, amm_block_shape *x)
{
    const struct {
        const char *key;
        double *out;
        int64_t low, high;
    } sizes[] = {
#define SIZE_ROW(member, key, low, high) { key, &x->member, low, high },
        AMM_SHAPE_SIZE_LIST(SIZE_ROW)
#undef SIZE_ROW
    };
    const struct {
        const char *key;
        double *out;
    } flags[] = {
#define FLAG_ROW(member, key, value) { key, &x->member },
        AMM_SHAPE_FLAG_LIST(FLAG_ROW)
#undef FLAG_ROW
    };
    amm_value field;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int64_t number = (int64_t)*sizes[i].out;
        AMM_TRY(
            amm_field_integer(value, sizes[i].key, false, sizes[i].low, sizes[i].high, &number));
        *sizes[i].out = (double)number;
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool set = false;
        AMM_TRY(amm_field_bool(value, flags[i].key, &set));
        if (amm_field(value, flags[i].key, &field)) {
            *flags[i].out = (double)set;
        }
    }
    return read_norm(value, &x->norm_vectors);
}

static amm_status read_layer(const amm_value *value, amm_layer *x, int64_t seq_len, int64_t before)
{
    char where[AMM_WHERE_CHARS];
    amm_layer_kind kind;
    AMM_TRY(read_kind(value, &kind));
    AMM_TRY(amm_value_keys(value, layer_keys[kind]));
    *x = amm_layer_of(kind);
    x->tokens = seq_len;
    AMM_TRY(amm_field_text(value, "name", false, AMM_MAX_NAME, &x->name));
    AMM_TRY(read_numbers(value, x));
    AMM_TRY(read_shape(value, &x->shape));
    AMM_TRY(amm_field_bool(value, "tied", &x->tied));
    AMM_TRY(amm_field_bool(value, "out_sharded", &x->out_sharded));
    amm_value_where(where, value, NULL);
    return amm_layer_finish(x, before, where);
}

/* Number of layers, each counted as often as it repeats. */
static amm_status count_layers(const amm_value *layers, int32_t *out)
{
    amm_value item;
    int32_t entries = 0;
    int64_t total = 0;
    AMM_TRY(amm_value_count(layers, &entries, AMM_MAX_LAYERS));
    for (bool ok = amm_value_first(layers, &item); ok; ok = amm_value_next(&item)) {
        int64_t count = 1;
        if (amm_value_is_object(&item)) {
            AMM_TRY(amm_field_integer(&item, "count", false, 1, AMM_MAX_LAYERS, &count));
        }
        total += count;
    }
    if (total < 1 || total > AMM_MAX_LAYERS) {
        return amm_value_refuse(layers, NULL, "out of range, got %lld layers, allowed 1 to %d",
                                (long long)total, AMM_MAX_LAYERS);
    }
    *out = (int32_t)total;
    return AMM_OK;
}

static amm_status read_layers(const amm_value *value, amm_model *model)
{
    amm_value layers;
    amm_value item;
    int32_t n = 0;
    AMM_TRY(amm_field_needed(value, "layers", &layers));
    AMM_TRY(count_layers(&layers, &model->layer_count));
    amm_layer *x =
        amm_arena_alloc(value->document->reader->arena, (size_t)model->layer_count, sizeof *x);
    if (x == NULL) {
        return AMM_NO_MEMORY;
    }
    for (bool ok = amm_value_first(&layers, &item); ok; ok = amm_value_next(&item)) {
        int64_t count = 1;
        AMM_TRY(read_layer(&item, &x[n], model->seq_len, n == 0 ? 0 : x[n - 1].out_elements));
        AMM_TRY(amm_field_integer(&item, "count", false, 1, AMM_MAX_LAYERS, &count));
        for (n++; count > 1; count--, n++) {
            x[n] = x[n - 1];
        }
    }
    model->layers = x;
    return AMM_OK;
}

/* One range [first, last]; appends when `work` is not NULL. */
static amm_status read_range(const amm_value *range, int32_t layers, int32_t *work, int32_t *count)
{
    amm_value item;
    int32_t length = 0;
    int64_t ends[2] = { 0, 0 };
    AMM_TRY(amm_value_count(range, &length, 2));
    if (length != 2) {
        return amm_value_refuse(range, NULL, "a range is [first, last], got %d numbers", length);
    }
    int i = 0;
    for (bool ok = amm_value_first(range, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(amm_value_integer(&item, &ends[i++], 0, layers - 1));
    }
    if (ends[1] < ends[0] || ends[1] - ends[0] + 1 > layers - *count) {
        return amm_value_refuse(range, NULL, "ranges [first, last] must ascend without overlap");
    }
    for (int64_t l = ends[0]; l <= ends[1]; l++, ++*count) {
        if (work != NULL) {
            work[*count] = (int32_t)l;
        }
    }
    return AMM_OK;
}

static amm_status read_work(const amm_value *value, amm_model *model)
{
    amm_value ranges;
    amm_value range;
    int32_t count = 0;
    AMM_TRY(amm_field_needed(value, "work_layers", &ranges));
    AMM_TRY(amm_value_count(&ranges, &count, AMM_MAX_LAYERS));
    int32_t *work =
        amm_arena_alloc(value->document->reader->arena, (size_t)model->layer_count, sizeof *work);
    if (work == NULL) {
        return AMM_NO_MEMORY;
    }
    model->amp.work = work;
    for (bool ok = amm_value_first(&ranges, &range); ok; ok = amm_value_next(&range)) {
        AMM_TRY(read_range(&range, model->layer_count, work, &model->amp.work_count));
    }
    return AMM_OK;
}

static amm_status read_amp(const amm_value *value, amm_model *model)
{
    static const char *const keys[] = { "work_layers",
                                        "uniform_units",
                                        "uniform_first",
                                        "uniform_last",
                                        "boundary_elements",
                                        "placement_explicit_tp",
                                        NULL };
    amm_value object;
    amm_amp_view *amp = &model->amp;
    if (!amm_field(value, "amp_reference", &object)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_keys(&object, keys));
    amp->present = true;
    AMM_TRY(read_work(&object, model));
    AMM_TRY(
        amm_field_int32(&object, "uniform_units", true, 1, AMM_MAX_LAYERS, &amp->uniform_units));
    AMM_TRY(
        amm_field_int32(&object, "uniform_first", false, 0, AMM_MAX_LAYERS, &amp->uniform_first));
    AMM_TRY(amm_field_int32(&object, "uniform_last", false, 0, AMM_MAX_LAYERS, &amp->uniform_last));
    AMM_TRY(amm_field_integer(&object, "boundary_elements", false, 0, AMM_MAX_INTEGER,
                              &amp->boundary_elements));
    return amm_field_int32(&object, "placement_explicit_tp", false, 0, 1,
                           &amp->placement_explicit_tp);
}

amm_status amm_read_model_value(const amm_value *value, void *out)
{
    amm_value format;
    char where[AMM_WHERE_CHARS];
    if (amm_value_is_object(value) && amm_value_is_hf(value)) {
        return amm_read_hf_value(value, out);
    }
    if (value->parent == NULL && amm_value_is_object(value) &&
        !amm_field(value, "format", &format)) {
        return amm_value_refuse(value, "format",
                                "missing, allowed \"ammeter-model\"; a Hugging Face config has "
                                "model_type or architectures instead");
    }
    AMM_TRY(amm_value_description(value, "ammeter-model", model_keys));
    amm_model *model = amm_arena_alloc(value->document->reader->arena, 1, sizeof *model);
    if (model == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(amm_value_name(value, &model->name, &model->source));
    AMM_TRY(amm_field_integer(value, "seq_len", true, 1, INT32_MAX, &model->seq_len));
    AMM_TRY(read_layers(value, model));
    AMM_TRY(amm_field_int32(value, "prediction_layers", false, 0, AMM_MAX_PREDICTION,
                            &model->prediction_layers));
    AMM_TRY(read_amp(value, model));
    amm_value_where(where, value, NULL);
    AMM_TRY(amm_model_check(model, where));
    *(const amm_model **)out = model;
    return AMM_OK;
}
