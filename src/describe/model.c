#include "describe/check.h"

#include <string.h>

int64_t amm_model_parameters(const amm_model *model)
{
    int64_t sum = 0; /* at most 2^53: amm_model_check */
    for (int32_t i = 0; i < model->layer_count; i++) {
        sum += model->layers[i].parameters;
    }
    return sum;
}

int64_t amm_model_active_parameters(const amm_model *model)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < model->layer_count; i++) {
        const amm_layer *x = &model->layers[i];
        sum += x->kind == AMM_LAYER_BLOCK ? (int64_t)amm_block_active_parameters(&x->shape)
                                          : x->parameters;
    }
    return sum;
}

/* A tied head shares the table of an embedding of its own shape. */
static amm_status check_tied(const amm_model *model, int32_t head, const char *file)
{
    const amm_layer *x = &model->layers[head];
    for (int32_t i = 0; i < head; i++) {
        const amm_layer *e = &model->layers[i];
        if (e->kind == AMM_LAYER_EMBEDDING && e->hidden == x->hidden && e->vocab == x->vocab) {
            return AMM_OK;
        }
    }
    char key[AMM_PATH_CHARS];
    amm_path(key, "layers[%d].tied", head);
    return amm_refuse(file, key, "no embedding of %lld x %lld before it to share",
                      (long long)x->vocab, (long long)x->hidden);
}

static amm_status check_layers(const amm_model *model, const char *file)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < model->layer_count; i++) {
        const amm_layer *x = &model->layers[i];
        sum += x->parameters; /* each is at most 2^53: two of them never overflow */
        if (sum > AMM_MAX_INTEGER) {
            return amm_refuse(file, "layers", "too many parameters together, allowed %lld",
                              (long long)AMM_MAX_INTEGER);
        }
        if (x->kind == AMM_LAYER_HEAD && x->tied) {
            AMM_TRY(check_tied(model, i, file));
        }
    }
    return AMM_OK;
}

static amm_status check_work(const amm_model *model, const char *file)
{
    const amm_amp_view *amp = &model->amp;
    const char *key = "amp_reference.work_layers";
    AMM_TRY(amm_check_integer(file, key, amp->work_count, 1, model->layer_count));
    for (int32_t i = 0; i < amp->work_count; i++) {
        AMM_TRY(amm_check_integer(file, key, amp->work[i], 0, model->layer_count - 1));
        if (i > 0 && amp->work[i] <= amp->work[i - 1]) {
            return amm_refuse(file, key, "not ascending, got layer %d after %d", amp->work[i],
                              amp->work[i - 1]);
        }
    }
    return AMM_OK;
}

static amm_status check_amp(const amm_model *model, const char *file)
{
    const amm_amp_view *amp = &model->amp;
    const int64_t high = amp->work_count;
    AMM_TRY(check_work(model, file));
    AMM_TRY(amm_check_integer(file, "amp_reference.uniform_units", amp->uniform_units, 1, high));
    AMM_TRY(amm_check_integer(file, "amp_reference.uniform_first", amp->uniform_first, 0, high));
    AMM_TRY(amm_check_integer(file, "amp_reference.uniform_last", amp->uniform_last, 0, high));
    const int32_t together = amp->uniform_units + amp->uniform_first + amp->uniform_last;
    if (together > amp->work_count) {
        return amm_refuse(file, "amp_reference.uniform_units",
                          "units, first and last are %d together, allowed %d (the work layers)",
                          together, amp->work_count);
    }
    AMM_TRY(amm_check_integer(file, "amp_reference.boundary_elements", amp->boundary_elements, 0,
                              AMM_MAX_INTEGER));
    return amm_check_integer(file, "amp_reference.placement_explicit_tp",
                             amp->placement_explicit_tp, 0, 1);
}

static bool has_block(const amm_model *model)
{
    for (int32_t i = 0; i < model->layer_count; i++) {
        if (model->layers[i].kind == AMM_LAYER_BLOCK) {
            return true;
        }
    }
    return false;
}

amm_status amm_model_check(const amm_model *model, const char *file)
{
    AMM_TRY(amm_check_name(file, "name", model->name));
    AMM_TRY(amm_check_integer(file, "seq_len", model->seq_len, 1, INT32_MAX));
    if (model->layer_count < 1 || model->layer_count > AMM_MAX_LAYERS) {
        return amm_refuse(file, "layers", "out of range, got %d layers, allowed 1 to %d",
                          model->layer_count, AMM_MAX_LAYERS);
    }
    AMM_TRY(check_layers(model, file));
    AMM_TRY(amm_check_integer(file, "prediction_layers", model->prediction_layers, 0,
                              AMM_MAX_PREDICTION));
    if (model->prediction_layers > 0 && !has_block(model)) {
        return amm_refuse(file, "prediction_layers",
                          "needs a block to be like, the model has none");
    }
    return model->amp.present ? check_amp(model, file) : AMM_OK;
}

/* ---- what degrees divide ----------------------------------------------------------------------- */

static void count_key_heads(amm_block_counts *out, int64_t heads)
{
    for (int32_t k = 0; k < out->key_head_count; k++) {
        if (out->key_heads[k] == heads) {
            return;
        }
    }
    if (out->key_head_count < AMM_MAX_KEY_HEADS) {
        out->key_heads[out->key_head_count++] = heads;
    }
}

void amm_block_counts_of(amm_block_counts *out, const amm_model *model)
{
    memset(out, 0, sizeof *out);
    for (int32_t l = 0; l < model->layer_count; l++) {
        const amm_block_shape *x = &model->layers[l].shape;
        if (model->layers[l].kind != AMM_LAYER_BLOCK) {
            continue;
        }
        out->blocks++;
        out->heads = amm_common_divisor(out->heads, (int64_t)x->heads);
        out->experts = amm_common_divisor(out->experts, (int64_t)x->experts);
        if (x->kv_rank <= 0.0) {
            count_key_heads(out, (int64_t)x->kv_heads);
        }
    }
    out->experts = out->experts > 0 ? out->experts : 1;
}

/* ---- at another sequence length -------------------------------------------------------------- */

/* Counts of a layer grow with its tokens; one that is no multiple of them is rounded up. False: it
 * leaves its range. */
static bool scale(int64_t *count, int64_t tokens, int64_t seq_len)
{
    const int64_t whole = *count / tokens;
    const int64_t rest = *count % tokens; /* both tokens are below 2^31: the product fits */
    if (whole > AMM_MAX_INTEGER / seq_len) {
        return false;
    }
    *count = whole * seq_len + (rest * seq_len + tokens - 1) / tokens;
    return *count <= AMM_MAX_INTEGER;
}

static amm_status resize_layer(amm_layer *x, const amm_model *model, int32_t index, int64_t seq_len,
                               const char *file)
{
    if (x->tokens != model->seq_len) {
        return amm_refuse(file, "seq_len",
                          "the layers of \"%s\" have differing tokens (layer %d %lld, the model "
                          "%lld), got %lld, allowed %lld",
                          model->name, index, (long long)x->tokens, (long long)model->seq_len,
                          (long long)seq_len, (long long)model->seq_len);
    }
    if (x->positions > 0 && seq_len > x->positions) {
        return amm_refuse(
            file, "seq_len",
            "out of range, got %lld, allowed 1 to %lld (rows of the position table of "
            "\"%s\")",
            (long long)seq_len, (long long)x->positions, model->name);
    }
    if (!scale(&x->out_elements, x->tokens, seq_len) ||
        !scale(&x->kept_bytes, x->tokens, seq_len)) {
        return amm_refuse(file, "seq_len", "too large for layer %d of \"%s\", got %lld", index,
                          model->name, (long long)seq_len);
    }
    x->tokens = seq_len;
    x->shape.window = x->shape.window > (double)seq_len ? (double)seq_len : x->shape.window;
    return AMM_OK;
}

amm_status amm_model_check_seq_len(const amm_model *model, int64_t seq_len, const char *file)
{
    AMM_TRY(amm_check_integer(file, "seq_len", seq_len, 1, INT32_MAX));
    for (int32_t i = 0; i < model->layer_count && seq_len != model->seq_len; i++) {
        amm_layer layer = model->layers[i];
        AMM_TRY(resize_layer(&layer, model, i, seq_len, file));
    }
    return AMM_OK;
}

/* `seq_len` has been checked. */
static amm_status resize(const amm_model **out, const amm_model *given, int64_t seq_len,
                         amm_arena *arena)
{
    amm_model *model = amm_arena_alloc(arena, 1, sizeof *model);
    amm_layer *layers = amm_arena_alloc(arena, (size_t)given->layer_count, sizeof *layers);
    if (model == NULL || layers == NULL) {
        return AMM_NO_MEMORY;
    }
    *model = *given;
    model->seq_len = seq_len;
    model->layers = layers;
    model->given = given;
    for (int32_t i = 0; i < given->layer_count; i++) {
        layers[i] = given->layers[i];
        AMM_TRY(resize_layer(&layers[i], given, i, seq_len, given->name));
    }
    *out = model;
    return AMM_OK;
}

amm_status amm_problem_resolve(amm_problem_desc *problem, amm_arena *arena)
{
    const amm_model *model = problem->model;
    if (model == NULL) {
        return AMM_OK;
    }
    model = model->given == NULL ? model : model->given;
    problem->model = model;
    if (problem->seq_len == 0 || problem->seq_len == model->seq_len ||
        amm_model_check_seq_len(model, problem->seq_len, model->name) != AMM_OK) {
        return AMM_OK;
    }
    return resize(&problem->model, model, problem->seq_len, arena);
}
