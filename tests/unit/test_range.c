/* Ranges around a predicted time, regimes, and the "posterior" of device files. */
#include "test_support.h"

#include "analytic/range.h"
#include "emit/emit.h"
#include "formula/cost/range.h"
#include "io/io.h"
#include <math.h>
#include <string.h>

#define DEVICE                                                                                     \
    "{\"format\":\"ammeter-device\",\"version\":1,\"name\":\"X7-80GB\",\"memory_bytes\":1000,"     \
    "\"hbm_bytes_per_s\":2e12,\"peaks\":{\"flops_fp32\":2e13,\"flops_tf32\":1e14,"                 \
    "\"flops_16bit\":3e14,\"flops_8bit\":3e14,\"flops_4bit\":3e14,"                                \
    "\"scaleup_bytes_per_s\":3e11,\"scaleup_pair_share\":1,\"scaleup_quad_share\":1,\"network_"    \
    "bytes_per_s\":2.5e10}"
#define MEASURED                                                                                   \
    ",\"measured\":{\"hidden\":[512,8192],\"seq_len\":[1024,4096],\"devices\":[1,64],"             \
    "\"micro_batch_tokens\":[1024,16384]}"
#define POSTERIOR(names, covariance, residual)                                                     \
    DEVICE ",\"posterior\":{\"names\":" names ",\"covariance\":" covariance                        \
           ",\"residual\":" residual MEASURED "}}"
#define TWO "[\"gemm_efficiency\",\"memory_efficiency\"]"

static amm_status read_device(const amm_device **out, const char *text)
{
    amm_reader r = { .context = test_context(), .arena = &test_arena, .hash = AMM_HASH_START };
    return amm_read_device(&r, out, text, strlen(text), "x.json");
}

/* ---- formula --------------------------------------------------------------------------------- */

static void formula(void **state)
{
    (void)state;
    assert_close(amm_range_log_sd(0.0009, 0.04), 0.05, 1e-12, 0); /* 3-4-5 */
    assert_close(amm_range_log_sd(-1e-18, 0.04), 0.04, 1e-12, 0);
    /* 0.25 + 0.09 - 2 * 0.6 * 0.15; fully correlated equal residuals leave nothing. */
    assert_close(amm_range_pair_sd(0.09, 0.5, 0.3, 0.6), 0.5, 1e-12, 0);
    assert_close(amm_range_pair_sd(0.0, 0.3, 0.4, 0.0), 0.5, 1e-12, 0);
    assert_close(amm_range_pair_sd(-1e-18, 0.3, 0.3, 1.0), 0.0, 1e-8, 1e-8);
    assert_same_bits(amm_range_low(7.0, 0.0), 7.0);
    assert_same_bits(amm_range_high(7.0, 0.0), 7.0);
    /* Symmetric in the logarithm, and 80 % of a normal distribution. */
    assert_close(amm_range_low(7.0, 0.3) * amm_range_high(7.0, 0.3), 49.0, 1e-12, 0);
    assert_close(erf(AMM_RANGE_QUANTILE / sqrt(2.0)), 0.8, 1e-4, 0);
}

/* Tables of the normal distribution; a plan that just fits fails in half of the cases. */
static void out_of_memory(void **state)
{
    (void)state;
    assert_same_bits(amm_normal_below(0.0), 0.5);
    assert_close(amm_normal_below(1.0), 0.841344746068543, 1e-14, 0);
    assert_close(amm_normal_below(-1.96), 0.0249978951482204, 1e-13, 0);
    assert_close(amm_normal_below(-8.0), 6.22096057427178e-16, 1e-12, 0); /* no 1 - (1 - x) */
    assert_same_bits(amm_oom_probability(7.0, 7.0, 0.05), 0.5);
    /* One sd above and two below: e^0.05 and e^-0.1. */
    assert_close(amm_oom_probability(1.0512710963760241, 1.0, 0.05), 0.841344746068543, 1e-12, 0);
    assert_close(amm_oom_probability(0.9048374180359595, 1.0, 0.05), 0.022750131948179, 1e-12, 0);
    /* The bytes' unit is of no matter; more bytes, less room never make it smaller. */
    assert_close(amm_oom_probability(72e9, 80e9, 0.05), amm_oom_probability(0.9, 1.0, 0.05), 1e-12,
                 0);
    for (double x = 0.5; x < 1.5; x += 0.01) {
        const double p = amm_oom_probability(x, 1.0, AMM_MEMORY_LOG_SD);
        assert_true(p >= 0.0 && p <= 1.0);
        assert_true(p <= amm_oom_probability(x + 0.01, 1.0, AMM_MEMORY_LOG_SD));
        assert_true(p <= amm_oom_probability(x, 0.99, AMM_MEMORY_LOG_SD));
    }
}

/* ---- device files ---------------------------------------------------------------------------- */

static void reads_and_writes(void **state)
{
    const amm_device *device = NULL;
    const amm_device *again = NULL;
    char *text = NULL;
    amm_text written;
    amm_json j;
    (void)state;
    assert_int_equal(read_device(&device, POSTERIOR(TWO, "[[0.01,0.002],[0.002,0.04]]",
                                                    "{\"X7/dense/ep/8bit\":0.1,\"generic\":0.2}")),
                     AMM_OK);
    amm_text_init(&written, test_context());
    amm_json_init(&j, &written, true);
    amm_write_device(&j, NULL, device);
    assert_int_equal(amm_text_take(&written, &text), AMM_OK);
    assert_int_equal(read_device(&again, text), AMM_OK);
    amm_release(test_context(), text);
    const amm_posterior *p = again->posterior;
    assert_int_equal(p->count, 2);
    assert_int_equal(p->rate[1], AMM_RATE_memory_efficiency);
    assert_same_bits(p->covariance[1], 0.002);
    assert_same_bits(p->covariance[3], 0.04);
    assert_same_bits(p->generic_sd, 0.2);
    assert_same_bits(p->residual_correlation, 0.0); /* where no key says otherwise */
    assert_int_equal(p->regime_count, 1);
    assert_string_equal(p->regime[0], "X7/dense/ep/8bit");
    assert_same_bits(p->measured[AMM_SIZE_seq_len][0], 1024);
    assert_same_bits(p->measured[AMM_SIZE_seq_len][1], 4096);
    assert_same_bits(p->regime_sd[0], 0.1);
    assert_int_equal(read_device(&device, DEVICE "}"), AMM_OK);
    assert_null(device->posterior);
}

static void refuses(void **state)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        { POSTERIOR("[\"speed\"]", "[[1]]", "{\"generic\":0.1}"),
          "x.json:posterior.names[0]: unknown constant, got \"speed\"" },
        { POSTERIOR("[\"launch_s\",\"launch_s\"]", "[[1,0],[0,1]]", "{\"generic\":0.1}"),
          "x.json:posterior.names[1]: twice the same, got \"launch_s\"" },
        { POSTERIOR(TWO, "[[1,0]]", "{\"generic\":0.1}"),
          "x.json:posterior.covariance: wrong size, got 1, allowed one per name: 2" },
        { POSTERIOR(TWO, "[[1,0],[0]]", "{\"generic\":0.1}"),
          "x.json:posterior.covariance[1]: wrong size, got 1, allowed one per name: 2" },
        { POSTERIOR(TWO, "[[1,0],[0,-1]]", "{\"generic\":0.1}"),
          "x.json:posterior.covariance: a variance is negative: [1][1]" },
        { POSTERIOR(TWO, "[[1,0.5],[0,1]]", "{\"generic\":0.1}"),
          "x.json:posterior.covariance: not symmetric at [1][0]" },
        { POSTERIOR(TWO, "[[1,2],[2,1]]", "{\"generic\":0.1}"),
          "x.json:posterior.covariance: larger than the variances allow at [1][0]" },
        { DEVICE ",\"posterior\":{\"names\":[],\"covariance\":[],\"residual\":{\"generic\":0},"
                 "\"residual_correlation\":1.5}}",
          "x.json:posterior.residual_correlation: out of range, got 1.5, allowed 0 to 1" },
        { POSTERIOR(TWO, "[[1,0],[0,1]]", "{}"), "x.json:posterior.residual.generic: missing" },
        { POSTERIOR(TWO, "[[1,0],[0,1]]", "{\"generic\":-0.1}"),
          "x.json:posterior.residual.generic: out of range, got -0.1, allowed 0 to 5" },
        { POSTERIOR(TWO, "[[1,0],[0,1]]", "{\"generic\":0.1},\"sd\":1"),
          "x.json:posterior.sd: unknown key" },
        { DEVICE ",\"posterior\":{\"names\":[],\"covariance\":[],\"residual\":{\"generic\":0}}}",
          "x.json:posterior.measured: missing" },
        { DEVICE ",\"posterior\":{\"names\":[],\"covariance\":[],\"residual\":{\"generic\":0},"
                 "\"measured\":{\"hidden\":[2,1]}}}",
          "x.json:posterior.measured.hidden: allowed least and largest, above 0, in this order" },
        { DEVICE ",\"posterior\":{\"names\":[],\"covariance\":[],\"residual\":{\"generic\":0},"
                 "\"measured\":{\"hidden\":[1,2]}}}",
          "x.json:posterior.measured.seq_len: missing" },
    };
    const amm_device *device = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_device(&device, bad[i].text), AMM_INPUT);
        assert_string_equal(amm_last_error(), bad[i].message);
    }
}

/* ---- a run ----------------------------------------------------------------------------------- */

typedef struct example {
    amm_network network;
    amm_machine machine;
    amm_run run;
    amm_constant facts[AMM_FACT_COUNT]; /* none with an sd */
} example;

/* Two blocks on one device. */
static void make_example(example *x, const amm_device *device)
{
    static const uint8_t kind_of[2] = { 0, 0 };
    amm_runtime runtime = { 0 };
    memset(x, 0, sizeof *x);
    amm_named_defaults(x->facts, amm_fact_table, AMM_FACT_COUNT);
    memcpy(runtime.facts, x->facts, sizeof x->facts);
    amm_device_rates(&x->machine.rates, device);
    amm_runtime_facts(&x->machine.facts, &runtime);
    x->machine.fabric = (amm_fabric){ .devices = 1,
                                      .domain = 1,
                                      .scaleup_bytes_per_s = 3e11,
                                      .pair_share = 1,
                                      .quad_share = 1,
                                      .network_bytes_per_s = 2.5e10,
                                      .collective_share = 1 };
    amm_network *n = &x->network;
    n->hidden = 2048;
    n->vocab = 32000;
    n->block_count = 2;
    n->kind_count = 1;
    n->kind_of = kind_of;
    n->kind[0].hidden = 2048;
    n->kind[0].heads = n->kind[0].kv_heads = 16;
    n->kind[0].head_qk = n->kind[0].head_v = 128;
    n->kind[0].ffn = 8192;
    n->kind[0].norm_vectors = 2;
    amm_network_finish(n);
    x->run = (amm_run){ .devices = 1,
                        .tp = 1,
                        .pp = 1,
                        .dp = 1,
                        .cp = 1,
                        .ep = 1,
                        .etp = 1,
                        .vpp = 1,
                        .micro_batch = 4,
                        .micro_batches = 2,
                        .seq_len = 2048,
                        .shard_group = 1,
                        .attention = AMM_ATTENTION_FLASH,
                        .precision = AMM_PRECISION_BF16,
                        .norm_fused = 1 };
}

static double time_at(const example *x, double gemm, double memory)
{
    amm_machine m = x->machine;
    amm_step step;
    m.rates.gemm_efficiency += gemm;
    m.rates.memory_efficiency += memory;
    amm_step_time(&step, &x->network, &m, &x->run);
    return step.time_s;
}

/* g' C g with a gradient of our own, and the residual of the regime. */
static void spread_of_a_run(void **state)
{
    const amm_device *device = NULL;
    example x;
    amm_step_spread s;
    (void)state;
    assert_int_equal(
        read_device(&device, POSTERIOR(TWO, "[[0.0004,0.0001],[0.0001,0.0009]]",
                                       "{\"X7/dense/tp-pp/16bit\":0.03,\"generic\":0.1}")),
        AMM_OK);
    make_example(&x, device);
    const amm_range_basis basis = { device, device, x.facts };
    const double t = time_at(&x, 0, 0);
    const double a = log(time_at(&x, 1e-4, 0) / time_at(&x, -1e-4, 0)) / 2e-4;
    const double b = log(time_at(&x, 0, 1e-4) / time_at(&x, 0, -1e-4)) / 2e-4;
    const double variance = 0.0004 * a * a + 0.0002 * a * b + 0.0009 * b * b;
    assert_true(a < 0 && b < 0);
    amm_step_range(&s, &x.network, &x.machine, &x.run, t, &basis);
    assert_true(s.validated && s.outside == 0);
    assert_close(s.log_sd, sqrt(variance + 0.03 * 0.03), 1e-3, 0);
    assert_close(s.high_s, t * exp(1.2816 * s.log_sd), 1e-12, 0);
    assert_close(s.low_s, t * exp(-1.2816 * s.log_sd), 1e-12, 0);
    x.run.vpp = 2; /* no run of this regime was measured */
    const double u = time_at(&x, 0, 0);
    amm_step_range(&s, &x.network, &x.machine, &x.run, u, &basis);
    assert_false(s.validated);
    assert_true(s.log_sd >= 0.15 && s.log_sd < sqrt(0.15 * 0.15 + 2 * variance));
}

/* A fact with an sd widens the range by its slope times it. */
static void spread_of_a_fact(void **state)
{
    const amm_device *device = NULL;
    example x;
    amm_step_spread s;
    (void)state;
    assert_int_equal(read_device(&device, POSTERIOR("[]", "[]", "{\"generic\":0.02}")), AMM_OK);
    make_example(&x, device);
    const amm_range_basis basis = { device, device, x.facts };
    double *const bytes = &x.machine.facts.loss_traffic_bytes;
    const double t = time_at(&x, 0, 0);
    amm_step_range(&s, &x.network, &x.machine, &x.run, t, &basis);
    assert_close(s.log_sd, 0.03, 1e-12, 0); /* 1.5 times the generic residual */
    x.facts[AMM_FACT_loss_traffic_bytes].sd = 8;
    amm_step_range(&s, &x.network, &x.machine, &x.run, t, &basis);
    *bytes += 0.01;
    const double above = time_at(&x, 0, 0);
    *bytes -= 0.02;
    const double slope = log(above / time_at(&x, 0, 0)) / 0.02;
    *bytes += 0.01;
    assert_true(slope > 1e-4);
    assert_close(s.slopes.fact[AMM_FACT_loss_traffic_bytes], slope, 1e-4, 0);
    assert_close(s.log_sd, sqrt(0.0009 + 64 * slope * slope), 1e-4, 0);
}

/* One device, dense: what overlaps groups or moves experts plays no part. */
static void facts_that_are_used(void **state)
{
    const amm_device *device = NULL;
    example x;
    uint8_t used[AMM_FACT_COUNT];
    (void)state;
    assert_int_equal(read_device(&device, POSTERIOR("[]", "[]", "{\"generic\":0.1}")), AMM_OK);
    make_example(&x, device);
    x.run.precision = AMM_PRECISION_BF16;
    amm_used_facts(used, &x.network, &x.machine, &x.run);
    assert_int_equal(used[AMM_FACT_loss_traffic_bytes], AMM_USED_SECONDS);
    assert_int_equal(used[AMM_FACT_step_host_s], AMM_USED_SECONDS);
    assert_int_equal(used[AMM_FACT_tp_overlap], 0);
    assert_int_equal(used[AMM_FACT_dispatch_traffic_bytes], 0);
    assert_int_equal(used[AMM_FACT_p2p_exposed], 0);
    assert_int_equal(used[AMM_FACT_runs_tp], 0);
    /* The machine is as it was. */
    assert_same_bits(x.machine.facts.loss_traffic_bytes,
                     x.facts[AMM_FACT_loss_traffic_bytes].value);
}

/* On both sides of every measured size: beyond it a known regime does not help. */
static void beyond_the_measured_sizes(void **state)
{
    static const struct {
        double hidden, seq_len, devices, micro_batch, cp;
        uint32_t outside;
    } cases[] = {
        { 512, 1024, 1, 1, 1, 0 },
        { 8192, 4096, 64, 4, 1, 0 },
        { 511, 1024, 1, 1, 1, 1U << AMM_SIZE_hidden },
        { 8193, 1024, 1, 1, 1, 1U << AMM_SIZE_hidden },
        { 512, 1023, 1, 2, 1, 1U << AMM_SIZE_seq_len },
        { 512, 4097, 1, 1, 1, 1U << AMM_SIZE_seq_len },
        { 512, 1024, 65, 1, 1, 1U << AMM_SIZE_devices },
        { 512, 4096, 64, 5, 1, 1U << AMM_SIZE_micro_batch_tokens },
        { 512, 4096, 64, 5, 2, 0 },
        { 512, 1024, 64, 1, 2, 1U << AMM_SIZE_micro_batch_tokens },
        { 9000, 8192, 64, 1, 1, 1U << AMM_SIZE_hidden | 1U << AMM_SIZE_seq_len },
    };
    const amm_device *device = NULL;
    example x;
    amm_step_spread s;
    (void)state;
    assert_int_equal(
        read_device(&device, POSTERIOR("[]", "[]",
                                       "{\"X7/dense/tp-pp/16bit\":0.03,\"X7/dense/cp/16bit\":"
                                       "0.03,\"generic\":0.1}")),
        AMM_OK);
    make_example(&x, device);
    const amm_range_basis basis = { device, device, x.facts };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        x.network.hidden = cases[i].hidden;
        x.run.seq_len = cases[i].seq_len;
        x.run.devices = cases[i].devices;
        x.run.micro_batch = cases[i].micro_batch;
        x.run.cp = cases[i].cp;
        amm_step_range(&s, &x.network, &x.machine, &x.run, 1.0, &basis);
        assert_int_equal(s.outside, cases[i].outside);
        assert_int_equal(s.validated, cases[i].outside == 0);
        assert_close(s.log_sd, cases[i].outside == 0 ? 0.03 : 0.15, 1e-12, 0);
    }
}

/* Two runs that depend on the constants alike: these cancel, of the residuals what does not correlate
 * stays: 2 (1 - 0.75) 0.04^2. Runs that differ keep the slopes' difference. */
static void pairs_of_runs(void **state)
{
    const amm_device *device = NULL;
    example x;
    amm_step_spread a;
    amm_step_spread b;
    amm_pair_spread pair;
    (void)state;
    assert_int_equal(read_device(&device, DEVICE
                                 ",\"posterior\":{\"names\":" TWO
                                 ",\"covariance\":[[0.0004,0.0001],[0.0001,0.0009]],"
                                 "\"residual\":{\"X7/dense/tp-pp/16bit\":0.04,\"generic\":0.1},"
                                 "\"residual_correlation\":0.75" MEASURED "}}"),
                     AMM_OK);
    make_example(&x, device);
    const amm_range_basis basis = { device, device, x.facts };
    amm_step_range(&a, &x.network, &x.machine, &x.run, 1.0, &basis);
    amm_pair_range(&pair, 1.1, &a, &a, &basis);
    assert_close(pair.low, 1.1 * exp(-1.2816 * 0.04 * sqrt(0.5)), 1e-12, 0);
    assert_close(pair.high, 1.1 * exp(1.2816 * 0.04 * sqrt(0.5)), 1e-12, 0);
    b = a;
    b.slopes.rate[AMM_RATE_gemm_efficiency] += 2.0; /* 4 * 0.0004 */
    amm_pair_range(&pair, 1.0, &b, &a, &basis);
    assert_close(pair.high, exp(1.2816 * sqrt(0.0016 + 0.0008)), 1e-12, 0);
    assert_true(b.log_sd > 0.04 && pair.high < exp(1.2816 * sqrt(2.0) * a.log_sd) * 1.03);
}

static void class_letters(void **state)
{
    static const struct {
        int32_t class;
        const char *letters;
    } cases[] = { { -1, "" },   { 0, "A" },    { 25, "Z" },    { 26, "AA" },
                  { 27, "AB" }, { 701, "ZZ" }, { 702, "AAA" }, { 2147483647, "FXSHRXX" } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char letters[AMM_TIE_CHARS];
        amm_tie_class_format(letters, cases[i].class);
        assert_string_equal(letters, cases[i].letters);
    }
}

static void no_posterior(void **state)
{
    const amm_device *device = NULL;
    example x;
    amm_step_spread s;
    (void)state;
    amm_pair_spread pair;
    assert_int_equal(read_device(&device, DEVICE "}"), AMM_OK);
    make_example(&x, device);
    const amm_range_basis basis = { device, device, x.facts };
    amm_step_range(&s, &x.network, &x.machine, &x.run, 1.0, &basis);
    assert_true(isnan(s.low_s) && isnan(s.high_s) && isnan(s.log_sd) && !s.validated);
    assert_int_equal(s.outside, 0);
    amm_pair_range(&pair, 1.0, &s, &s, &basis);
    assert_true(isnan(pair.low) && isnan(pair.high));
}

static void regimes(void **state)
{
    char key[AMM_REGIME_CHARS];
    amm_device device = { .name = "X7-80GB" };
    amm_network n = { .kind_count = 1 };
    amm_run run = { .tp = 8, .pp = 4, .dp = 1, .cp = 1, .ep = 1, .vpp = 1 };
    (void)state;
    run.precision = AMM_PRECISION_FP16;
    amm_regime_key(key, &device, &n, &run);
    assert_string_equal(key, "X7/dense/tp-pp/16bit");
    run.sharding = AMM_SHARDING_PARAMETERS;
    run.precision = AMM_PRECISION_TF32;
    amm_regime_key(key, &device, &n, &run);
    assert_string_equal(key, "X7/dense/sharded/32bit");
    run.vpp = 2;
    run.precision = AMM_PRECISION_MXFP8;
    amm_regime_key(key, &device, &n, &run);
    assert_string_equal(key, "X7/dense/vpp/8bit");
    run.cp = 2;
    run.precision = AMM_PRECISION_NVFP4;
    amm_regime_key(key, &device, &n, &run);
    assert_string_equal(key, "X7/dense/cp/4bit");
    run.ep = 2;
    n.kind[0].experts = 8;
    device.name = "Y";
    amm_regime_key(key, &device, &n, &run);
    assert_string_equal(key, "Y/moe/ep/4bit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formula),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test_setup_teardown(reads_and_writes, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(refuses, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(spread_of_a_run, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(spread_of_a_fact, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(beyond_the_measured_sizes, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(facts_that_are_used, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(pairs_of_runs, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(no_posterior, arena_start, arena_stop),
        cmocka_unit_test(class_letters),
        cmocka_unit_test(regimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
