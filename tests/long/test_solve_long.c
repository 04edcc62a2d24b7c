/* The exact partition solver against brute force, the long way: 300,000 random instances, and all
 * 62,891,499 partitions of 48 layers into 8 stages of two device types. */
#include "core/random.h"
#include "solve_instance.h"
#include "test_support.h"

#include <math.h>

static void many_instances(void **state)
{
    (void)state;
    check_random_instances(300000, 7);
}

static void one_large_instance(void **state)
{
    (void)state;
    static instance in;
    uint64_t seed = 48;
    brute want;
    amm_solution got;
    int32_t cuts[INSTANCE_STAGES + 1];
    int32_t entry[INSTANCE_STAGES];
    amm_solver solver;
    amm_solver_init(&solver, test_context());
    do { /* an instance with two unrelated device types and ample memory */
        instance_random(&in, &seed, 48, 8);
    } while (in.entries[0][0].first != NULL || in.entries[0][0].d == NULL ||
             in.entries[0][0].t == in.entries[1][0].t || in.config.a < 3);
    for (int32_t s = 0; s < 8; s++) {
        in.stages[s].entry_count = 1;
    }
    instance_brute_force(&want, &in);
    assert_int_equal(want.partitions, 62891499);
    assert_int_equal(amm_solve(&solver, &got, cuts, entry, &in.config, HUGE_VAL), AMM_OK);
    assert_true(got.feasible);
    assert_same_bits(got.total, want.total);
    for (int32_t s = 0; s <= 8; s++) {
        assert_int_equal(cuts[s], want.cuts[s]);
    }
    amm_solver_free(&solver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_instances),
        cmocka_unit_test(one_large_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
