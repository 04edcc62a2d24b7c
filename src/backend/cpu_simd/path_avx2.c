/* x86-64 with AVX2 and FMA. CMake gives this file the options; without them it has no path. */
#include "backend/cpu_simd/cpu_simd.h"

#if defined(__AVX2__) && defined(__FMA__)

#define AMM_LANES_AVX2
#include "backend/cpu_simd/path.h"

const amm_simd_path *amm_simd_path_avx2(void)
{
    static const amm_simd_path path = AMM_SIMD_PATH("avx2", "AVX2");
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &path : NULL;
}

#else

const amm_simd_path *amm_simd_path_avx2(void)
{
    return NULL;
}

#endif
