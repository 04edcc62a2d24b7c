/* Config index <-> digits: one mixed-radix number, slowest digit first, so that counting upwards
 * walks the space in the documented order. Integers only; device side. */
#ifndef AMM_FORMULA_TICK_INDEX_H
#define AMM_FORMULA_TICK_INDEX_H

#include "formula/fn.h"
#include <stdint.h>

/* Number of indices: product of the radices. 0 when it does not fit in 63 bits or a radix is 0. */
AMM_FN uint64_t amm_index_count(const int32_t *radix, int32_t dims)
{
    uint64_t count = 1;
    for (int32_t i = 0; i < dims; i++) {
        if (radix[i] <= 0 || count > (UINT64_MAX >> 1) / (uint64_t)radix[i]) {
            return 0;
        }
        count *= (uint64_t)radix[i];
    }
    return count;
}

/* digits[i] in [0, radix[i]) of `index` in [0, count). */
AMM_FN void amm_index_decode(int32_t *digits, uint64_t index, const int32_t *radix, int32_t dims)
{
    for (int32_t i = dims - 1; i >= 0; i--) {
        digits[i] = (int32_t)(index % (uint64_t)radix[i]);
        index /= (uint64_t)radix[i];
    }
}

/* The inverse of amm_index_decode. */
AMM_FN uint64_t amm_index_encode(const int32_t *digits, const int32_t *radix, int32_t dims)
{
    uint64_t index = 0;
    for (int32_t i = 0; i < dims; i++) {
        index = index * (uint64_t)radix[i] + (uint64_t)digits[i];
    }
    return index;
}

#endif
