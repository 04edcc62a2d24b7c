#include "search/amp_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The recurrence of the reference, quirk included: F(i, j, m) is the best cost of layers 0..i in
 * j + 1 stages given that the slowest later stage costs W[m]. A candidate is compared with its
 * transfer, but stored without it, so the result depends on the order (cuts ascending, strict <).
 * W holds all contiguous sums, each accumulated from left to right, and is searched by equality. */
typedef struct table {
    int32_t layers, widths;
    double *w;        /* [widths] ascending, unique */
    double *sum;      /* [layers][layers] sum of i..j */
    int32_t *sum_row; /* [layers][layers] its index in w */
    double *f, *g;    /* [layers][widths] level j - 1, level j */
    int16_t *cut;     /* [stages][layers][widths] */
} table;

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static int32_t row_of(const table *t, double value)
{
    int32_t low = 0;
    int32_t high = t->widths;
    while (high - low > 1) {
        const int32_t middle = low + (high - low) / 2;
        if (t->w[middle] <= value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static void fill_sums(table *t, const double *e)
{
    const size_t n = (size_t)t->layers;
    int32_t count = 0;
    t->w[count++] = 0.0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t j = i; j < n; j++) {
            sum += e[j];
            t->sum[i * n + j] = sum;
            t->w[count++] = sum;
        }
    }
    qsort(t->w, (size_t)count, sizeof *t->w, compare_doubles);
    t->widths = 0;
    for (int32_t k = 0; k < count; k++) {
        if (k == 0 || t->w[k] != t->w[t->widths - 1]) {
            t->w[t->widths++] = t->w[k];
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i; j < n; j++) {
            t->sum_row[i * n + j] = row_of(t, t->sum[i * n + j]);
        }
    }
}

/* All widths m of one state (i, j) for one cut after layer k: v = F(k, j-1, max) + (B-1) over + c.
 * `first`: the first m whose width is not below the stage's, where nothing is over. */
static void relax_cut(double *restrict best, int16_t *restrict cut, const double *restrict before,
                      const double *restrict w, int32_t widths, int32_t first, double x, double a,
                      double c, int16_t k)
{
    const double at_first = before[first];
    for (int32_t m = 0; m < first; m++) {
        const double v = at_first + a * (x - w[m]) + c;
        const bool less = v < best[m];
        best[m] = less ? v - c : best[m];
        cut[m] = less ? k : cut[m];
    }
    for (int32_t m = first; m < widths; m++) {
        const double v = before[m] + a * 0.0 + c;
        const bool less = v < best[m];
        best[m] = less ? v - c : best[m];
        cut[m] = less ? k : cut[m];
    }
}

static void fill_level(table *t, int32_t j, double a, const float *c, int32_t stages)
{
    const size_t n = (size_t)t->layers;
    const size_t widths = (size_t)t->widths;
    for (int32_t i = j; i < t->layers; i++) {
        double *best = t->g + (size_t)i * widths;
        int16_t *cut = t->cut + ((size_t)j * n + (size_t)i) * widths;
        for (size_t m = 0; m < widths; m++) {
            best[m] = HUGE_VAL;
            cut[m] = -1;
        }
        for (int32_t k = j - 1; k < i; k++) {
            const size_t stage = (size_t)(k + 1) * n + (size_t)i;
            relax_cut(best, cut, t->f + (size_t)k * widths, t->w, t->widths, t->sum_row[stage],
                      t->sum[stage], a,
                      (double)c[(size_t)k * (size_t)(stages - 1) + (size_t)(j - 1)], (int16_t)k);
        }
    }
    double *swap = t->f;
    t->f = t->g;
    t->g = swap;
}

static void backtrack(const table *t, int32_t *sizes, int32_t stages)
{
    const size_t n = (size_t)t->layers;
    int32_t i = t->layers - 1;
    int32_t m = 0;
    for (int32_t j = stages - 1; j > 0; j--) {
        const int32_t k = t->cut[((size_t)j * n + (size_t)i) * (size_t)t->widths + (size_t)m];
        const int32_t row = t->sum_row[(size_t)(k + 1) * n + (size_t)i];
        sizes[j] = i - k;
        m = row > m ? row : m;
        i = k;
    }
    sizes[0] = i + 1;
}

amm_status amm_amp_partition(const amm_context *context, int32_t *sizes, int32_t layers,
                             int32_t stages, int64_t micro_batches, const double *e, const float *c)
{
    const size_t n = (size_t)layers;
    const size_t widths = n * (n + 1) / 2 + 1;
    const double a = (double)(micro_batches - 1);
    table t = { 0 };
    amm_arena arena;
    amm_status status = AMM_NO_MEMORY;
    amm_arena_init(&arena, context);
    t.layers = layers;
    t.w = amm_arena_alloc(&arena, widths, sizeof *t.w);
    t.sum = amm_arena_alloc(&arena, n * n, sizeof *t.sum);
    t.sum_row = amm_arena_alloc(&arena, n * n, sizeof *t.sum_row);
    t.f = amm_arena_alloc(&arena, n * widths, sizeof *t.f);
    t.g = amm_arena_alloc(&arena, n * widths, sizeof *t.g);
    t.cut = amm_arena_alloc(&arena, (size_t)stages * n * widths, sizeof *t.cut);
    if (t.w == NULL || t.sum == NULL || t.sum_row == NULL || t.f == NULL || t.g == NULL ||
        t.cut == NULL) {
        goto cleanup;
    }
    fill_sums(&t, e);
    for (int32_t i = 0; i < layers; i++) {
        for (int32_t m = 0; m < t.widths; m++) {
            const double over = t.sum[i] - t.w[m];
            t.f[(size_t)i * (size_t)t.widths + (size_t)m] = a * (over > 0.0 ? over : 0.0);
        }
    }
    for (int32_t j = 1; j < stages; j++) {
        fill_level(&t, j, a, c, stages);
    }
    backtrack(&t, sizes, stages);
    status = AMM_OK;
cleanup:
    amm_arena_free(&arena);
    return status;
}
