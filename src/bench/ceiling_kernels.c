/* Loops that do one thing as fast as the processor can: enough independent chains to hide latency, and
 * a barrier after each operation, so that none is merged with another or left out. */
#include "bench/workload.h"

enum { CHAINS = 12, FLOATS = 4096 }; /* 16 KiB: half of the smallest L1 around */

#if defined(__x86_64__)
#include <immintrin.h>

#define KEEP(x) __asm__ volatile("" : "+v"(x))

/* Written out: chains in an array would live in memory where a compiler does not unroll. */
#define EACH_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define START_CHAIN(k) VEC a##k = x;
#define FMA_CHAIN(k)                                                                               \
    a##k = FMA(a##k, x, y);                                                                        \
    KEEP(a##k);
#define MAX_CHAIN(k)                                                                               \
    a##k = MAX(a##k, x);                                                                           \
    KEEP(a##k);
#define PERMUTE_CHAIN(k)                                                                           \
    a##k = PERMUTE(a##k, index, x);                                                                \
    KEEP(a##k);
#define GATHER_CHAIN(k)                                                                            \
    {                                                                                              \
        KEEP(index);                                                                               \
        VEC got = GATHER(from + (k), index);                                                       \
        KEEP(got);                                                                                 \
    }

#define NAME(x)              avx512_##x
#define TARGET               "avx512f"
#define LANES                16
#define VEC                  __m512
#define INDICES              __m512i
#define SET1                 _mm512_set1_ps
#define SET_INDEX            _mm512_set1_epi32
#define FMA                  _mm512_fmadd_ps
#define MAX                  _mm512_max_ps
#define PERMUTE(a, index, x) _mm512_permutex2var_ps(a, index, x)
#define GATHER(from, index)  _mm512_i32gather_ps(index, from, 4)
#define LOAD                 _mm512_loadu_ps
#include "bench/ceiling_loops.h"

#define NAME(x)              avx2_##x
#define TARGET               "avx2,fma"
#define LANES                8
#define VEC                  __m256
#define INDICES              __m256i
#define SET1                 _mm256_set1_ps
#define SET_INDEX            _mm256_set1_epi32
#define FMA                  _mm256_fmadd_ps
#define MAX                  _mm256_max_ps
#define PERMUTE(a, index, x) _mm256_permutevar8x32_ps(a, index)
#define GATHER(from, index)  _mm256_i32gather_ps(from, index, 4)
#define LOAD                 _mm256_loadu_ps
#include "bench/ceiling_loops.h"

/* No multiply-add in one, no permutation by variable, no gather: the last two are never called. */
#define NAME(x)              sse_##x
#define TARGET               "sse2"
#define LANES                4
#define VEC                  __m128
#define INDICES              __m128i
#define SET1                 _mm_set1_ps
#define SET_INDEX            _mm_set1_epi32
#define FMA(a, x, y)         _mm_add_ps(_mm_mul_ps(a, x), y)
#define MAX                  _mm_max_ps
#define PERMUTE(a, index, x) (a)
#define GATHER(from, index)  _mm_loadu_ps(from)
#define LOAD                 _mm_loadu_ps
#include "bench/ceiling_loops.h"

typedef struct isa {
    const char *name;
    int32_t lanes, permute_entries; /* 0: no such instruction */
    bool gathers;
    void (*fma)(int64_t), (*max)(int64_t), (*permute)(int64_t);
    void (*gather)(int64_t, const float *), (*load)(int64_t, const float *);
} isa;

static const isa *best_isa(void)
{
    static const isa list[] = {
        { "avx512f", 16, 32, true, avx512_fma, avx512_max, avx512_permute, avx512_gather,
          avx512_load },
        { "avx2", 8, 8, true, avx2_fma, avx2_max, avx2_permute, avx2_gather, avx2_load },
        { "baseline", 4, 0, false, sse_fma, sse_max, sse_permute, sse_gather, sse_load },
    };
    if (__builtin_cpu_supports("avx512f")) {
        return &list[0];
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &list[1] : &list[2];
}

const char *amm_ceilings_isa(int32_t *permute_entries, int32_t *vector_bytes)
{
    *permute_entries = best_isa()->permute_entries;
    *vector_bytes = best_isa()->lanes * (int32_t)sizeof(float);
    return best_isa()->name;
}

double amm_ceiling_kernel(amm_bench_ceiling rate, int64_t rounds)
{
    static const float from[FLOATS]; /* read only: all threads share it */
    const isa *x = best_isa();
    switch (rate) {
    case AMM_CEILING_FMA:
        x->fma(rounds);
        return (double)CHAINS * x->lanes;
    case AMM_CEILING_MAX:
        x->max(rounds);
        return (double)CHAINS * x->lanes;
    case AMM_CEILING_PERMUTE:
        x->permute(x->permute_entries > 0 ? rounds : 0);
        return x->permute_entries > 0 ? (double)CHAINS * x->lanes : 0.0;
    case AMM_CEILING_GATHER:
        x->gather(x->gathers ? rounds : 0, from);
        return x->gathers ? (double)CHAINS * x->lanes : 0.0;
    case AMM_CEILING_LOAD:
        x->load(rounds, from);
        return (double)FLOATS * sizeof(float);
    case AMM_CEILING_COUNT:
        break;
    }
    return 0.0;
}

#else

/* No kernels for this processor: ceilings are not known. */
const char *amm_ceilings_isa(int32_t *permute_entries, int32_t *vector_bytes)
{
    *permute_entries = 0;
    *vector_bytes = (int32_t)sizeof(float);
    return "unknown";
}

double amm_ceiling_kernel(amm_bench_ceiling rate, int64_t rounds)
{
    (void)rate;
    (void)rounds;
    return 0.0;
}

#endif
