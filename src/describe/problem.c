#include "describe/describe.h"

#include <string.h>

/* ---- problem ---------------------------------------------------------------------------------------------- */

static amm_status check_parts(const amm_problem_desc *p, const char *file)
{
    const struct {
        const char *name;
        bool present;
        const char *hint;
    } parts[] = {
        { "model", p->model != NULL, "a preset, a file, or an object" },
        { "cluster", p->cluster != NULL,
          "a preset, a file, or a line like "
          "4xnode:4xT4,intra=50gbit,inter=50gbit" },
        { "profile", p->profile != NULL, "measured layer times: a preset, a file, or an object" },
        { "runtime", p->runtime != NULL, "a preset, a file, or an object" },
        { "global_batch", p->global_batch > 0, "samples per step, 1 or more" },
    };
    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
        if (!parts[k].present) {
            return amm_fail(AMM_INPUT, "%s:%s: missing, allowed %s", file, parts[k].name,
                            parts[k].hint);
        }
    }
    return AMM_OK;
}

static amm_status check_profile(const amm_problem_desc *p, const char *file)
{
    if (p->profile->layer_count != p->model->layer_count) {
        return amm_fail(AMM_INPUT, "%s:profile: '%s' has %d layers, model '%s' has %d", file,
                        p->profile->name, p->profile->layer_count, p->model->name,
                        p->model->layer_count);
    }
    if (p->seq_len != 0 && p->seq_len != p->model->seq_len) {
        return amm_fail(AMM_INPUT,
                        "%s:seq_len: got %lld, allowed %lld: the profile was measured with it",
                        file, (long long)p->seq_len, (long long)p->model->seq_len);
    }
    const bool mixed = p->cost_model == AMM_COST_AMP_REFERENCE && p->mix_count > 0;
    const int32_t count = mixed ? p->mix_count : p->cluster->type_count;
    for (int32_t k = 0; k < count; k++) {
        const char *device = mixed ? p->mix[k].device : p->cluster->types[k]->name;
        bool found = false;
        for (int32_t n = 0; n < p->profile->point_count; n++) {
            found = found || strcmp(p->profile->points[n].device, device) == 0;
        }
        if (!found) {
            return amm_fail(AMM_INPUT, "%s:profile: '%s' has no times for device %s", file,
                            p->profile->name, device);
        }
    }
    return AMM_OK;
}

static amm_status check_amp(const amm_problem_desc *p, const char *file)
{
    if (!p->model->amp.present) {
        return amm_fail(AMM_INPUT,
                        "%s:cost_model: amp-reference needs a model with amp_reference, '%s' has "
                        "none",
                        file, p->model->name);
    }
    if (p->model->amp.work_count > AMM_MAX_AMP_LAYERS) {
        return amm_fail(AMM_INPUT,
                        "%s:cost_model: amp-reference, got %d work layers, allowed up to %d: its "
                        "recurrence needs memory with their fourth power",
                        file, p->model->amp.work_count, AMM_MAX_AMP_LAYERS);
    }
    for (int32_t n = 1; n < p->cluster->node_count; n++) {
        if (p->cluster->nodes[n].device_count != p->cluster->nodes[0].device_count) {
            return amm_fail(
                AMM_INPUT,
                "%s:cost_model: amp-reference needs equal nodes, node %d has %d devices "
                "and node 0 has %d",
                file, n, p->cluster->nodes[n].device_count, p->cluster->nodes[0].device_count);
        }
    }
    if (p->mix_count == 0 && p->cluster->type_count > 1) {
        return amm_fail(
            AMM_INPUT,
            "%s:profile_mix: missing, amp-reference uses one profile for all stages and "
            "the cluster has %d device types",
            file, p->cluster->type_count);
    }
    return AMM_OK;
}

amm_status amm_problem_check(const amm_problem_desc *p, const char *file)
{
    AMM_TRY(check_parts(p, file));
    AMM_TRY(check_profile(p, file));
    if (p->cost_model == AMM_COST_AMP_REFERENCE) {
        AMM_TRY(check_amp(p, file));
    }
    const amm_list *pp = &p->space.dims[AMM_DIM_PP];
    if (pp->count > 0 && pp->values[0] > p->model->layer_count) {
        return amm_fail(AMM_INPUT,
                        "%s:space.pp: more stages than layers, got %lld, allowed up to %d", file,
                        (long long)pp->values[0], p->model->layer_count);
    }
    return AMM_OK;
}

bool amm_cost_model_parse(amm_cost_model *out, const char *word)
{
    const bool amp = strcmp(word, "amp-reference") == 0;
    *out = amp ? AMM_COST_AMP_REFERENCE : AMM_COST_DEFAULT;
    return amp || strcmp(word, "default") == 0;
}

const char *amm_cost_model_word(amm_cost_model cost_model)
{
    return cost_model == AMM_COST_AMP_REFERENCE ? "amp-reference" : "default";
}
