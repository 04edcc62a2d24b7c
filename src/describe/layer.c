#include "describe/check.h"
#include "formula/cost/shape.h"

#include <math.h>
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

bool amm_block_shape_same(const amm_block_shape *a, const amm_block_shape *b)
{
    return memcmp(a, b, sizeof *a) == 0; /* doubles without padding, never NaN or -0 */
}

bool amm_layer_same(const amm_layer *a, const amm_layer *b)
{
    return strcmp(a->name, b->name) == 0 && a->kind == b->kind && a->hidden == b->hidden &&
           amm_block_shape_same(&a->shape, &b->shape) && a->tokens == b->tokens &&
           a->vocab == b->vocab && a->positions == b->positions && a->tied == b->tied &&
           a->parameters == b->parameters && a->out_elements == b->out_elements &&
           a->out_sharded == b->out_sharded && a->kept_bytes == b->kept_bytes;
}

amm_layer amm_layer_of(amm_layer_kind kind)
{
    const int64_t own = kind == AMM_LAYER_OTHER ? 0 : -1; /* what only OTHER may be given */
    amm_layer x = { .name = "", .kind = kind, .hidden = -1, .vocab = -1, .positions = -1 };
    x.tokens = x.out_elements = -1;
    x.parameters = x.kept_bytes = own;
    x.out_sharded = kind == AMM_LAYER_HEAD;
    x.shape.norm_vectors = -1;
#define UNKNOWN_SIZE(member, key, low, high) x.shape.member = -1;
    AMM_SHAPE_SIZE_LIST(UNKNOWN_SIZE)
#undef UNKNOWN_SIZE
#define UNKNOWN_FLAG(member, key, value) x.shape.member = -1;
    AMM_SHAPE_FLAG_LIST(UNKNOWN_FLAG)
#undef UNKNOWN_FLAG
    return x;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void fill(double *out, double value)
{
    *out = *out < 0 ? value : *out;
}

/* A width of heads that the file leaves out, 0 where there is no whole one. */
static double default_head(const amm_block_shape *x)
{
    const double size = x->heads > 0 ? floor(x->hidden / x->heads) : 0;
    return x->kv_rank > 0 || size * x->heads != x->hidden ? 0 : size;
}

static void fill_block(amm_layer *layer)
{
    amm_block_shape *x = &layer->shape;
    x->hidden = (double)layer->hidden;
    fill(&x->experts, 0);
    fill(&x->ffn, x->experts > 0 ? 0 : 4 * x->hidden);
    fill(&x->kv_rank, 0);
    fill(&x->kv_heads, x->heads);
    fill(&x->head_qk, default_head(x));
    fill(&x->head_v, x->head_qk);
    fill(&x->norm_vectors, 2);
#define FILL_FLAG(member, key, value) fill(&x->member, value);
    AMM_SHAPE_FLAG_LIST(FILL_FLAG)
#undef FILL_FLAG
#define FILL_ZERO(member, key, low, high) fill(&x->member, 0);
    AMM_SHAPE_SIZE_LIST(FILL_ZERO)
#undef FILL_ZERO
}

/* Fills what was not given (-1) and does not depend on other layers. */
static void fill_defaults(amm_layer *x)
{
    x->name = x->name == NULL ? "" : x->name;
    x->hidden = x->hidden < 0 && x->kind == AMM_LAYER_OTHER ? 0 : x->hidden;
    if (x->kind != AMM_LAYER_BLOCK) {
        const double norm_vectors = x->shape.norm_vectors;
        memset(&x->shape, 0, sizeof x->shape);
        if (x->kind == AMM_LAYER_NORM) {
            x->shape.norm_vectors = norm_vectors < 0 ? 2 : norm_vectors;
        } else if (x->kind == AMM_LAYER_EMBEDDING) {
            x->shape.norm_vectors = norm_vectors < 0 ? 0 : norm_vectors;
        }
    }
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

/* Zero: absent. */
static amm_status check_size(const char *where, const char *key, double value, double low,
                             double high)
{
    return value == 0 ? AMM_OK
                      : amm_check_integer(where, key, (int64_t)value, (int64_t)low, (int64_t)high);
}

static amm_status check_attention(const amm_block_shape *x, const char *where)
{
    if (fmod(x->heads, x->kv_heads) != 0) {
        return amm_refuse(where, "kv_heads",
                          "does not divide heads, got %.0f, allowed divisors of "
                          "%.0f",
                          x->kv_heads, x->heads);
    }
    if (x->head_qk == 0) {
        return amm_refuse(where, "head_size",
                          x->kv_rank > 0 ? "missing (key_value_rank needs it)"
                                         : "missing (heads does not divide hidden)");
    }
    if (x->kv_rank == 0 && (x->q_rank > 0 || x->rope > 0)) {
        return amm_refuse(where, "key_value_rank", "missing (%s is given)",
                          x->q_rank > 0 ? "query_rank" : "rope_size");
    }
    return x->rope == 0
               ? AMM_OK
               : amm_check_integer(where, "rope_size", (int64_t)x->rope, 1, (int64_t)x->head_qk);
}

/* Node-limited routing: groups divide the experts, and those that a token may use hold all it
 * takes. */
static amm_status check_groups(const amm_block_shape *x, const char *where)
{
    const int64_t groups = (int64_t)x->expert_groups;
    if (groups == 0 && x->token_groups == 0) {
        return AMM_OK;
    }
    if (groups == 0 || x->token_groups == 0) {
        return amm_refuse(where, groups == 0 ? "expert_groups" : "token_groups",
                          "missing (%s is given)", groups == 0 ? "token_groups" : "expert_groups");
    }
    AMM_TRY(amm_check_integer(where, "expert_groups", groups, 1, (int64_t)x->experts));
    if ((int64_t)x->experts % groups != 0) {
        return amm_refuse(where, "expert_groups", "got %lld, allowed a divisor of experts, %lld",
                          (long long)groups, (long long)x->experts);
    }
    const int64_t least = (int64_t)ceil(x->top_k * x->expert_groups / x->experts);
    return amm_check_integer(where, "token_groups", (int64_t)x->token_groups, least, groups);
}

static amm_status check_experts(const amm_block_shape *x, const char *where)
{
    const struct {
        const char *key;
        double value;
    } parts[] = { { "top_k", x->top_k }, { "expert_ffn", x->expert_ffn } };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (x->experts > 0 && parts[i].value == 0) {
            return amm_refuse(where, parts[i].key, "missing (experts is given)");
        }
        if (x->experts == 0 && parts[i].value > 0) {
            return amm_refuse(where, "experts", "missing (%s is given)", parts[i].key);
        }
    }
    if (x->experts == 0) {
        return check_groups(x, where);
    }
    AMM_TRY(amm_check_integer(where, "top_k", (int64_t)x->top_k, 1, (int64_t)x->experts));
    return check_groups(x, where);
}

static amm_status check_block(amm_layer *layer, const char *where)
{
    amm_block_shape *x = &layer->shape;
    AMM_TRY(need(where, "heads", (int64_t)x->heads, AMM_MAX_WIDTH));
    fill_block(layer);
#define CHECK_SIZE(member, key, low, high)                                                         \
    AMM_TRY(check_size(where, key, x->member, (double)(low), (double)(high)));
    AMM_SHAPE_SIZE_LIST(CHECK_SIZE)
#undef CHECK_SIZE
    AMM_TRY(check_size(where, "window", x->window, 1, (double)layer->tokens));
    AMM_TRY(check_attention(x, where));
    return check_experts(x, where);
}

static amm_status check_shape(amm_layer *x, const char *where)
{
    const bool embedding = x->kind == AMM_LAYER_EMBEDDING;
    AMM_TRY(amm_check_integer(where, "tokens", x->tokens, 1, INT32_MAX));
    if (x->kind == AMM_LAYER_OTHER) {
        return amm_check_integer(where, "hidden", x->hidden, 0, AMM_MAX_WIDTH);
    }
    AMM_TRY(need(where, "hidden", x->hidden, AMM_MAX_WIDTH));
    if (x->kind == AMM_LAYER_BLOCK) {
        return check_block(x, where);
    }
    if (embedding || x->kind == AMM_LAYER_HEAD) {
        AMM_TRY(need(where, "vocab", x->vocab, INT32_MAX));
    }
    return embedding ? amm_check_integer(where, "positions", x->positions, 0, INT32_MAX) : AMM_OK;
}

/* ---- layers ---------------------------------------------------------------------------------- */

static double shape_parameters(const amm_layer *x)
{
    const double h = (double)x->hidden;
    switch (x->kind) {
    case AMM_LAYER_EMBEDDING:
        return amm_embedding_parameters((double)x->vocab, (double)x->positions, h) +
               amm_norm_parameters(x->shape.norm_vectors, h);
    case AMM_LAYER_BLOCK:
        return amm_block_parameters_of(&x->shape);
    case AMM_LAYER_NORM:
        return amm_norm_parameters(x->shape.norm_vectors, h);
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
