/* Context parallelism: how the ranks that share a sequence get the keys and values of each other,
 * and the seconds that this takes beside the attention core. Words: Megatron-LM `--cp-comm-type`. */
#ifndef AMM_FORMULA_COST_CONTEXT_H
#define AMM_FORMULA_COST_CONTEXT_H

#include "formula/cost/collective.h"
#include "formula/cost/op.h"
#include "formula/cost/shape.h"

/* Who sends what in one pass: `ranks` at `stride` apart. */
typedef struct amm_context_load {
    double ranks, stride;
    double key_value_bytes; /* keys and values of this rank's tokens, in the heads it holds */
    double query_bytes;     /* queries and outputs of the same */
    double output_elements; /* of a partial output of its tokens */
    double core_s;          /* the pass's attention core */
    double times;           /* 1 forward; 2 backward, where keys and values travel with gradients */
} amm_context_load;

/* Ranks among which heads are exchanged for tokens: none, all, or those of one domain. */
AMM_FN double amm_context_exchange_ranks(const amm_fabric *f, int kind, double ranks, double stride)
{
    return kind == AMM_CP_COMM_A2A       ? ranks
           : kind == AMM_CP_COMM_A2A_P2P ? amm_group_of(f, ranks, stride).inside
                                         : 1.0;
}

/* Every rank of an exchange takes whole heads, of queries and of keys: both have to divide. Keys and
 * values with fewer heads than tp are replicated to one per tensor rank. */
AMM_FN int amm_context_divides(const amm_block_shape *x, double tp, double exchange_ranks)
{
    return exchange_ranks <= 1.0 || (amm_is_multiple(x->heads, tp * exchange_ranks) &&
                                     amm_is_multiple(fmax(x->kv_heads, tp), tp * exchange_ranks));
}

/* Ring (Liu et al. 2023, arXiv 2310.01889): keys and values travel ranks - 1 hops behind the core.
 * A tenth of a hop shows even where the core is longer; the partial outputs, or gradients of
 * queries, keys and values, of every step are rescaled and added in fp32. Ours. */
AMM_FN double amm_context_ring_time(const amm_fabric *f, const amm_rates *r, const amm_facts *facts,
                                    const amm_context_load *x)
{
    const amm_group g = amm_group_of(f, x->ranks, x->stride);
    const double bytes = x->key_value_bytes * x->times;
    const double hop = amm_send_time(f, r, g.inside < g.ranks, bytes);
    const double merge =
        amm_traffic_time(r, x->output_elements * x->times * facts->context_merge_bytes);
    return (x->ranks - 1.0) * (fmax(0.0, hop - x->core_s / x->ranks) + 0.1 * hop + merge);
}

/* Keys and values of the whole sequence gathered before the core starts; backward once more, and
 * their gradients reduced and scattered after it (Llama 3, arXiv 2407.21783, section 3.3.2: the
 * gather stands in the critical path). */
AMM_FN double amm_context_gather_time(const amm_fabric *f, const amm_rates *r,
                                      const amm_context_load *x)
{
    const amm_group g = amm_group_of(f, x->ranks, x->stride);
    return x->times * amm_gather_time(f, r, &g, x->key_value_bytes * x->ranks);
}

/* Heads for tokens (DeepSpeed-Ulysses, arXiv 2309.14509, section 3.1): an all-to-all of each of q, k
 * and v before the core, one of its output after it; backward the same four of their gradients.
 * Each is copied to the order of the receivers and back: 4 bytes of traffic per byte. */
AMM_FN double amm_context_exchange_time(const amm_fabric *f, const amm_rates *r,
                                        const amm_context_load *x)
{
    const amm_group g = amm_group_of(f, x->ranks, x->stride);
    const double bytes = x->query_bytes + x->key_value_bytes;
    const double latency = amm_all_to_all_time(f, r, &g, 0.0, 0.0);
    return 3.0 * latency +
           amm_all_to_all_time(f, r, &g, bytes * (g.inside - 1.0) / g.ranks,
                               bytes * (1.0 - g.inside / g.ranks)) +
           amm_traffic_time(r, 4.0 * bytes);
}

/* Both (USP, arXiv 2405.07719, section 3): heads for tokens inside a domain, a ring over the
 * domains. A rank then holds a share of the heads and as many times the tokens: the bytes of a hop
 * stay what they were. */
AMM_FN double amm_context_mixed_time(const amm_fabric *f, const amm_rates *r,
                                     const amm_facts *facts, const amm_context_load *x)
{
    const double inner = amm_group_of(f, x->ranks, x->stride).inside;
    amm_context_load exchange = *x;
    amm_context_load ring = *x;
    exchange.ranks = inner;
    ring.ranks = x->ranks / inner;
    ring.stride = x->stride * inner;
    return (inner > 1.0 ? amm_context_exchange_time(f, r, &exchange) : 0.0) +
           (ring.ranks > 1.0 ? amm_context_ring_time(f, r, facts, &ring) : 0.0);
}

/* Seconds of one pass that the attention core does not hide. */
AMM_FN double amm_context_time(const amm_fabric *f, const amm_rates *r, const amm_facts *facts,
                               int kind, const amm_context_load *x)
{
    if (x->ranks <= 1.0) {
        return 0.0;
    }
    switch (kind) {
    case AMM_CP_COMM_ALL_GATHER:
        return amm_context_gather_time(f, r, x);
    case AMM_CP_COMM_A2A:
        return amm_context_exchange_time(f, r, x);
    case AMM_CP_COMM_A2A_P2P:
        return amm_context_mixed_time(f, r, facts, x);
    default:
        return amm_context_ring_time(f, r, facts, x);
    }
}

/* Keys and values of the whole sequence that a gather leaves on a rank, and their gradients in the
 * backward pass. */
AMM_FN double amm_context_gathered_bytes(int kind, double ranks, double key_value_bytes)
{
    return kind == AMM_CP_COMM_ALL_GATHER && ranks > 1.0 ? 2.0 * ranks * key_value_bytes : 0.0;
}

#endif
