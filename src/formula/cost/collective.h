/* Seconds of communication. Bandwidths are effective ones: nominal * efficiency / sharing flows. */
#ifndef AMM_FORMULA_COST_COLLECTIVE_H
#define AMM_FORMULA_COST_COLLECTIVE_H

#include "formula/cost/rates.h"
#include "formula/fn.h"
#include <math.h>

/* Bytes that a ring all-reduce moves over each link, per byte reduced: 2 (n - 1) / n.
 * Source: nccl-tests doc/PERFORMANCE.md; Li et al. 2022 (arXiv 2210.07297), data-parallel cost. */
AMM_FN double amm_ring_all_reduce_factor(double ranks)
{
    return 2.0 * (ranks - 1.0) / ranks;
}

AMM_FN double amm_ring_all_reduce_time(double bytes, double ranks, double bytes_per_s)
{
    return amm_ring_all_reduce_factor(ranks) * bytes / bytes_per_s;
}

AMM_FN double amm_p2p_time(double bytes, double bytes_per_s)
{
    return bytes / bytes_per_s;
}

/* ---- analytic: groups on a two-tier fabric ---------------------------------------------------- */

/* Ranks of a job fill scale-up domains (devices that share one fabric) in order; a domain's NICs
 * are shared by all of its devices. */
typedef struct amm_fabric {
    double devices;             /* of the job */
    double domain;              /* devices of the job in one domain */
    double scaleup_bytes_per_s; /* nominal, one device, one way */
    double links_bytes_per_s;   /* all links of a device that reach others in pairs */
    double pair_share;          /* of these, what two neighbours have; 1: a switch */
    double quad_share;          /* the same of four */
    double network_bytes_per_s; /* nominal, all NICs of a domain, one way */
    double collective_share;    /* of that which collectives reach on this kind of network: 1 on
                                   InfiniBand and RoCE */
} amm_fabric;

/* A communicator: consecutive ranks at `stride` apart. */
typedef struct amm_group {
    double ranks, inside; /* members; members in one domain */
} amm_group;

/* Ranks fill domains in order, so a group whose extent does not divide the domain straddles two of
 * them somewhere: only the common divisor of both stays together in every group. */
AMM_FN amm_group amm_group_of(const amm_fabric *f, double ranks, double stride)
{
    double a = ranks * stride;
    double b = floor(f->domain);
    amm_group g;
    while (b >= 1.0) {
        const double rest = a - b * floor(a / b); /* whole numbers far below 2^53 */
        a = b;
        b = rest;
    }
    g.ranks = ranks;
    g.inside = fmax(1.0, fmin(ranks, floor(a / stride)));
    return g;
}

/* Share of a device's links that a group inside a domain can use: all from eight on, between the given
 * sizes a straight line. Where eight devices are joined in pairs a group of g has (g - 1) / 7. */
AMM_FN double amm_mesh_share(const amm_fabric *f, double inside)
{
    const double far = f->quad_share + (1.0 - f->quad_share) * (fmin(inside, 8.0) - 4.0) / 4.0;
    const double near =
        f->pair_share + (f->quad_share - f->pair_share) * (fmax(inside, 2.0) - 2.0) / 2.0;
    return inside > 4.0 ? far : near;
}

/* Bandwidth of a scale-up link at a message size: bw (V / (V + V0))^.42, V0 = 167 us of the nominal
 * link (fitted on published all-reduce tables of 2, 4 and 8 A100: V0 = 50 MB at 300 GB/s). */
AMM_FN double amm_scaleup_time(const amm_fabric *f, const amm_rates *r, double inside, double bytes)
{
    if (bytes <= 0.0) {
        return 0.0;
    }
    const double v0 = f->scaleup_bytes_per_s / 6e3;
    const double share = amm_mesh_share(f, inside);
    const double link = share < 1.0 ? fmin(f->scaleup_bytes_per_s, f->links_bytes_per_s * share)
                                    : f->scaleup_bytes_per_s;
    const double bw = link * r->scaleup_efficiency;
    return bytes / bw * pow(1.0 + v0 / bytes, 0.42);
}

/* What one device gets of its domain's NICs while all of them send: one message to a neighbour; a
 * collective. */
AMM_FN double amm_send_rate(const amm_fabric *f, const amm_rates *r)
{
    return f->network_bytes_per_s * r->network_efficiency / f->domain;
}

AMM_FN double amm_network_rate(const amm_fabric *f, const amm_rates *r)
{
    return amm_send_rate(f, r) * f->collective_share;
}

/* Latency of a ring or tree over domains, whichever is shorter. */
AMM_FN double amm_network_latency(const amm_rates *r, double domains)
{
    return domains > 1.0 ? r->network_latency_s * fmin(domains - 1.0, 4.0 * log2(domains)) : 0.0;
}

/* Reduce-scatter or all-gather of `bytes` (the whole buffer): inside the domain and
 * across domains at once: a ring runs through all links. */
AMM_FN double amm_gather_time(const amm_fabric *f, const amm_rates *r, const amm_group *g,
                              double bytes)
{
    if (g->ranks <= 1.0 || bytes <= 0.0) {
        return 0.0;
    }
    const double domains = ceil(g->ranks / g->inside);
    const double in = g->inside > 1.0 ? 0.5 * r->scaleup_latency_s * log2(g->inside) +
                                            amm_scaleup_time(f, r, g->inside,
                                                             (g->inside - 1.0) / g->inside * bytes)
                                      : 0.0;
    const double across = (g->ranks - 1.0) / g->ranks * bytes / g->inside / amm_network_rate(f, r);
    return domains > 1.0 ? fmax(in, across) + amm_network_latency(r, domains) : in;
}

AMM_FN double amm_all_reduce_time(const amm_fabric *f, const amm_rates *r, const amm_group *g,
                                  double bytes)
{
    if (g->ranks <= 1.0 || bytes <= 0.0) {
        return 0.0;
    }
    const double domains = ceil(g->ranks / g->inside);
    const double in =
        g->inside > 1.0
            ? r->scaleup_latency_s * log2(g->inside) +
                  amm_scaleup_time(f, r, g->inside, 2.0 * (g->inside - 1.0) / g->inside * bytes)
            : 0.0;
    const double across =
        2.0 * (g->ranks - 1.0) / g->ranks * bytes / g->inside / amm_network_rate(f, r);
    return domains > 1.0 ? fmax(in, across) + 2.0 * amm_network_latency(r, domains) : in;
}

/* Every rank sends `local_bytes` to members of its domain and `remote_bytes`: what
 * of it leaves the domain (fewer where copies for one domain are sent once). */
AMM_FN double amm_all_to_all_time(const amm_fabric *f, const amm_rates *r, const amm_group *g,
                                  double local_bytes, double remote_bytes)
{
    if (g->ranks <= 1.0) {
        return 0.0;
    }
    const double in = amm_scaleup_time(f, r, g->inside, local_bytes);
    const double across = remote_bytes / amm_network_rate(f, r);
    return r->scaleup_latency_s + fmax(in, across) +
           (g->ranks > g->inside ? r->network_latency_s : 0.0);
}

/* One message to a neighbour, inside the domain or through the NICs that all devices share. */
AMM_FN double amm_send_time(const amm_fabric *f, const amm_rates *r, int across, double bytes)
{
    return across ? r->network_latency_s + bytes / amm_send_rate(f, r)
                  : 0.5 * r->scaleup_latency_s + amm_scaleup_time(f, r, 2.0, bytes);
}

#endif
