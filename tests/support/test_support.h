/* What every test needs: cmocka, a context, floating-point assertions. */
#ifndef AMM_TESTS_SUPPORT_H
#define AMM_TESTS_SUPPORT_H

/* cmocka wants these first, in this order. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/core.h"

/* One default context of the test program, never freed. */
amm_context *test_context(void);

/* An arena that lives as long as one test: cmocka_unit_test_setup_teardown(f, arena_start, arena_stop). */
extern amm_arena test_arena;
int arena_start(void **state);
int arena_stop(void **state);

/* |a - b| <= atol or <= rtol * max(|a|, |b|). */
void assert_close(double a, double b, double rtol, double atol);
/* The same bits. */
void assert_same_bits(double a, double b);

/* An allocator that counts live blocks and fails from the n-th allocation on (n < 0: never). */
typedef struct failing_allocator {
    int64_t fail_at, calls, live;
} failing_allocator;
amm_allocator failing_allocator_make(failing_allocator *state);

#endif
