#include "describe/describe.h"

int64_t amm_model_parameters(const amm_model *model)
{
    int64_t sum = 0;
    for (int32_t l = 0; l < model->layer_count; l++) {
        sum += model->layers[l].parameters; /* 4,096 layers below 2^50: fits */
    }
    return sum;
}

static amm_status check_amp(const amm_model *model, const char *file)
{
    const amm_amp_view *amp = &model->amp;
    const int64_t uniform = (int64_t)amp->uniform_units + amp->uniform_first + amp->uniform_last;
    for (int32_t k = 0; k < amp->work_count; k++) {
        if (amp->work[k] >= model->layer_count || (k > 0 && amp->work[k] <= amp->work[k - 1])) {
            return amm_fail(
                AMM_INPUT, "%s:amp_reference.work_layers: got layer %d, allowed ascending up to %d",
                file, amp->work[k], model->layer_count - 1);
        }
    }
    if (uniform > amp->work_count) {
        return amm_fail(AMM_INPUT,
                        "%s:amp_reference.uniform_units: got %lld entries with uniform_first and "
                        "uniform_last, allowed up to %d work layers",
                        file, (long long)uniform, amp->work_count);
    }
    return AMM_OK;
}

amm_status amm_model_check(const amm_model *model, const char *file)
{
    if (model->layer_count < 1) {
        return amm_fail(AMM_INPUT, "%s:layers: no layers, allowed 1 to %d", file, AMM_MAX_LAYERS);
    }
    return model->amp.present ? check_amp(model, file) : AMM_OK;
}
