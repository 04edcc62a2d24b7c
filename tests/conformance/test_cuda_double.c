/* The backend cuda on the double of a device: the same driver and the same kernels, run on the host. */
#include "backend_compare.h"
#include "test_support.h"
#include "double.h"
#include "driver.h"
#include "verify/instance.h"

#include <string.h>

/* Other chunks, other orders of threads, for every problem. */
static void settings_of(uint64_t *seed)
{
    const amm_double_options x = { .seed = amm_random_next(seed),
                                   .most_configs = amm_random_range(seed, 1, 40),
                                   .most_units = amm_random_range(seed, 1, 20),
                                   .most_pushed = amm_random_range(seed, 1025, 1500),
                                   .most_candidates = amm_random_range(seed, 1, 500),
                                   .unit_ranks = amm_random_range(seed, 1, 700),
                                   .slice = amm_random_range(seed, 0, 2) * 40 };
    amm_double_settings = x;
}

static void compare(const compare_shape *shape, uint64_t seed, int32_t problems)
{
    for (int32_t n = 0; n < problems; n++) {
        settings_of(&seed);
        compare_backend(&amm_backend_cuda, &seed, shape);
    }
    memset(&amm_double_settings, 0, sizeof amm_double_settings);
}

static void small_problems(void **state)
{
    (void)state;
    for (int32_t items = 1; items <= 9; items++) {
        const compare_shape shape = { items, items, 6, 40, 200, true };
        compare(&shape, (uint64_t)items, 8);
    }
}

static void middle_problems(void **state)
{
    (void)state;
    const compare_shape few = { 26, 5, 6, 100, 3000, true };
    const compare_shape many = { 40, 24, 4, 60, 1500, true };
    compare(&few, 1, 12);
    compare(&many, 2, 12);
}

static void long_problems(void **state)
{
    (void)state;
    const compare_shape byte = { 255, 10, 3, 60, 2500, false };
    const compare_shape tiles = { 150, 4, 3, 60, 20000, false };
    const compare_shape solved = { 600, 8, 2, 0, 0, true };
    compare(&byte, 3, 6);
    compare(&tiles, 4, 2);
    compare(&solved, 5, 2);
}

/* Tables that do not fit in shared memory: the other kernels. */
static void little_shared_memory(void **state)
{
    (void)state;
    const compare_shape shape = { 60, 6, 3, 60, 0, true };
    uint64_t seed = 6;
    for (int32_t n = 0; n < 4; n++) {
        settings_of(&seed);
        amm_double_settings.shared_bytes = n % 2 == 0 ? 2000 : 9000;
        compare_backend(&amm_backend_cuda, &seed, &shape);
    }
    memset(&amm_double_settings, 0, sizeof amm_double_settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_problems),
        cmocka_unit_test(middle_problems),
        cmocka_unit_test(long_problems),
        cmocka_unit_test(little_shared_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
