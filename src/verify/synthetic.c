#include "verify/synthetic.h"

#include <string.h>

/* Of ten problems. */
typedef struct kind {
    int32_t share, least_items, most_items, most_stages, configs;
    uint64_t random, exhaustive;
} kind;
static const kind kinds[] = {
    { 4, 1, 13, 7, AMM_SYNTHETIC_CONFIGS, 1 << 14, 1 << 17 },
    { 3, 14, 64, 10, 12, 1 << 16, 1 << 17 },
    { 2, 65, 255, 64, 8, 1 << 17, 1 << 18 },
    { 1, 256, 1024, 128, 3, 0, 0 },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const kind *draw_kind(uint64_t *seed)
{
    int32_t at = amm_random_range(seed, 0, 9);
    int32_t k = 0;
    while (at >= kinds[k].share) {
        at -= kinds[k++].share;
    }
    return &kinds[k];
}

/* Half of the large ones at the edges of what fits into registers, lanes and bytes. */
static int32_t draw_items(const kind *k, uint64_t *seed)
{
    static const int32_t edges[] = { 64, 95, 96, 126, 127, 128, 129, 254, 255, 256, 257 };
    const int32_t items = amm_random_range(seed, k->least_items, k->most_items);
    const int32_t edge = edges[amm_random_range(seed, 0, sizeof edges / sizeof edges[0] - 1)];
    const bool take = amm_random_range(seed, 0, 1) != 0 && edge >= k->least_items;
    return take && edge <= k->most_items ? edge : items;
}

static amm_instance_shape draw_shape(const kind *k, int32_t items, uint64_t *seed)
{
    /* The dearest config of a shape costs at most 18 ticks an item and tick of `cost`, the head four
     * items: sums stay below 2^24. */
    const int32_t most_cost = 800000 / (items + 4);
    amm_instance_shape x = amm_instance_random(seed, items, k->most_stages);
    x.items = items;
    x.cost = x.cost < most_cost ? x.cost : most_cost;
    x.a = amm_random_range(seed, 0, 9) == 0 ? (1 << 24) - 1 : x.a;
    return x;
}

amm_status amm_synthetic_open(amm_synthetic *out, const amm_context *context, uint64_t seed)
{
    memset(out, 0, sizeof *out);
    const kind *k = draw_kind(&seed);
    const int32_t items = draw_items(k, &seed);
    out->random = k->random;
    out->exhaustive = k->exhaustive;
    amm_status status = amm_problem_open(&out->builder, context, items);
    for (int32_t n = 0; n < k->configs && status == AMM_OK; n++) {
        out->shapes[n] = draw_shape(k, items, &seed);
        /* Ids fall: the order of configs is not that of their numbers. */
        const uint64_t id = 2 * (uint64_t)(k->configs - n);
        status = amm_instance_add(&out->builder, &out->shapes[n], &seed, id);
    }
    if (status != AMM_OK) {
        amm_synthetic_close(out);
    }
    return status;
}

void amm_synthetic_close(amm_synthetic *synthetic)
{
    amm_problem_close(&synthetic->builder);
}

void amm_synthetic_describe(amm_text *out, const amm_instance_shape *x)
{
    amm_text_printf(out, "items=%d stages=%d a=%d cost=%d jitter=%d/1000 head=%d classes=%d",
                    x->items, x->stages, x->a, x->cost, x->jitter, x->head, x->classes);
    amm_text_printf(out, " entries=%d memory=%d%%%s%s%s%s", x->entries, x->memory,
                    x->with_e ? " e" : "", x->with_d ? " d" : "", x->with_o ? " o" : "",
                    x->with_end ? " end" : "");
}
