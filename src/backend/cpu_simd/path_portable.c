/* Any processor: plain C. */
#define AMM_LANES_PORTABLE
#include "backend/cpu_simd/path.h"

const amm_simd_path *amm_simd_path_portable(void)
{
    static const amm_simd_path path = AMM_SIMD_PATH("portable", "portable");
    return &path;
}
