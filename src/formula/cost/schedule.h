/* Pipeline schedules in closed form, equal stages: time of an iteration, and how many micro-batches
 * a stage holds. Exact against src/simulate (tests/property/test_schedule.c) where their conditions
 * hold; docs/cost-model.md derives them. */
#ifndef AMM_FORMULA_COST_SCHEDULE_H
#define AMM_FORMULA_COST_SCHEDULE_H

#include "formula/cost/pipeline.h"
#include <math.h>
#include <stdbool.h>

/* name, word */
#define AMM_SCHEDULE_LIST(X)                                                                       \
    X(GPIPE, "gpipe")             /* Huang et al. 2019, arXiv 1811.06965 */                        \
    X(1F1B, "1f1b")               /* Narayanan et al. 2021, arXiv 2104.04473 */                    \
    X(INTERLEAVED, "interleaved") /* the same, section 2.2 */                                      \
    X(ZB_H1, "zb-h1")             /* Qi et al. 2023, arXiv 2401.10241 */                           \
    X(ZB_H2, "zb-h2")             /* the same */

typedef enum amm_schedule_kind {
#define AMM_SCHEDULE_ENUM(name, word) AMM_SCHEDULE_##name,
    AMM_SCHEDULE_LIST(AMM_SCHEDULE_ENUM)
#undef AMM_SCHEDULE_ENUM
        AMM_SCHEDULE_COUNT
} amm_schedule_kind;

/* p stages of v chunks that all take the same time, and equal boundaries. */
typedef struct amm_even_pipeline {
    double stages, chunks, micro_batches, group; /* p, v, G, g */
    double forward_s, backward_s; /* of one chunk and micro-batch; the whole backward */
    double weight_s;              /* W: part of backward_s, zero-bubble only */
    double transfer_s;            /* e, one way between two devices */
} amm_even_pipeline;

/* Backward passes come in two parts: input gradients, weight gradients. */
AMM_FN bool amm_schedule_splits(amm_schedule_kind kind)
{
    return kind == AMM_SCHEDULE_ZB_H1 || kind == AMM_SCHEDULE_ZB_H2;
}

/* ---- micro-batches (interleaved: chunks) that stage i of p holds at once ----------------------- */

/* Megatron-core schedules.py: warm-up forwards 2 (p-1-i) + (v-1) g, and the one in work. */
AMM_FN double amm_in_flight_interleaved(double micro_batches, double stages, double chunks,
                                        double group, double stage)
{
    return fmin(micro_batches * chunks,
                2.0 * (stages - 1.0 - stage) + (chunks - 1.0) * group + 1.0);
}

/* Held until the weight pass: the same on every stage. Qi et al., section 2.3: p and 2p - 1. */
AMM_FN double amm_in_flight_zb(double micro_batches, double stages, double times)
{
    return fmin(micro_batches, times * (stages - 1.0) + 1.0);
}

/* The count of any schedule, held until the last pass that needs it. */
AMM_FN double amm_schedule_in_flight(amm_schedule_kind kind, const amm_even_pipeline *in,
                                     double stage)
{
    switch (kind) {
    case AMM_SCHEDULE_1F1B:
        return amm_in_flight_1f1b(in->micro_batches, in->stages, stage);
    case AMM_SCHEDULE_INTERLEAVED:
        return amm_in_flight_interleaved(in->micro_batches, in->stages, in->chunks, in->group,
                                         stage);
    case AMM_SCHEDULE_ZB_H1:
        return amm_in_flight_zb(in->micro_batches, in->stages, 1.0);
    case AMM_SCHEDULE_ZB_H2:
        return amm_in_flight_zb(in->micro_batches, in->stages, 2.0);
    case AMM_SCHEDULE_GPIPE:
    case AMM_SCHEDULE_COUNT:
        break;
    }
    return in->micro_batches;
}

/* ---- time of an iteration, equal stages, s ---------------------------------------------------- */

/* All forward passes, then all backward passes. A stage lets a micro-batch go every f (every e when
 * the link is slower, every f + e when sending blocks). Any e. */
AMM_FN double amm_time_gpipe(const amm_even_pipeline *in, bool blocking)
{
    const double e = in->stages > 1.0 ? in->transfer_s : 0.0;
    const double f = in->forward_s;
    const double b = in->backward_s;
    const double forward = blocking ? f + e : fmax(f, e);
    const double backward = blocking ? b + e : fmax(b, e);
    return (in->stages - 1.0) * (f + b + 2.0 * e) +
           (in->micro_batches - 1.0) * (forward + backward) + f + b;
}

/* Sends of blocking 1F1B one after the other: middle stages (p > 2) send twice per micro-batch, the
 * ends once. */
AMM_FN double amm_sends_1f1b(const amm_even_pipeline *in)
{
    const double p = in->stages;
    const double more = in->micro_batches - 1.0;
    const bool middle = p > 2.0 && more > 0.0;
    return 2.0 * (p - 1.0) + (middle ? 2.0 * more - 1.0 : more);
}

/* Overlapped: (G+p-1) t + 2e [(p-1) + (G-1) - floor((G+p-2)/p)], for e <= f, b: at most p micro-batches
 * are under way in a loop of p t + 2 (p-1) e. Blocking: any e. */
AMM_FN double amm_time_1f1b(const amm_even_pipeline *in, bool blocking)
{
    const double p = in->stages;
    const double more = in->micro_batches - 1.0;
    const double transfers =
        blocking ? amm_sends_1f1b(in) : 2.0 * (p - 1.0 + more - floor((more + p - 1.0) / p));
    return (more + p) * (in->forward_s + in->backward_s) +
           (p > 1.0 ? transfers : 0.0) * in->transfer_s;
}

/* Overlapped: (G v + p - 1) t + 2 (p-1) e, and v - 1 times what a round of g passes lacks to cover the
 * p hops of one message, while filling (g) and while draining (last group). e <= f, b. */
AMM_FN double amm_time_interleaved_overlapped(const amm_even_pipeline *in)
{
    const double p = in->stages;
    const double f = in->forward_s;
    const double b = in->backward_s;
    const double e = p > 1.0 ? in->transfer_s : 0.0;
    const double rest = fmod(in->micro_batches, in->group);
    const double last = rest > 0.0 ? rest : in->group;
    const double fill = fmax(0.0, p * (f + e) - in->group * f);
    const double drain = fmax(0.0, p * (b + e) - last * b);
    return (in->micro_batches * in->chunks + p - 1.0) * (f + b) + 2.0 * (p - 1.0) * e +
           (in->chunks - 1.0) * (fill + drain);
}

/* Of the end stages of a blocking interleaved pipeline: 2v - 1 per micro-batch. */
AMM_FN double amm_sends_interleaved(const amm_even_pipeline *in)
{
    return 2.0 * in->micro_batches * in->chunks - in->micro_batches + 2.0 * in->stages - 3.0;
}

/* Blocking: the longer of what the end stages do and what the middle ones do (2v sends per micro-batch,
 * p > 2). Groups of p, G mod p = 0, e <= f, b. */
AMM_FN double amm_time_interleaved_blocking(const amm_even_pipeline *in)
{
    const double p = in->stages;
    const double e = in->transfer_s;
    const double t = in->forward_s + in->backward_s;
    const double passes = in->micro_batches * in->chunks;
    const double skew = fmax(0.0, fabs(in->forward_s - in->backward_s) - e);
    const double ends = (p - 1.0) * t + e * amm_sends_interleaved(in);
    const double middle = (p - 2.0) * t + e * (2.0 * passes + 2.0 * p - 5.0) + skew;
    return passes * t + (p < 2.0 ? 0.0 : p < 3.0 ? ends : fmax(ends, middle));
}

/* Overlapped, G >= p, e <= f, b - w, w/2. b here is the whole backward pass, B = b - w.
 * Without transfers: G t + (p-1) max(F, B, F+B-W); Qi et al. give F+B-W. */
AMM_FN double amm_time_zb_h1(const amm_even_pipeline *in)
{
    const double hops = in->stages - 1.0;
    const double f = in->forward_s;
    const double w = in->weight_s;
    const double b = in->backward_s - w;
    const double e = in->transfer_s;
    /* With G = p there is no steady state in which the first loop could wait once more. */
    const double less = in->micro_batches > in->stages ? 0.0 : fmin(hops, 1.0) * 2.0 * e;
    const double first = hops * fmax(f + 3.0 * e, f + b - w + 4.0 * e) - less;
    return in->micro_batches * (f + in->backward_s) + fmax(first, hops * (b + 2.0 * e));
}

/* Overlapped, G >= 2p - 1, e <= f, b - w. Without transfers: G t + (p-1) max(F, B-F, F+B-2W); Qi et
 * al. count F+B-2W from a stage's own first pass, which on the last stage is (p-1) F later. */
AMM_FN double amm_time_zb_h2(const amm_even_pipeline *in)
{
    const double f = in->forward_s;
    const double w = in->weight_s;
    const double b = in->backward_s - w;
    const double e = in->transfer_s;
    return in->micro_batches * (f + in->backward_s) +
           (in->stages - 1.0) * fmax(f + e, fmax(b - f + 2.0 * e, f + b - 2.0 * w + 2.0 * e));
}

/* Of the first stage of a blocking zero-bubble schedule, which waits for gradients; H2 waits less. */
AMM_FN double amm_sends_zb(amm_schedule_kind kind, const amm_even_pipeline *in)
{
    return in->micro_batches + (kind == AMM_SCHEDULE_ZB_H1 ? in->stages - 2.0 : -1.0);
}

/* Blocking, G >= p, e <= f, w, and w half of the backward pass (p >= 2): the longest of a loop through
 * all stages, the first stage (its gradients are late), and a middle one (2 sends per micro-batch)
 * behind n forward passes, n = 1 or p - 2. */
AMM_FN double amm_time_zb_h1_blocking(const amm_even_pipeline *in)
{
    const double p = in->stages;
    const double f = in->forward_s;
    const double w = in->weight_s;
    const double e = p > 1.0 ? in->transfer_s : 0.0;
    const double two = 2.0 * in->micro_batches;
    const double loop = (p - 1.0) * f + e * amm_sends_1f1b(in);
    const double first = (p - 1.0) * w + e * amm_sends_zb(AMM_SCHEDULE_ZB_H1, in);
    const double middle = fmax(f + (p - 2.0) * w + e * (two + p - 2.0),
                               (p - 2.0) * f + w + e * (two + 2.0 * p - 5.0));
    return in->micro_batches * (f + in->backward_s) +
           fmax(fmax(loop, first), p > 2.0 ? middle : 0.0);
}

/* The same for G >= 2p - 1 and a backward pass no shorter than a forward one. More forward passes come before the first gradient is needed: a stage waits
 * for what a hop back takes beyond a forward pass and its send. */
AMM_FN double amm_time_zb_h2_blocking(const amm_even_pipeline *in)
{
    const double p = in->stages;
    const double f = in->forward_s;
    const double late = in->weight_s - f;
    const double e = p > 1.0 ? in->transfer_s : 0.0;
    const double wait = fmax(0.0, late - e);
    const double first = (p - 1.0) * late + e * amm_sends_zb(AMM_SCHEDULE_ZB_H2, in);
    const double last = (p - 1.0) * f + e * (in->micro_batches + p - 1.0);
    const double middle =
        fmax(f + (p - 2.0) * wait, (p - 2.0) * f + wait) + e * (2.0 * in->micro_batches + p - 2.0);
    return in->micro_batches * (f + in->backward_s) +
           fmax(fmax(first, last), p > 2.0 ? middle : 0.0);
}

/* The time of any schedule. */
AMM_FN double amm_schedule_time(amm_schedule_kind kind, const amm_even_pipeline *in, bool blocking)
{
    switch (kind) {
    case AMM_SCHEDULE_1F1B:
        return amm_time_1f1b(in, blocking);
    case AMM_SCHEDULE_INTERLEAVED:
        return blocking ? amm_time_interleaved_blocking(in) : amm_time_interleaved_overlapped(in);
    case AMM_SCHEDULE_ZB_H1:
        return blocking ? amm_time_zb_h1_blocking(in) : amm_time_zb_h1(in);
    case AMM_SCHEDULE_ZB_H2:
        return blocking ? amm_time_zb_h2_blocking(in) : amm_time_zb_h2(in);
    case AMM_SCHEDULE_GPIPE:
    case AMM_SCHEDULE_COUNT:
        break;
    }
    return amm_time_gpipe(in, blocking);
}

/* Sends that count one after the other at least, whatever passes take; exact for GPipe and 1F1B. */
AMM_FN double amm_least_sends(amm_schedule_kind kind, const amm_even_pipeline *in)
{
    switch (kind) {
    case AMM_SCHEDULE_1F1B:
        return amm_sends_1f1b(in);
    case AMM_SCHEDULE_INTERLEAVED:
        return amm_sends_interleaved(in);
    case AMM_SCHEDULE_ZB_H1:
    case AMM_SCHEDULE_ZB_H2:
        return amm_sends_zb(kind, in);
    case AMM_SCHEDULE_GPIPE:
    case AMM_SCHEDULE_COUNT:
        break;
    }
    return 2.0 * (in->stages + in->micro_batches - 2.0);
}

/* Where transfers hold their sender for the share `exposed` of transfer_s only, the rest of every hop
 * shows once each way, while the pipeline fills and drains. */
AMM_FN double amm_unexposed_hops(double stages, double transfer_s, double exposed)
{
    return 2.0 * (stages - 1.0) * (1.0 - exposed) * transfer_s;
}

/* What transfers add to an iteration of two or more stages: blocking ones of that share, and the rest of
 * the hops. */
AMM_FN double amm_schedule_transfers(amm_schedule_kind kind, const amm_even_pipeline *in,
                                     double exposed)
{
    amm_even_pipeline held = *in;
    amm_even_pipeline none = *in;
    held.transfer_s = exposed * in->transfer_s;
    none.transfer_s = 0.0;
    return amm_schedule_time(kind, &held, true) - amm_schedule_time(kind, &none, true) +
           amm_unexposed_hops(in->stages, in->transfer_s, exposed);
}

/* The least of it over all lengths of passes. */
AMM_FN double amm_least_transfers(amm_schedule_kind kind, const amm_even_pipeline *in,
                                  double exposed)
{
    return amm_least_sends(kind, in) * exposed * in->transfer_s +
           amm_unexposed_hops(in->stages, in->transfer_s, exposed);
}

#endif
