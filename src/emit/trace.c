#include "emit/emit.h"
#include "io/io.h"
#include "search/planner.h"

#include <stdio.h>

/* Spans of one track have to nest, so everything that may run at the same time has its own. */
enum { TRACK_COMPUTE, TRACK_SEND, TRACK_RECEIVE = TRACK_SEND + 2, TRACK_COUNT = TRACK_RECEIVE + 2 };

static const char *const track_names[TRACK_COUNT] = {
    "compute", "send activations", "send gradients", "receive activations", "receive gradients",
};

static int32_t track_of(const amm_schedule_event *e)
{
    const int32_t gradient = e->gradient ? 1 : 0;
    switch (e->kind) {
    case AMM_EVENT_SEND:
        return TRACK_SEND + gradient;
    case AMM_EVENT_RECEIVE:
        return TRACK_RECEIVE + gradient;
    case AMM_EVENT_FORWARD:
    case AMM_EVENT_BACKWARD:
    case AMM_EVENT_WEIGHT:
    case AMM_EVENT_COUNT:
        break;
    }
    return TRACK_COMPUTE;
}

static const char *category_of(amm_event_kind kind)
{
    static const char *const words[AMM_EVENT_COUNT] = { "fwd", "bwd", "wgrad", "send", "recv" };
    return words[kind];
}

static void put_metadata(amm_json *j, const char *what, int32_t stage, int32_t track,
                         const char *name)
{
    amm_json_open_row(j, NULL, '{');
    amm_json_string(j, "ph", "M");
    amm_json_string(j, "name", what);
    amm_json_integer(j, "pid", stage);
    if (track >= 0) {
        amm_json_integer(j, "tid", track);
    }
    amm_json_open(j, "args", '{');
    amm_json_string(j, "name", name);
    amm_json_close(j, '}');
    amm_json_close(j, '}');
}

static void put_names(amm_json *j, int32_t stage)
{
    char name[32];
    (void)snprintf(name, sizeof name, "stage %d", (int)stage);
    put_metadata(j, "process_name", stage, -1, name);
    for (int32_t track = 0; track < TRACK_COUNT; track++) {
        put_metadata(j, "thread_name", stage, track, track_names[track]);
    }
}

static void put_span(amm_json *j, const amm_schedule_event *e)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s mb%d", amm_event_kind_word(e->kind), (int)e->micro_batch);
    amm_json_open_row(j, NULL, '{');
    amm_json_string(j, "ph", "X");
    amm_json_string(j, "name", name);
    amm_json_string(j, "cat", category_of(e->kind));
    amm_json_number(j, "ts", 1e6 * e->start_s);
    amm_json_number(j, "dur", 1e6 * (e->end_s - e->start_s));
    amm_json_integer(j, "pid", e->stage);
    amm_json_integer(j, "tid", track_of(e));
    amm_json_open(j, "args", '{');
    amm_json_integer(j, "micro_batch", e->micro_batch);
    amm_json_integer(j, "chunk", e->chunk);
    amm_json_close(j, '}');
    amm_json_close(j, '}');
}

/* An arrow from a send to its receive, which amm_simulate records right after it. */
static void put_flow(amm_json *j, const amm_schedule_event *e, size_t id)
{
    const bool end = e->kind == AMM_EVENT_RECEIVE;
    amm_json_open_row(j, NULL, '{');
    amm_json_string(j, "ph", end ? "f" : "s");
    amm_json_string(j, "name", e->gradient ? "gradients" : "activations");
    amm_json_string(j, "cat", "p2p");
    amm_json_integer(j, "id", (int64_t)id);
    amm_json_number(j, "ts", 1e6 * e->start_s);
    amm_json_integer(j, "pid", e->stage);
    amm_json_integer(j, "tid", track_of(e));
    if (end) {
        amm_json_string(j, "bp", "e");
    }
    amm_json_close(j, '}');
}

amm_status amm_trace_json(char **out, const amm_context *context, const amm_schedule_result *result,
                          const char *name)
{
    amm_text text;
    amm_json j;
    size_t flow = 0;
    *out = NULL;
    amm_text_init(&text, context);
    amm_json_init(&j, &text, true);
    amm_json_open(&j, NULL, '{');
    amm_json_string(&j, "displayTimeUnit", "ms");
    amm_json_open(&j, "otherData", '{');
    amm_json_string(&j, "schedule", name);
    amm_json_number(&j, "makespan_s", result->makespan_s);
    amm_json_close(&j, '}');
    amm_json_open(&j, "traceEvents", '[');
    for (int32_t i = 0; i < result->stages; i++) {
        put_names(&j, i);
    }
    for (size_t n = 0; n < result->event_count; n++) {
        const amm_schedule_event *e = &result->events[n];
        put_span(&j, e);
        if (e->kind == AMM_EVENT_SEND || e->kind == AMM_EVENT_RECEIVE) {
            flow += e->kind == AMM_EVENT_SEND;
            put_flow(&j, e, flow);
        }
    }
    amm_json_close(&j, ']');
    amm_json_close(&j, '}');
    amm_text_append(&text, "\n");
    return amm_text_take(&text, out);
}

/* ---- of a plan ------------------------------------------------------------------------------- */

/* A trace of more is too large for those who show it: some hundred bytes each. */
enum { MOST_TRACED = 1 << 20 };

static amm_status trace_plan(char **out, amm_arena *arena, const amm_lowered *lowered,
                             const amm_plan_entry *plan)
{
    amm_schedule_input in;
    amm_schedule_result r;
    AMM_TRY(amm_analytic_schedule(&in, arena, lowered, plan));
    if (2.0 * in.stages * in.chunks * in.micro_batches > MOST_TRACED) {
        return amm_fail(AMM_LIMIT, "trace: %d stages x %d chunks x %d micro-batches exceed %d",
                        (int)in.stages, (int)in.chunks, (int)in.micro_batches, MOST_TRACED / 2);
    }
    in.keep_events = true;
    AMM_TRY(amm_simulate(&r, arena, &in));
    return amm_trace_json(out, arena->context, &r, amm_schedule_kind_word(in.kind));
}

amm_status amm_result_trace(const amm_result *result, char **out, size_t index)
{
    const amm_problem_desc *problem = &result->spec->problem;
    amm_lowered lowered;
    amm_arena arena;
    *out = NULL;
    if (!amm_problem_is_analytic(problem)) {
        return amm_fail(AMM_INPUT, "trace: only without a profile and with cost model default");
    }
    if (index >= result->plan_count) {
        return amm_fail(AMM_INPUT, "trace: plan %zu, allowed: below %zu", index,
                        result->plan_count);
    }
    AMM_TRY(amm_lower_init(&lowered, result->context, problem));
    amm_arena_init(&arena, result->context);
    const amm_status status = trace_plan(out, &arena, &lowered, &result->plans[index]);
    amm_arena_free(&arena);
    amm_lower_free(&lowered);
    return status;
}
