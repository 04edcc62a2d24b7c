/* The exact partition solver: time per configuration, by layers, stages and micro-batches, with every
 * part of the objective in use: A max t + sum u + sum e + max max(d - o, rho), u different from t, a
 * finish offset o, a floor rho, class lists of two entries per stage (keep everything; recompute: 4/3
 * of the time, a third of the memory), memory windows with 1F1B's in-flight counts. Synthetic
 * transformer: equal blocks with 1 % jitter, a heavy head. Devices 1: every stage runs the same type;
 * 2: two types alternate, 1 : 1.7, each with its own d. */
#define _POSIX_C_SOURCE 200809L
#include "backend/solve.h"
#include "core/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_L = 128, MAX_S = 64, REPEATS = 201 };

typedef struct bench_case {
    double t[4][MAX_L + 1], u[4][MAX_L + 1], d[2][MAX_L + 1], o[MAX_L + 1];
    double weight[2][MAX_L + 1], e[MAX_L + 1];
    int32_t first[MAX_S][2][MAX_L + 1];
    amm_solve_entry entries[MAX_S][2];
    amm_solve_stage stages[MAX_S];
    amm_solve_config config;
} bench_case;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void build(bench_case *b, uint64_t *seed, int32_t layers, int32_t stages,
                  int32_t micro_batches, int32_t devices)
{
    memset(b, 0, sizeof *b);
    for (int32_t l = 0; l < layers; l++) {
        const bool head = l == layers - 1;
        const double time = (head ? 3000 : 1000) + amm_random_range(seed, -10, 10);
        for (int32_t k = 0; k < 4; k++) {
            const double slow = (k / 2 == 0 ? 1.0 : 1.7) * (k % 2 == 0 ? 1.0 : 4.0 / 3.0);
            b->t[k][l + 1] = b->t[k][l] + rint(time * slow);
            b->u[k][l + 1] = b->u[k][l] + rint(time * slow) + amm_random_range(seed, 0, 20);
        }
        b->d[0][l + 1] = b->d[0][l] + (head ? 2700 : 900);
        b->d[1][l + 1] = b->d[1][l] + (head ? 3600 : 1200);
        b->o[l + 1] = b->o[l] + (head ? 300 : 100);
        b->weight[0][l + 1] = b->weight[0][l] + 3.0;
        b->weight[1][l + 1] = b->weight[1][l] + 1.0;
    }
    for (int32_t j = 0; j <= layers; j++) {
        b->e[j] = amm_random_range(seed, 20, 24);
    }
    for (int32_t s = 0; s < stages; s++) {
        for (int32_t k = 0; k < 2; k++) {
            const int32_t in_flight = stages - s < micro_batches ? stages - s : micro_batches;
            const double capacity = 0.62 * 3.0 * layers; /* early stages must recompute */
            int32_t i = 0;
            for (int32_t j = 0; j <= layers; j++) {
                while (i < j && (b->weight[k][j] - b->weight[k][i]) * in_flight > capacity) {
                    i++;
                }
                b->first[s][k][j] = i;
            }
            const int32_t row = 2 * (devices == 2 ? s % 2 : 0) + k;
            const amm_solve_entry entry = { b->t[row], b->u[row],      b->d[row / 2],
                                            5000.0,    b->first[s][k], NULL };
            b->entries[s][k] = entry;
        }
        b->stages[s].entry_count = 2;
        b->stages[s].entries = b->entries[s];
        b->stages[s].e = b->e;
    }
    b->config.layers = layers;
    b->config.stages = stages;
    b->config.a = micro_batches - 1;
    b->config.stage = b->stages;
    b->config.o = b->o;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static bench_case b;
    amm_context *context = NULL;
    if (amm_context_create(&context, NULL) != AMM_OK) {
        return 1;
    }
    const int32_t shapes[][3] = { { 128, 4, 64 },   { 128, 8, 64 },  { 128, 16, 64 },
                                  { 128, 16, 512 }, { 128, 32, 64 }, { 128, 64, 128 },
                                  { 48, 8, 64 },    { 128, 16, 8 } };
    printf("layers stages micro-batches devices | median us   max us  passes  checksum\n");
    for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++) {
        for (int32_t devices = 1; devices <= 2; devices++) {
            amm_solver solver;
            amm_solver_init(&solver, context);
            double seconds[REPEATS];
            double checksum = 0.0;
            double passes = 0.0;
            uint64_t seed = 7;
            for (int r = 0; r < REPEATS; r++) {
                amm_solution got;
                int32_t cuts[MAX_S + 1];
                int32_t entry[MAX_S];
                build(&b, &seed, shapes[n][0], shapes[n][1], shapes[n][2], devices);
                const double start = now_s();
                if (amm_solve(&solver, &got, cuts, entry, &b.config, HUGE_VAL) != AMM_OK) {
                    return 1;
                }
                seconds[r] = now_s() - start;
                checksum += got.feasible ? got.total : -1.0;
                passes += got.passes;
            }
            qsort(seconds, REPEATS, sizeof *seconds, compare);
            printf("%6d %6d %13d %7d | %9.1f %8.1f %7.1f  %.0f\n", shapes[n][0], shapes[n][1],
                   shapes[n][2], devices, seconds[REPEATS / 2] * 1e6, seconds[REPEATS - 1] * 1e6,
                   passes / REPEATS, checksum);
            amm_solver_free(&solver);
        }
    }
    amm_context_free(context);
    return 0;
}
