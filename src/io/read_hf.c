/* A Hugging Face config.json as a model: what its keys mean for shapes. The published modelling code
 * of each model type decides what is learned; keys that change neither shapes nor counts are not
 * looked at (docs/formats.md lists them). */
#include "describe/check.h"
#include "io/read.h"

#include <string.h>

enum { AROUND = 3, MOST_BLOCKS = AMM_MAX_LAYERS - AROUND }; /* embedding, final norm, head */

/* A key and its older or newer name; NULL: none. */
typedef struct hf_key {
    const char *name, *alias;
} hf_key;

/* How a model type calls what every one has. */
typedef struct hf_names {
    hf_key hidden, layers, heads, ffn, tokens;
} hf_names;

/* What a config says. */
typedef struct hf_model {
    const amm_value *config;
    const hf_names *names;
    int64_t layers, hidden, vocab, tokens;
    int64_t table_rows; /* of learned positions */
    int64_t prediction_layers;
    amm_block_shape shape; /* what all blocks share, and the dense feed-forward */
    amm_block_shape moe;   /* experts, top_k, expert_ffn, shared_ffn, extra_parameters */
    double window, embedding_norm;
    bool tied, no_final_norm;
    bool sparse[AMM_MAX_LAYERS], sliding[AMM_MAX_LAYERS]; /* blocks with experts, with the window */
} hf_model;

static const hf_names common_names = { { "hidden_size", NULL },
                                       { "num_hidden_layers", NULL },
                                       { "num_attention_heads", NULL },
                                       { "intermediate_size", NULL },
                                       { "max_position_embeddings", NULL } };

/* ---- keys ------------------------------------------------------------------------------------ */

/* A key with null is as good as none. */
static bool find(const hf_model *m, const hf_key *key, amm_value *out)
{
    return (amm_field(m->config, key->name, out) && !amm_value_is_null(out)) ||
           (key->alias != NULL && amm_field(m->config, key->alias, out) && !amm_value_is_null(out));
}

/* `fallback` -1: needed. */
static amm_status integer(const hf_model *m, hf_key key, int64_t low, int64_t high,
                          int64_t fallback, int64_t *out)
{
    amm_value field;
    if (find(m, &key, &field)) {
        return amm_value_integer(&field, out, low, high);
    }
    *out = fallback;
    return fallback == -1 ? amm_value_refuse(m->config, key.name, "missing") : AMM_OK;
}

/* A width or a count of heads. */
static amm_status size(const hf_model *m, hf_key key, int64_t high, int64_t fallback, double *out)
{
    int64_t value = 0;
    AMM_TRY(integer(m, key, 1, high, fallback, &value));
    *out = (double)value;
    return AMM_OK;
}

static amm_status flag(const hf_model *m, const char *key, bool fallback, bool *out)
{
    amm_value field;
    const hf_key name = { key, NULL };
    *out = fallback;
    return find(m, &name, &field) ? amm_field_bool(m->config, key, out) : AMM_OK;
}

/* A key that may not be left out, as the class of the model type takes `usual` then, which is not
 * what a reader would guess. Null is an answer. */
static amm_status stated(const hf_model *m, const char *key, const char *usual)
{
    amm_value field;
    return amm_field(m->config, key, &field)
               ? AMM_OK
               : amm_value_refuse(m->config, key,
                                  "missing (the model class takes %s then; write what is meant)",
                                  usual);
}

/* ---- parts of a block ------------------------------------------------------------------------ */

/* The sizes of every model type. `ffn` 0: may be missing, -1: needed, else that many hidden. */
static amm_status read_sizes(hf_model *m, const hf_names *names, int64_t ffn, bool tied)
{
    amm_block_shape *x = &m->shape;
    const int64_t widest = ffn > 0 ? AMM_MAX_WIDTH / ffn : AMM_MAX_WIDTH;
    m->names = names;
    AMM_TRY(integer(m, names->hidden, 1, widest, -1, &m->hidden));
    AMM_TRY(integer(m, names->layers, 1, MOST_BLOCKS, -1, &m->layers));
    AMM_TRY(size(m, names->heads, AMM_MAX_WIDTH, -1, &x->heads));
    AMM_TRY(size(m, names->ffn, AMM_MAX_WIDTH, ffn > 0 ? ffn * m->hidden : ffn, &x->ffn));
    AMM_TRY(integer(m, names->tokens, 1, INT32_MAX, m->tokens, &m->tokens));
    AMM_TRY(integer(m, (hf_key){ "vocab_size", NULL }, 1, INT32_MAX, -1, &m->vocab));
    x->hidden = (double)m->hidden;
    return flag(m, "tie_word_embeddings", tied, &m->tied);
}

/* Heads as wide as the hidden width allows; `key` gets the blame. */
static amm_status derive_head(hf_model *m, const char *key)
{
    amm_block_shape *x = &m->shape;
    if (m->hidden % (int64_t)x->heads != 0) {
        return amm_value_refuse(
            m->config, key, "%s%s does not divide %s, got %.0f, allowed divisors of %lld",
            key == m->names->heads.name ? "" : "missing, and ", m->names->heads.name,
            m->names->hidden.name, x->heads, (long long)m->hidden);
    }
    x->head_qk = x->head_v = x->hidden / x->heads;
    return AMM_OK;
}

/* All heads have their own keys and values, and there is no key for their width. */
static amm_status plain_heads(hf_model *m)
{
    m->shape.kv_heads = m->shape.heads;
    return derive_head(m, m->names->heads.name);
}

/* num_key_value_heads and head_dim. `usual`: how many of the former the class has by itself, NULL:
 * as many as heads. */
static amm_status grouped_heads(hf_model *m, bool head_needed, const char *usual)
{
    amm_block_shape *x = &m->shape;
    const hf_key kv = { "num_key_value_heads", NULL };
    const hf_key head = { "head_dim", NULL };
    AMM_TRY(usual == NULL ? AMM_OK : stated(m, kv.name, usual));
    AMM_TRY(size(m, kv, AMM_MAX_WIDTH, (int64_t)x->heads, &x->kv_heads));
    if ((int64_t)x->heads % (int64_t)x->kv_heads != 0) {
        return amm_value_refuse(m->config, kv.name,
                                "does not divide %s, got %.0f, allowed divisors of %.0f",
                                m->names->heads.name, x->kv_heads, x->heads);
    }
    AMM_TRY(size(m, head, AMM_MAX_WIDTH, head_needed ? -1 : 0, &x->head_qk));
    x->head_v = x->head_qk;
    return x->head_qk > 0 ? AMM_OK : derive_head(m, head.name);
}

/* RMSNorm, a gated feed-forward, and no bias but of attention where attention_bias says so. */
static amm_status llama_style(hf_model *m)
{
    bool bias = false;
    m->shape.gated = m->shape.norm_vectors = 1;
    AMM_TRY(flag(m, "attention_bias", false, &bias));
    m->shape.qkv_bias = m->shape.out_bias = (double)bias;
    return AMM_OK;
}

/* GPT-2 and its kin: biases everywhere, LayerNorm. */
static void gpt_style(amm_block_shape *x, bool bias)
{
    x->qkv_bias = x->out_bias = x->ffn_bias = (double)bias;
    x->norm_vectors = 2;
}

/* Newer configs say for every layer whether the window holds. */
static amm_status read_layer_types(hf_model *m)
{
    amm_value types;
    amm_value item;
    const hf_key key = { "layer_types", NULL };
    const char *word = NULL;
    int32_t count = 0;
    if (!find(m, &key, &types)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_count(&types, &count, MOST_BLOCKS));
    if (count != m->layers) {
        return amm_value_refuse(&types, NULL, "got %d elements, allowed %lld (%s)", count,
                                (long long)m->layers, m->names->layers.name);
    }
    for (bool ok = amm_value_first(&types, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(amm_value_text(&item, &word, AMM_MAX_NAME));
        m->sliding[item.index] = strcmp(word, "sliding_attention") == 0;
        if (!m->sliding[item.index] && strcmp(word, "full_attention") != 0) {
            return amm_value_refuse(&item, NULL,
                                    "unknown, got \"%s\", allowed full_attention, "
                                    "sliding_attention",
                                    word);
        }
    }
    return AMM_OK;
}

/* sliding_window, from the layer `from` on. */
static amm_status read_window(hf_model *m, int64_t from)
{
    AMM_TRY(size(m, (hf_key){ "sliding_window", NULL }, INT32_MAX, 0, &m->window));
    for (int64_t i = 0; i < m->layers; i++) {
        m->sliding[i] = i >= from;
    }
    return m->window > 0 ? read_layer_types(m) : AMM_OK;
}

/* Qwen: only where use_sliding_window is set. */
static amm_status read_optional_window(hf_model *m)
{
    enum { FROM = 28 }; /* default of the published configurations */
    int64_t from = 0;
    bool used = false;
    AMM_TRY(flag(m, "use_sliding_window", false, &used));
    if (!used) {
        return AMM_OK;
    }
    AMM_TRY(stated(m, "sliding_window", "4096"));
    AMM_TRY(integer(m, (hf_key){ "max_window_layers", NULL }, 0, INT32_MAX, FROM, &from));
    return read_window(m, from);
}

/* ---- experts --------------------------------------------------------------------------------- */

/* Number, choice and width; every layer has them until something else is said. */
static amm_status read_experts(hf_model *m, hf_key count, hf_key width)
{
    amm_block_shape *x = &m->moe;
    AMM_TRY(size(m, count, AMM_MAX_EXPERTS, -1, &x->experts));
    AMM_TRY(size(m, (hf_key){ "num_experts_per_tok", NULL }, (int64_t)x->experts, -1, &x->top_k));
    AMM_TRY(size(m, width, AMM_MAX_WIDTH, -1, &x->expert_ffn));
    for (int64_t i = 0; i < m->layers; i++) {
        m->sparse[i] = true;
    }
    return AMM_OK;
}

/* Layers without experts by their numbers. */
static amm_status read_dense_layers(hf_model *m)
{
    amm_value list;
    amm_value item;
    const hf_key key = { "mlp_only_layers", NULL };
    int32_t count = 0;
    if (!find(m, &key, &list)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_count(&list, &count, MOST_BLOCKS));
    for (bool ok = amm_value_first(&list, &item); ok; ok = amm_value_next(&item)) {
        int64_t layer = 0;
        AMM_TRY(amm_value_integer(&item, &layer, 0, m->layers - 1));
        m->sparse[layer] = false;
    }
    return AMM_OK;
}

/* A layer without experts needs the width of its feed-forward. */
static amm_status check_dense(const hf_model *m)
{
    for (int64_t i = 0; i < m->layers && m->shape.ffn == 0; i++) {
        if (!m->sparse[i]) {
            return amm_value_refuse(m->config, m->names->ffn.name,
                                    "missing (layer %lld has no experts)", (long long)i);
        }
    }
    return AMM_OK;
}

/* ---- model types ----------------------------------------------------------------------------- */

static amm_status read_gpt2(hf_model *m)
{
    static const hf_names names = { { "n_embd", "hidden_size" },
                                    { "n_layer", "num_hidden_layers" },
                                    { "n_head", "num_attention_heads" },
                                    { "n_inner", NULL },
                                    { "n_positions", "max_position_embeddings" } };
    AMM_TRY(read_sizes(m, &names, 4, true));
    gpt_style(&m->shape, true);
    m->table_rows = m->tokens;
    return plain_heads(m);
}

/* ALiBi needs no position table; configs name the length they were trained at, or nothing. */
static amm_status read_bloom(hf_model *m)
{
    static const hf_names names = { { "hidden_size", "n_embed" },
                                    { "n_layer", "num_hidden_layers" },
                                    { "n_head", "num_attention_heads" },
                                    { "n_inner", NULL },
                                    { "seq_length", NULL } };
    m->tokens = 2048;
    AMM_TRY(read_sizes(m, &names, 4, true));
    gpt_style(&m->shape, true);
    m->embedding_norm = 2;
    return plain_heads(m);
}

static amm_status read_opt(hf_model *m)
{
    enum { OFFSET = 2 }; /* rows of the position table that no token uses */
    static const hf_names names = { { "hidden_size", NULL },
                                    { "num_hidden_layers", NULL },
                                    { "num_attention_heads", NULL },
                                    { "ffn_dim", NULL },
                                    { "max_position_embeddings", NULL } };
    int64_t projected = 0;
    bool bias = true;
    bool norm_first = true;
    AMM_TRY(read_sizes(m, &names, -1, true));
    AMM_TRY(integer(m, (hf_key){ "word_embed_proj_dim", NULL }, m->hidden, m->hidden, m->hidden,
                    &projected));
    AMM_TRY(flag(m, "enable_bias", true, &bias));
    AMM_TRY(flag(m, "do_layer_norm_before", true, &norm_first));
    gpt_style(&m->shape, bias);
    m->no_final_norm = !norm_first;
    m->table_rows = m->tokens + OFFSET;
    return plain_heads(m);
}

static amm_status read_llama(hf_model *m)
{
    bool bias = false;
    AMM_TRY(read_sizes(m, &common_names, -1, false));
    AMM_TRY(llama_style(m));
    AMM_TRY(flag(m, "mlp_bias", false, &bias));
    m->shape.ffn_bias = (double)bias;
    return grouped_heads(m, false, NULL);
}

static amm_status read_mistral_blocks(hf_model *m)
{
    AMM_TRY(read_sizes(m, &common_names, -1, false));
    AMM_TRY(llama_style(m));
    AMM_TRY(grouped_heads(m, false, "8"));
    return read_window(m, 0);
}

static amm_status read_mistral(hf_model *m)
{
    AMM_TRY(read_mistral_blocks(m));
    return stated(m, "sliding_window", "4096");
}

/* All feed-forwards are experts, of the width that is called the dense one. */
static amm_status read_mixtral(hf_model *m)
{
    AMM_TRY(read_mistral_blocks(m));
    return read_experts(m, (hf_key){ "num_local_experts", "num_experts" }, common_names.ffn);
}

/* The bias of queries, keys and values has no key. */
static amm_status read_qwen2(hf_model *m)
{
    AMM_TRY(read_sizes(m, &common_names, -1, false));
    AMM_TRY(llama_style(m));
    AMM_TRY(grouped_heads(m, false, "32"));
    m->shape.qkv_bias = 1;
    m->shape.out_bias = 0;
    return read_optional_window(m);
}

/* The norm of queries and keys has no key; heads are as wide as head_dim says, whatever hidden is. */
static amm_status qwen3_attention(hf_model *m, const char *usual)
{
    AMM_TRY(llama_style(m));
    AMM_TRY(grouped_heads(m, true, usual));
    m->shape.qk_norm = 1;
    return read_optional_window(m);
}

static amm_status read_qwen3(hf_model *m)
{
    AMM_TRY(read_sizes(m, &common_names, -1, false));
    return qwen3_attention(m, "32");
}

static amm_status read_qwen3_moe(hf_model *m)
{
    int64_t step = 1;
    AMM_TRY(read_sizes(m, &common_names, 0, false));
    AMM_TRY(qwen3_attention(m, "4"));
    AMM_TRY(read_experts(m, (hf_key){ "num_experts", "num_local_experts" },
                         (hf_key){ "moe_intermediate_size", NULL }));
    AMM_TRY(integer(m, (hf_key){ "decoder_sparse_step", NULL }, 1, INT32_MAX, 1, &step));
    for (int64_t i = 0; i < m->layers; i++) {
        m->sparse[i] = (i + 1) % step == 0;
    }
    AMM_TRY(read_dense_layers(m));
    return check_dense(m);
}

/* Multi-head latent attention: num_key_value_heads and head_dim of these configs say nothing. */
static amm_status latent_heads(hf_model *m)
{
    amm_block_shape *x = &m->shape;
    double plain = 0;
    x->kv_heads = x->heads;
    AMM_TRY(stated(m, "q_lora_rank", "1536"));
    AMM_TRY(size(m, (hf_key){ "q_lora_rank", NULL }, AMM_MAX_WIDTH, 0, &x->q_rank));
    AMM_TRY(size(m, (hf_key){ "kv_lora_rank", NULL }, AMM_MAX_WIDTH, -1, &x->kv_rank));
    AMM_TRY(size(m, (hf_key){ "qk_nope_head_dim", NULL }, AMM_MAX_WIDTH / 2, -1, &plain));
    AMM_TRY(size(m, (hf_key){ "qk_rope_head_dim", NULL }, AMM_MAX_WIDTH / 2, -1, &x->rope));
    AMM_TRY(size(m, (hf_key){ "v_head_dim", NULL }, AMM_MAX_WIDTH, -1, &x->head_v));
    x->head_qk = plain + x->rope;
    return AMM_OK;
}

/* Node-limited routing; one group, or all of them, is none. */
static amm_status expert_groups(hf_model *m)
{
    const hf_key count = { "n_group", NULL };
    const hf_key used = { "topk_group", NULL };
    double groups = 0;
    double of_token = 0;
    AMM_TRY(size(m, count, (int64_t)m->moe.experts, 1, &groups));
    AMM_TRY(size(m, used, (int64_t)groups, (int64_t)groups, &of_token));
    m->moe.expert_groups = of_token < groups ? groups : 0;
    m->moe.token_groups = of_token < groups ? of_token : 0;
    return AMM_OK;
}

/* The first layers are dense, and all but every moe_layer_freq-th of the others. */
static amm_status deepseek_experts(hf_model *m, bool score_bias)
{
    const hf_key count = { "n_routed_experts", NULL };
    amm_value field;
    int64_t first = 0;
    int64_t step = 1;
    int64_t shared = 0;
    AMM_TRY(stated(m, count.name, score_bias ? "256" : "64"));
    if (!find(m, &count, &field)) {
        return check_dense(m);
    }
    AMM_TRY(read_experts(m, count, (hf_key){ "moe_intermediate_size", NULL }));
    AMM_TRY(stated(m, "n_shared_experts", score_bias ? "1" : "2"));
    AMM_TRY(score_bias ? stated(m, "first_k_dense_replace", "3") : AMM_OK);
    AMM_TRY(integer(m, (hf_key){ "n_shared_experts", NULL }, 0,
                    AMM_MAX_WIDTH / (int64_t)m->moe.expert_ffn, 0, &shared));
    AMM_TRY(integer(m, (hf_key){ "first_k_dense_replace", NULL }, 0, INT32_MAX, 0, &first));
    AMM_TRY(integer(m, (hf_key){ "moe_layer_freq", NULL }, 1, INT32_MAX, 1, &step));
    m->moe.shared_ffn = (double)shared * m->moe.expert_ffn;
    AMM_TRY(score_bias ? stated(m, "n_group", "8") : AMM_OK);
    AMM_TRY(score_bias ? stated(m, "topk_group", "4") : AMM_OK);
    AMM_TRY(expert_groups(m));
    m->moe.extra_parameters = score_bias ? m->moe.experts : 0;
    for (int64_t i = 0; i < m->layers; i++) {
        m->sparse[i] = i >= first && i % step == 0;
    }
    return check_dense(m);
}

static amm_status read_deepseek(hf_model *m, bool score_bias)
{
    AMM_TRY(read_sizes(m, &common_names, 0, false));
    AMM_TRY(llama_style(m));
    AMM_TRY(latent_heads(m));
    AMM_TRY(integer(m, (hf_key){ "num_nextn_predict_layers", NULL }, 0, AMM_MAX_PREDICTION, 0,
                    &m->prediction_layers));
    return deepseek_experts(m, score_bias);
}

static amm_status read_deepseek_v2(hf_model *m)
{
    return read_deepseek(m, false);
}

/* A learned bias per expert balances the choice. */
static amm_status read_deepseek_v3(hf_model *m)
{
    return read_deepseek(m, true);
}

/* model_type, architectures[0], reader, blocks may have experts */
#define HF_TYPE_LIST(X)                                                                            \
    X("gpt2", "GPT2LMHeadModel", read_gpt2, false)                                                 \
    X("llama", "LlamaForCausalLM", read_llama, false)                                              \
    X("mistral", "MistralForCausalLM", read_mistral, false)                                        \
    X("mixtral", "MixtralForCausalLM", read_mixtral, true)                                         \
    X("qwen2", "Qwen2ForCausalLM", read_qwen2, false)                                              \
    X("qwen3", "Qwen3ForCausalLM", read_qwen3, false)                                              \
    X("qwen3_moe", "Qwen3MoeForCausalLM", read_qwen3_moe, true)                                    \
    X("deepseek_v2", "DeepseekV2ForCausalLM", read_deepseek_v2, true)                              \
    X("deepseek_v3", "DeepseekV3ForCausalLM", read_deepseek_v3, true)                              \
    X("bloom", "BloomForCausalLM", read_bloom, false)                                              \
    X("opt", "OPTForCausalLM", read_opt, false)

typedef struct hf_type {
    const char *word, *architecture;
    amm_status (*read)(hf_model *m);
    bool experts;
} hf_type;

static const hf_type types[] = {
#define HF_TYPE_ROW(word, architecture, read, experts) { word, architecture, read, experts },
    HF_TYPE_LIST(HF_TYPE_ROW)
#undef HF_TYPE_ROW
};

static const hf_type *type_of(const char *word)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].word, word) == 0 || strcmp(types[i].architecture, word) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

/* By model_type, or by architectures[0]: some configs have a model_type of their own. */
static amm_status find_type(const amm_value *config, const hf_type **out)
{
    amm_value field;
    amm_value list;
    const char *word = NULL;
    const char *key = "model_type";
    *out = NULL;
    if (amm_field(config, key, &field) && !amm_value_is_null(&field)) {
        AMM_TRY(amm_value_text(&field, &word, AMM_MAX_NAME));
        *out = type_of(word);
    }
    if (*out == NULL && amm_field(config, "architectures", &list) && amm_value_is_array(&list) &&
        amm_value_first(&list, &field)) {
        const char *architecture = NULL;
        AMM_TRY(amm_value_text(&field, &architecture, AMM_MAX_NAME));
        *out = type_of(architecture);
        key = word == NULL ? "architectures" : key;
        word = word == NULL ? architecture : word;
    }
    if (*out != NULL) {
        return AMM_OK;
    }
#define HF_WORD(word, architecture, read, experts) " " word
    return word == NULL
               ? amm_value_refuse(config, key, "missing")
               : amm_value_refuse(config, key,
                                  "not supported, got \"%s\", allowed:" HF_TYPE_LIST(HF_WORD),
                                  word);
#undef HF_WORD
}

/* ---- the model ------------------------------------------------------------------------------- */

static amm_block_shape block_shape(const hf_model *m, int64_t i)
{
    amm_block_shape x = m->shape;
    if (m->sparse[i]) {
        x.ffn = 0;
        x.experts = m->moe.experts;
        x.top_k = m->moe.top_k;
        x.expert_groups = m->moe.expert_groups;
        x.token_groups = m->moe.token_groups;
        x.expert_ffn = m->moe.expert_ffn;
        x.shared_ffn = m->moe.shared_ffn;
        x.extra_parameters = m->moe.extra_parameters;
    }
    const double tokens = (double)m->tokens;
    x.window = !m->sliding[i] || m->window >= tokens ? 0 : m->window; /* 0: the whole sequence */
    return x;
}

/* What the later checks would refuse without knowing the keys. */
static amm_status check_limits(const hf_model *m)
{
    const double widest = (double)(m->hidden > m->vocab ? m->hidden : m->vocab);
    double parameters =
        amm_embedding_parameters(2.0 * (double)m->vocab, (double)m->table_rows, m->shape.hidden);
    for (int64_t i = 0; i < m->layers; i++) {
        const amm_block_shape x = block_shape(m, i);
        parameters += amm_block_parameters_of(&x);
    }
    parameters += (m->embedding_norm + m->shape.norm_vectors) * m->shape.hidden;
    if (parameters > (double)AMM_MAX_INTEGER) {
        return amm_value_refuse(m->config, m->names->hidden.name,
                                "too many parameters, got %.3g, allowed %lld", parameters,
                                (long long)AMM_MAX_INTEGER);
    }
    if ((double)m->tokens * widest > (double)AMM_MAX_INTEGER) {
        return amm_value_refuse(m->config, m->names->tokens.name,
                                "too many activations for a width of %.0f, got %lld, allowed %lld",
                                widest, (long long)m->tokens,
                                (long long)((double)AMM_MAX_INTEGER / widest));
    }
    return AMM_OK;
}

/* Appends a layer; only its own members differ. */
static amm_status add(amm_layer *layers, int32_t *count, const hf_model *m, amm_layer_kind kind,
                      const amm_block_shape *shape)
{
    char where[AMM_WHERE_CHARS];
    amm_layer *x = &layers[*count];
    *x = amm_layer_of(kind);
    x->hidden = m->hidden;
    x->tokens = m->tokens;
    x->shape = *shape;
    if (kind == AMM_LAYER_EMBEDDING || kind == AMM_LAYER_HEAD) {
        x->vocab = m->vocab;
    }
    x->positions = kind == AMM_LAYER_EMBEDDING ? m->table_rows : -1;
    x->tied = kind == AMM_LAYER_HEAD && m->tied;
    amm_value_where(where, m->config, NULL);
    AMM_TRY(amm_layer_finish(x, *count == 0 ? 0 : x[-1].out_elements, where));
    ++*count;
    return AMM_OK;
}

static amm_status build(amm_model *model, const hf_model *m, amm_arena *arena)
{
    amm_layer *layers = amm_arena_alloc(arena, (size_t)m->layers + AROUND, sizeof *layers);
    const amm_block_shape embedding = { .norm_vectors = m->embedding_norm };
    const amm_block_shape norm = { .norm_vectors = m->shape.norm_vectors };
    if (layers == NULL) {
        return AMM_NO_MEMORY;
    }
    model->seq_len = m->tokens;
    model->prediction_layers = (int32_t)m->prediction_layers;
    model->layers = layers;
    AMM_TRY(add(layers, &model->layer_count, m, AMM_LAYER_EMBEDDING, &embedding));
    for (int64_t i = 0; i < m->layers; i++) {
        const amm_block_shape block = block_shape(m, i);
        AMM_TRY(add(layers, &model->layer_count, m, AMM_LAYER_BLOCK, &block));
    }
    if (!m->no_final_norm) {
        AMM_TRY(add(layers, &model->layer_count, m, AMM_LAYER_NORM, &norm));
    }
    return add(layers, &model->layer_count, m, AMM_LAYER_HEAD, &norm);
}

/* Where the config came from, when it says so; else its type. */
static amm_status name_model(amm_model *model, const hf_model *m, const hf_type *type,
                             amm_arena *arena)
{
    amm_value field;
    const hf_key key = { "_name_or_path", NULL };
    const char *name = "";
    if (find(m, &key, &field)) {
        AMM_TRY(amm_value_text(&field, &name, AMM_MAX_SOURCE));
    }
    const size_t length = strlen(name);
    name = length == 0 || length > AMM_MAX_NAME ? type->word : name;
    model->name = amm_arena_copy(arena, name, strlen(name));
    model->source = amm_arena_format(arena, "Hugging Face config.json, model_type %s", type->word);
    return model->name == NULL || model->source == NULL ? AMM_NO_MEMORY : AMM_OK;
}

/* Keys that would be dropped: a type without experts is not what the config describes. */
static amm_status refuse_experts(const amm_value *config, const hf_type *type)
{
    static const char *const keys[] = { "num_experts", "num_local_experts", "n_routed_experts",
                                        "num_experts_per_tok", "moe_intermediate_size" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !type->experts; i++) {
        amm_value field;
        int64_t value = 0;
        if (amm_field(config, keys[i], &field) && !amm_value_is_null(&field)) {
            AMM_TRY(amm_value_integer(&field, &value, 0, AMM_MAX_WIDTH));
        }
        if (value > 0) {
            return amm_value_refuse(config, keys[i],
                                    "a model of type %s has no experts, got %lld, allowed 0",
                                    type->word, (long long)value);
        }
    }
    return AMM_OK;
}

bool amm_value_is_hf(const amm_value *value)
{
    amm_value field;
    return !amm_field(value, "format", &field) &&
           (amm_field(value, "model_type", &field) || amm_field(value, "architectures", &field));
}

amm_status amm_read_hf_value(const amm_value *value, void *out)
{
    amm_arena *arena = value->document->reader->arena;
    const hf_type *type = NULL;
    char where[AMM_WHERE_CHARS];
    AMM_TRY(amm_value_keys(value, NULL));
    AMM_TRY(find_type(value, &type));
    AMM_TRY(refuse_experts(value, type));
    amm_model *model = amm_arena_alloc(arena, 1, sizeof *model);
    hf_model *m = amm_arena_alloc(arena, 1, sizeof *m);
    if (model == NULL || m == NULL) {
        return AMM_NO_MEMORY;
    }
    m->config = value;
    m->tokens = -1;
    AMM_TRY(type->read(m));
    AMM_TRY(check_limits(m));
    AMM_TRY(name_model(model, m, type, arena));
    AMM_TRY(build(model, m, arena));
    amm_value_where(where, value, NULL);
    AMM_TRY(amm_model_check(model, where));
    *(const amm_model **)out = model;
    return AMM_OK;
}
