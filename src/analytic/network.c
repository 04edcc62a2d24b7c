#include "analytic/analytic.h"
#include "describe/check.h"

#include <string.h>

/* The same shape as one seen before, or a new kind. */
static int32_t kind_index(amm_network *n, const amm_block_shape *x)
{
    for (int32_t k = 0; k < n->kind_count; k++) {
        if (amm_block_shape_same(&n->kind[k], x)) {
            return k;
        }
    }
    if (n->kind_count == AMM_MAX_BLOCK_KINDS) {
        return -1;
    }
    const int32_t k = n->kind_count++;
    n->kind[k] = *x;
    return k;
}

void amm_network_finish(amm_network *n)
{
    for (int32_t k = 0; k < n->kind_count; k++) {
        const amm_block_shape *x = &n->kind[k];
        n->kind_expert_parameters[k] = amm_expert_parameters(x);
        n->kind_parameters[k] = amm_block_parameters_of(x) - n->kind_expert_parameters[k];
    }
}

amm_status amm_network_of(amm_network *out, amm_arena *arena, const amm_model *model,
                          const char *file)
{
    memset(out, 0, sizeof *out);
    uint8_t *kind_of = amm_arena_alloc(arena, (size_t)model->layer_count, sizeof *kind_of);
    if (kind_of == NULL) {
        return AMM_NO_MEMORY;
    }
    out->kind_of = kind_of;
    out->prediction_layers = (double)model->prediction_layers;
    for (int32_t l = 0; l < model->layer_count; l++) {
        const amm_layer *x = &model->layers[l];
        if (x->kind == AMM_LAYER_BLOCK) {
            const int32_t k = kind_index(out, &x->shape);
            if (k < 0) {
                return amm_refuse(file, "layers", "too many kinds of blocks, allowed %d",
                                  AMM_MAX_BLOCK_KINDS);
            }
            kind_of[out->block_count++] = (uint8_t)k;
        } else if (x->kind == AMM_LAYER_EMBEDDING) {
            out->hidden = (double)x->hidden;
            out->vocab = (double)x->vocab;
            out->positions = (double)x->positions;
        } else if (x->kind == AMM_LAYER_HEAD) {
            out->tied = x->tied;
        }
    }
    if (out->block_count == 0 || out->vocab == 0.0) {
        return amm_refuse(file, "layers",
                          "no embedding or no block: the analytic model times "
                          "language models only");
    }
    amm_network_finish(out);
    return AMM_OK;
}
