/* Parameter counts of the network presets against published figures. */
#include "test_support.h"

#include "io/io.h"
#include <math.h>
#include <string.h>

typedef struct published {
    const char *name;
    int64_t parameters, active; /* active per token; 0: all */
} published;

/* Stored values of the published checkpoints, to the digit. */
static const published exact[] = {
    { "gpt2", INT64_C(124439808), 0 },
    { "gpt2-medium", INT64_C(354823168), 0 },
    { "gpt2-large", INT64_C(774030080), 0 },
    { "gpt2-xl", INT64_C(1557611200), 0 },
    { "bloom-176b", INT64_C(176247271424), 0 },
    { "llama-2-7b", INT64_C(6738415616), 0 },
    { "llama-2-13b", INT64_C(13015864320), 0 },
    { "llama-2-70b", INT64_C(68976648192), 0 },
    { "llama-3-8b", INT64_C(8030261248), 0 },
    { "llama-3-70b", INT64_C(70553706496), 0 },
    { "llama-3.1-405b", INT64_C(405853388800), 0 },
    { "qwen2.5-7b", INT64_C(7615616512), 0 },
    { "qwen2.5-32b", INT64_C(32763876352), 0 },
    { "qwen2.5-72b", INT64_C(72706203648), 0 },
    { "qwen3-8b", INT64_C(8190735360), 0 },
    { "qwen3-32b", INT64_C(32762123264), 0 },
    { "qwen3-30b-a3b", INT64_C(30532122624), INT64_C(3353032704) },
    { "qwen3-235b-a22b", INT64_C(235093634560), INT64_C(22190763520) },
    { "mixtral-8x7b", INT64_C(46702792704), INT64_C(12879925248) },
    { "mixtral-8x22b", INT64_C(140620634112), INT64_C(39152031744) },
    { "deepseek-v2", INT64_C(235741434880), INT64_C(21375800320) },
    { "deepseek-v2-lite", INT64_C(15706484224), INT64_C(2661150208) },
    { "deepseek-v3", INT64_C(671026419200), INT64_C(37552297472) },
    { "llama-3.2-1b", INT64_C(1235814400), 0 },
    { "llama-3.2-3b", INT64_C(3212749824), 0 },
    { "mistral-7b", INT64_C(7241732096), 0 },
    { "gpt-neox-20b", INT64_C(20554567680), 0 },
    { "mpt-7b", INT64_C(6649286656), 0 },
    { "tinyllama-1.1b", INT64_C(1100048384), 0 },
    { "gpt-oss-120b", INT64_C(116829156672), INT64_C(5711982912) },
};

/* Where only a rounded size was published: the figure, and the unit it was rounded to. */
static const struct {
    const char *name;
    double parameters, unit;
} rounded[] = {
    { "gpt3-175b", 174.6e9, 0.1e9 },
    { "opt-175b", 175e9, 1e9 },
    { "opt-30b", 30e9, 1e9 },
    { "megatron-22b", 22e9, 1e9 },
    { "megatron-175b", 175e9, 1e9 },
    { "megatron-530b", 530e9, 1e9 },
    { "megatron-1t", 1008e9, 1e9 },
    { "mpt-13b", 13e9, 1e9 },
    { "mpt-30b", 30e9, 1e9 },
    { "mpt-70b", 65e9, 1e9 },
    { "internlm-7b", 7.3e9, 0.1e9 },
    { "nemotron3-8b", 8.5e9, 0.1e9 },   /* 7.5 and two tables of 0.5 */
    { "nemotron3-22b", 21.3e9, 0.1e9 }, /* 18.1 and two tables of 0.8 */
    { "nemotron4-15b", 15.6e9, 0.1e9 }, /* 12.5 + 3.2 in its table 1 */
    { "nemotron4-340b", 341e9, 1e9 },   /* 331.6 + 9.4 in its table 1 */
};

static const amm_model *preset(const char *name)
{
    amm_reader r = { .context = test_context(), .arena = &test_arena, .hash = AMM_HASH_START };
    const amm_model *model = NULL;
    assert_int_equal(amm_get_model(&r, &model, name, "model"), AMM_OK);
    return model;
}

static void published_counts_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        const published *p = &exact[i];
        const amm_model *model = preset(p->name);
        if (amm_model_parameters(model) != p->parameters) {
            print_error("%s\n", p->name);
        }
        assert_int_equal(amm_model_parameters(model), p->parameters);
        assert_int_equal(amm_model_active_parameters(model),
                         p->active == 0 ? p->parameters : p->active);
    }
}

static void rounded_counts_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rounded / sizeof rounded[0]; i++) {
        const double parameters = (double)amm_model_parameters(preset(rounded[i].name));
        assert_close(parameters, rounded[i].parameters, 0, rounded[i].unit / 2);
    }
}

/* Every preset is in one of the tables above, or is one of AMP's experiments. */
static bool known(const char *name)
{
    bool found = strcmp(name, "gpt2-amp") == 0 || strcmp(name, "transgan-amp") == 0;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        found = found || strcmp(name, exact[i].name) == 0;
    }
    for (size_t i = 0; i < sizeof rounded / sizeof rounded[0]; i++) {
        found = found || strcmp(name, rounded[i].name) == 0;
    }
    return found;
}

static void every_network_has_a_figure(void **state)
{
    const char *name = NULL;
    (void)state;
    for (int32_t i = 0; (name = amm_preset_name(AMM_PRESET_MODEL, i)) != NULL; i++) {
        const amm_model *model = preset(name);
        if (!known(name)) {
            print_error("%s\n", name);
        }
        assert_true(known(name));
        assert_string_equal(model->name, name);
        assert_true(strlen(model->source) > 0);
    }
}

/* One block of each family, by hand. */
static void block_shapes_by_hand(void **state)
{
    (void)state;
    /* Llama 3 70B: q and o 8192^2, k and v 8192 x 1024, three 8192 x 28672, two norms. */
    const amm_block_shape *x = &preset("llama-3-70b")->layers[1].shape;
    assert_same_bits(amm_attention_parameters(x), 2.0 * 8192 * 8192 + 2.0 * 8192 * 1024);
    assert_same_bits(amm_feed_forward_parameters(x), 3.0 * 8192 * 28672);
    assert_same_bits(amm_block_norm_parameters(x), 2.0 * 8192);
    /* Qwen 2.5 7B: 28 heads of 128 and 4 for keys and values, with their biases. */
    x = &preset("qwen2.5-7b")->layers[1].shape;
    assert_same_bits(amm_attention_parameters(x),
                     2.0 * 3584 * 3584 + 2.0 * 3584 * 512 + 3584 + 2 * 512);
    /* Qwen 3 30B: 32 heads of 128 at width 2048, norms of queries and keys; 128 experts of 768. */
    x = &preset("qwen3-30b-a3b")->layers[1].shape;
    assert_same_bits(amm_attention_parameters(x), 2.0 * 2048 * 4096 + 2.0 * 2048 * 512 + 2 * 128);
    assert_same_bits(amm_feed_forward_parameters(x), 0);
    assert_same_bits(amm_expert_parameters(x), 128 * 3.0 * 2048 * 768);
    assert_same_bits(amm_router_parameters(x), 2048 * 128);
    assert_same_bits(amm_block_active_ffn(x), 8 * 768);
    /* DeepSeek-V3: queries through 1536, keys and values through 512, a rotary key of 64. */
    x = &preset("deepseek-v3")->layers[4].shape;
    assert_same_bits(amm_attention_parameters(x),
                     7168.0 * 1536 + 1536 + 1536.0 * 128 * 192 + 7168.0 * (512 + 64) + 512 +
                         512.0 * 128 * (128 + 128) + 128.0 * 128 * 7168);
    assert_same_bits(amm_shared_parameters(x), 3.0 * 7168 * 2048);
    assert_same_bits(amm_block_parameters_of(x) - amm_block_active_parameters(x),
                     248 * 3.0 * 7168 * 2048);
    assert_int_equal(preset("deepseek-v3")->prediction_layers, 1);
    /* V2 Lite: queries directly. */
    x = &preset("deepseek-v2-lite")->layers[1].shape;
    assert_same_bits(amm_attention_parameters(x),
                     2048.0 * 16 * 192 + 2048.0 * 576 + 512 + 512.0 * 16 * 256 + 16.0 * 128 * 2048);
    /* Biases of latent attention and of a gated feed-forward. */
    amm_block_shape biased = *x;
    biased.qkv_bias = biased.ffn_bias = 1;
    assert_same_bits(amm_attention_parameters(&biased) - amm_attention_parameters(x), 512 + 64);
    assert_same_bits(amm_feed_forward_parameters(&biased) - amm_feed_forward_parameters(x),
                     2.0 * 10944 + 2048);
    /* Sliding windows. */
    x = &preset("mistral-7b")->layers[1].shape;
    assert_same_bits(amm_block_keys(x, 32768), 4096);
    assert_same_bits(amm_block_keys(x, 1024), 1024);
}

/* Eight choices among eight domains, 8 x (1 - (7/8)^8) of them hit, 7/8 of these other ones. From four
 * of eight groups, a domain each: 4 x (1 - (3/4)^8). Groups over two domains each: eight of 16. Two domains
 * hold four groups each: both are reached. */
static void node_limited_routing(void **state)
{
    amm_block_shape x = preset("deepseek-v3")->layers[4].shape;
    (void)state;
    assert_same_bits(x.expert_groups, 8);
    assert_same_bits(x.token_groups, 4);
    assert_close(amm_remote_domains(&x, 8), 7.0 / 8 * 4 * (1 - pow(0.75, 8)), 1e-12, 0);
    assert_close(amm_remote_domains(&x, 16), 15.0 / 16 * 8 * (1 - pow(0.875, 8)), 1e-12, 0);
    const double two = amm_remote_domains(&x, 2);
    x.expert_groups = x.token_groups = 0;
    assert_close(amm_remote_domains(&x, 8), 7 * (1 - pow(0.875, 8)), 1e-12, 0);
    assert_same_bits(amm_remote_domains(&x, 2), two);
    assert_same_bits(amm_remote_domains(&x, 1), 0);
}

/* Of one tensor rank, beside its experts. */
static void replicated_parameters(void **state)
{
    (void)state;
    /* GPT-3: all is cut but two LayerNorms and the biases behind row-parallel layers. */
    const amm_block_shape *x = &preset("gpt3-175b")->layers[1].shape;
    const double h = 12288;
    assert_same_bits(amm_block_replicated_parameters(x), 4 * h + 2 * h);
    assert_same_bits(amm_block_rank_parameters(x, 8), (12 * h * h + 7 * h) / 8 + 6 * h);
    assert_same_bits(amm_block_rank_parameters(x, 1), amm_block_parameters_of(x));
    /* Llama 3 70B, 8 heads of keys and values: one each up to 8 ranks; on 16 every rank keeps one whole
     * head of keys and values, 2 x 128 x 8192, where its share is half of that. */
    x = &preset("llama-3-70b")->layers[1].shape;
    const double cut = amm_block_parameters_of(x) - 2 * 8192;
    assert_same_bits(amm_block_rank_parameters(x, 8), cut / 8 + 2 * 8192);
    assert_same_bits(amm_block_rank_parameters(x, 16), cut / 16 + 2 * 8192 + 128.0 * 8192);
    /* DeepSeek-V3: projections down to 1536, 512 and 64, their norms, two norms, a router of 256. */
    x = &preset("deepseek-v3")->layers[4].shape;
    const double whole = 7168.0 * (1536 + 512 + 64) + 1536 + 512 + 2 * 7168 + 7168.0 * 256;
    assert_same_bits(amm_block_replicated_parameters(x), whole);
    assert_same_bits(amm_block_rank_parameters(x, 8),
                     (amm_block_parameters_of(x) - amm_expert_parameters(x) - whole) / 8 + whole);
    /* Qwen 3: norms of a head's width. */
    x = &preset("qwen3-8b")->layers[1].shape;
    assert_same_bits(amm_block_replicated_parameters(x), 2 * 4096 + 2 * 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published_counts_come_out, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(rounded_counts_come_out, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(every_network_has_a_figure, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(block_shapes_by_hand, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(replicated_parameters, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(node_limited_routing, arena_start, arena_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
