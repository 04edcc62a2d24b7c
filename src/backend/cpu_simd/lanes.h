/* Lanes: one candidate each, for the kernel text of kernels.h. A path file defines one of AMM_LANES_…
 * before it includes this, and is compiled for that processor; nothing here leaves the file.
 *
 *   lanes, lanes_mask, LANES       a vector of single-precision numbers, of conditions, how many
 *   lanes_fused                    x y + z rounded once
 *   lanes_near                     x y + z, perhaps rounded twice (AMM_NEAR_SLACK)
 *   lanes_span(end, j, start, i)   four columns of end[j] less start[i], for a j and an i per lane
 *   lanes_values(rows, j)          four columns of rows[j]
 *
 * Tables of rows: on paths that look up in registers (LANES_PERMUTE) columns of AMM_SIMD_ROWS values,
 * on others rows of four values. */
#ifndef AMM_BACKEND_CPU_SIMD_LANES_H
#define AMM_BACKEND_CPU_SIMD_LANES_H

#include "backend/cpu_simd/cpu_simd.h"

#include <string.h>

#if defined(AMM_LANES_AVX512)
#include <immintrin.h>
#define LANES         16
#define LANES_PERMUTE 1
typedef __m512 lanes;
typedef __mmask16 lanes_mask;

static inline lanes lanes_splat(float x)
{
    return _mm512_set1_ps(x);
}
static inline lanes lanes_load(const float *x)
{
    return _mm512_loadu_ps(x);
}
static inline void lanes_store(float *out, lanes x)
{
    _mm512_storeu_ps(out, x);
}
static inline lanes lanes_from_u16(const uint16_t *x)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x)));
}
static inline lanes lanes_max(lanes x, lanes y)
{
    return _mm512_max_ps(x, y);
}
static inline lanes lanes_min(lanes x, lanes y)
{
    return _mm512_min_ps(x, y);
}
static inline lanes lanes_fused(lanes x, lanes y, lanes z)
{
    return _mm512_fmadd_ps(x, y, z);
}
static inline lanes_mask lanes_le(lanes x, lanes y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_LE_OQ);
}
static inline lanes_mask lanes_lt(lanes x, lanes y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ);
}
static inline lanes_mask lanes_both(lanes_mask a, lanes_mask b)
{
    return (lanes_mask)(a & b);
}
static inline lanes lanes_select(lanes_mask m, lanes yes, lanes no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}
static inline uint32_t lanes_bits(lanes_mask m)
{
    return m;
}
typedef __m512i lanes_index;
static inline lanes_index lanes_indices(const uint8_t *x)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)x));
}
/* Of 32 values in two registers, by the low five bits. */
static inline lanes lanes_permute(lanes low, lanes_index at, lanes high)
{
    return _mm512_permutex2var_ps(low, at, high);
}
static inline lanes_mask lanes_index_least(lanes_index at, int32_t least)
{
    return _mm512_cmpge_epi32_mask(at, _mm512_set1_epi32(least));
}
#define lanes_near lanes_fused

#elif defined(AMM_LANES_AVX2)
#include <immintrin.h>
#define LANES      8
typedef __m256 lanes;
typedef __m256 lanes_mask;

static inline lanes lanes_splat(float x)
{
    return _mm256_set1_ps(x);
}
static inline lanes lanes_load(const float *x)
{
    return _mm256_loadu_ps(x);
}
static inline void lanes_store(float *out, lanes x)
{
    _mm256_storeu_ps(out, x);
}
static inline lanes lanes_from_u16(const uint16_t *x)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)x)));
}
static inline lanes lanes_max(lanes x, lanes y)
{
    return _mm256_max_ps(x, y);
}
static inline lanes lanes_min(lanes x, lanes y)
{
    return _mm256_min_ps(x, y);
}
static inline lanes lanes_fused(lanes x, lanes y, lanes z)
{
    return _mm256_fmadd_ps(x, y, z);
}
static inline lanes_mask lanes_le(lanes x, lanes y)
{
    return _mm256_cmp_ps(x, y, _CMP_LE_OQ);
}
static inline lanes_mask lanes_lt(lanes x, lanes y)
{
    return _mm256_cmp_ps(x, y, _CMP_LT_OQ);
}
static inline lanes_mask lanes_both(lanes_mask a, lanes_mask b)
{
    return _mm256_and_ps(a, b);
}
static inline lanes lanes_select(lanes_mask m, lanes yes, lanes no)
{
    return _mm256_blendv_ps(no, yes, m);
}
static inline uint32_t lanes_bits(lanes_mask m)
{
    return (uint32_t)_mm256_movemask_ps(m);
}
#define lanes_near lanes_fused

#else /* plain C: AMM_LANES_PORTABLE, four lanes; AMM_LANES_EMULATED, sixteen that look up as AVX-512 */
#if defined(AMM_LANES_EMULATED)
#define LANES         16
#define LANES_PERMUTE 1
#pragma GCC diagnostic ignored "-Wpsabi" /* nothing leaves the file */
#else
#define LANES 4
#endif
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t lanes_mask __attribute__((vector_size(4 * LANES)));

static inline lanes lanes_splat(float x)
{
    lanes out;
    for (int k = 0; k < LANES; k++) {
        out[k] = x;
    }
    return out;
}
static inline lanes lanes_load(const float *x)
{
    lanes out;
    memcpy(&out, x, sizeof out);
    return out;
}
static inline void lanes_store(float *out, lanes x)
{
    memcpy(out, &x, sizeof x);
}
static inline lanes lanes_from_u16(const uint16_t *x)
{
    lanes out;
    for (int k = 0; k < LANES; k++) {
        out[k] = (float)x[k];
    }
    return out;
}
static inline lanes lanes_select(lanes_mask m, lanes yes, lanes no)
{
    return (lanes)((m & (lanes_mask)yes) | (~m & (lanes_mask)no));
}
static inline lanes lanes_max(lanes x, lanes y)
{
    return lanes_select(x > y, x, y);
}
static inline lanes lanes_min(lanes x, lanes y)
{
    return lanes_select(x < y, x, y);
}
/* Ticks: the product is exact in double, and so is the sum. */
static inline lanes lanes_fused(lanes x, lanes y, lanes z)
{
    lanes out;
    for (int k = 0; k < LANES; k++) {
        out[k] = (float)((double)x[k] * (double)y[k] + (double)z[k]);
    }
    return out;
}
static inline lanes lanes_near(lanes x, lanes y, lanes z)
{
    return x * y + z;
}
static inline lanes_mask lanes_le(lanes x, lanes y)
{
    return x <= y;
}
static inline lanes_mask lanes_lt(lanes x, lanes y)
{
    return x < y;
}
static inline lanes_mask lanes_both(lanes_mask a, lanes_mask b)
{
    return a & b;
}
static inline uint32_t lanes_bits(lanes_mask m)
{
    uint32_t bits = 0;
    for (int k = 0; k < LANES; k++) {
        bits |= (uint32_t)(m[k] & 1) << k;
    }
    return bits;
}
#if defined(LANES_PERMUTE)
typedef lanes_mask lanes_index;
static inline lanes_index lanes_indices(const uint8_t *x)
{
    lanes_index out;
    for (int k = 0; k < LANES; k++) {
        out[k] = x[k];
    }
    return out;
}
static inline lanes lanes_permute(lanes low, lanes_index at, lanes high)
{
    lanes out;
    for (int k = 0; k < LANES; k++) {
        const int32_t from = at[k] & 31;
        out[k] = from < LANES ? low[from] : high[from - LANES];
    }
    return out;
}
static inline lanes_mask lanes_index_least(lanes_index at, int32_t least)
{
    return at >= least;
}
#endif
#endif

enum { BLOCK = ~(LANES - 1) }; /* and: down to whole lanes */

/* first, first + 1, … */
static inline lanes lanes_numbers(int32_t first)
{
    static const float steps[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    return lanes_splat((float)first) + lanes_load(steps);
}

/* ---- tables of rows ---------------------------------------------------------------------------- */

/* Four columns of rows. */
typedef struct lanes4 {
    lanes t, u, d, w;
} lanes4;

#if defined(LANES_PERMUTE)

static inline lanes lanes_of_column(const float *column, lanes_index at, int32_t pairs)
{
    lanes out = lanes_permute(lanes_load(column), at, lanes_load(column + LANES));
    for (int32_t k = 1; k < pairs; k++) {
        const float *values = column + k * 2 * LANES;
        out = lanes_select(lanes_index_least(at, k * 2 * LANES),
                           lanes_permute(lanes_load(values), at, lanes_load(values + LANES)), out);
    }
    return out;
}

static inline lanes4 lanes_values(const float *rows, const uint8_t *at, int32_t count)
{
    const lanes_index index = lanes_indices(at);
    const int32_t pairs = (count + 2 * LANES - 1) / (2 * LANES);
    const lanes4 out = { lanes_of_column(rows, index, pairs),
                         lanes_of_column(rows + AMM_SIMD_ROWS, index, pairs),
                         lanes_of_column(rows + 2 * AMM_SIMD_ROWS, index, pairs),
                         lanes_of_column(rows + 3 * AMM_SIMD_ROWS, index, pairs) };
    return out;
}

static inline lanes4 lanes_span(const float *end, const uint8_t *j, const float *start,
                                const uint8_t *i, int32_t count)
{
    const lanes4 a = lanes_values(end, j, count);
    const lanes4 b = lanes_values(start, i, count);
    const lanes4 out = { a.t - b.t, a.u - b.u, a.d - b.d, a.w - b.w };
    return out;
}

#elif defined(AMM_LANES_AVX2)

/* A row is one 16-byte load: cheaper than four gathers, even with the transposition that follows. */
static inline __m256 lanes_two_rows(const float *rows, uint32_t first, uint32_t second)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(rows + 4 * (size_t)first)),
                                _mm_load_ps(rows + 4 * (size_t)second), 1);
}

/* x[k]: rows of lanes k and k + 4. */
static inline lanes4 lanes_transpose(const __m256 x[4])
{
    const __m256 a = _mm256_unpacklo_ps(x[0], x[1]);
    const __m256 b = _mm256_unpackhi_ps(x[0], x[1]);
    const __m256 c = _mm256_unpacklo_ps(x[2], x[3]);
    const __m256 d = _mm256_unpackhi_ps(x[2], x[3]);
    const lanes4 out = { _mm256_shuffle_ps(a, c, 0x44), _mm256_shuffle_ps(a, c, 0xee),
                         _mm256_shuffle_ps(b, d, 0x44), _mm256_shuffle_ps(b, d, 0xee) };
    return out;
}

static inline lanes4 lanes_values(const float *rows, const uint8_t *at, int32_t count)
{
    __m256 x[4];
    (void)count;
    for (int k = 0; k < 4; k++) {
        x[k] = lanes_two_rows(rows, at[k], at[k + 4]);
    }
    return lanes_transpose(x);
}

static inline lanes4 lanes_span(const float *end, const uint8_t *j, const float *start,
                                const uint8_t *i, int32_t count)
{
    __m256 x[4];
    (void)count;
    for (int k = 0; k < 4; k++) {
        x[k] = lanes_two_rows(end, j[k], j[k + 4]) - lanes_two_rows(start, i[k], i[k + 4]);
    }
    return lanes_transpose(x);
}

#else

static inline lanes4 lanes_values(const float *rows, const uint8_t *at, int32_t count)
{
    lanes4 out;
    (void)count;
    for (int k = 0; k < LANES; k++) {
        const float *row = rows + 4 * (size_t)at[k];
        out.t[k] = row[0];
        out.u[k] = row[1];
        out.d[k] = row[2];
        out.w[k] = row[3];
    }
    return out;
}

static inline lanes4 lanes_span(const float *end, const uint8_t *j, const float *start,
                                const uint8_t *i, int32_t count)
{
    const lanes4 a = lanes_values(end, j, count);
    const lanes4 b = lanes_values(start, i, count);
    const lanes4 out = { a.t - b.t, a.u - b.u, a.d - b.d, a.w - b.w };
    return out;
}

#endif

/* ---- the objective ----------------------------------------------------------------------------- */

AMM_OBJECTIVE_DEFINE(amm_lanes, lanes, lanes_max, lanes_fused)
/* For filters: its total may be a few units in the last place off. */
AMM_OBJECTIVE_DEFINE(amm_lanes_filter, lanes, lanes_max, lanes_near)

#endif
