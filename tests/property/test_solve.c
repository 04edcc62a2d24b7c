/* The exact partition solver against brute force. The long tier runs more: tests/long. */
#include "solve_instance.h"
#include "test_support.h"

static void solver_equals_brute_force(void **state)
{
    (void)state;
    check_random_instances(20000, 2022);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(solver_equals_brute_force) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
