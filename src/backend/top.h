/* The k best candidates, in one total order: what makes results the same on every backend, in any
 * order of work. */
#ifndef AMM_BACKEND_TOP_H
#define AMM_BACKEND_TOP_H

#include "formula/fn.h"
#include <stdbool.h>
#include <stdint.h>

/* Compared in this order. */
typedef struct amm_key {
    int64_t cost;    /* T 2^scale: base ticks */
    uint64_t config; /* amm_problem_config.id */
    uint64_t rank;   /* of the partition, or the candidate's number */
} amm_key;

AMM_FN bool amm_key_less(const amm_key *a, const amm_key *b)
{
    if (a->cost != b->cost) {
        return a->cost < b->cost;
    }
    if (a->config != b->config) {
        return a->config < b->config;
    }
    return a->rank < b->rank;
}

typedef struct amm_top {
    int32_t capacity, count;
    amm_key *keys; /* [capacity] borrowed; the first `count` in order, each once */
} amm_top;

enum { AMM_MAX_TOP = 1024 };

/* Full: keys that are not less than the last one have no place. */
static inline bool amm_top_full(const amm_top *top)
{
    return top->count == top->capacity;
}

/* Puts the key in its place, or drops it: no room for it, or there already. A key names one partition
 * and its cost, so work that is done twice changes nothing. */
static inline void amm_top_offer(amm_top *top, amm_key key)
{
    if (amm_top_full(top) && (top->count == 0 || !amm_key_less(&key, &top->keys[top->count - 1]))) {
        return;
    }
    int32_t low = 0; /* keys before it are less than the key */
    int32_t high = top->count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (amm_key_less(&top->keys[middle], &key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < top->count && !amm_key_less(&key, &top->keys[low])) {
        return;
    }
    top->count += amm_top_full(top) ? 0 : 1;
    for (int32_t at = top->count - 1; at > low; at--) {
        top->keys[at] = top->keys[at - 1];
    }
    top->keys[low] = key;
}

#endif
