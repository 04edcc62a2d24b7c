/* Hugging Face config.json files as models. */
#include "test_support.h"

#include "io/io.h"
#include <string.h>

static amm_status read_config(const amm_model **out, const char *text)
{
    amm_reader r = { .context = test_context(), .arena = &test_arena, .hash = AMM_HASH_START };
    return amm_read_model(&r, out, text, strlen(text), "config.json");
}

/* Keys as in the published files, those without meaning here too. */
static const struct {
    const char *preset, *text;
} configs[] = {
    /* gpt2 */
    { "gpt2-xl", "{\"architectures\":[\"GPT2LMHeadModel\"],\"model_type\":\"gpt2\","
                 "\"n_embd\":1600,\"n_layer\":48,\"n_head\":25,\"n_inner\":null,"
                 "\"n_positions\":1024,\"n_ctx\":1024,\"vocab_size\":50257,"
                 "\"activation_function\":\"gelu_new\",\"layer_norm_epsilon\":1e-05,"
                 "\"attn_pdrop\":0.1,\"summary_type\":\"cls_index\"}" },
    /* opt */
    { "opt-30b", "{\"architectures\":[\"OPTForCausalLM\"],\"model_type\":\"opt\","
                 "\"hidden_size\":7168,\"ffn_dim\":28672,\"num_hidden_layers\":48,"
                 "\"num_attention_heads\":56,\"vocab_size\":50272,"
                 "\"max_position_embeddings\":2048,\"word_embed_proj_dim\":7168,"
                 "\"do_layer_norm_before\":true,\"activation_function\":\"relu\"}" },
    /* bloom */
    { "bloom-176b", "{\"architectures\":[\"BloomForCausalLM\"],\"model_type\":\"bloom\","
                    "\"n_embed\":14336,\"n_layer\":70,\"num_attention_heads\":112,"
                    "\"vocab_size\":250880,\"seq_length\":2048,"
                    "\"apply_residual_connection_post_layernorm\":false,\"pretraining_tp\":4}" },
    /* llama */
    { "llama-3-70b",
      "{\"hidden_act\":\"silu\",\"initializer_range\":0.02,\"rms_norm_eps\":1e-05,"
      "\"rope_scaling\":null,\"rope_theta\":500000.0,\"torch_dtype\":\"bfloat16\","
      "\"use_cache\":true,\"bos_token_id\":1,\"architectures\":[\"LlamaForCausalLM\"],"
      "\"model_type\":\"llama\",\"hidden_size\":8192,\"intermediate_size\":28672,"
      "\"num_hidden_layers\":80,\"num_attention_heads\":64,\"num_key_value_heads\":8,"
      "\"vocab_size\":128256,\"max_position_embeddings\":8192,"
      "\"tie_word_embeddings\":false,\"attention_bias\":false}" },
    /* llama tied */
    { "llama-3.2-1b", "{\"hidden_act\":\"silu\",\"initializer_range\":0.02,\"rms_norm_eps\":1e-05,"
                      "\"rope_scaling\":null,\"rope_theta\":500000.0,\"torch_dtype\":\"bfloat16\","
                      "\"use_cache\":true,\"bos_token_id\":1,\"model_type\":\"llama\","
                      "\"hidden_size\":2048,\"intermediate_size\":8192,\"num_hidden_layers\":16,"
                      "\"num_attention_heads\":32,\"num_key_value_heads\":8,\"head_dim\":64,"
                      "\"vocab_size\":128256,\"max_position_embeddings\":131072,"
                      "\"tie_word_embeddings\":true,\"mlp_bias\":false}" },
    /* llama without num_key_value_heads */
    { "llama-2-7b", "{\"model_type\":\"llama\",\"hidden_size\":4096,\"intermediate_size\":11008,"
                    "\"num_hidden_layers\":32,\"num_attention_heads\":32,\"vocab_size\":32000,"
                    "\"max_position_embeddings\":4096}" },
    /* mistral */
    { "mistral-7b", "{\"hidden_act\":\"silu\",\"initializer_range\":0.02,\"rms_norm_eps\":1e-05,"
                    "\"rope_scaling\":null,\"rope_theta\":500000.0,\"torch_dtype\":\"bfloat16\","
                    "\"use_cache\":true,\"bos_token_id\":1,"
                    "\"architectures\":[\"MistralForCausalLM\"],\"model_type\":\"mistral\","
                    "\"hidden_size\":4096,\"intermediate_size\":14336,\"num_hidden_layers\":32,"
                    "\"num_attention_heads\":32,\"num_key_value_heads\":8,\"vocab_size\":32000,"
                    "\"max_position_embeddings\":32768,\"sliding_window\":4096,"
                    "\"tie_word_embeddings\":false}" },
    /* mixtral */
    { "mixtral-8x7b",
      "{\"hidden_act\":\"silu\",\"initializer_range\":0.02,\"rms_norm_eps\":1e-05,"
      "\"rope_scaling\":null,\"rope_theta\":500000.0,\"torch_dtype\":\"bfloat16\","
      "\"use_cache\":true,\"bos_token_id\":1,"
      "\"architectures\":[\"MixtralForCausalLM\"],\"model_type\":\"mixtral\","
      "\"hidden_size\":4096,\"intermediate_size\":14336,\"num_hidden_layers\":32,"
      "\"num_attention_heads\":32,\"num_key_value_heads\":8,\"num_local_experts\":8,"
      "\"num_experts_per_tok\":2,\"vocab_size\":32000,"
      "\"max_position_embeddings\":32768,\"sliding_window\":null,"
      "\"router_aux_loss_coef\":0.02}" },
    /* qwen2 */
    { "qwen2.5-7b",
      "{\"hidden_act\":\"silu\",\"initializer_range\":0.02,\"rms_norm_eps\":1e-05,"
      "\"rope_scaling\":null,\"rope_theta\":500000.0,\"torch_dtype\":\"bfloat16\","
      "\"use_cache\":true,\"bos_token_id\":1,\"architectures\":[\"Qwen2ForCausalLM\"],"
      "\"model_type\":\"qwen2\",\"hidden_size\":3584,\"intermediate_size\":18944,"
      "\"num_hidden_layers\":28,\"num_attention_heads\":28,\"num_key_value_heads\":4,"
      "\"vocab_size\":152064,\"max_position_embeddings\":131072,"
      "\"sliding_window\":131072,\"use_sliding_window\":false,\"max_window_layers\":28,"
      "\"tie_word_embeddings\":false}" },
    /* qwen3 */
    { "qwen3-32b", "{\"hidden_act\":\"silu\",\"initializer_range\":0.02,\"rms_norm_eps\":1e-05,"
                   "\"rope_scaling\":null,\"rope_theta\":500000.0,\"torch_dtype\":\"bfloat16\","
                   "\"use_cache\":true,\"bos_token_id\":1,\"architectures\":[\"Qwen3ForCausalLM\"],"
                   "\"model_type\":\"qwen3\",\"hidden_size\":5120,\"intermediate_size\":25600,"
                   "\"num_hidden_layers\":64,\"num_attention_heads\":64,\"num_key_value_heads\":8,"
                   "\"head_dim\":128,\"vocab_size\":151936,\"max_position_embeddings\":40960,"
                   "\"sliding_window\":null,\"use_sliding_window\":false,\"max_window_layers\":64,"
                   "\"attention_bias\":false}" },
    /* qwen3_moe */
    { "qwen3-30b-a3b",
      "{\"hidden_act\":\"silu\",\"initializer_range\":0.02,\"rms_norm_eps\":1e-05,"
      "\"rope_scaling\":null,\"rope_theta\":500000.0,\"torch_dtype\":\"bfloat16\","
      "\"use_cache\":true,\"bos_token_id\":1,"
      "\"architectures\":[\"Qwen3MoeForCausalLM\"],\"model_type\":\"qwen3_moe\","
      "\"hidden_size\":2048,\"intermediate_size\":6144,\"num_hidden_layers\":48,"
      "\"num_attention_heads\":32,\"num_key_value_heads\":4,\"head_dim\":128,"
      "\"vocab_size\":151936,\"max_position_embeddings\":40960,\"num_experts\":128,"
      "\"num_experts_per_tok\":8,\"moe_intermediate_size\":768,"
      "\"decoder_sparse_step\":1,\"mlp_only_layers\":[],\"norm_topk_prob\":true}" },
    /* deepseek_v2 */
    { "deepseek-v2-lite",
      "{\"attention_bias\":false,\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,"
      "\"qk_rope_head_dim\":64,\"v_head_dim\":128,\"num_experts_per_tok\":6,"
      "\"max_position_embeddings\":163840,\"vocab_size\":102400,"
      "\"tie_word_embeddings\":false,\"moe_layer_freq\":1,\"n_group\":1,"
      "\"topk_group\":1,\"routed_scaling_factor\":1.0,"
      "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40},"
      "\"architectures\":[\"DeepseekV2ForCausalLM\"],\"model_type\":\"deepseek_v2\","
      "\"hidden_size\":2048,\"intermediate_size\":10944,\"num_hidden_layers\":27,"
      "\"num_attention_heads\":16,\"num_key_value_heads\":16,\"q_lora_rank\":null,"
      "\"n_routed_experts\":64,\"n_shared_experts\":2,\"moe_intermediate_size\":1408,"
      "\"first_k_dense_replace\":1}" },
    /* deepseek_v3 */
    { "deepseek-v3", "{\"attention_bias\":false,\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,"
                     "\"qk_rope_head_dim\":64,\"v_head_dim\":128,\"num_experts_per_tok\":8,"
                     "\"max_position_embeddings\":163840,\"vocab_size\":129280,"
                     "\"tie_word_embeddings\":false,\"moe_layer_freq\":1,\"n_group\":8,"
                     "\"topk_group\":4,\"routed_scaling_factor\":1.0,"
                     "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40},"
                     "\"architectures\":[\"DeepseekV3ForCausalLM\"],\"model_type\":\"deepseek_v3\","
                     "\"head_dim\":64,\"hidden_size\":7168,\"intermediate_size\":18432,"
                     "\"num_hidden_layers\":61,\"num_attention_heads\":128,"
                     "\"num_key_value_heads\":128,\"q_lora_rank\":1536,\"n_routed_experts\":256,"
                     "\"n_shared_experts\":1,\"moe_intermediate_size\":2048,"
                     "\"first_k_dense_replace\":3,\"num_nextn_predict_layers\":1,"
                     "\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[128,"
                     "128]}}" },
    /* by its architecture */
    { "deepseek-v3", "{\"attention_bias\":false,\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,"
                     "\"qk_rope_head_dim\":64,\"v_head_dim\":128,\"num_experts_per_tok\":8,"
                     "\"max_position_embeddings\":163840,\"vocab_size\":129280,"
                     "\"tie_word_embeddings\":false,\"moe_layer_freq\":1,\"n_group\":8,"
                     "\"topk_group\":4,\"routed_scaling_factor\":1.0,"
                     "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40},"
                     "\"architectures\":[\"DeepseekV3ForCausalLM\"],\"model_type\":\"own_type\","
                     "\"head_dim\":64,\"hidden_size\":7168,\"intermediate_size\":18432,"
                     "\"num_hidden_layers\":61,\"num_attention_heads\":128,"
                     "\"num_key_value_heads\":128,\"q_lora_rank\":1536,\"n_routed_experts\":256,"
                     "\"n_shared_experts\":1,\"moe_intermediate_size\":2048,"
                     "\"first_k_dense_replace\":3,\"num_nextn_predict_layers\":1,"
                     "\"quantization_config\":{\"quant_method\":\"fp8\",\"weight_block_size\":[128,"
                     "128]}}" },
};

static void configs_equal_their_presets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        amm_reader r = { .context = test_context(), .arena = &test_arena, .hash = AMM_HASH_START };
        const amm_model *model = NULL;
        const amm_model *preset = NULL;
        if (read_config(&model, configs[i].text) != AMM_OK) {
            fail_msg("%s: %s", configs[i].preset, amm_last_error());
        }
        assert_int_equal(amm_get_model(&r, &preset, configs[i].preset, "model"), AMM_OK);
        assert_int_equal(model->seq_len, preset->seq_len);
        assert_int_equal(model->prediction_layers, preset->prediction_layers);
        assert_int_equal(model->layer_count, preset->layer_count);
        assert_int_equal(amm_model_parameters(model), amm_model_parameters(preset));
        for (int32_t l = 0; l < model->layer_count; l++) {
            assert_true(amm_layer_same(&model->layers[l], &preset->layers[l]));
        }
    }
}

/* ---- what differs from layer to layer -------------------------------------------------------- */

#define SMALL(type)                                                                                \
    "{\"model_type\":\"" type "\",\"hidden_size\":64,\"num_attention_heads\":4,"                   \
    "\"num_key_value_heads\":2,\"vocab_size\":100,\"max_position_embeddings\":32,"
/* Without num_key_value_heads. */
#define BARE(type)                                                                                 \
    "{\"model_type\":\"" type "\",\"hidden_size\":64,\"num_attention_heads\":4,"                   \
    "\"vocab_size\":100,\"max_position_embeddings\":32," LAYERS(1) FFN
#define EXPERTS   ",\"n_routed_experts\":8,\"num_experts_per_tok\":2,\"moe_intermediate_size\":8"
#define LAYERS(n) "\"num_hidden_layers\":" #n
#define FFN       ",\"intermediate_size\":128"

static const amm_model *small(const char *text)
{
    const amm_model *model = NULL;
    if (read_config(&model, text) != AMM_OK) {
        fail_msg("%s", amm_last_error());
    }
    return model;
}

static void windows_by_layer(void **state)
{
    (void)state;
    /* From max_window_layers on. */
    const amm_model *m =
        small(SMALL("qwen2") LAYERS(3) FFN ",\"use_sliding_window\":true,\"sliding_window\":8,"
                                           "\"max_window_layers\":2}");
    assert_same_bits(m->layers[2].shape.window, 0);
    assert_same_bits(m->layers[3].shape.window, 8);
    /* layer_types has the last word. */
    m = small(SMALL("mistral") LAYERS(2) FFN ",\"sliding_window\":8,\"layer_types\":["
                                             "\"full_attention\",\"sliding_attention\"]}");
    assert_same_bits(m->layers[1].shape.window, 0);
    assert_same_bits(m->layers[2].shape.window, 8);
    /* A window as long as the sequence is none. */
    m = small(SMALL("mistral") LAYERS(1) FFN ",\"sliding_window\":32}");
    assert_same_bits(m->layers[1].shape.window, 0);
    /* null says that there is none; null heads that all have their own keys. */
    m = small(BARE("mistral") ",\"sliding_window\":null,\"num_key_value_heads\":null}");
    assert_same_bits(m->layers[1].shape.window, 0);
    assert_same_bits(m->layers[1].shape.kv_heads, 4);
    /* llama's class has no number of its own; nor has anyone experts where there are none. */
    m = small(BARE("llama") ",\"num_experts\":0,\"num_local_experts\":null}");
    assert_same_bits(m->layers[1].shape.kv_heads, 4);
}

static void experts_by_layer(void **state)
{
    (void)state;
    const amm_model *m =
        small(SMALL("qwen3_moe") LAYERS(4) FFN
              ",\"head_dim\":16,\"num_local_experts\":8,\"num_experts_per_tok\":2,"
              "\"moe_intermediate_size\":32,\"decoder_sparse_step\":2,\"mlp_only_layers\":[3]}");
    for (int32_t l = 1; l <= 4; l++) { /* every second, but not block 3 */
        assert_same_bits(m->layers[l].shape.experts, l == 2 ? 8 : 0);
        assert_same_bits(m->layers[l].shape.ffn, l == 2 ? 0 : 128);
    }
    m = small(
        SMALL("deepseek_v2") LAYERS(4) FFN
        ",\"q_lora_rank\":null,\"kv_lora_rank\":8,\"qk_nope_head_dim\":8,\"qk_rope_head_dim\":4,"
        "\"v_head_dim\":8,\"n_routed_experts\":8,\"num_experts_per_tok\":2,"
        "\"n_shared_experts\":null,\"moe_intermediate_size\":32,\"first_k_dense_replace\":1,\"moe_"
        "layer_freq\":2}");
    for (int32_t l = 1; l <= 4; l++) { /* of blocks 1, 2, 3 the even one */
        assert_same_bits(m->layers[l].shape.experts, l == 3 ? 8 : 0);
    }
    m = small(
        SMALL("deepseek_v3") LAYERS(1) FFN
        ",\"q_lora_rank\":null,\"kv_lora_rank\":8,\"qk_nope_head_dim\":8,\"qk_rope_head_dim\":4,"
        "\"v_head_dim\":8,\"n_routed_experts\":null}");
    assert_same_bits(m->layers[1].shape.experts, 0);
}

static void biases_and_norms(void **state)
{
    (void)state;
    const amm_model *m =
        small(SMALL("llama") LAYERS(1) FFN ",\"attention_bias\":true,\"mlp_bias\":true}");
    assert_same_bits(m->layers[1].shape.qkv_bias, 1);
    assert_same_bits(m->layers[1].shape.out_bias, 1);
    assert_same_bits(m->layers[1].shape.ffn_bias, 1);
    m = small(SMALL("opt") LAYERS(1) ",\"ffn_dim\":128,\"enable_bias\":false,"
                                     "\"do_layer_norm_before\":false}");
    assert_same_bits(m->layers[1].shape.ffn_bias, 0);
    assert_int_equal(m->layer_count, 3); /* no final norm */
    assert_true(m->layers[2].tied);
    assert_int_equal(m->layers[0].positions, 34);
}

static void names(void **state)
{
    (void)state;
    const amm_model *m = small(SMALL("llama") LAYERS(1) FFN ",\"_name_or_path\":\"team/model\"}");
    assert_string_equal(m->name, "team/model");
    assert_string_equal(m->source, "Hugging Face config.json, model_type llama");
    m = small(SMALL("llama") LAYERS(1) FFN ",\"_name_or_path\":\"\"}");
    assert_string_equal(m->name, "llama");
}

/* ---- bad input ------------------------------------------------------------------------------- */

#define MLA                                                                                        \
    ",\"q_lora_rank\":null,\"kv_lora_rank\":8,\"qk_nope_head_dim\":8,\"qk_rope_head_dim\":4,\"v_"  \
    "head_dim\":8"
#define TYPES "gpt2 llama mistral mixtral qwen2 qwen3 qwen3_moe deepseek_v2 deepseek_v3 bloom opt"

static const struct {
    const char *text, *message;
} bad[] = {
    /* which model */
    { "{\"model_type\":\"falcon\"}",
      "config.json:model_type: not supported, got \"falcon\", allowed: " TYPES },
    { "{\"architectures\":[\"FalconForCausalLM\"]}",
      "config.json:architectures: not supported, got \"FalconForCausalLM\", allowed: " TYPES },
    { "{\"model_type\":null,\"architectures\":[]}", "config.json:model_type: missing" },
    { "{\"model_type\":5}", "config.json:model_type: wrong type, got a number, allowed a string" },
    { "{\"hidden_size\":5}", "config.json:format: missing, allowed \"ammeter-model\"; a Hugging "
                             "Face config has model_type "
                             "or architectures instead" },
    { "{\"model_type\":\"llama\",\"model_type\":\"opt\"}",
      "config.json:model_type: key given twice" },
    /* sizes */
    { "{\"model_type\":\"llama\"}", "config.json:hidden_size: missing" },
    { "{\"model_type\":\"gpt2\"}", "config.json:n_embd: missing" },
    { "{\"model_type\":\"llama\",\"hidden_size\":-4096}",
      "config.json:hidden_size: out of range, got -4096, allowed 1 to 16777216" },
    { "{\"model_type\":\"gpt2\",\"hidden_size\":16777216}",
      "config.json:hidden_size: out of range, got 16777216, allowed 1 to 4194304" },
    { "{\"model_type\":\"llama\",\"hidden_size\":\"64\"}",
      "config.json:hidden_size: wrong type, got a string, allowed a number" },
    { SMALL("llama") LAYERS(1000000000000000000) FFN "}",
      "config.json:num_hidden_layers: out of range, got 1e+18, allowed 1 to 4093" },
    { SMALL("llama") LAYERS(0) FFN "}",
      "config.json:num_hidden_layers: out of range, got 0, allowed 1 to 4093" },
    { SMALL("llama") LAYERS(1.5) FFN "}",
      "config.json:num_hidden_layers: not an integer, got 1.5" },
    { SMALL("llama") LAYERS(1) "}", "config.json:intermediate_size: missing" },
    { SMALL("llama") LAYERS(1) ",\"intermediate_size\":0}",
      "config.json:intermediate_size: out of range, got 0, allowed 1 to 16777216" },
    { "{\"model_type\":\"llama\",\"hidden_size\":64,\"num_hidden_layers\":1,"
      "\"num_attention_heads\":4,\"intermediate_size\":64,\"max_position_embeddings\":8,"
      "\"vocab_size\":0}",
      "config.json:vocab_size: out of range, got 0, allowed 1 to 2147483647" },
    { "{\"model_type\":\"llama\",\"hidden_size\":64,\"num_hidden_layers\":1,"
      "\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":9}",
      "config.json:max_position_embeddings: missing" },
    { SMALL("llama") LAYERS(1) FFN ",\"tie_word_embeddings\":1}",
      "config.json:tie_word_embeddings: wrong type, got a number, allowed true or false" },
    { "{\"model_type\":\"llama\",\"hidden_size\":16777216,\"num_hidden_layers\":64,"
      "\"num_attention_heads\":64,\"intermediate_size\":16777216,\"vocab_size\":9,"
      "\"max_position_embeddings\":8}",
      "config.json:hidden_size: too many parameters, got 1.26e+17, allowed 9007199254740992" },
    { "{\"model_type\":\"llama\",\"hidden_size\":64,\"num_hidden_layers\":1,"
      "\"num_attention_heads\":4,\"intermediate_size\":64,\"vocab_size\":2147483647,"
      "\"max_position_embeddings\":2147483647}",
      "config.json:max_position_embeddings: too many activations for a width of 2147483647, got "
      "2147483647, allowed 4194304" },
    /* heads */
    { "{\"model_type\":\"llama\",\"hidden_size\":64,\"num_hidden_layers\":1,"
      "\"num_attention_heads\":7,\"intermediate_size\":64,\"vocab_size\":9,"
      "\"max_position_embeddings\":8}",
      "config.json:head_dim: missing, and num_attention_heads does not divide hidden_size, got 7, "
      "allowed divisors of 64" },
    { "{\"model_type\":\"gpt2\",\"n_embd\":64,\"n_layer\":1,\"n_head\":7,\"vocab_size\":9,"
      "\"n_positions\":8}",
      "config.json:n_head: n_head does not divide n_embd, got 7, allowed divisors of 64" },
    { SMALL("qwen3") LAYERS(1) FFN "}", "config.json:head_dim: missing" },
    { "{\"model_type\":\"llama\",\"hidden_size\":64,\"num_hidden_layers\":1,"
      "\"num_attention_heads\":4,\"num_key_value_heads\":3,\"intermediate_size\":64,"
      "\"vocab_size\":9,\"max_position_embeddings\":8}",
      "config.json:num_key_value_heads: does not divide num_attention_heads, got 3, allowed "
      "divisors of 4" },
    { SMALL("opt") LAYERS(1) ",\"ffn_dim\":8,\"word_embed_proj_dim\":32}",
      "config.json:word_embed_proj_dim: out of range, got 32, allowed 64 to 64" },
    { SMALL("deepseek_v2") LAYERS(1) FFN "}",
      "config.json:q_lora_rank: missing (the model class takes 1536 then; write what is meant)" },
    { SMALL("deepseek_v2") LAYERS(1) FFN ",\"q_lora_rank\":null}",
      "config.json:kv_lora_rank: missing" },
    { SMALL("mistral") LAYERS(1) FFN ",\"sliding_window\":-1}",
      "config.json:sliding_window: out of range, got -1, allowed 1 to 2147483647" },
    { SMALL("mistral") LAYERS(1) FFN ",\"sliding_window\":8,\"layer_types\":[]}",
      "config.json:layer_types: got 0 elements, allowed 1 (num_hidden_layers)" },
    { SMALL("mistral") LAYERS(1) FFN ",\"sliding_window\":8,\"layer_types\":[\"linear\"]}",
      "config.json:layer_types[0]: unknown, got \"linear\", allowed full_attention, "
      "sliding_attention" },
    /* experts */
    { SMALL("mixtral") LAYERS(1) FFN "}", "config.json:num_local_experts: missing" },
    { SMALL("mixtral") LAYERS(1) FFN ",\"num_experts\":8}",
      "config.json:num_experts_per_tok: missing" },
    { SMALL("mixtral") LAYERS(1) FFN ",\"num_local_experts\":8,\"num_experts_per_tok\":9}",
      "config.json:num_experts_per_tok: out of range, got 9, allowed 1 to 8" },
    { SMALL("mixtral") LAYERS(1) FFN ",\"num_local_experts\":100000}",
      "config.json:num_local_experts: out of range, got 100000, allowed 1 to 65536" },
    { SMALL("qwen3_moe") LAYERS(1) ",\"head_dim\":16,\"num_experts\":8,\"num_experts_per_tok\":2}",
      "config.json:moe_intermediate_size: missing" },
    { SMALL("qwen3_moe") LAYERS(2) ",\"head_dim\":16,\"num_experts\":8,"
                                   "\"num_experts_per_tok\":2,\"moe_intermediate_size\":8,"
                                   "\"mlp_only_layers\":[1]}",
      "config.json:intermediate_size: missing (layer 1 has no experts)" },
    { SMALL("qwen3_moe") LAYERS(2) FFN ",\"head_dim\":16,\"num_experts\":8,"
                                       "\"num_experts_per_tok\":2,\"moe_intermediate_size\":8,"
                                       "\"mlp_only_layers\":[2]}",
      "config.json:mlp_only_layers[0]: out of range, got 2, allowed 0 to 1" },
    /* what the class fills in otherwise than one would think */
    { BARE("mistral") ",\"sliding_window\":null}",
      "config.json:num_key_value_heads: missing (the model class takes 8 then; write what is "
      "meant)" },
    { BARE("mixtral") "}",
      "config.json:num_key_value_heads: missing (the model class takes 8 then; write what is "
      "meant)" },
    { BARE("qwen2") "}",
      "config.json:num_key_value_heads: missing (the model class takes 32 then; write what is "
      "meant)" },
    { BARE("qwen3") ",\"head_dim\":16}",
      "config.json:num_key_value_heads: missing (the model class takes 32 then; write what is "
      "meant)" },
    { BARE("qwen3_moe") ",\"head_dim\":16}",
      "config.json:num_key_value_heads: missing (the model class takes 4 then; write what is "
      "meant)" },
    { SMALL("mistral") LAYERS(1) FFN "}",
      "config.json:sliding_window: missing (the model class takes 4096 then; write what is "
      "meant)" },
    { SMALL("qwen2") LAYERS(1) FFN ",\"use_sliding_window\":true}",
      "config.json:sliding_window: missing (the model class takes 4096 then; write what is "
      "meant)" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA "}",
      "config.json:n_routed_experts: missing (the model class takes 256 then; write what is "
      "meant)" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA EXPERTS ",\"first_k_dense_replace\":0}",
      "config.json:n_shared_experts: missing (the model class takes 1 then; write what is meant)" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA EXPERTS ",\"n_shared_experts\":null}",
      "config.json:first_k_dense_replace: missing (the model class takes 3 then; write what is "
      "meant)" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA EXPERTS
      ",\"n_shared_experts\":null,\"first_k_dense_replace\":0}",
      "config.json:n_group: missing (the model class takes 8 then; write what is meant)" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA EXPERTS
      ",\"n_shared_experts\":null,\"first_k_dense_replace\":0,\"n_group\":2}",
      "config.json:topk_group: missing (the model class takes 4 then; write what is meant)" },
    /* experts of a type that has none */
    { SMALL("llama") LAYERS(1) FFN ",\"num_experts\":8}",
      "config.json:num_experts: a model of type llama has no experts, got 8, allowed 0" },
    { SMALL("llama") LAYERS(1) FFN ",\"num_local_experts\":8}",
      "config.json:num_local_experts: a model of type llama has no experts, got 8, allowed 0" },
    { SMALL("qwen2") LAYERS(1) FFN ",\"moe_intermediate_size\":8}",
      "config.json:moe_intermediate_size: a model of type qwen2 has no experts, got 8, allowed 0" },
    { SMALL("mistral") LAYERS(1) FFN ",\"sliding_window\":null,\"num_experts_per_tok\":2}",
      "config.json:num_experts_per_tok: a model of type mistral has no experts, got 2, allowed 0" },
    { SMALL("deepseek_v3") LAYERS(1) MLA ",\"n_routed_experts\":null}",
      "config.json:intermediate_size: missing (layer 0 has no experts)" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA ",\"n_routed_experts\":8,\"num_experts_per_tok\":2}",
      "config.json:moe_intermediate_size: missing" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA
      ",\"n_routed_experts\":8,\"num_experts_per_tok\":2,"
      "\"moe_intermediate_size\":8,\"n_shared_experts\":null,"
      "\"first_k_dense_replace\":0,\"n_group\":4,\"topk_group\":5}",
      "config.json:topk_group: out of range, got 5, allowed 1 to 4" },
    { SMALL("deepseek_v3") LAYERS(1) FFN MLA ",\"num_nextn_predict_layers\":65}",
      "config.json:num_nextn_predict_layers: out of range, got 65, allowed 0 to 64" },
};

static void bad_configs_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const amm_model *model = NULL;
        assert_int_equal(read_config(&model, bad[i].text), AMM_INPUT);
        assert_string_equal(amm_last_error(), bad[i].message);
        assert_null(model);
    }
}

/* A config may stand inside a problem, and messages know where. */
static void configs_inside_problems(void **state)
{
    static const char text[] = "{\"format\":\"ammeter-problem\",\"version\":1,\"name\":\"p\","
                               "\"seq_len\":16,\"model\":" SMALL("llama") LAYERS(2) FFN "}}";
    static const char wrong[] = "{\"format\":\"ammeter-problem\",\"version\":1,\"name\":\"p\","
                                "\"model\":{\"model_type\":\"llama\",\"hidden_size\":0}}";
    amm_reader r = { .context = test_context(), .arena = &test_arena, .hash = AMM_HASH_START };
    amm_problem_desc problem;
    (void)state;
    assert_int_equal(amm_read_problem(&r, &problem, text, sizeof text - 1, "p.json"), AMM_OK);
    assert_int_equal(problem.model->layer_count, 5);
    assert_int_equal(problem.model->layers[2].tokens, 16);
    assert_int_equal(problem.model->given->seq_len, 32);
    assert_int_equal(amm_read_problem(&r, &problem, wrong, sizeof wrong - 1, "p.json"), AMM_INPUT);
    assert_string_equal(amm_last_error(),
                        "p.json:model.hidden_size: out of range, got 0, allowed 1 to 16777216");
}

static amm_status read_with(const amm_context_options *options)
{
    static const char text[] = SMALL("llama") LAYERS(2) FFN "}";
    const amm_model *model = NULL;
    amm_context *context = NULL;
    amm_arena arena;
    amm_status status = amm_context_create(&context, options);
    if (status == AMM_OK) {
        amm_arena_init(&arena, context);
        amm_reader r = { .context = context, .arena = &arena, .hash = AMM_HASH_START };
        status = amm_read_model(&r, &model, text, sizeof text - 1, "config.json");
        amm_arena_free(&arena);
    }
    amm_context_free(context);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    amm_status status = AMM_NO_MEMORY;
    int64_t n = 0;
    (void)state;
    for (; status == AMM_NO_MEMORY; n++) {
        failing_allocator failing = { n, 0, 0 };
        amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
        options.allocator = failing_allocator_make(&failing);
        status = read_with(&options);
        assert_int_equal(failing.live, 0);
    }
    assert_int_equal(status, AMM_OK);
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(configs_equal_their_presets, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(windows_by_layer, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(experts_by_layer, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(biases_and_norms, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(names, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(bad_configs_are_named, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(configs_inside_problems, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, arena_start, arena_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
