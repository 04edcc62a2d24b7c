/* Context parallelism: seconds of each way to exchange keys and values, worked out by hand. */
#include "test_support.h"

#include "analytic/stage.h"
#include "formula/cost/context.h"
#include <math.h>
#include <string.h>

static const double tight = 1e-12;

/* 100 bytes/s of network and 1000 bytes/s of traffic for every device; messages of 100 bytes inside
 * a domain reach 2^-0.42 of 6e5 bytes/s. */
typedef struct bench {
    amm_fabric fabric;
    amm_rates rates;
    amm_facts facts;
} bench;

static bench bench_of(double domain)
{
    bench b = { 0 };
    b.fabric = (amm_fabric){ 16.0, domain, 6e5, 6e5, 1.0, 1.0, 100.0 * domain, 1.0 };
    b.rates.hbm_bytes_per_s = 1000.0;
    b.rates.memory_efficiency = b.rates.scaleup_efficiency = b.rates.network_efficiency = 1.0;
    b.rates.scaleup_latency_s = 0.01;
    b.rates.network_latency_s = 0.1;
    b.facts.context_merge_bytes = 30.0;
    return b;
}

/* Four context ranks, tp 2, forward. */
static const amm_context_load four = { 4.0, 2.0, 300.0, 900.0, 10.0, 1.0, 1.0 };

static double seconds(const bench *b, int kind, const amm_context_load *x)
{
    return amm_context_time(&b->fabric, &b->rates, &b->facts, kind, x);
}

static void by_hand(void **state)
{
    const bench apart = bench_of(2); /* every context rank in a domain of its own */
    const bench pairs = bench_of(4); /* two of them in a domain */
    (void)state;
    /* Hop 0.1 + 3; a quarter of the core hides it; 300 bytes of merging. */
    assert_close(seconds(&apart, AMM_CP_COMM_P2P, &four), 3.0 * (3.1 - 0.25 + 0.31 + 0.3), tight,
                 0);
    /* Three quarters of 1200 bytes, three hops of latency. */
    assert_close(seconds(&apart, AMM_CP_COMM_ALL_GATHER, &four), 9.0 + 0.3, tight, 0);
    /* Three quarters of 1200 bytes leave; four latencies of 0.11; 4800 bytes of copies. */
    assert_close(seconds(&apart, AMM_CP_COMM_A2A, &four), 9.0 + 0.44 + 4.8, tight, 0);
    /* 600 bytes stay in the pair; then a ring of two, half of the core behind its hop. */
    assert_close(seconds(&pairs, AMM_CP_COMM_A2A_P2P, &four),
                 0.04 + 0.001 * pow(1.0 + 100.0 / 600.0, 0.42) + 4.8 + (3.1 - 0.5 + 0.31 + 0.3),
                 tight, 0);
}

/* Gradients travel with keys and values: twice the gather, twice the bytes of a hop; an exchange
 * sends as much either way. */
static void backward(void **state)
{
    const bench b = bench_of(2);
    amm_context_load x = four;
    (void)state;
    x.times = 2.0;
    assert_close(seconds(&b, AMM_CP_COMM_ALL_GATHER, &x), 18.6, tight, 0);
    assert_close(seconds(&b, AMM_CP_COMM_P2P, &x), 3.0 * (6.1 - 0.25 + 0.61 + 0.6), tight, 0);
    assert_close(seconds(&b, AMM_CP_COMM_A2A, &x), 14.24, tight, 0);
}

/* Where a domain holds all context ranks or one of them, both ways in one are one of the two. */
static void mixed_ends(void **state)
{
    const bench all = bench_of(8);
    const bench none = bench_of(2);
    amm_context_load alone = four;
    (void)state;
    assert_close(seconds(&all, AMM_CP_COMM_A2A_P2P, &four), seconds(&all, AMM_CP_COMM_A2A, &four),
                 tight, 0);
    assert_close(seconds(&none, AMM_CP_COMM_A2A_P2P, &four), seconds(&none, AMM_CP_COMM_P2P, &four),
                 tight, 0);
    assert_true(amm_context_exchange_ranks(&all.fabric, AMM_CP_COMM_A2A_P2P, 4, 2) == 4.0);
    assert_true(amm_context_exchange_ranks(&none.fabric, AMM_CP_COMM_A2A_P2P, 4, 2) == 1.0);
    alone.ranks = 1.0;
    for (int kind = 0; kind < (int)AMM_CP_COMM_COUNT; kind++) {
        assert_true(seconds(&all, kind, &alone) == 0.0);
    }
}

static void heads_divide(void **state)
{
    amm_block_shape x = { 0 };
    (void)state;
    x.heads = 16.0;
    x.kv_heads = 4.0;
    assert_true(amm_context_divides(&x, 2.0, 2.0));
    assert_false(amm_context_divides(&x, 2.0, 4.0)); /* two heads of keys for four ranks */
    assert_true(amm_context_divides(&x, 2.0, 1.0));  /* a ring needs none to divide */
    assert_false(amm_context_divides(&x, 8.0, 2.0)); /* one replicated head of keys a rank */
    x.kv_heads = 16.0;
    assert_true(amm_context_divides(&x, 2.0, 8.0));
    x.heads = 24.0;
    assert_false(amm_context_divides(&x, 2.0, 8.0));
}

static void words(void **state)
{
    int32_t kind = -1;
    (void)state;
    for (int32_t k = 0; k < (int32_t)AMM_CP_COMM_COUNT; k++) {
        char word[AMM_RECOMPUTE_CHARS];
        amm_choice_format(word, AMM_CHOICE_CP_COMM, k);
        assert_true(amm_choice_parse(&kind, AMM_CHOICE_CP_COMM, word, strlen(word)));
        assert_int_equal(kind, k);
    }
    assert_true(amm_choice_parse(&kind, AMM_CHOICE_CP_COMM, "a2a+p2p",
                                 3)); /* the length counts, not the end */
    assert_int_equal(kind, AMM_CP_COMM_A2A);
    assert_false(amm_choice_parse(&kind, AMM_CHOICE_CP_COMM, "ring", 4));
}

/* In a block: bytes by number format, the forward pass once more under full recomputation, and
 * gathered keys and values in memory. */
static void in_a_block(void **state)
{
    const bench b = bench_of(2);
    amm_machine m = { .rates = b.rates, .facts = b.facts, .fabric = b.fabric };
    amm_block_shape x = { 0 };
    amm_run run = { 0 };
    amm_block_seconds out;
    (void)state;
    m.rates.flops_16bit = m.rates.flops_8bit = m.rates.flops_fp32 = 1e3;
    m.rates.gemm_efficiency = m.rates.attention_efficiency = 1.0;
    x.hidden = 64.0;
    x.heads = 8.0;
    x.kv_heads = 2.0;
    x.head_qk = x.head_v = 8.0;
    run.tp = 4.0;
    run.cp = 4.0;
    run.ep = run.etp = run.micro_batch = 1.0;
    run.seq_len = 40.0;
    run.attention = AMM_ATTENTION_FLASH;
    run.precision = AMM_PRECISION_BF16;
    run.cp_comm = AMM_CP_COMM_ALL_GATHER;
    /* 10 tokens, one replicated head, 8 + 8 wide, 2 bytes; four times that is gathered. */
    assert_true(amm_key_value_bytes(&x, &run) == 320.0);
    const double once = 0.75 * 4.0 * 320.0 / 100.0 + 0.3;
    amm_block_cost(&out, &m, &run, &x);
    assert_close(out.cp_s, 3.0 * once, tight, 0);
    run.recompute = AMM_RECOMPUTE_FULL;
    amm_block_cost(&out, &m, &run, &x);
    assert_close(out.cp_s, 4.0 * once, tight, 0);
    run.precision = AMM_PRECISION_FP32;
    assert_true(amm_key_value_bytes(&x, &run) == 640.0);
    assert_true(amm_context_gathered_bytes(AMM_CP_COMM_ALL_GATHER, 4.0, 320.0) == 2560.0);
    assert_true(amm_context_gathered_bytes(AMM_CP_COMM_A2A, 4.0, 320.0) == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),      cmocka_unit_test(backward), cmocka_unit_test(mixed_ends),
        cmocka_unit_test(heads_divide), cmocka_unit_test(words),    cmocka_unit_test(in_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
