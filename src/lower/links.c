#include "lower/lower.h"

#include <math.h>

amm_status amm_layout_init(amm_layout *out, amm_arena *arena, const amm_problem_desc *problem)
{
    const amm_cluster *cluster = problem->cluster;
    out->cluster = cluster;
    amm_block_counts_of(&out->counts, problem->model);
    out->node_of = amm_arena_alloc(arena, (size_t)cluster->device_count, sizeof *out->node_of);
    out->type_of = amm_arena_alloc(arena, (size_t)cluster->device_count, sizeof *out->type_of);
    if (out->node_of == NULL || out->type_of == NULL) {
        return AMM_NO_MEMORY;
    }
    int32_t device = 0;
    out->common_devices = 0;
    for (int32_t n = 0; n < cluster->node_count; n++) {
        out->common_devices =
            (int32_t)amm_common_divisor(out->common_devices, cluster->nodes[n].device_count);
        for (int32_t k = 0; k < cluster->nodes[n].device_count; k++) {
            out->node_of[device] = n;
            out->type_of[device++] = cluster->nodes[n].device_type[k];
        }
    }
    return AMM_OK;
}

bool amm_layout_tensor_fits(const amm_layout *layout, int32_t tp)
{
    return layout->common_devices % tp == 0;
}

/* ---- flows: who leaves and enters each node at the same time --------------------------------- */

/* Transfers (from, to) of devices that run at the same time. */
typedef struct flows {
    const amm_layout *layout;
    int32_t *out, *in; /* [nodes] transfers leaving / entering */
    int32_t *pair[2];  /* [links of the cluster] transfers over a listed pair, by direction */
} flows;

/* Index of the listed pair of two nodes, or -1. */
static int32_t pair_of(const amm_cluster *cluster, int32_t a, int32_t b)
{
    for (int32_t k = 0; k < cluster->link_count; k++) {
        if (cluster->links[k].a == (a < b ? a : b) && cluster->links[k].b == (a < b ? b : a)) {
            return k;
        }
    }
    return -1;
}

static void count_flow(flows *f, int32_t from, int32_t to)
{
    const int32_t a = f->layout->node_of[from];
    const int32_t b = f->layout->node_of[to];
    if (a != b) {
        const int32_t pair = pair_of(f->layout->cluster, a, b);
        f->out[a]++;
        f->in[b]++;
        if (pair >= 0) {
            f->pair[a > b][pair]++;
        }
    }
}

/* Bandwidth of one transfer while all counted ones run: a node's NICs are shared by what leaves
 * (or enters) it; links inside a node are not shared. */
static double flow_bandwidth(const flows *f, int32_t from, int32_t to)
{
    const amm_cluster *cluster = f->layout->cluster;
    const int32_t a = f->layout->node_of[from];
    const int32_t b = f->layout->node_of[to];
    const amm_device *x = cluster->types[f->layout->type_of[from]];
    const amm_device *y = cluster->types[f->layout->type_of[to]];
    if (a == b) {
        return cluster->nodes[a].intra_bytes_per_s *
               fmin(x->intra_efficiency.value, y->intra_efficiency.value);
    }
    const double efficiency = fmin(x->inter_efficiency.value, y->inter_efficiency.value);
    const double leave = cluster->nodes[a].inter_bytes_per_s / f->out[a];
    const double enter = cluster->nodes[b].inter_bytes_per_s / f->in[b];
    const int32_t pair = pair_of(cluster, a, b);
    const double path =
        pair < 0 ? HUGE_VAL : cluster->links[pair].bytes_per_s / f->pair[a > b][pair];
    return efficiency * fmin(path, fmin(leave, enter));
}

static int32_t rank_of(const amm_config *c, int32_t p, int32_t d, int32_t t)
{
    return t + c->tp * (d + c->dp * p);
}

static void clear_flows(flows *f)
{
    for (int32_t n = 0; n < f->layout->cluster->node_count; n++) {
        f->out[n] = f->in[n] = 0;
    }
    for (int32_t k = 0; k < f->layout->cluster->link_count; k++) {
        f->pair[0][k] = f->pair[1][k] = 0;
    }
}

/* Slowest link of all data-parallel rings of stage p: the rings of its tensor ranks run together,
 * and so do those of the other stages that share its nodes. */
static double ring_bandwidth(const flows *f, const amm_config *c, int32_t p)
{
    double slowest = HUGE_VAL;
    for (int32_t r = 0; r < c->dp * c->tp; r++) {
        slowest = fmin(slowest, flow_bandwidth(f, rank_of(c, p, r / c->tp, r % c->tp),
                                               rank_of(c, p, (r / c->tp + 1) % c->dp, r % c->tp)));
    }
    return slowest;
}

static void count_rings(flows *f, const amm_config *c)
{
    clear_flows(f);
    for (int32_t p = 0; p < c->pp; p++) {
        for (int32_t r = 0; r < c->dp * c->tp; r++) {
            count_flow(f, rank_of(c, p, r / c->tp, r % c->tp),
                       rank_of(c, p, (r / c->tp + 1) % c->dp, r % c->tp));
        }
    }
}

/* Slowest transfer from stage p to stage q when all replicas and tensor ranks send at once. */
static double boundary_bandwidth(flows *f, const amm_config *c, int32_t p, int32_t q)
{
    double slowest = HUGE_VAL;
    clear_flows(f);
    for (int32_t r = 0; r < c->dp * c->tp; r++) {
        count_flow(f, rank_of(c, p, r / c->tp, r % c->tp), rank_of(c, q, r / c->tp, r % c->tp));
    }
    for (int32_t r = 0; r < c->dp * c->tp; r++) {
        slowest = fmin(slowest, flow_bandwidth(f, rank_of(c, p, r / c->tp, r % c->tp),
                                               rank_of(c, q, r / c->tp, r % c->tp)));
    }
    return slowest;
}

amm_status amm_links_of(amm_links *out, amm_arena *arena, const amm_layout *layout,
                        const amm_config *c)
{
    const size_t nodes = (size_t)layout->cluster->node_count;
    const size_t stages = (size_t)c->pp;
    const size_t pairs = (size_t)layout->cluster->link_count;
    flows f = { layout,
                amm_arena_alloc(arena, nodes, sizeof(int32_t)),
                amm_arena_alloc(arena, nodes, sizeof(int32_t)),
                { amm_arena_alloc(arena, pairs, sizeof(int32_t)),
                  amm_arena_alloc(arena, pairs, sizeof(int32_t)) } };
    out->ring_bytes_per_s = amm_arena_alloc(arena, stages, sizeof(double));
    out->boundary_bytes_per_s = amm_arena_alloc(arena, stages, sizeof(double));
    out->type_mask = amm_arena_alloc(arena, stages, sizeof(uint32_t));
    if (f.out == NULL || f.in == NULL || f.pair[0] == NULL || f.pair[1] == NULL ||
        out->ring_bytes_per_s == NULL || out->boundary_bytes_per_s == NULL ||
        out->type_mask == NULL) {
        return AMM_NO_MEMORY;
    }
    count_rings(&f, c);
    for (int32_t p = 0; p < c->pp; p++) {
        out->ring_bytes_per_s[p] = c->dp > 1 ? ring_bandwidth(&f, c, p) : HUGE_VAL;
    }
    for (int32_t p = 0; p < c->pp; p++) {
        if (p + 1 < c->pp) {
            out->boundary_bytes_per_s[p] = boundary_bandwidth(&f, c, p, p + 1);
        }
        for (int32_t r = 0; r < c->dp * c->tp; r++) {
            out->type_mask[p] |= UINT32_C(1) << layout->type_of[rank_of(c, p, 0, r)];
        }
    }
    out->tied_bytes_per_s = c->pp > 1 ? boundary_bandwidth(&f, c, 0, c->pp - 1) : HUGE_VAL;
    return AMM_OK;
}
