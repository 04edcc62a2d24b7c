/* The backend cuda on a real device; skipped without one, or where its module is not built. A module that
 * was built or named but does not load fails. $AMM_CUDA_SMALL: little of it, for tools that
 * make every step slow. */
#include "backend/module.h"
#include "backend_compare.h"
#include "test_support.h"

#include <stdio.h>
#include <stdlib.h>

static const amm_backend *backend;

static void compare(const compare_shape *shape, uint64_t seed, int32_t problems)
{
    const int32_t count = getenv("AMM_CUDA_SMALL") == NULL ? problems : 1;
    for (int32_t n = 0; n < count; n++) {
        compare_backend(backend, &seed, shape);
    }
}

static void small_problems(void **state)
{
    (void)state;
    for (int32_t items = 1; items <= 12; items++) {
        const compare_shape shape = { items, items, 40, 100, 2000, true };
        compare(&shape, (uint64_t)items, 10);
    }
}

static void middle_problems(void **state)
{
    (void)state;
    const compare_shape few = { 30, 5, 40, 2000, 20000, true };
    const compare_shape many = { 60, 24, 40, 2000, 20000, true };
    compare(&few, 1, 20);
    compare(&many, 2, 20);
}

static void long_problems(void **state)
{
    (void)state;
    const compare_shape byte = { 255, 24, 10, 5000, 50000, false };
    const compare_shape tiles = { 150, 4, 10, 100000, 500000, false };
    const compare_shape solved = { 600, 8, 8, 0, 0, true };
    compare(&byte, 3, 10);
    compare(&tiles, 4, 3);
    compare(&solved, 5, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_problems),
        cmocka_unit_test(middle_problems),
        cmocka_unit_test(long_problems),
    };
    const char *note = NULL;
    const amm_module_state module = amm_module_open_cuda(&backend, &note);
    if (module == AMM_MODULE_NO_DEVICE || module == AMM_MODULE_NOT_BUILT) {
        printf("skipped: %s\n", note);
        return 77;
    }
    if (module == AMM_MODULE_BROKEN) {
        printf("failed: %s\n", note);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
