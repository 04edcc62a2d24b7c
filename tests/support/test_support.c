#include "test_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

amm_context *test_context(void)
{
    static amm_context *context = NULL;
    if (context == NULL) {
        assert_int_equal(amm_context_create(&context, NULL), AMM_OK);
    }
    return context;
}

amm_arena test_arena;

int arena_start(void **state)
{
    (void)state;
    amm_arena_init(&test_arena, test_context());
    return 0;
}

int arena_stop(void **state)
{
    (void)state;
    amm_arena_free(&test_arena);
    return 0;
}

void assert_close(double a, double b, double rtol, double atol)
{
    const double error = fabs(a - b);
    if (!(error <= atol || error <= rtol * fmax(fabs(a), fabs(b)))) {
        fail_msg("%.17g is not close to %.17g (difference %.3g)", a, b, error);
    }
}

void assert_same_bits(double a, double b)
{
    if (memcmp(&a, &b, sizeof a) != 0) {
        fail_msg("%.17g and %.17g differ", a, b);
    }
}

static void *failing_resize(void *pointer, size_t size, void *payload)
{
    failing_allocator *state = payload;
    if (state->fail_at >= 0 && state->calls++ >= state->fail_at) {
        return NULL;
    }
    void *fresh = realloc(pointer, size);
    state->live += pointer == NULL && fresh != NULL;
    return fresh;
}

static void failing_release(void *pointer, void *payload)
{
    failing_allocator *state = payload;
    state->live -= pointer != NULL;
    free(pointer);
}

amm_allocator failing_allocator_make(failing_allocator *state)
{
    const amm_allocator made = { failing_resize, failing_release, state };
    return made;
}
