/* Seconds of one layer from a measured profile. Ours; AMP's linear rule is the case share = 0. */
#ifndef AMM_FORMULA_COST_COMPUTE_H
#define AMM_FORMULA_COST_COMPUTE_H

#include "formula/fn.h"

/* Backward seconds from the forward time, where they were not measured: `ratio` times the work. The
 * overhead (kernel launches, synchronisation, collective latency of a profile taken layer by layer) is
 * paid once per micro-batch, not again in the backward pass. */
AMM_FN double amm_backward_time(double forward_s, double overhead_s, double ratio)
{
    const double work = forward_s - overhead_s;
    return ratio * (work > 0.0 ? work : 0.0);
}

/* Forward + backward seconds at `batch` from one measured point at `batch0`: the overhead stays, the
 * rest grows with the batch. At batch0 it is the measured forward_s + backward_s. */
AMM_FN double amm_layer_time_affine(double forward_s, double backward_s, double overhead_s,
                                    double batch, double batch0)
{
    return overhead_s + (forward_s - overhead_s + backward_s) * batch / batch0;
}

/* Between two measured points: the line through them; beyond the second: its slope, or level where
 * the measurements fall (a larger micro-batch never takes less time than a smaller one). */
AMM_FN double amm_layer_time_between(double time0_s, double batch0, double time1_s, double batch1,
                                     double batch)
{
    const double slope = (time1_s - time0_s) / (batch1 - batch0);
    if (batch <= batch1) {
        return time0_s + slope * (batch - batch0);
    }
    return time1_s + (slope > 0.0 ? slope : 0.0) * (batch - batch1);
}

/* One optimizer step over `parameters`: memory traffic at HBM bandwidth. */
AMM_FN double amm_optimizer_time(double parameters, double bytes_per_parameter,
                                 double hbm_bytes_per_s)
{
    return parameters * bytes_per_parameter / hbm_bytes_per_s;
}

#endif
