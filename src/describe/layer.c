#include "describe/check.h"
#include "formula/cost/shape.h"

#include <string.h>

static const char *const kind_words[AMM_LAYER_KIND_COUNT] = {
#define AMM_LAYER_KIND_WORD(name, word) word,
    AMM_LAYER_KIND_LIST(AMM_LAYER_KIND_WORD)
#undef AMM_LAYER_KIND_WORD
};

const char *amm_layer_kind_word(amm_layer_kind kind)
{
    return kind_words[kind];
}

bool amm_layer_kind_parse(amm_layer_kind *out, const char *word)
{
    for (int i = 0; i < AMM_LAYER_KIND_COUNT; i++) {
        if (strcmp(word, kind_words[i]) == 0) {
            *out = (amm_layer_kind)i;
            return true;
        }
    }
    return false;
}

/* Fills what was not given (-1) and does not depend on other layers. */
static void fill_defaults(amm_layer *x)
{
    const bool other = x->kind == AMM_LAYER_OTHER;
    const bool block = x->kind == AMM_LAYER_BLOCK;
    x->name = x->name == NULL ? "" : x->name;
    x->hidden = x->hidden < 0 && other ? 0 : x->hidden;
    if (x->ffn < 0) {
        x->ffn = block && x->hidden > 0 && x->hidden <= AMM_MAX_WIDTH ? 4 * x->hidden : 0;
    }
    x->heads = x->heads < 0 && !block ? 0 : x->heads;
    x->window = x->window < 0 ? (block ? x->tokens : 0) : x->window;
    x->vocab =
        x->vocab < 0 && x->kind != AMM_LAYER_EMBEDDING && x->kind != AMM_LAYER_HEAD ? 0 : x->vocab;
    x->positions = x->positions < 0 ? 0 : x->positions;
    x->kept_bytes = x->kept_bytes < 0 ? 0 : x->kept_bytes;
}

/* A size that this kind of layer needs. */
static amm_status need(const char *where, const char *key, int64_t value, int64_t high)
{
    if (value == -1) {
        return amm_refuse(where, key, "missing");
    }
    return amm_check_integer(where, key, value, 1, high);
}

static amm_status check_shape(const amm_layer *x, const char *where)
{
    const bool embedding = x->kind == AMM_LAYER_EMBEDDING;
    AMM_TRY(amm_check_integer(where, "tokens", x->tokens, 1, INT32_MAX));
    if (x->kind == AMM_LAYER_OTHER) {
        return amm_check_integer(where, "hidden", x->hidden, 0, AMM_MAX_WIDTH);
    }
    AMM_TRY(need(where, "hidden", x->hidden, AMM_MAX_WIDTH));
    if (x->kind == AMM_LAYER_BLOCK) {
        AMM_TRY(need(where, "heads", x->heads, AMM_MAX_WIDTH));
        AMM_TRY(amm_check_integer(where, "ffn", x->ffn, 1, AMM_MAX_WIDTH));
        AMM_TRY(amm_check_integer(where, "window", x->window, 1, x->tokens));
    }
    if (embedding || x->kind == AMM_LAYER_HEAD) {
        AMM_TRY(need(where, "vocab", x->vocab, INT32_MAX));
    }
    return embedding ? amm_check_integer(where, "positions", x->positions, 0, INT32_MAX) : AMM_OK;
}

static double shape_parameters(const amm_layer *x)
{
    const double h = (double)x->hidden;
    switch (x->kind) {
    case AMM_LAYER_EMBEDDING:
        return amm_embedding_parameters((double)x->vocab, (double)x->positions, h);
    case AMM_LAYER_BLOCK:
        return amm_block_parameters(h, (double)x->ffn);
    case AMM_LAYER_NORM:
        return amm_norm_parameters(h);
    case AMM_LAYER_HEAD:
        return x->tied ? 0 : amm_embedding_parameters((double)x->vocab, 0, h);
    case AMM_LAYER_OTHER:
    case AMM_LAYER_KIND_COUNT:
        break;
    }
    return 0;
}

/* What leaves the layer where the description does not say. tokens <= 2^31 and the widths' limits
 * keep the products inside 63 bits. */
static int64_t default_out(const amm_layer *x, int64_t before)
{
    switch (x->kind) {
    case AMM_LAYER_EMBEDDING:
    case AMM_LAYER_BLOCK:
        return x->tokens * x->hidden;
    case AMM_LAYER_HEAD:
        return x->tokens * x->vocab;
    case AMM_LAYER_NORM:
    case AMM_LAYER_OTHER:
    case AMM_LAYER_KIND_COUNT:
        break;
    }
    return before > 0 ? before : x->tokens * x->hidden;
}

amm_status amm_layer_finish(amm_layer *layer, int64_t before, const char *where)
{
    fill_defaults(layer);
    AMM_TRY(check_shape(layer, where));
    if (layer->parameters < 0) {
        const double parameters = shape_parameters(layer);
        if (parameters > (double)AMM_MAX_INTEGER) {
            return amm_refuse(where, "hidden", "too many parameters, got %.3g, allowed %lld",
                              parameters, (long long)AMM_MAX_INTEGER);
        }
        layer->parameters = (int64_t)parameters;
    }
    AMM_TRY(amm_check_integer(where, "parameters", layer->parameters, 0, AMM_MAX_INTEGER));
    AMM_TRY(amm_check_integer(where, "kept_bytes", layer->kept_bytes, 0, AMM_MAX_INTEGER));
    if (layer->out_elements < 0) {
        layer->out_elements = default_out(layer, before);
        if (layer->out_elements == 0) {
            return amm_refuse(where, "out_elements", "missing (nothing enters this layer)");
        }
    }
    return amm_check_integer(where, "out_elements", layer->out_elements, 1, AMM_MAX_INTEGER);
}
