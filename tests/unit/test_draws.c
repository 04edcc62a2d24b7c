/* plan --draws: draws of the constants, and what they make of plans. */
#include "backend/cpu_simd/cpu_simd.h"
#include "core/random.h"
#include "formula/cost/range.h"
#include "search/draws.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <string.h>

/* A problem whose constants, posterior and facts are ours. */
typedef struct example {
    amm_spec *spec;
    amm_device device;
    amm_runtime runtime;
    amm_posterior posterior;
    int32_t rate[AMM_RATE_COUNT];
    double covariance[AMM_RATE_COUNT * AMM_RATE_COUNT];
} example;

static void set(amm_spec *spec, const char *key, const char *value)
{
    if (amm_spec_set(spec, key, value) != AMM_OK) {
        fail_msg("%s = %s: %s", key, value, amm_last_error());
    }
}

/* Nothing is uncertain yet. */
static void open_example(example *x, amm_context *context)
{
    memset(x, 0, sizeof *x);
    assert_int_equal(amm_spec_create(&x->spec, context, NULL), AMM_OK);
    set(x->spec, "model", "llama-3-70b");
    set(x->spec, "cluster", "8xdgx-h100");
    set(x->spec, "seq_len", "8192");
    set(x->spec, "global_batch", "256");
    set(x->spec, "vpp", "10");
    set(x->spec, "dp", "4");
    set(x->spec, "cp", "1");
    set(x->spec, "recompute", "none");
    set(x->spec, "micro_batch", "1,2");
    x->device = *x->spec->problem.cluster->types[0];
    x->runtime = *x->spec->problem.runtime;
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        x->runtime.facts[f].sd = -1.0;
    }
    /* Small GEMMs and narrow memory: tp 8 is close to tp 4. */
    x->device.rates[AMM_RATE_gemm_half_size].value = 0.0;
    x->device.rates[AMM_RATE_memory_efficiency].value = 0.4;
    x->posterior = (amm_posterior){ .rate = x->rate, .covariance = x->covariance };
    x->device.posterior = &x->posterior;
    x->spec->problem.constants = &x->device;
    x->spec->problem.runtime = &x->runtime;
}

/* One more constant, independent of those before. */
static void uncertain(example *x, int32_t rate, double sd)
{
    double before[AMM_RATE_COUNT] = { 0 };
    const int32_t n = x->posterior.count++;
    for (int32_t i = 0; i < n; i++) {
        before[i] = x->covariance[i * n + i];
    }
    memset(x->covariance, 0, sizeof x->covariance);
    for (int32_t i = 0; i < n; i++) {
        x->covariance[i * (n + 1) + i] = before[i];
    }
    x->covariance[n * (n + 1) + n] = sd * sd;
    x->rate[n] = rate;
}

static amm_result *draw(const example *x, int32_t draws, int32_t threads, uint64_t seed)
{
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    options.draws = draws;
    options.threads = threads;
    options.seed = seed;
    if (amm_plan(&result, x->spec, &options) != AMM_OK) {
        fail_msg("%s", amm_last_error());
    }
    return result;
}

/* Whether the library was built with threads: it says so. */
static bool has_threads(const example *x)
{
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    options.draws = 1;
    options.threads = 2;
    const amm_status status = amm_plan(&result, x->spec, &options);
    assert_true(status == AMM_OK || status == AMM_UNAVAILABLE);
    amm_result_free(result);
    return status == AMM_OK;
}

static const amm_draw_candidate *of_plan(const amm_result *result, int32_t rank)
{
    for (int32_t k = 0; k < result->draws.count; k++) {
        if (result->draws.items[k].rank == rank) {
            return &result->draws.items[k];
        }
    }
    fail_msg("plan %d is no candidate", rank);
    return NULL;
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static void factors(void **state)
{
    (void)state;
    double l[9];
    int32_t at = -1;
    const double two[] = { 4, 2, 2, 5 }; /* (2, 0; 1, 2) squared */
    assert_true(amm_cholesky(l, two, 2, &at));
    assert_close(l[0], 2, 1e-15, 0);
    assert_close(l[2], 1, 1e-15, 0);
    assert_close(l[3], 2, 1e-15, 0);
    assert_same_bits(l[1], 0.0);
    /* (1e-6, 0, 0; 200, 100, 0; 3e-3, -2e-3, 6e-3): scales apart like those of constants. */
    const double three[] = { 1e-12, 2e-4, 3e-9, 2e-4, 5e4, 0.4, 3e-9, 0.4, 4.9e-5 };
    const double root[] = { 1e-6, 0, 0, 200, 100, 0, 3e-3, -2e-3, 6e-3 };
    assert_true(amm_cholesky(l, three, 3, &at));
    for (int k = 0; k < 9; k++) {
        assert_close(l[k], root[k], 1e-12, 0);
    }
    const double same[] = { 4, 6, 6, 9 }; /* one determines the other */
    assert_true(amm_cholesky(l, same, 2, &at));
    assert_close(l[2], 3, 1e-15, 0);
    assert_same_bits(l[3], 0.0);
    const double known[] = { 0, 0, 0, 9 };
    assert_true(amm_cholesky(l, known, 2, &at));
    assert_same_bits(l[0], 0.0);
    assert_close(l[3], 3, 1e-15, 0);
}

/* Every pair is possible, the three are not. */
static void refuses_what_is_no_covariance(void **state)
{
    (void)state;
    double l[9];
    int32_t at = -1;
    const double odd[] = { 1, 0.9, -0.9, 0.9, 1, 0.9, -0.9, 0.9, 1 };
    assert_false(amm_cholesky(l, odd, 3, &at));
    assert_int_equal(at, 2);
    const double split[] = { 1, 1, 0, 1, 1, 0.5, 0, 0.5, 1 }; /* twins that correlate otherwise */
    assert_false(amm_cholesky(l, split, 3, &at));
    assert_int_equal(at, 1);
}

static void normal_numbers(void **state)
{
    (void)state;
    enum { N = 200000 };
    uint64_t seed = 7;
    double moment[5] = { 0 };
    int32_t inside = 0;
    for (int32_t k = 0; k < N; k++) {
        const double u = amm_random_unit(&seed);
        const double z = amm_random_normal(&seed);
        assert_true(u > 0.0 && u <= 1.0);
        inside += fabs(z) <= 1.2816 ? 1 : 0;
        for (int m = 1; m <= 4; m++) {
            moment[m] += pow(z, m) / N;
        }
    }
    /* Four standard errors: of z^m they are sqrt(E z^2m - (E z^m)^2). */
    const double se = 4.0 / sqrt(N);
    assert_close(moment[1], 0.0, 0, se);
    assert_close(moment[2], 1.0, 0, se * sqrt(2.0));
    assert_close(moment[3], 0.0, 0, se * sqrt(15.0));
    assert_close(moment[4], 3.0, 0, se * sqrt(96.0));
    assert_close((double)inside / N, 0.8, 0, se * 0.4);
}

/* Well inside the bounds: mean and covariance of the draws are those of the posterior. */
static void draws_have_the_moments(void **state)
{
    (void)state;
    enum { N = 20000, SIZE = 4 };
    example x;
    amm_draw_source source;
    double mean[SIZE] = { 0 };
    double second[SIZE][SIZE] = { { 0 } };
    open_example(&x, test_context());
    x.posterior.count = 3;
    x.rate[0] = AMM_RATE_memory_efficiency;
    x.rate[1] = AMM_RATE_gemm_half_size;
    x.device.rates[AMM_RATE_gemm_half_size].value = 100.0;
    x.rate[2] = AMM_RATE_launch_s;
    const double c[9] = { 1e-4, 0.05, -2e-9, 0.05, 100, 6e-6, -2e-9, 6e-6, 1e-12 };
    memcpy(x.covariance, c, sizeof c);
    x.runtime.facts[AMM_FACT_attention_backward].sd = 0.1;
    const double expected[SIZE][SIZE] = { { 1e-4, 0.05, -2e-9, 0 },
                                          { 0.05, 100, 6e-6, 0 },
                                          { -2e-9, 6e-6, 1e-12, 0 },
                                          { 0, 0, 0, 0.01 } };
    assert_int_equal(amm_draw_open(&source, &x.spec->problem, 3), AMM_OK);
    assert_int_equal(amm_draw_size(&source), SIZE);
    const double centre[SIZE] = { x.device.rates[x.rate[0]].value, x.device.rates[x.rate[1]].value,
                                  x.device.rates[x.rate[2]].value,
                                  x.runtime.facts[AMM_FACT_attention_backward].value };
    for (int32_t k = 0; k < N; k++) {
        double v[SIZE];
        assert_int_equal(amm_draw_next(&source, v), AMM_OK);
        for (int i = 0; i < SIZE; i++) {
            mean[i] += (v[i] - centre[i]) / N;
            for (int j = 0; j < SIZE; j++) {
                second[i][j] += (v[i] - centre[i]) * (v[j] - centre[j]) / N;
            }
        }
    }
    assert_int_equal(source.redrawn, 0);
    for (int i = 0; i < SIZE; i++) {
        const double own = expected[i][i];
        assert_close(mean[i], 0.0, 0, 4.0 * sqrt(own / N));
        for (int j = 0; j < SIZE; j++) {
            const double e = expected[i][j];
            assert_close(second[i][j], e, 0, 4.0 * sqrt((e * e + own * expected[j][j]) / N));
        }
    }
    amm_spec_free(x.spec);
}

/* phi(a) / (1 - Phi(a)), a the bound in sds: how far cutting off below moves the mean. */
static void bounds_cut_off(void **state)
{
    (void)state;
    enum { N = 20000 };
    example x;
    amm_draw_source source;
    double sum = 0.0;
    open_example(&x, test_context());
    uncertain(&x, AMM_RATE_scaleup_latency_s, 2e-5);
    x.device.rates[AMM_RATE_scaleup_latency_s].value = 1.1e-5; /* half an sd above the bound */
    x.runtime.facts[AMM_FACT_dp_overlap].value = 0.0;          /* at it */
    x.runtime.facts[AMM_FACT_dp_overlap].sd = 0.1;
    assert_int_equal(amm_draw_open(&source, &x.spec->problem, 5), AMM_OK);
    for (int32_t k = 0; k < N; k++) {
        double v[2];
        assert_int_equal(amm_draw_next(&source, v), AMM_OK);
        assert_true(v[0] >= 1e-6 && v[0] <= 200e-6 && v[1] >= 0.0 && v[1] <= 1.0);
        sum += v[0] / N;
    }
    const double density = exp(-0.125) / sqrt(2.0 * acos(-1.0));
    const double inside = amm_normal_below(0.5);
    assert_close(sum, 1.1e-5 + 2e-5 * density / inside, 0, 4.0 * 2e-5 / sqrt(N));
    /* Numbers per draw: 1 / 0.691 and 1 / 0.5, less the two that stay. */
    const double wasted = (1.0 / inside - 1.0) + 1.0;
    assert_close((double)source.redrawn / N, wasted, 0, 4.0 * 1.7 / sqrt(N));
    amm_spec_free(x.spec);
}

/* ---- plans ------------------------------------------------------------------------------------- */

/* Constants that are known leave nothing to regret. */
static void certain_constants(void **state)
{
    (void)state;
    example x;
    open_example(&x, test_context());
    uncertain(&x, AMM_RATE_gemm_efficiency, 0.0);
    uncertain(&x, AMM_RATE_network_efficiency, 0.0);
    amm_result *r = draw(&x, 16, 1, 1);
    assert_int_equal(r->draws.done, 16);
    assert_int_equal(r->draws.redrawn, 0);
    assert_int_equal(r->draws.count, (int32_t)r->plan_count);
    assert_true(r->plan_count > 1);
    for (int32_t k = 0; k < r->draws.count; k++) {
        const amm_draw_candidate *one = &r->draws.items[k];
        const double regret = r->plans[one->rank].time_s / r->plans[0].time_s - 1.0;
        assert_int_equal(one->wins, one->rank == 0 ? 16 : 0);
        assert_int_equal(one->misfits, 0);
        assert_close(one->mean_regret, regret, 1e-12, 0);
        assert_same_bits(one->largest_regret, regret);
        assert_same_bits(one->regret_95, regret);
    }
    assert_int_equal(r->draws.items[r->draws.minimax].rank, 0);
    assert_int_equal(r->draws.items[r->draws.least_mean].rank, 0);
    amm_result_free(r);
    amm_spec_free(x.spec);
}

static double time_at(example *x, int32_t rate, double value, const char *strategy)
{
    amm_result *result = NULL;
    const double before = x->device.rates[rate].value;
    x->device.rates[rate].value = value;
    assert_int_equal(amm_evaluate(&result, x->spec, &strategy, 1), AMM_OK);
    x->device.rates[rate].value = before;
    const double time_s = amm_result_time_s(result, 0);
    amm_result_free(result);
    return time_s;
}

/* Below which all but `tail` of the normal distribution, cut off at the bounds, lies. */
static double quantile(double mean, double sd, const amm_named *bounds, double tail)
{
    const double top = amm_normal_below((bounds->high - mean) / sd);
    const double all = top - amm_normal_below((bounds->low - mean) / sd);
    double low = bounds->low;
    double high = bounds->high;
    for (int k = 0; k < 60; k++) {
        const double middle = 0.5 * (low + high);
        const bool beyond = top - amm_normal_below((middle - mean) / sd) > tail * all;
        low = beyond ? middle : low;
        high = beyond ? high : middle;
    }
    return low;
}

/* Two plans, one constant: the slower the links, the better the one with less tensor parallelism. Where
 * they cross, how likely each side is and what the wrong one costs are all told without the draws. */
static void probability_of_two_plans(void **state)
{
    (void)state;
    enum { N = 1024, PARTS = 400 };
    static const char four[] = "tp=4,pp=4,dp=4,vpp=10,micro-batch=1";
    static const char eight[] = "tp=8,pp=2,dp=4,vpp=10,micro-batch=2";
    const int32_t rate = AMM_RATE_scaleup_efficiency;
    const amm_named *bounds = &amm_rate_table[rate];
    example x;
    open_example(&x, test_context());
    double low = bounds->low;
    double high = bounds->high;
    assert_true(time_at(&x, rate, low, four) < time_at(&x, rate, low, eight));
    assert_true(time_at(&x, rate, high, four) > time_at(&x, rate, high, eight));
    for (int k = 0; k < 40; k++) {
        const double middle = 0.5 * (low + high);
        const bool first = time_at(&x, rate, middle, four) < time_at(&x, rate, middle, eight);
        low = first ? middle : low;
        high = first ? high : middle;
    }
    const double sd = 0.1;
    const double mean = low - 0.05; /* not half and half */
    x.device.rates[rate].value = mean;
    uncertain(&x, rate, sd);
    const double all =
        amm_normal_below((bounds->high - mean) / sd) - amm_normal_below((bounds->low - mean) / sd);
    const double p =
        (amm_normal_below((low - mean) / sd) - amm_normal_below((bounds->low - mean) / sd)) / all;
    /* Expected regret of `four`, and its variance: midpoints, weighed by the normal distribution. */
    double expected = 0.0;
    double square = 0.0;
    for (int k = 0; k < PARTS; k++) {
        const double from = bounds->low + (bounds->high - bounds->low) * k / PARTS;
        const double to = bounds->low + (bounds->high - bounds->low) * (k + 1) / PARTS;
        const double at = 0.5 * (from + to);
        const double weight =
            (amm_normal_below((to - mean) / sd) - amm_normal_below((from - mean) / sd)) / all;
        const double regret =
            fmax(0.0, time_at(&x, rate, at, four) / time_at(&x, rate, at, eight) - 1.0);
        expected += weight * regret;
        square += weight * regret * regret;
    }
    amm_result *r = draw(&x, N, has_threads(&x) ? 2 : 1, 11);
    const amm_draw_candidate *winner = of_plan(r, 0);
    assert_int_equal(winner->plan.config.tp, 4);
    const double se = 4.0 / sqrt(N);
    assert_true(p > 0.55 && p < 0.85);
    assert_close((double)winner->wins / N, p, 0, se * sqrt(p * (1.0 - p)));
    assert_close(winner->mean_regret, expected, 0, se * sqrt(square - expected * expected));
    /* The regret grows with the constant; four standard errors of a share of 5 % are 2.7 %. */
    const double near = quantile(mean, sd, bounds, 0.05 + se * sqrt(0.05 * 0.95));
    const double far = quantile(mean, sd, bounds, 0.05 - se * sqrt(0.05 * 0.95));
    assert_true(winner->regret_95 >
                time_at(&x, rate, near, four) / time_at(&x, rate, near, eight) - 1.0);
    assert_true(winner->regret_95 <
                time_at(&x, rate, far, four) / time_at(&x, rate, far, eight) - 1.0);
    assert_true(winner->regret_95 < winner->largest_regret);
    int32_t wins = 0;
    for (int32_t k = 0; k < r->draws.count; k++) {
        const amm_draw_candidate *one = &r->draws.items[k];
        wins += one->wins;
        assert_true(k == 0 || one->wins <= r->draws.items[k - 1].wins);
        assert_true(one->largest_regret >= r->draws.items[r->draws.minimax].largest_regret);
        assert_true(one->mean_regret >= r->draws.items[r->draws.least_mean].mean_regret);
    }
    assert_int_equal(wins, N);
    assert_int_equal(r->draws.items[1].plan.config.tp, 8);
    amm_result_free(r);
    amm_spec_free(x.spec);
}

/* Memory depends on facts, too: where the best plan does not fit, its regret has no bound. */
static void plans_that_do_not_fit(void **state)
{
    (void)state;
    example x;
    open_example(&x, test_context());
    x.runtime.facts[AMM_FACT_fragmentation].sd = 0.1;
    amm_result *r = draw(&x, 64, 1, 2);
    const amm_draw_candidate *first = of_plan(r, 0);
    assert_true(first->misfits > 0 && first->misfits < 64);
    assert_true(isinf(first->largest_regret) && isinf(first->mean_regret));
    int32_t wins = r->draws.without_plan;
    for (int32_t k = 0; k < r->draws.count; k++) {
        wins += r->draws.items[k].wins;
    }
    assert_int_equal(wins, 64);
    assert_true(r->draws.minimax < 0 || r->draws.items[r->draws.minimax].misfits == 0);
    char *text = NULL;
    assert_int_equal(amm_result_table(r, &text, 0), AMM_OK);
    assert_non_null(strstr(text, "no fit"));
    amm_text_free(test_context(), text);
    assert_int_equal(amm_result_json(r, &text, 0), AMM_OK);
    assert_non_null(strstr(text, "\"largest_regret\": null"));
    amm_text_free(test_context(), text);
    amm_result_free(r);
    amm_spec_free(x.spec);
}

/* The preset's own posterior. The same bytes for a seed, whoever draws; others for another seed. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    static const int32_t threads[] = { 1, 2, 0, 7 };
    char *texts[5] = { NULL };
    example x;
    open_example(&x, test_context());
    x.spec->problem.constants = NULL;
    if (!has_threads(&x)) {
        amm_spec_free(x.spec);
        skip();
    }
    for (int k = 0; k < 5; k++) {
        amm_result *r = draw(&x, 24, k < 4 ? threads[k] : 1, k < 4 ? 9 : 10);
        const int32_t wanted = k < 4 ? threads[k] : 1;
        assert_int_equal(r->threads, wanted == 0 ? amm_simd_threads() : wanted);
        assert_int_equal(amm_result_json(r, &texts[k], AMM_RESULT_NO_RUN_INFO), AMM_OK);
        amm_result_free(r);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_string_equal(texts[0], texts[2]);
    assert_string_equal(texts[0], texts[3]);
    assert_string_not_equal(strstr(texts[0], "\"draws\""), strstr(texts[4], "\"draws\""));
    for (int k = 0; k < 5; k++) {
        amm_text_free(test_context(), texts[k]);
    }
    amm_spec_free(x.spec);
}

/* A winner that is not listed is judged as well. */
static void winners_beyond_the_list(void **state)
{
    (void)state;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *r = NULL;
    example x;
    open_example(&x, test_context());
    uncertain(&x, AMM_RATE_scaleup_efficiency, 0.15);
    options.draws = 64;
    options.top = 1;
    assert_int_equal(amm_plan(&r, x.spec, &options), AMM_OK);
    assert_int_equal(r->plan_count, 1);
    assert_true(r->draws.count > 1);
    for (int32_t k = 0; k < r->draws.count; k++) {
        const amm_draw_candidate *one = &r->draws.items[k];
        assert_int_equal(one->rank, one->plan.config.index == r->plans[0].config.index ? 0 : -1);
        assert_true(one->plan.fits && one->plan.time_s >= r->plans[0].time_s);
    }
    amm_result_free(r);
    amm_spec_free(x.spec);
}

/* ---- what stops them --------------------------------------------------------------------------- */

/* Stops the draws half-way, or the search before them. */
typedef struct stopper {
    double last, at;
    int passes, pass;
} stopper;

static int stop_at(double done, double best_s, void *payload)
{
    stopper *s = payload;
    (void)best_s;
    assert_true(done >= 0.0 && done <= 1.0);
    s->passes += done < s->last ? 1 : 0;
    s->last = done;
    return s->passes == s->pass && done >= s->at;
}

static void interrupts_keep_what_is_done(void **state)
{
    (void)state;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    example x;
    char *text = NULL;
    open_example(&x, test_context());
    uncertain(&x, AMM_RATE_scaleup_efficiency, 0.1);
    for (int pass = 0; pass < 2; pass++) {
        stopper s = { 0.0, pass == 1 ? 0.5 : 0.2, 0, pass };
        amm_result *r = NULL;
        options.draws = 20;
        options.threads = 1; /* how many are done when it is stopped is left to chance with more */
        options.progress = stop_at;
        options.payload = &s;
        assert_int_equal(amm_plan(&r, x.spec, &options), AMM_INTERRUPTED);
        assert_non_null(r);
        assert_int_equal(r->draws.asked, 20);
        assert_int_equal(r->draws.done, pass == 1 ? 10 : 0);
        assert_int_equal(r->interrupted, pass == 0); /* what was searched is whole */
        int32_t wins = 0;
        for (int32_t k = 0; k < r->draws.count; k++) {
            wins += r->draws.items[k].wins;
            assert_true(isfinite(r->draws.items[k].mean_regret));
        }
        assert_int_equal(wins, r->draws.done);
        assert_int_equal(amm_result_table(r, &text, 0), AMM_OK);
        assert_true(r->plan_count == 0 ||
                    strstr(text, pass == 1 ? "10 of 20, interrupted, of 1 constants"
                                           : "none of 20: interrupted") != NULL);
        amm_text_free(test_context(), text);
        if (pass == 1) {
            assert_string_equal(amm_last_error(), "interrupted after 10 of 20 draws");
        }
        assert_int_equal(amm_result_json(r, &text, 0), AMM_OK);
        amm_text_free(test_context(), text);
        amm_result_free(r);
    }
    amm_spec_free(x.spec);
}

static void refused(example *x, int32_t draws, amm_status status, const char *message)
{
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *r = NULL;
    options.draws = draws;
    assert_int_equal(amm_plan(&r, x->spec, &options), status);
    assert_string_equal(amm_last_error(), message);
    if (r != NULL) { /* what was searched before stays; of the draws nothing */
        assert_true(r->plan_count > 0 && r->proven && !r->interrupted);
        assert_true(r->draws.asked == draws && r->draws.done == 0 && r->draws.count == 0);
    }
    amm_result_free(r);
}

static void errors_say_why(void **state)
{
    (void)state;
    example x;
    open_example(&x, test_context());
    refused(&x, -1, AMM_INPUT, "draws: got -1, allowed 0 to 4096");
    refused(&x, 4097, AMM_INPUT, "draws: got 4097, allowed 0 to 4096");
    x.device.posterior = NULL;
    refused(&x, 8, AMM_INPUT,
            "draws: device H100-80GB has no posterior, its constants were not fitted to measured "
            "runs");
    x.device.posterior = &x.posterior;
    x.posterior.count = 3;
    x.rate[0] = AMM_RATE_gemm_efficiency;
    x.rate[1] = AMM_RATE_memory_efficiency;
    x.rate[2] = AMM_RATE_network_efficiency;
    const double odd[] = { 1, 0.9, -0.9, 0.9, 1, 0.9, -0.9, 0.9, 1 };
    memcpy(x.covariance, odd, sizeof odd);
    refused(&x, 8, AMM_INPUT,
            "draws: device H100-80GB: posterior.covariance: not positive semidefinite, seen at "
            "network_efficiency");
    x.posterior.count = 0;
    uncertain(&x, AMM_RATE_gemm_efficiency, 0.001);
    x.device.rates[AMM_RATE_gemm_efficiency].value = 5.0;
    refused(&x, 8, AMM_LIMIT, "draws: H100-80GB: 100000 in a row lie outside the bounds");
    x.posterior.count = 0;
    x.device.rates[AMM_RATE_gemm_efficiency].value = 0.8;
    x.runtime.facts[AMM_FACT_recompute_per_stage].sd = 0.3;
    set(x.spec, "recompute", "auto"); /* sets of its own for every stage, or one: other spaces */
    x.spec->problem.constants = &x.device;
    x.spec->problem.runtime = &x.runtime;
    refused(&x, 8, AMM_INPUT,
            "draws: runtime megatron-core: a fact with an sd decides what it can launch");
    amm_spec_free(x.spec);
}

static void memory_that_fails_leaks_nothing(void **state)
{
    (void)state;
    int64_t all = -1;
    for (int64_t n = -1; n < all || n < 0; n += n < 0 ? 1 : 1 + all / 300) {
        failing_allocator memory = { -1, 0, 0 };
        amm_context_options context_options = AMM_CONTEXT_OPTIONS_INIT;
        amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
        amm_context *context = NULL;
        amm_result *r = NULL;
        char *text = NULL;
        example x;
        context_options.allocator = failing_allocator_make(&memory);
        assert_int_equal(amm_context_create(&context, &context_options), AMM_OK);
        open_example(&x, context);
        uncertain(&x, AMM_RATE_scaleup_efficiency, 0.15);
        options.draws = 3;
        options.threads = 1; /* the allocator counts */
        options.top = 1;
        memory.fail_at = n < 0 ? INT64_MAX : n; /* counts from here on */
        amm_status status = amm_plan(&r, x.spec, &options);
        status = status == AMM_OK ? amm_result_table(r, &text, 0) : status;
        amm_text_free(context, text);
        text = NULL;
        status = status == AMM_OK ? amm_result_json(r, &text, 0) : status;
        assert_int_equal(status, n < 0 ? AMM_OK : AMM_NO_MEMORY);
        all = n < 0 ? memory.calls : all;
        amm_text_free(context, text);
        amm_result_free(r);
        amm_spec_free(x.spec);
        amm_context_free(context);
        assert_int_equal(memory.live, 0);
    }
    assert_true(all > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors),
        cmocka_unit_test(refuses_what_is_no_covariance),
        cmocka_unit_test(normal_numbers),
        cmocka_unit_test(draws_have_the_moments),
        cmocka_unit_test(bounds_cut_off),
        cmocka_unit_test(certain_constants),
        cmocka_unit_test(probability_of_two_plans),
        cmocka_unit_test(plans_that_do_not_fit),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(winners_beyond_the_list),
        cmocka_unit_test(interrupts_keep_what_is_done),
        cmocka_unit_test(errors_say_why),
        cmocka_unit_test(memory_that_fails_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
