/* Kept activations against the closed forms of Korthikanti et al. 2022 (arXiv 2205.05198), as
 * integers: both sides times the tensor degree, so that nothing is rounded. */
#include "test_support.h"

#include "formula/cost/kept.h"

/* ---- the four models of the paper, table 3 ---------------------------------------------------- */

typedef struct paper_model {
    int64_t h, a, t, b;
} paper_model;

static const paper_model models[] = {
    { 6144, 64, 8, 4 },   /* 22B */
    { 12288, 96, 8, 1 },  /* 175B */
    { 20480, 128, 8, 1 }, /* 530B */
    { 25600, 160, 8, 1 }, /* 1T */
};
enum { MODELS = sizeof models / sizeof models[0], S = 2048 };

static amm_block_shape gpt_shape(double h, double a)
{
    amm_block_shape x = { 0 };
    x.hidden = h;
    x.heads = x.kv_heads = a;
    x.head_qk = x.head_v = h / a;
    x.ffn = 4.0 * h;
    x.norm_vectors = 2.0;
    return x;
}

static amm_kept_input input_of(const amm_block_shape *shape, double tokens, double t)
{
    amm_kept_input in = amm_kept_input_of(shape, tokens, S, t);
    in.attention_fused = 0.0;
    in.dropout_mask_bytes = 1.0;
    return in;
}

static amm_kept_input paper_input(const amm_block_shape *shape, const paper_model *m)
{
    return input_of(shape, (double)(m->b * S), (double)m->t);
}

/* The total times t is this integer, exactly. */
static void check(const amm_kept_input *in, int64_t times_t)
{
    assert_same_bits(amm_kept_block(in).total * in->tp, (double)times_t);
}

static void closed_forms(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        const paper_model *m = &models[i];
        const amm_block_shape shape = gpt_shape((double)m->h, (double)m->a);
        const int64_t sbh = S * m->b * m->h;
        const int64_t scores = S * m->b * m->a * S; /* s b h times a s / h */
        amm_kept_input in = paper_input(&shape, m);
        check(&in, sbh * (10 * m->t + 24) + 5 * scores);
        in.recompute = AMM_RECOMPUTE_CORE_ATTN;
        check(&in, sbh * (10 * m->t + 24));
        in.recompute = AMM_RECOMPUTE_FULL;
        check(&in, 2 * sbh * m->t);
        in.checkpoint_sharded = 1.0;
        check(&in, 2 * sbh);
        in.checkpoint_sharded = 0.0;
        in.sequence_parallel = 1.0;
        check(&in, 2 * sbh);
        in.recompute = AMM_RECOMPUTE_CORE_ATTN;
        check(&in, 34 * sbh);
        in.recompute = AMM_RECOMPUTE_NONE;
        check(&in, 34 * sbh + 5 * scores);
    }
}

/* As written in the paper, in doubles, 5 a s / (h t) is rounded: within two roundings. Bit for bit
 * where it is not, as in AMP's model (h 1024, a 16, s 1024). */
static double paper_form(double b, double s, double h, double a, double t)
{
    return b * s * h * (10.0 + 24.0 / t + 5.0 * a * s / (h * t));
}

static void form_in_doubles(void **state)
{
    (void)state;
    for (int i = 0; i < MODELS; i++) {
        const paper_model *m = &models[i];
        const double h = (double)m->h;
        const double a = (double)m->a;
        const double b = (double)m->b;
        const double t = (double)m->t;
        assert_close(amm_block_kept_bytes(b, S, S, h, 4.0 * h, a, t), paper_form(b, S, h, a, t),
                     4e-16, 0);
    }
    for (double t = 1; t <= 16; t *= 2) {
        for (double b = 1; b <= 128; b *= 2) {
            assert_same_bits(amm_block_kept_bytes(b, 1024, 1024, 1024, 4096, 16, t),
                             paper_form(b, 1024, 1024, 16, t));
        }
    }
}

/* ---- parts, by hand -------------------------------------------------------------------------- */

/* Flash: q, k, v and the out projection's input are one s h / t each, and 4 bytes per head. */
static void fused_attention(void **state)
{
    (void)state;
    const amm_block_shape shape = gpt_shape(64, 4);
    amm_kept_input in = input_of(&shape, 100, 2);
    in.attention_fused = 1.0;
    const amm_kept kept = amm_kept_block(&in);
    assert_same_bits(kept.query, 100 * 32 * 2.0);
    assert_same_bits(kept.core, 100 * 2 * 4.0);
    assert_same_bits(kept.attention_output, 0.0);
    assert_same_bits(kept.total, 100 * 64 * (10.0 + 12.0) + kept.core);
    /* The linear's 8-bit copy leaves the output alive for the attention. */
    in.linear_input_bytes = 1.0;
    assert_same_bits(amm_kept_block(&in).attention_output, 100 * 32 * 2.0);
    assert_same_bits(amm_kept_block(&in).total,
                     kept.total - 100 * (64 + 64 + 32 + 128) + 100 * 64.0);
    in.out_keeps_original = 1.0;
    assert_same_bits(amm_kept_block(&in).total, kept.total - 100 * (64 + 64 + 128.0));
}

/* Below one key head per device the heads are replicated. */
static void key_heads(void **state)
{
    (void)state;
    amm_block_shape shape = gpt_shape(64, 8);
    shape.kv_heads = 2.0;
    const double degrees[] = { 1, 2, 4, 8 };
    const double local[] = { 2, 1, 1, 1 };
    for (int i = 0; i < 4; i++) {
        const amm_kept_input in = input_of(&shape, 10, degrees[i]);
        assert_same_bits(amm_kept_block(&in).key, 10 * local[i] * 8 * 2);
    }
    amm_kept_input in = input_of(&shape, 10, 2);
    in.key_value_expanded = 1.0;
    assert_same_bits(amm_kept_block(&in).key, 10 * 4 * 8 * 2.0);
    in.recompute = AMM_RECOMPUTE_CORE_ATTN;
    assert_same_bits(amm_kept_block(&in).key, 10 * 1 * 8 * 2.0);
}

/* DeepSeek's kind, two ranks, sequence parallelism, 8 bits: 64 tokens of which 32 are this
 * rank's. */
static void latent_experts_by_hand(void **state)
{
    (void)state;
    amm_block_shape x = gpt_shape(128, 4);
    x.head_qk = 24.0;
    x.head_v = 16.0;
    x.q_rank = 48.0;
    x.kv_rank = 32.0;
    x.rope = 8.0;
    x.ffn = 0.0;
    x.gated = 1.0;
    x.experts = 8.0;
    x.top_k = 2.0;
    x.expert_ffn = 64.0;
    x.shared_ffn = 96.0;
    amm_kept_input in = amm_kept_input_of(&x, 64, 64, 2);
    in.sequence_parallel = 1.0;
    in.linear_input_bytes = 1.0;
    in.expert_tp = 2.0;
    in.expert_tokens = amm_kept_expert_tokens(&in, 1.5);
    assert_same_bits(in.expert_tokens, 32 * 2 * 2 * 1.5);
    in.router_expert_bytes = 4.0;
    in.router_choice_bytes = 12.0;
    const amm_kept kept = amm_kept_block(&in);
    assert_same_bits(kept.qkv_input, 2 * 32 * 128.0);
    assert_same_bits(kept.compressed, 32 * (48 + 32) * 2.0);
    assert_same_bits(kept.up_input, 32 * (48 + 32) * 1.0);
    assert_same_bits(kept.query + kept.key + kept.value, 64 * 2 * (24 + 24 + 16) * 2.0);
    assert_same_bits(kept.router, 32 * (8 * 4 + 2 * 12.0));
    assert_same_bits(kept.ffn_input, 32 * 128 * 2.0);
    assert_same_bits(kept.expert_input, 192 * 128.0);
    assert_same_bits(kept.expert_up, 192 * (64 / 2) * 2 * 2.0);
    assert_same_bits(kept.expert_act, 192 * (64 / 2) * 1.0);
    assert_same_bits(kept.shared_input, 32 * 128.0);
    assert_same_bits(kept.shared_up + kept.shared_act, 64 * 48 * (4 + 1.0));
    in.recompute = AMM_RECOMPUTE_MLA_UP_PROJ;
    const amm_kept up = amm_kept_block(&in);
    assert_same_bits(up.query + up.key + up.value, 0.0);
    assert_same_bits(up.rope, 64 * 8 * 2.0);
    assert_same_bits(up.up_input, 32 * (48 + 32) * 2.0);
}

/* The halves of a block are computed again one after the other. */
static void working_by_hand(void **state)
{
    (void)state;
    const amm_block_shape shape = gpt_shape(64, 4);
    amm_kept_input in = input_of(&shape, 100, 1);
    const amm_kept all = amm_kept_block(&in);
    in.recompute = AMM_RECOMPUTE_CORE_ATTN;
    assert_same_bits(amm_kept_working(&in), all.core);
    in.recompute = AMM_RECOMPUTE_CORE_ATTN | AMM_RECOMPUTE_MLP;
    assert_true(all.core > all.ffn_up + all.ffn_act);
    assert_same_bits(amm_kept_working(&in), all.core);
    in.recompute = AMM_RECOMPUTE_LAYERNORM | AMM_RECOMPUTE_MLP;
    assert_same_bits(amm_kept_working(&in), all.ffn_input + all.ffn_up + all.ffn_act);
    in.recompute = AMM_RECOMPUTE_FULL;
    assert_same_bits(amm_kept_working(&in), all.total - all.block_input);
}

/* ---- laws ------------------------------------------------------------------------------------ */

static amm_block_shape latent_experts(void)
{
    amm_block_shape x = gpt_shape(512, 8);
    x.head_qk = 96.0;
    x.head_v = 64.0;
    x.q_rank = 128.0;
    x.kv_rank = 64.0;
    x.rope = 32.0;
    x.ffn = 0.0;
    x.gated = 1.0;
    x.experts = 16.0;
    x.top_k = 4.0;
    x.expert_ffn = 256.0;
    x.shared_ffn = 512.0;
    x.norm_vectors = 1.0;
    return x;
}

static amm_block_shape grouped_query(void)
{
    amm_block_shape x = gpt_shape(512, 8);
    x.kv_heads = 2.0;
    x.gated = 1.0;
    x.ffn = 1024.0;
    x.qk_norm = 1.0;
    return x;
}

/* Runs `law` for three shapes under every combination of the two-valued facts. */
static void for_all(void (*law)(amm_kept_input *))
{
    const amm_block_shape shapes[] = { gpt_shape(512, 8), grouped_query(), latent_experts() };
    for (int i = 0; i < 3; i++) {
        for (int facts = 0; facts < 1 << 11; facts++) {
            amm_kept_input in = input_of(&shapes[i], 1024, facts & 1 ? 2 : 1);
            in.sequence_parallel = facts >> 1 & 1;
            in.attention_fused = facts >> 2 & 1;
            in.linear_input_bytes = facts >> 3 & 1 ? 1.0 : 2.0;
            in.norm_copy_bytes = facts >> 4 & 1 ? 6.0 : 0.0;
            in.norm_statistics_bytes = facts >> 4 & 1 ? 4.0 : 8.0;
            in.activation_fused = facts >> 5 & 1;
            in.dropout_mask_bytes = facts >> 6 & 1;
            in.key_value_expanded = facts >> 7 & 1;
            in.value_is_view = facts >> 8 & 1;
            in.combine_outputs = facts >> 9 & 1;
            in.router_input_fp32 = facts >> 10 & 1;
            in.router_expert_bytes = 4.0;
            in.router_choice_bytes = 12.0;
            in.expert_tokens = amm_kept_expert_tokens(&in, 1.25);
            law(&in);
        }
    }
}

/* A module more is never a byte more; `full` is the least of all. */
static void module_law(amm_kept_input *in)
{
    double total[1 << AMM_RECOMPUTE_COUNT];
    for (int set = 0; set < 1 << AMM_RECOMPUTE_COUNT; set++) {
        in->recompute = set;
        total[set] = amm_kept_block(in).total;
        assert_true(total[set] > 0.0 && amm_kept_working(in) >= 0.0);
        for (int bit = 0; bit < AMM_RECOMPUTE_COUNT; bit++) {
            if ((set >> bit & 1) != 0) {
                assert_true(total[set] <= total[set & ~(1 << bit)]);
            }
        }
    }
}

/* Nothing recomputed, nothing on top; `full` and its working set are the whole block. */
static void working_law(amm_kept_input *in)
{
    in->recompute = AMM_RECOMPUTE_NONE;
    assert_same_bits(amm_kept_working(in), 0.0);
    const double whole = amm_kept_block(in).total;
    in->recompute = AMM_RECOMPUTE_FULL;
    const double input = amm_kept_block(in).total;
    /* The input of a norm that keeps a copy instead is not part of the block's own set. */
    const double own = in->norm_copy_bytes > 0.0 ? 0.0 : input;
    assert_same_bits(amm_kept_working(in), whole - own);
}

static void laws(void **state)
{
    (void)state;
    for_all(module_law);
    for_all(working_law);
}

/* Under sequence parallelism twice the degree is half the bytes; but for the rotary key of MLA,
 * which every device gathers when it computes the up projection again. */
static void halves(void **state)
{
    (void)state;
    const amm_block_shape shapes[] = { gpt_shape(512, 8), latent_experts() };
    for (int i = 0; i < 2; i++) {
        for (int set = 0; set < 1 << AMM_RECOMPUTE_COUNT; set++) {
            double last = 0.0;
            for (double t = 1.0; t <= 8.0; t *= 2.0) {
                amm_kept_input in = input_of(&shapes[i], 1024, t);
                in.sequence_parallel = 1.0;
                in.recompute = set;
                in.router_expert_bytes = 4.0;
                in.expert_tokens = amm_kept_expert_tokens(&in, 1.0);
                const amm_kept kept = amm_kept_block(&in);
                const double total = kept.total - kept.rope;
                assert_true(t == 1.0 || total == last / 2.0);
                last = total;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_forms),
        cmocka_unit_test(form_in_doubles),
        cmocka_unit_test(fused_attention),
        cmocka_unit_test(key_heads),
        cmocka_unit_test(latent_experts_by_hand),
        cmocka_unit_test(working_by_hand),
        cmocka_unit_test(laws),
        cmocka_unit_test(halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
