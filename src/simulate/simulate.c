#include "simulate/simulate.h"

#include "simulate/order.h"
#include <math.h>
#include <string.h>

/* One device. */
typedef struct device {
    amm_stage_order order;
    double free_s;           /* end of what it did last */
    double forward_stream_s; /* when its streams have sent what they were given */
    double backward_stream_s;
    bool queued;
} device;

typedef struct place {
    int32_t chunk, micro_batch;
} place;

typedef struct simulation {
    const amm_schedule_input *in;
    int32_t group, virtual_stages;
    device *devices;
    place *places; /* [G v] */
    amm_schedule_stage *stage;
    double *forward_end_s, *backward_end_s; /* [virtual stage][micro-batch] or NULL */
    double *input_s, *gradient_s;          /* [virtual stage][micro-batch] arrival of the message */
    int32_t *input_count, *gradient_count; /* [virtual stage] messages sent: in micro-batch order */
    int32_t *queue, queue_first, queue_count; /* ring of devices that may be able to go on */
    amm_schedule_event *events;
    size_t event_count;
} simulation;

const char *amm_schedule_kind_word(amm_schedule_kind kind)
{
    static const char *const words[] = {
#define AMM_SCHEDULE_WORD(name, word) word,
        AMM_SCHEDULE_LIST(AMM_SCHEDULE_WORD)
#undef AMM_SCHEDULE_WORD
    };
    return words[kind];
}

const char *amm_event_kind_word(amm_event_kind kind)
{
    static const char *const words[] = {
#define AMM_EVENT_WORD(name, word) word,
        AMM_EVENT_LIST(AMM_EVENT_WORD)
#undef AMM_EVENT_WORD
    };
    return words[kind];
}

/* ---- input ----------------------------------------------------------------------------------- */

static amm_status check_durations(const char *name, const double *values, int32_t count)
{
    if (values == NULL && count > 0) {
        return amm_fail(AMM_INPUT, "schedule.%s: missing, %d numbers needed", name, (int)count);
    }
    for (int32_t s = 0; s < count; s++) {
        if (!(values[s] >= 0.0) || !isfinite(values[s])) {
            return amm_fail(AMM_INPUT, "schedule.%s[%d]: got %g, allowed: finite and >= 0", name,
                            (int)s, values[s]);
        }
    }
    return AMM_OK;
}

/* Megatron-core stops with an error in the same cases: other groups would leave dependency bubbles. */
static amm_status check_group(const amm_schedule_input *in, int32_t group)
{
    const int32_t rest = in->micro_batches % group;
    if (group < in->stages || group > in->micro_batches) {
        return amm_fail(AMM_INPUT,
                        "schedule.group: got %d, allowed: stages (%d) to micro_batches (%d)",
                        (int)group, (int)in->stages, (int)in->micro_batches);
    }
    if (rest > 0 && rest < in->stages) {
        return amm_fail(
            AMM_INPUT,
            "schedule.micro_batches: %d leaves a last group of %d, allowed: none, or at "
            "least stages (%d)",
            (int)in->micro_batches, (int)rest, (int)in->stages);
    }
    return AMM_OK;
}

static amm_status check_shape(const amm_schedule_input *in)
{
    if (in->kind < 0 || in->kind >= AMM_SCHEDULE_COUNT) {
        return amm_fail(AMM_INPUT, "schedule.kind: %d is none", (int)in->kind);
    }
    if (in->stages < 1 || in->chunks < 1 || in->micro_batches < 1 || in->group < 0) {
        return amm_fail(
            AMM_INPUT,
            "schedule: %d stages of %d chunks, %d micro-batches, group %d, allowed: >= 1, "
            "group >= 0",
            (int)in->stages, (int)in->chunks, (int)in->micro_batches, (int)in->group);
    }
    if (in->chunks > 1 && in->kind != AMM_SCHEDULE_INTERLEAVED) {
        return amm_fail(AMM_INPUT, "schedule.chunks: got %d, %s has 1", (int)in->chunks,
                        amm_schedule_kind_word(in->kind));
    }
    int64_t passes;
    if (!amm_mul_i64((int64_t)in->stages * in->chunks, in->micro_batches, &passes) ||
        passes > AMM_MAX_SCHEDULE_PASSES) {
        return amm_fail(AMM_LIMIT, "schedule: stages x chunks x micro_batches exceed %d",
                        AMM_MAX_SCHEDULE_PASSES);
    }
    return AMM_OK;
}

static amm_status check_input(const amm_schedule_input *in, int32_t group)
{
    AMM_TRY(check_shape(in));
    if (in->kind == AMM_SCHEDULE_INTERLEAVED) {
        AMM_TRY(check_group(in, group));
    }
    const int32_t count = in->stages * in->chunks;
    AMM_TRY(check_durations("forward_s", in->forward_s, count));
    AMM_TRY(check_durations("backward_s", in->backward_s, count));
    if (in->transfer_s != NULL) {
        AMM_TRY(check_durations("transfer_s", in->transfer_s, count - 1));
    }
    if (!amm_schedule_splits(in->kind)) {
        return AMM_OK;
    }
    AMM_TRY(check_durations("weight_s", in->weight_s, count));
    for (int32_t s = 0; s < count; s++) {
        if (in->weight_s[s] > in->backward_s[s]) {
            return amm_fail(AMM_INPUT,
                            "schedule.weight_s[%d]: got %g, allowed: up to backward_s, %g", (int)s,
                            in->weight_s[s], in->backward_s[s]);
        }
    }
    return AMM_OK;
}

/* fmax would look for NaN, which check_input has kept out. */
static inline double later(double a, double b)
{
    return a > b ? a : b;
}

/* ---- passes ---------------------------------------------------------------------------------- */

static void enqueue(simulation *sim, int32_t stage)
{
    if (!sim->devices[stage].queued) {
        const int32_t p = sim->in->stages;
        const int32_t end = sim->queue_first + sim->queue_count;
        sim->devices[stage].queued = true;
        sim->queue[end < p ? end : end - p] = stage;
        sim->queue_count++;
    }
}

static void record(simulation *sim, amm_event_kind kind, bool gradient, int32_t virtual_stage,
                   int32_t micro_batch, double start_s, double end_s)
{
    if (sim->events != NULL) {
        const int32_t p = sim->in->stages;
        const amm_schedule_event event = {
            kind, gradient, virtual_stage % p, virtual_stage / p, micro_batch, start_s, end_s
        };
        sim->events[sim->event_count++] = event;
    }
}

/* Sends what a pass of virtual stage `from` on `stage` made, ready now, on to its neighbour `to`. */
static void send(simulation *sim, int32_t stage, int32_t from, int32_t to, int32_t micro_batch)
{
    const amm_schedule_input *in = sim->in;
    const bool gradient = to < from;
    const int32_t p = in->stages;
    const int32_t next =
        gradient ? (stage > 0 ? stage - 1 : p - 1) : (stage + 1 < p ? stage + 1 : 0);
    const size_t slot = (size_t)to * (size_t)in->micro_batches + (size_t)micro_batch;
    device *d = &sim->devices[stage];
    double *stream_s = gradient ? &d->backward_stream_s : &d->forward_stream_s;
    double end_s = d->free_s;
    if (next != stage && in->transfer_s != NULL) {
        const bool blocking = in->transfer == AMM_TRANSFER_BLOCKING;
        const double start_s = blocking ? d->free_s : later(d->free_s, *stream_s);
        end_s = start_s + in->transfer_s[gradient ? to : from];
        *stream_s = end_s;
        if (blocking) {
            sim->stage[stage].send_s += end_s - start_s;
            d->free_s = end_s;
        }
        record(sim, AMM_EVENT_SEND, gradient, from, micro_batch, start_s, end_s);
        record(sim, AMM_EVENT_RECEIVE, gradient, to, micro_batch, start_s, end_s);
    }
    (gradient ? sim->gradient_s : sim->input_s)[slot] = end_s;
    (gradient ? sim->gradient_count : sim->input_count)[to]++;
    enqueue(sim, next);
}

/* What the n-th forward pass of every stage works on: groups of micro-batches, chunk by chunk. The
 * n-th backward pass takes the chunks from the last on. */
static void fill_places(simulation *sim)
{
    const int32_t v = sim->in->chunks;
    int32_t n = 0;
    for (int32_t first = 0; first < sim->in->micro_batches; first += sim->group) {
        const int32_t left = sim->in->micro_batches - first;
        const int32_t size = left < sim->group ? left : sim->group;
        for (int32_t chunk = 0; chunk < v; chunk++) {
            for (int32_t m = first; m < first + size; m++) {
                sim->places[n].chunk = chunk;
                sim->places[n++].micro_batch = m;
            }
        }
    }
}

/* When the message that a pass needs is there; false when it has not been sent. */
static bool ready(const simulation *sim, amm_event_kind kind, int32_t s, int32_t micro_batch,
                  double *out)
{
    const size_t slot = (size_t)s * (size_t)sim->in->micro_batches + (size_t)micro_batch;
    *out = 0.0;
    if (kind == AMM_EVENT_FORWARD && s > 0) {
        *out = sim->input_s[slot];
        return micro_batch < sim->input_count[s];
    }
    if (kind == AMM_EVENT_BACKWARD && s < sim->virtual_stages - 1) {
        *out = sim->gradient_s[slot];
        return micro_batch < sim->gradient_count[s];
    }
    return true;
}

static double duration(const amm_schedule_input *in, amm_event_kind kind, int32_t s)
{
    if (kind == AMM_EVENT_FORWARD) {
        return in->forward_s[s];
    }
    if (!amm_schedule_splits(in->kind)) {
        return in->backward_s[s];
    }
    return kind == AMM_EVENT_WEIGHT ? in->weight_s[s] : in->backward_s[s] - in->weight_s[s];
}

/* Counts a pass of the given kind as begun. */
static void advance(amm_stage_order *o, amm_schedule_stage *stage, amm_event_kind kind)
{
    o->backward += kind == AMM_EVENT_BACKWARD;
    o->weight += kind == AMM_EVENT_WEIGHT;
    o->forward += kind == AMM_EVENT_FORWARD;
    const int32_t inputs = o->forward - o->backward;
    const int32_t held = o->split ? o->forward - o->weight : inputs;
    stage->in_flight = held > stage->in_flight ? held : stage->in_flight;
    stage->in_flight_inputs = inputs > stage->in_flight_inputs ? inputs : stage->in_flight_inputs;
}

static void keep_end(simulation *sim, amm_event_kind kind, int32_t s, int32_t micro_batch,
                     double end_s)
{
    if (sim->forward_end_s != NULL && kind != AMM_EVENT_WEIGHT) {
        double *ends = kind == AMM_EVENT_FORWARD ? sim->forward_end_s : sim->backward_end_s;
        ends[(size_t)s * (size_t)sim->in->micro_batches + (size_t)micro_batch] = end_s;
    }
}

/* Does the next pass of a stage; false when its message has not been sent yet. */
static bool step(simulation *sim, int32_t i)
{
    device *d = &sim->devices[i];
    amm_schedule_stage *stage = &sim->stage[i];
    const amm_event_kind kind = amm_order_next(&d->order);
    const int32_t n = kind == AMM_EVENT_FORWARD    ? d->order.forward
                      : kind == AMM_EVENT_BACKWARD ? d->order.backward
                                                   : d->order.weight;
    const place at = sim->places[n];
    const int32_t m = at.micro_batch;
    const int32_t chunk = kind == AMM_EVENT_FORWARD ? at.chunk : sim->in->chunks - 1 - at.chunk;
    const int32_t s = chunk * sim->in->stages + i;
    double ready_s;
    if (!ready(sim, kind, s, m, &ready_s)) {
        return false;
    }
    const double start_s = later(d->free_s, ready_s);
    const double duration_s = duration(sim->in, kind, s);
    const bool first = d->order.forward == 0;
    stage->idle_s += start_s - d->free_s;
    stage->busy_s += duration_s;
    stage->start_s = first ? start_s : stage->start_s;
    stage->finish_s = d->free_s = start_s + duration_s;
    advance(&d->order, stage, kind);
    keep_end(sim, kind, s, m, d->free_s);
    record(sim, kind, false, s, m, start_s, d->free_s);
    if (kind == AMM_EVENT_FORWARD && s < sim->virtual_stages - 1) {
        send(sim, i, s, s + 1, m);
    } else if (kind == AMM_EVENT_BACKWARD && s > 0) {
        send(sim, i, s, s - 1, m);
    }
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static amm_status run(simulation *sim)
{
    const int32_t p = sim->in->stages;
    fill_places(sim);
    for (int32_t i = 0; i < p; i++) {
        amm_order_init(&sim->devices[i].order, sim->in, sim->group, i);
        enqueue(sim, i);
    }
    while (sim->queue_count > 0) {
        const int32_t i = sim->queue[sim->queue_first];
        sim->queue_first = sim->queue_first + 1 < p ? sim->queue_first + 1 : 0;
        sim->queue_count--;
        sim->devices[i].queued = false;
        while (!amm_order_done(&sim->devices[i].order) && step(sim, i)) {
        }
    }
    for (int32_t i = 0; i < p; i++) {
        if (!amm_order_done(&sim->devices[i].order)) {
            return amm_fail(AMM_INTERNAL, "schedule %s: stage %d waits for itself",
                            amm_schedule_kind_word(sim->in->kind), (int)i);
        }
    }
    return AMM_OK;
}

/* Scratch that ends with the simulation. */
static amm_status allocate_scratch(simulation *sim, amm_arena *scratch)
{
    const size_t p = (size_t)sim->in->stages;
    const size_t s = (size_t)sim->virtual_stages;
    const size_t slots = s * (size_t)sim->in->micro_batches;
    sim->devices = amm_arena_alloc(scratch, p, sizeof *sim->devices);
    sim->queue = amm_arena_alloc(scratch, p, sizeof *sim->queue);
    sim->places = amm_arena_alloc(scratch, slots / p, sizeof *sim->places);
    sim->input_s = amm_arena_alloc(scratch, slots, sizeof *sim->input_s);
    sim->gradient_s = amm_arena_alloc(scratch, slots, sizeof *sim->gradient_s);
    sim->input_count = amm_arena_alloc(scratch, s, sizeof *sim->input_count);
    sim->gradient_count = amm_arena_alloc(scratch, s, sizeof *sim->gradient_count);
    const bool all = sim->devices != NULL && sim->queue != NULL && sim->places != NULL &&
                     sim->input_s != NULL && sim->gradient_s != NULL && sim->input_count != NULL &&
                     sim->gradient_count != NULL;
    return all ? AMM_OK : AMM_NO_MEMORY;
}

/* Every pass, and a send and a receive per boundary, direction and micro-batch. */
static size_t most_events(const amm_schedule_input *in)
{
    const size_t s = (size_t)in->stages * (size_t)in->chunks;
    const size_t kinds = amm_schedule_splits(in->kind) ? 3 : 2;
    return (kinds * s + 4 * (s - 1)) * (size_t)in->micro_batches;
}

/* What the caller asked to be kept beside the times of the stages. */
static amm_status allocate_kept(simulation *sim, amm_arena *arena)
{
    const amm_schedule_input *in = sim->in;
    const size_t slots = (size_t)sim->virtual_stages * (size_t)in->micro_batches;
    if (in->keep_events) {
        sim->events = amm_arena_alloc(arena, most_events(in), sizeof *sim->events);
    }
    if (in->keep_ends) {
        sim->forward_end_s = amm_arena_alloc(arena, slots, sizeof *sim->forward_end_s);
        sim->backward_end_s = amm_arena_alloc(arena, slots, sizeof *sim->backward_end_s);
    }
    const bool events = sim->events != NULL || !in->keep_events;
    const bool ends = (sim->forward_end_s != NULL && sim->backward_end_s != NULL) || !in->keep_ends;
    return events && ends ? AMM_OK : AMM_NO_MEMORY;
}

static void finish(amm_schedule_result *out, const simulation *sim)
{
    for (int32_t i = 0; i < out->stages; i++) {
        out->makespan_s = later(out->makespan_s, sim->stage[i].finish_s);
    }
    /* A device that sends blocking after its last pass has given its time to the send. */
    for (int32_t i = 0; i < out->stages; i++) {
        sim->stage[i].idle_s += out->makespan_s - sim->devices[i].free_s;
    }
    out->forward_end_s = sim->forward_end_s;
    out->backward_end_s = sim->backward_end_s;
    out->events = sim->events;
    out->event_count = sim->event_count;
}

amm_status amm_simulate(amm_schedule_result *out, amm_arena *arena, const amm_schedule_input *in)
{
    simulation sim;
    amm_arena scratch;
    memset(out, 0, sizeof *out);
    memset(&sim, 0, sizeof sim);
    sim.in = in;
    sim.group = in->kind == AMM_SCHEDULE_INTERLEAVED && in->group > 0 ? in->group : in->stages;
    AMM_TRY(check_input(in, sim.group));
    sim.virtual_stages = in->stages * in->chunks;
    out->stages = in->stages;
    out->stage = sim.stage = amm_arena_alloc(arena, (size_t)in->stages, sizeof *sim.stage);
    if (out->stage == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(allocate_kept(&sim, arena));
    amm_arena_init(&scratch, arena->context);
    amm_status status = allocate_scratch(&sim, &scratch);
    if (status == AMM_OK) {
        status = run(&sim);
    }
    if (status == AMM_OK) {
        finish(out, &sim);
    }
    amm_arena_free(&scratch);
    return status;
}
