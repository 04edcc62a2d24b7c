/* How the module of cuda is found, and what is said when it is not. */
#define _DEFAULT_SOURCE /* setenv */
#include "test_support.h"

#include "backend/module.h"

#include <stdlib.h>
#include <string.h>

/* Finds "cuda" through that file; the message, or "" when it is there. */
static const char *find_through(const char *file)
{
    const amm_backend *backend = NULL;
    assert_int_equal(setenv("AMM_CUDA_MODULE", file, 1), 0);
    const amm_status status = amm_backend_find(&backend, "cuda");
    assert_int_equal(unsetenv("AMM_CUDA_MODULE"), 0);
    if (status == AMM_OK) {
        assert_string_equal(backend->name, "cuda");
        return "";
    }
    assert_int_equal(status, AMM_UNAVAILABLE);
    assert_null(backend);
    return amm_last_error();
}

static void no_such_file(void **state)
{
    (void)state;
    assert_string_equal(find_through("/nonexistent/module.so"),
                        "backend cuda: AMM_CUDA_MODULE: /nonexistent/module.so: cannot be read");
}

static void no_library(void **state)
{
    (void)state;
    assert_non_null(strstr(find_through("/dev/null"), "does not open"));
}

static void other_version(void **state)
{
    (void)state;
    assert_non_null(strstr(find_through(FAKE_OTHER), "is of version 1000000, this library needs"));
}

static void no_device(void **state)
{
    (void)state;
    assert_non_null(strstr(find_through(FAKE_ABSENT), "fake device 0"));
}

static void there(void **state)
{
    (void)state;
    assert_string_equal(find_through(FAKE_THERE), "");
}

/* Tests may be skipped only where nothing is wrong with the module. */
static void states(void **state)
{
    static const struct {
        const char *file;
        amm_module_state state;
    } files[] = {
        { "/nonexistent/module.so", AMM_MODULE_BROKEN },
        { "/dev/null", AMM_MODULE_BROKEN },
        { FAKE_OTHER, AMM_MODULE_BROKEN },
        { FAKE_ABSENT, AMM_MODULE_NO_DEVICE },
        { FAKE_THERE, AMM_MODULE_READY },
    };
    (void)state;
    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++) {
        const amm_backend *backend = NULL;
        const char *note = NULL;
        assert_int_equal(setenv("AMM_CUDA_MODULE", files[k].file, 1), 0);
        assert_int_equal(amm_module_open_cuda(&backend, &note), files[k].state);
        assert_true((backend != NULL) == (files[k].state == AMM_MODULE_READY));
        assert_true(note[0] != '\0');
    }
    assert_int_equal(unsetenv("AMM_CUDA_MODULE"), 0);
}

/* What doctor prints. */
static void described(void **state)
{
    (void)state;
    const char *name;
    const char *note;
    bool available;
    assert_int_equal(setenv("AMM_CUDA_MODULE", FAKE_THERE, 1), 0);
    for (int32_t k = 0; amm_backend_describe(k, &name, &available, &note); k++) {
        if (strcmp(name, "cuda") == 0) {
            assert_true(available);
            assert_string_equal(note, "fake device 0");
        }
    }
    assert_int_equal(unsetenv("AMM_CUDA_MODULE"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_such_file),  cmocka_unit_test(no_library),
        cmocka_unit_test(other_version), cmocka_unit_test(no_device),
        cmocka_unit_test(there),         cmocka_unit_test(states),
        cmocka_unit_test(described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
