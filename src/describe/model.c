#include "describe/check.h"

int64_t amm_model_parameters(const amm_model *model)
{
    int64_t sum = 0; /* at most 2^53: amm_model_check */
    for (int32_t i = 0; i < model->layer_count; i++) {
        sum += model->layers[i].parameters;
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

amm_status amm_model_check(const amm_model *model, const char *file)
{
    AMM_TRY(amm_check_name(file, "name", model->name));
    AMM_TRY(amm_check_integer(file, "seq_len", model->seq_len, 1, INT32_MAX));
    if (model->layer_count < 1 || model->layer_count > AMM_MAX_LAYERS) {
        return amm_refuse(file, "layers", "out of range, got %d layers, allowed 1 to %d",
                          model->layer_count, AMM_MAX_LAYERS);
    }
    AMM_TRY(check_layers(model, file));
    return model->amp.present ? check_amp(model, file) : AMM_OK;
}
