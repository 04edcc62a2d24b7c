#include "verify/tops.h"

#include <stdio.h>

int32_t amm_tops_differ(const amm_top *a, const amm_top *b)
{
    const int32_t both = a->count < b->count ? a->count : b->count;
    for (int32_t k = 0; k < both; k++) {
        if (amm_key_less(&a->keys[k], &b->keys[k]) || amm_key_less(&b->keys[k], &a->keys[k])) {
            return k;
        }
    }
    return a->count == b->count ? -1 : both;
}

void amm_top_text(char out[AMM_KEY_CHARS], const amm_top *top, int32_t at)
{
    if (at >= top->count) {
        (void)snprintf(out, AMM_KEY_CHARS, "%d entries, nothing at place %d", top->count, at + 1);
        return;
    }
    const amm_key *key = &top->keys[at];
    (void)snprintf(out, AMM_KEY_CHARS,
                   "place %d of %d: T %lld base ticks, config id %llu, rank %llu", at + 1,
                   top->count, (long long)key->cost, (unsigned long long)key->config,
                   (unsigned long long)key->rank);
}
