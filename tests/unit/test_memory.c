/* Bytes per parameter against published tables. */
#include "test_support.h"

#include "formula/cost/memory.h"

static double sum_of(int states, int optimizer, int sharding, double shards)
{
    const amm_states x = amm_states_of(states);
    const amm_state_bytes b = amm_sharded_bytes(&x, optimizer, sharding, shards);
    return b.weights + b.gradients + b.optimizer + b.gradient_copy;
}

static double bytes(int states, int sharding, double shards)
{
    return sum_of(states, AMM_OPTIMIZER_ADAM, sharding, shards);
}

/* Megatron-LM, docs/source/api-guide/dist_optimizer.md: without and with the distributed optimizer
 * over d ranks. */
static void megatron_table(void **state)
{
    (void)state;
    assert_same_bits(bytes(AMM_STATES_FP16_FP16, AMM_SHARDING_NONE, 8), 20);
    assert_same_bits(bytes(AMM_STATES_BF16_FP32, AMM_SHARDING_NONE, 8), 18);
    assert_same_bits(bytes(AMM_STATES_FP32, AMM_SHARDING_NONE, 8), 16);
    for (double d = 1; d <= 1024; d *= 2) {
        assert_same_bits(bytes(AMM_STATES_FP16_FP16, AMM_SHARDING_OPTIMIZER, d), 4 + 16 / d);
        assert_same_bits(bytes(AMM_STATES_BF16_FP32, AMM_SHARDING_OPTIMIZER, d), 6 + 12 / d);
        assert_same_bits(bytes(AMM_STATES_FP32, AMM_SHARDING_OPTIMIZER, d), 8 + 8 / d);
    }
}

/* ZeRO (arXiv 1910.02054), figure 1: 7.5e9 parameters on 64 ranks, K = 12: 120 GB, 31.4, 16.6, 1.9;
 * the figure rounds to a tenth. */
static void zero_figure(void **state)
{
    (void)state;
    const double gigabytes[AMM_SHARDING_COUNT] = { 120, 31.4, 16.6, 1.9 };
    for (int sharding = 0; sharding < AMM_SHARDING_COUNT; sharding++) {
        const double total = 7.5 * bytes(AMM_STATES_BF16_BF16, sharding, 64);
        assert_close(total, gigabytes[sharding], 0, 0.05);
    }
    assert_same_bits(bytes(AMM_STATES_BF16_BF16, AMM_SHARDING_OPTIMIZER, 64), 4 + 12.0 / 64);
    assert_same_bits(bytes(AMM_STATES_BF16_BF16, AMM_SHARDING_GRADIENTS, 64), 2 + 14.0 / 64);
    assert_same_bits(bytes(AMM_STATES_BF16_BF16, AMM_SHARDING_PARAMETERS, 64), 16.0 / 64);
}

/* Every cell: sharding more, or over more ranks, is never more; one shard is no sharding. */
static void cells(void **state)
{
    (void)state;
    for (int p = 0; p < AMM_STATES_COUNT; p++) {
        for (int o = 0; o < AMM_OPTIMIZER_COUNT; o++) {
            const double none = sum_of(p, o, AMM_SHARDING_NONE, 64);
            double last = none;
            for (int s = 0; s < AMM_SHARDING_COUNT; s++) {
                const double now = sum_of(p, o, s, 64);
                assert_true(now > 0.0 && now <= last);
                assert_same_bits(sum_of(p, o, s, 1), none);
                last = now;
            }
        }
    }
}

static void states_and_gathered(void **state)
{
    (void)state;
    const int fsdp = AMM_SHARDING_PARAMETERS;
    assert_same_bits(amm_optimizer_state_bytes(AMM_OPTIMIZER_ADAM), 8);
    assert_same_bits(amm_optimizer_state_bytes(AMM_OPTIMIZER_ADAM_16), 4);
    assert_same_bits(amm_optimizer_state_bytes(AMM_OPTIMIZER_COUNT), 0);
    /* FSDP over fp32 parameters: 16 / Z, layers gathered in 16 bits. */
    assert_same_bits(bytes(AMM_STATES_FP32_BF16, fsdp, 16), 1);
    const amm_states gathered = amm_states_of(AMM_STATES_FP32_BF16);
    assert_same_bits(amm_gathered_bytes(&gathered, 1000, 500), 4000); /* gradients in 32 */
    assert_same_bits(bytes(AMM_STATES_FP8_WEIGHTS, AMM_SHARDING_OPTIMIZER, 12), 7);
    assert_same_bits(bytes(AMM_STATES_FP8_COPIES, AMM_SHARDING_OPTIMIZER, 12), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(megatron_table),
        cmocka_unit_test(zero_figure),
        cmocka_unit_test(cells),
        cmocka_unit_test(states_and_gathered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
