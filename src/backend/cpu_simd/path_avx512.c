/* x86-64 with AVX-512 F and BW. CMake gives this file the options; without them it has no path. */
#include "backend/cpu_simd/cpu_simd.h"

#if defined(__AVX512F__) && defined(__AVX512BW__)

#define AMM_LANES_AVX512
#include "backend/cpu_simd/path.h"

const amm_simd_path *amm_simd_path_avx512(void)
{
    static const amm_simd_path path = AMM_SIMD_PATH("avx512", "AVX-512");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") ? &path : NULL;
}

#else

const amm_simd_path *amm_simd_path_avx512(void)
{
    return NULL;
}

#endif
