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

/* Overlapped: (G+p-1) t + 2e [(p-1) + (G-1) - floor((G+p-2)/p)], for e <= f, b: at most p micro-batches
 * are under way in a loop of p t + 2 (p-1) e. Blocking, any e: middle stages (p > 2) send twice per
 * micro-batch, the ends once. */
AMM_FN double amm_time_1f1b(const amm_even_pipeline *in, bool blocking)
{
    const double p = in->stages;
    const double more = in->micro_batches - 1.0;
    double transfers = 2.0 * (p - 1.0 + more - floor((more + p - 1.0) / p));
    if (blocking) {
        const bool middle = p > 2.0 && more > 0.0;
        transfers = 2.0 * (p - 1.0) + (middle ? 2.0 * more - 1.0 : more);
    }
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

/* Blocking: the longer of what the end stages do (2v - 1 sends per micro-batch) and what the middle
 * ones do (2v, p > 2). Groups of p, G mod p = 0, e <= f, b. */
AMM_FN double amm_time_interleaved_blocking(const amm_even_pipeline *in)
{
    const double p = in->stages;
    const double e = in->transfer_s;
    const double t = in->forward_s + in->backward_s;
    const double passes = in->micro_batches * in->chunks;
    const double skew = fmax(0.0, fabs(in->forward_s - in->backward_s) - e);
    const double ends = (p - 1.0) * t + e * (2.0 * passes - in->micro_batches + 2.0 * p - 3.0);
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

/* The time of any schedule. Zero-bubble: overlapped transfers whatever `blocking` says. */
AMM_FN double amm_schedule_time(amm_schedule_kind kind, const amm_even_pipeline *in, bool blocking)
{
    switch (kind) {
    case AMM_SCHEDULE_1F1B:
        return amm_time_1f1b(in, blocking);
    case AMM_SCHEDULE_INTERLEAVED:
        return blocking ? amm_time_interleaved_blocking(in) : amm_time_interleaved_overlapped(in);
    case AMM_SCHEDULE_ZB_H1:
        return amm_time_zb_h1(in);
    case AMM_SCHEDULE_ZB_H2:
        return amm_time_zb_h2(in);
    case AMM_SCHEDULE_GPIPE:
    case AMM_SCHEDULE_COUNT:
        break;
    }
    return amm_time_gpipe(in, blocking);
}

/* Where transfers hold their sender for the share `exposed` of transfer_s only, the rest of every hop
 * shows once each way, while the pipeline fills and drains. */
AMM_FN double amm_unexposed_hops(double stages, double transfer_s, double exposed)
{
    return 2.0 * (stages - 1.0) * (1.0 - exposed) * transfer_s;
}

#endif
