/* The pipeline simulation on cases worked by hand, its errors, and the trace of its events. */
#include "emit/emit.h"
#include "io/json_read.h"
#include "simulate/simulate.h"
#include "test_support.h"

#include <math.h>
#include <string.h>

static const double ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
static const double twos[8] = { 2, 2, 2, 2, 2, 2, 2, 2 };
static const double halves[7] = { 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5 };

/* Two stages, F = 1, B = 2 (zero-bubble: 1 + 1), no transfers. */
static amm_schedule_input two_stages(amm_schedule_kind kind, int32_t micro_batches)
{
    amm_schedule_input in;
    memset(&in, 0, sizeof in);
    in.kind = kind;
    in.stages = 2;
    in.chunks = kind == AMM_SCHEDULE_INTERLEAVED ? 2 : 1;
    in.micro_batches = micro_batches;
    in.forward_s = ones;
    in.backward_s = twos;
    in.weight_s = ones;
    in.keep_events = true;
    return in;
}

static amm_schedule_result simulate(const amm_schedule_input *in)
{
    amm_schedule_result result;
    assert_int_equal(amm_simulate(&result, &test_arena, in), AMM_OK);
    return result;
}

/* "F0@0 F1@1 B0@4 …": the passes of a stage with their starts; chunk letters when interleaved. */
static void assert_passes(const amm_schedule_result *result, int32_t stage, bool chunks,
                          const char *expected)
{
    amm_text text;
    char *got = NULL;
    amm_text_init(&text, test_context());
    for (size_t n = 0; n < result->event_count; n++) {
        const amm_schedule_event *e = &result->events[n];
        if (e->stage == stage && e->kind <= AMM_EVENT_WEIGHT) {
            amm_text_printf(&text, "%s%s%d%s@%g", text.length > 0 ? " " : "",
                            amm_event_kind_word(e->kind), (int)e->micro_batch,
                            !chunks         ? ""
                            : e->chunk == 0 ? "a"
                                            : "b",
                            e->start_s);
        }
    }
    assert_int_equal(amm_text_take(&text, &got), AMM_OK);
    assert_string_equal(got, expected);
    amm_text_free(test_context(), got);
}

static void gpipe_by_hand(void **state)
{
    (void)state;
    const amm_schedule_input in = two_stages(AMM_SCHEDULE_GPIPE, 2);
    const amm_schedule_result r = simulate(&in);
    assert_passes(&r, 0, false, "F0@0 F1@1 B0@5 B1@7");
    assert_passes(&r, 1, false, "F0@1 F1@2 B0@3 B1@5");
    assert_same_bits(r.makespan_s, 9.0); /* (2 + 1) * 3 */
    assert_int_equal(r.stage[0].in_flight, 2);
    assert_int_equal(r.stage[1].in_flight, 2);
}

static void one_f_one_b_by_hand(void **state)
{
    (void)state;
    amm_schedule_input in = two_stages(AMM_SCHEDULE_1F1B, 2);
    amm_schedule_result r = simulate(&in);
    assert_passes(&r, 0, false, "F0@0 F1@1 B0@4 B1@7");
    assert_passes(&r, 1, false, "F0@1 B0@2 F1@4 B1@5");
    assert_same_bits(r.makespan_s, 9.0);
    assert_same_bits(r.stage[0].busy_s, 6.0);
    assert_same_bits(r.stage[0].idle_s, 3.0);
    assert_same_bits(r.stage[1].start_s, 1.0);
    assert_same_bits(r.stage[1].finish_s, 7.0);
    assert_int_equal(r.stage[0].in_flight, 2);
    assert_int_equal(r.stage[1].in_flight, 1);

    in.transfer_s = halves; /* 9 + 2 e: B0 and B1 of stage 0 wait for a way there and back */
    r = simulate(&in);
    assert_passes(&r, 0, false, "F0@0 F1@1 B0@5 B1@8");
    assert_passes(&r, 1, false, "F0@1.5 B0@2.5 F1@4.5 B1@5.5");
    assert_same_bits(r.makespan_s, 10.0);
    assert_same_bits(r.stage[0].send_s, 0.0);

    in.transfer = AMM_TRANSFER_BLOCKING; /* stage 1 sends 4.5-5 and 8-8.5 */
    r = simulate(&in);
    assert_passes(&r, 0, false, "F0@0 F1@1.5 B0@5 B1@8.5");
    assert_passes(&r, 1, false, "F0@1.5 B0@2.5 F1@5 B1@6");
    assert_same_bits(r.makespan_s, 10.5);
    assert_same_bits(r.stage[1].send_s, 1.0);
    assert_same_bits(r.stage[1].idle_s, 10.5 - 6.0 - 1.0);
}

static void interleaved_by_hand(void **state)
{
    (void)state;
    const amm_schedule_input in = two_stages(AMM_SCHEDULE_INTERLEAVED, 2);
    const amm_schedule_result r = simulate(&in);
    assert_passes(&r, 0, true, "F0a@0 F1a@1 F0b@2 F1b@3 B0b@6 B1b@9 B0a@11 B1a@13");
    assert_passes(&r, 1, true, "F0a@1 F1a@2 F0b@3 B0b@4 F1b@6 B1b@7 B0a@9 B1a@11");
    assert_same_bits(r.makespan_s, 15.0); /* (G v + p - 1) t = (4 + 1) * 3 */
    assert_int_equal(r.stage[0].in_flight, 4);
    assert_int_equal(r.stage[1].in_flight, 3);
}

static void zero_bubble_by_hand(void **state)
{
    (void)state;
    amm_schedule_input in = two_stages(AMM_SCHEDULE_ZB_H1, 2);
    amm_schedule_result r = simulate(&in);
    assert_passes(&r, 0, false, "F0@0 F1@1 B0@3 W0@4 B1@5 W1@6");
    assert_passes(&r, 1, false, "F0@1 B0@2 F1@3 B1@4 W0@5 W1@6");
    assert_same_bits(r.makespan_s, 7.0); /* 2 * 3 + F + B - W */
    assert_int_equal(r.stage[1].in_flight, 2);
    assert_int_equal(r.stage[1].in_flight_inputs, 1);

    in = two_stages(AMM_SCHEDULE_ZB_H2, 3);
    r = simulate(&in);
    assert_passes(&r, 0, false, "F0@0 F1@1 F2@2 B0@3 W0@4 B1@5 W1@6 B2@7 W2@8");
    assert_passes(&r, 1, false, "F0@1 B0@2 F1@3 B1@4 F2@5 B2@6 W0@7 W1@8 W2@9");
    assert_same_bits(r.makespan_s, 10.0);
    assert_same_bits(r.stage[0].finish_s - r.stage[0].start_s, 9.0); /* no bubble on any stage */
    assert_same_bits(r.stage[1].finish_s - r.stage[1].start_s, 9.0);
    assert_int_equal(r.stage[0].in_flight, 3);
    assert_int_equal(r.stage[1].in_flight, 3);
}

/* One stage has no neighbours: nothing is sent between its chunks. */
static void one_stage_never_waits(void **state)
{
    (void)state;
    for (int k = 0; k < AMM_SCHEDULE_COUNT; k++) {
        amm_schedule_input in = two_stages((amm_schedule_kind)k, 5);
        in.stages = 1;
        in.transfer_s = halves;
        in.transfer = AMM_TRANSFER_BLOCKING;
        const amm_schedule_result r = simulate(&in);
        assert_same_bits(r.makespan_s, 15.0 * in.chunks);
        assert_same_bits(r.stage[0].idle_s, 0.0);
    }
}

/* A slow link takes one message at a time: F0 leaves at 1, F1 at 4, not at 2. */
static void overlapped_messages_queue(void **state)
{
    (void)state;
    const double slow[1] = { 3.0 };
    amm_schedule_input in = two_stages(AMM_SCHEDULE_GPIPE, 2);
    in.transfer_s = slow;
    const amm_schedule_result r = simulate(&in);
    assert_passes(&r, 1, false, "F0@4 F1@7 B0@8 B1@10");
    assert_passes(&r, 0, false, "F0@0 F1@1 B0@13 B1@16");
}

static void refuse(const amm_schedule_input *in, amm_status status, const char *message)
{
    amm_schedule_result r;
    assert_int_equal(amm_simulate(&r, &test_arena, in), status);
    if (strstr(amm_last_error(), message) == NULL) {
        fail_msg("'%s' lacks '%s'", amm_last_error(), message);
    }
}

static void bad_shapes_are_refused(void **state)
{
    (void)state;
    amm_schedule_input in = two_stages(AMM_SCHEDULE_1F1B, 4);
    in.stages = 0;
    refuse(&in, AMM_INPUT, "0 stages");
    in = two_stages(AMM_SCHEDULE_1F1B, 0);
    refuse(&in, AMM_INPUT, "0 micro-batches");
    in = two_stages(AMM_SCHEDULE_1F1B, 4);
    in.chunks = 2;
    refuse(&in, AMM_INPUT, "schedule.chunks: got 2, 1f1b has 1");
    in = two_stages(AMM_SCHEDULE_COUNT, 4);
    refuse(&in, AMM_INPUT, "schedule.kind");
    in = two_stages(AMM_SCHEDULE_1F1B, INT32_MAX);
    refuse(&in, AMM_LIMIT, "exceed");
    in = two_stages(AMM_SCHEDULE_INTERLEAVED, 4);
    in.stages = in.chunks = INT32_MAX;
    refuse(&in, AMM_LIMIT, "exceed");
}

static void bad_groups_are_refused(void **state)
{
    (void)state;
    amm_schedule_input in = two_stages(AMM_SCHEDULE_INTERLEAVED, 1);
    refuse(&in, AMM_INPUT, "schedule.group: got 2, allowed: stages (2) to micro_batches (1)");
    in = two_stages(AMM_SCHEDULE_INTERLEAVED, 5);
    refuse(&in, AMM_INPUT, "last group of 1");
    in.group = 3; /* 3 + 2 */
    assert_true(simulate(&in).makespan_s > 0.0);
    in.group = 1;
    refuse(&in, AMM_INPUT, "schedule.group: got 1");
}

static void bad_durations_are_refused(void **state)
{
    (void)state;
    const double bad[2] = { 1.0, -1.0 };
    const double not_a_number[1] = { nan("") };
    amm_schedule_input in = two_stages(AMM_SCHEDULE_ZB_H1, 4);
    in.forward_s = bad;
    refuse(&in, AMM_INPUT, "schedule.forward_s[1]: got -1");
    in.forward_s = NULL;
    refuse(&in, AMM_INPUT, "schedule.forward_s: missing");
    in = two_stages(AMM_SCHEDULE_ZB_H1, 4);
    in.transfer_s = not_a_number;
    refuse(&in, AMM_INPUT, "schedule.transfer_s[0]");
    in = two_stages(AMM_SCHEDULE_ZB_H1, 4);
    in.weight_s = NULL;
    refuse(&in, AMM_INPUT, "schedule.weight_s: missing");
    in.backward_s = ones;
    in.weight_s = twos;
    refuse(&in, AMM_INPUT, "schedule.weight_s[0]: got 2");
}

static void allocations_may_fail(void **state)
{
    (void)state;
    bool done = false;
    int64_t n = 0;
    for (; !done; n++) {
        failing_allocator allocator = { n, 0, 0 };
        amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
        amm_context *context = NULL;
        options.allocator = failing_allocator_make(&allocator);
        if (amm_context_create(&context, &options) == AMM_OK) {
            amm_arena arena;
            amm_schedule_result r;
            /* Large enough for blocks of their own. */
            const amm_schedule_input in = two_stages(AMM_SCHEDULE_ZB_H2, 5000);
            amm_arena_init(&arena, context);
            const amm_status status = amm_simulate(&r, &arena, &in);
            done = status == AMM_OK;
            assert_true(done || status == AMM_NO_MEMORY);
            amm_arena_free(&arena);
        }
        amm_context_free(context);
        assert_int_equal(allocator.live, 0);
    }
    assert_true(n > 3);
}

/* ---- trace ----------------------------------------------------------------------------------- */

typedef struct trace_sum {
    int32_t processes, threads, spans, flows;
    double compute_us;
} trace_sum;

static void add_event(trace_sum *sum, const amm_value *event)
{
    const char *ph;
    const char *cat;
    int64_t pid;
    int64_t tid;
    double dur;
    amm_value field;
    assert_int_equal(amm_field_needed(event, "ph", &field), AMM_OK);
    assert_int_equal(amm_value_text(&field, &ph, 1), AMM_OK);
    assert_int_equal(amm_field_integer(event, "pid", true, 0, 1, &pid), AMM_OK);
    if (strcmp(ph, "M") == 0) {
        const char *name;
        assert_true(amm_field(event, "name", &field));
        assert_int_equal(amm_value_text(&field, &name, 32), AMM_OK);
        sum->processes += strcmp(name, "process_name") == 0;
        sum->threads += strcmp(name, "thread_name") == 0;
        return;
    }
    assert_int_equal(amm_field_integer(event, "tid", true, 0, 4, &tid), AMM_OK);
    assert_int_equal(amm_field_number(event, "ts", true, &dur), AMM_OK);
    if (strcmp(ph, "X") != 0) {
        sum->flows++;
        return;
    }
    assert_int_equal(amm_field_number(event, "dur", true, &dur), AMM_OK);
    assert_int_equal(amm_field_needed(event, "cat", &field), AMM_OK);
    assert_int_equal(amm_value_text(&field, &cat, 32), AMM_OK);
    const bool message = strcmp(cat, "send") == 0 || strcmp(cat, "recv") == 0;
    assert_true(message == (tid != 0));
    sum->compute_us += tid == 0 ? dur : 0.0;
    sum->spans++;
}

/* What the trace says, read back: both stages, all passes and messages, the same busy time. */
static void trace_reads_back(void **state)
{
    (void)state;
    amm_schedule_input in = two_stages(AMM_SCHEDULE_ZB_H1, 3);
    in.transfer_s = halves;
    const amm_schedule_result r = simulate(&in);
    char *text = NULL;
    amm_document document;
    amm_reader reader = { test_context(), &test_arena, NULL, AMM_HASH_START };
    trace_sum sum = { 0, 0, 0, 0, 0.0 };
    amm_value events;
    amm_value event;
    assert_int_equal(amm_trace_json(&text, test_context(), &r, "zb-h1"), AMM_OK);
    assert_int_equal(amm_document_parse(&document, &reader, text, strlen(text), "trace.json", NULL),
                     AMM_OK);
    const amm_value root = amm_document_root(&document);
    assert_true(amm_field(&root, "traceEvents", &events));
    for (bool ok = amm_value_first(&events, &event); ok; ok = amm_value_next(&event)) {
        add_event(&sum, &event);
    }
    assert_int_equal(sum.processes, 2);
    assert_int_equal(sum.threads, 2 * 5);
    assert_int_equal(sum.spans, 2 * 3 * 3 + 2 * 2 * 3); /* F, B, W; send and recv, both ways */
    assert_int_equal(sum.flows, 2 * 2 * 3);
    assert_close(sum.compute_us, 1e6 * (r.stage[0].busy_s + r.stage[1].busy_s), 1e-12, 0.0);
    amm_document_free(&document);
    amm_text_free(test_context(), text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, arena_start, arena_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gpipe_by_hand),          TEST(one_f_one_b_by_hand),    TEST(interleaved_by_hand),
        TEST(zero_bubble_by_hand),    TEST(one_stage_never_waits),  TEST(overlapped_messages_queue),
        TEST(bad_shapes_are_refused), TEST(bad_groups_are_refused), TEST(bad_durations_are_refused),
        TEST(allocations_may_fail),   TEST(trace_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
