#include "test_support.h"

#include <locale.h>
#include <math.h>
#include <string.h>

/* ---- status and messages --------------------------------------------------------------------- */

static void status_has_names(void **state)
{
    (void)state;
    assert_string_equal(amm_status_name(AMM_OK), "OK");
    assert_string_equal(amm_status_name(AMM_INPUT), "INPUT");
    assert_string_equal(amm_status_name((amm_status)99), "UNKNOWN");
    assert_string_equal(amm_status_sentence(AMM_NO_PLAN), "no feasible plan");
    assert_int_equal(AMM_LIMIT, 8);
}

static void message_is_one_line(void **state)
{
    char longer[2048];
    (void)state;
    assert_int_equal(amm_fail(AMM_INPUT, "a\nb\tc%c%d", 0x7f, 7), AMM_INPUT);
    assert_string_equal(amm_last_error(), "a?b?c?7");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    (void)amm_fail(AMM_IO, "%s", longer);
    assert_int_equal(strlen(amm_last_error()), 1023);
}

/* Of two steps that are both done: the first failure, with its message. */
static void first_failure_wins(void **state)
{
    (void)state;
    amm_failure first = amm_failure_keep(amm_fail(AMM_UNAVAILABLE, "lost"));
    assert_int_equal(amm_failure_first(&first, amm_fail(AMM_NO_MEMORY, "none left")),
                     AMM_UNAVAILABLE);
    assert_string_equal(amm_last_error(), "lost");
    assert_int_equal(amm_failure_first(&first, AMM_OK), AMM_UNAVAILABLE);
    first = amm_failure_keep(AMM_OK);
    assert_int_equal(amm_failure_first(&first, amm_fail(AMM_NO_MEMORY, "none left")),
                     AMM_NO_MEMORY);
    assert_string_equal(amm_last_error(), "none left");
    assert_int_equal(amm_failure_first(&first, AMM_OK), AMM_OK);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void context_options_are_checked(void **state)
{
    amm_context_options options;
    amm_context_options macro = AMM_CONTEXT_OPTIONS_INIT;
    amm_context *context = NULL;
    (void)state;
    amm_context_options_init(&options);
    assert_memory_equal(&options, &macro, sizeof options);
    options.size = 1;
    assert_int_equal(amm_context_create(&context, &options), AMM_INPUT);
    assert_null(context);
    failing_allocator failing = { 0, 0, 0 };
    options.size = sizeof options;
    options.allocator = failing_allocator_make(&failing);
    assert_int_equal(amm_context_create(&context, &options), AMM_NO_MEMORY);
    options.allocator.release = NULL;
    assert_int_equal(amm_context_create(&context, &options), AMM_INPUT);
    amm_context_free(NULL);
}

static void sizes_are_checked(void **state)
{
    (void)state;
    amm_context *context = test_context();
    assert_null(amm_alloc(context, SIZE_MAX / 2, 4));
    assert_non_null(strstr(amm_last_error(), "out of memory"));
    unsigned char *bytes = amm_alloc(context, 100, 3);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(bytes[i], 0);
    }
    amm_release(context, bytes);
    void *nothing = amm_alloc(context, 0, 8);
    assert_non_null(nothing);
    amm_release(context, nothing);
    amm_release(context, NULL);
    amm_text_free(context, NULL);
}

static void arena_gives_aligned_zeroes(void **state)
{
    amm_arena arena;
    (void)state;
    amm_arena_init(&arena, test_context());
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        const unsigned char *p = amm_arena_alloc(&arena, 1, size);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(p[i], 0);
        }
    }
    assert_string_equal(amm_arena_copy(&arena, "abcdef", 3), "abc");
    assert_string_equal(amm_arena_format(&arena, "%d-%s", 4, "x"), "4-x");
    assert_null(amm_arena_alloc(&arena, SIZE_MAX / 2, 2));
    amm_arena_free(&arena);
    assert_null(arena.blocks);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void text_grows_and_pads(void **state)
{
    amm_text text;
    char *out = NULL;
    (void)state;
    amm_text_init(&text, test_context());
    amm_text_append(&text, "first\nµs");
    amm_text_pad(&text, 5);
    amm_text_printf(&text, "%d|", 3);
    amm_text_pad(&text, 2); /* already past it */
    assert_int_equal(amm_text_take(&text, &out), AMM_OK);
    assert_string_equal(out, "first\nµs   3|");
    assert_int_equal(amm_text_columns("µs·x"), 4);
    amm_text_free(test_context(), out);
}

static void text_failure_sticks(void **state)
{
    failing_allocator failing = { 1, 0, 0 };
    amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_text text;
    char *out = NULL;
    (void)state;
    options.allocator = failing_allocator_make(&failing);
    assert_int_equal(amm_context_create(&context, &options), AMM_OK);
    amm_text_init(&text, context);
    amm_text_append(&text, "x");
    amm_text_printf(&text, "%d", 1);
    assert_int_equal(amm_text_take(&text, &out), AMM_NO_MEMORY);
    assert_null(out);
    amm_context_free(context);
    assert_int_equal(failing.live, 0);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void numbers_round_trip(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0.1, "0.1" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 9007199254740991.0, "9007199254740991" },
        { 1e300, "1e+300" },
        { 5e-324, "4.94065645841247e-324" },
        { -0.0, "-0" },
        { 1.0 / 3.0, "0.3333333333333333" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[AMM_NUMBER_CHARS];
        double back = 1;
        amm_number_format(text, cases[i].value);
        assert_true(amm_number_parse(text, &back));
        assert_same_bits(back, cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
}

static void bad_numbers_are_refused(void **state)
{
    static const char *const bad[] = { "",      " 1",   "1 ", "1,5", "nan", "inf", "0x10",
                                       "1e999", "1.5.", "e5", "--1", "1e",  "1d5", "1\n" };
    double value = 0;
    int64_t integer = 0;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(amm_number_parse(bad[i], &value));
        assert_false(amm_integer_parse(bad[i], &integer));
    }
    assert_false(amm_integer_parse("9223372036854775808", &integer));
    assert_false(amm_integer_parse("1.0", &integer));
    assert_false(amm_integer_parse("-", &integer));
    assert_true(amm_integer_parse("-9223372036854775808", &integer));
    assert_true(integer == INT64_MIN);
}

static void decimal_comma_does_not_matter(void **state)
{
    char text[AMM_NUMBER_CHARS];
    double value = 0;
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        skip();
    }
    amm_number_format(text, 1.5);
    const bool parsed = amm_number_parse("2.25", &value);
    (void)amm_fail(AMM_INPUT, "%g", 1.5);
    (void)setlocale(LC_ALL, "C");
    assert_string_equal(text, "1.5");
    assert_true(parsed);
    assert_same_bits(value, 2.25);
    assert_string_equal(amm_last_error(), "1.5");
}

static void arithmetic_is_checked(void **state)
{
    int64_t out = 0;
    (void)state;
    assert_true(amm_mul_i64(INT64_C(3000000000), 3, &out));
    assert_true(out == INT64_C(9000000000));
    assert_false(amm_mul_i64(INT64_MAX / 2, 3, &out));
    /* FNV-1a of "a", from its authors' test vectors. */
    assert_true(amm_hash(AMM_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_has_names),
        cmocka_unit_test(message_is_one_line),
        cmocka_unit_test(first_failure_wins),
        cmocka_unit_test(context_options_are_checked),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(arena_gives_aligned_zeroes),
        cmocka_unit_test(text_grows_and_pads),
        cmocka_unit_test(text_failure_sticks),
        cmocka_unit_test(numbers_round_trip),
        cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(decimal_comma_does_not_matter),
        cmocka_unit_test(arithmetic_is_checked),
    };
    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
