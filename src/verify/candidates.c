#include "verify/candidates.h"

#include "core/random.h"
#include <stdbool.h>

/* A set of cuts 1 … 255. */
typedef struct cut_set {
    uint64_t words[4];
} cut_set;

static bool take(cut_set *set, int32_t cut)
{
    const uint64_t bit = UINT64_C(1) << (cut % 64);
    const bool fresh = (set->words[cut / 64] & bit) == 0;
    set->words[cut / 64] |= bit;
    return fresh;
}

/* Floyd's sample without replacement (Bentley, Floyd 1987): the first draw of a number takes it, a
 * second one the largest number allowed so far. */
static cut_set draw(int32_t items, int32_t stages, uint64_t *seed)
{
    cut_set set = { { 0, 0, 0, 0 } };
    for (int32_t most = items - stages + 1; most < items; most++) {
        if (!take(&set, amm_random_range(seed, 1, most))) {
            (void)take(&set, most);
        }
    }
    return set;
}

void amm_candidates_random(uint8_t *cuts, uint64_t stride, uint64_t first, uint64_t count,
                           int32_t items, int32_t stages, uint64_t *seed)
{
    for (uint64_t n = first; n < first + count; n++) {
        const cut_set set = draw(items, stages, seed);
        uint8_t *at = cuts + n;
        for (int32_t k = 0; k < 4; k++) {
            for (uint64_t word = set.words[k]; word != 0; word &= word - 1) {
                *at = (uint8_t)(64 * k + __builtin_ctzll(word));
                at += stride;
            }
        }
    }
}
