/* Axes of a map. */
#include "map/map.h"
#include "test_support.h"

#include <math.h>

static void ranges_and_lists(void **state)
{
    (void)state;
    amm_map_axis axis = { 0 };
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "nic=100..1600", 5, "x"), AMM_OK);
    assert_int_equal(axis.kind, AMM_MAP_NIC);
    assert_int_equal(axis.count, 5);
    for (int32_t k = 0; k < 5; k++) {
        assert_close(axis.values[k], 100.0 * pow(2.0, k), 1e-12, 0.0);
    }
    assert_same_bits(axis.values[4], 1600.0);
    /* 4 to 9 in twelve steps: the whole numbers, once each. */
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "nodes=4..9", 12, "y"), AMM_OK);
    assert_int_equal(axis.count, 6);
    for (int32_t k = 0; k < 6; k++) {
        assert_same_bits(axis.values[k], 4.0 + k);
    }
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "batch=256,300,4096", 0, "y"), AMM_OK);
    assert_int_equal(axis.count, 3);
    assert_same_bits(axis.values[1], 300.0);
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "nvlink=450..450", 0, "x"), AMM_OK);
    assert_int_equal(axis.count, 1);
}

static void mistakes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",        "nic",      "=1..2",    "nic=",      "nic=0..4",     "nic=-1..4", "nic=1..",
        "nic=..4", "nic=2..1", "nic=1,,2", "nodes=1.5", "nodes=1.5..3", "nic=nan",   "nic=1..inf"
    };
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        amm_map_axis axis = { 0 };
        assert_int_equal(amm_map_axis_read(&axis, &test_arena, texts[k], 5, "x"), AMM_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ranges_and_lists, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(mistakes, arena_start, arena_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
