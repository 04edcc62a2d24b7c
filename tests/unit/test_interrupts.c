/* What an interrupted search says of how far it got. */
#include "search/result.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <stdio.h>

/* Stops a search at a share of it, and keeps the share. */
typedef struct stopper {
    double at, stopped;
} stopper;

static int stop_at(double done, double best_s, void *payload)
{
    stopper *x = payload;
    (void)best_s;
    x->stopped = done;
    return done >= x->at;
}

static amm_result *stopped_at(stopper *x, const amm_spec *spec, double share)
{
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    *x = (stopper){ share, 0.0 };
    options.top = AMM_TOP_ALL;
    options.threads = 1;
    options.progress = stop_at;
    options.payload = x;
    assert_int_equal(amm_plan(&result, spec, &options), share > 1.0 ? AMM_OK : AMM_INTERRUPTED);
    return result;
}

/* With every plan asked for, all that is not rejected at the first look is solved. */
static uint64_t listed(const amm_result *whole)
{
    uint64_t count = whole->configs;
    for (int k = 0; k < (int)AMM_REJECTION_COUNT; k++) {
        count -= whole->rejected[k].count;
    }
    return count;
}

/* Counts of one kind: what was looked at has no holes of the index in it, a list is not counted twice. */
static void interrupts_say_how_far(void **state)
{
    unsigned long long some = 0;
    unsigned long long all = 0;
    double percent = 0.0;
    stopper x;
    amm_spec *spec = NULL;
    (void)state;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    assert_int_equal(amm_spec_set(spec, "model", "llama-3-8b"), AMM_OK);
    assert_int_equal(amm_spec_set(spec, "cluster", "2xdgx-h100"), AMM_OK);
    assert_int_equal(amm_spec_set(spec, "global_batch", "64"), AMM_OK);
    amm_result *whole = stopped_at(&x, spec, 2.0);
    amm_result *looking = stopped_at(&x, spec, 0.25);
    assert_int_equal(sscanf(amm_last_error(),
                            "interrupted after a look at %llu configs, %lf %% of the space", &some,
                            &percent),
                     2);
    assert_int_equal(some, looking->configs);
    assert_true(some > 0 && some < whole->configs);
    assert_close(percent / 100.0, 2.0 * x.stopped, 0.0, 0.05); /* the first look is half of it */
    amm_result *solving = stopped_at(&x, spec, 0.75);
    assert_int_equal(
        sscanf(amm_last_error(), "interrupted after %llu of %llu configs to solve", &some, &all),
        2);
    assert_int_equal(all, listed(whole));
    assert_int_equal(some, solving->solved);
    assert_true(some > 0 && some < all);
    amm_result_free(whole);
    amm_result_free(looking);
    amm_result_free(solving);
    amm_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupts_say_how_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
