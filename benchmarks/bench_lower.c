/* The analytic model's share of a search: layer classes of a whole space, one strategy by
 * amm_step_time and amm_step_memory, one config as tables. CPU seconds, best and median of several
 * rounds. The checksum keeps the work from being removed. */
#define _POSIX_C_SOURCE 200809L
#include "lower/lower.h"
#include "search/enumerate.h"

#include <ammeter/ammeter.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 11, EVERY = 16 };

typedef struct rounds {
    double classes_s[ROUNDS], strategy_s[ROUNDS], tables_s[ROUNDS];
    double checksum;
    int64_t layouts, classes, costed, tables;
} rounds;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef amm_status (*work)(amm_lowered *lowered, const amm_config *config, rounds *out);

static amm_status make_class(amm_lowered *lowered, const amm_config *c, rounds *out)
{
    const amm_layer_class *x = NULL;
    AMM_TRY(amm_layer_class_of(lowered->analytic, &lowered->arena, &x, c));
    out->checksum += x->layers_s;
    out->layouts++;
    return AMM_OK;
}

static amm_status cost_strategy(amm_lowered *lowered, const amm_config *c, rounds *out)
{
    const amm_analytic *a = lowered->analytic;
    amm_run run;
    amm_step step;
    amm_ledger ledger;
    amm_lower_run(&run, a, c, NULL);
    amm_step_time(&step, &a->network, &a->machine, &run);
    amm_step_memory(&ledger, &a->network, &a->machine, &run);
    out->checksum += step.time_s + ledger.total;
    out->costed++;
    return AMM_OK;
}

static amm_status make_tables(amm_lowered *lowered, const amm_config *c, rounds *out)
{
    amm_lowered_config tables;
    if (c->pp == 1 || c->vpp > 1) {
        return AMM_OK;
    }
    AMM_TRY(amm_lower_config(lowered, &tables, c, false, true));
    out->checksum += tables.solve.stage[0].entries[0].t[tables.solve.layers];
    out->tables++;
    return AMM_OK;
}

/* Seconds of a work on every `every`-th layout that the rules accept; enumeration is not counted. */
static amm_status sweep(amm_lowered *lowered, const amm_space_range *space, uint64_t every, work f,
                        rounds *out, double *seconds)
{
    uint64_t accepted = 0;
    *seconds = 0.0;
    amm_walk walk;
    amm_walk_run run;
    amm_walk_open(&walk, space, lowered->problem, &lowered->layout, 0, space->count);
    while (amm_walk_next(&walk, &run)) {
        if (run.reason != AMM_ACCEPTED || accepted++ % every != 0) {
            continue;
        }
        const double start = now_s();
        AMM_TRY(f(lowered, &walk.config, out));
        *seconds += now_s() - start;
    }
    return AMM_OK;
}

static amm_status one_round(const amm_problem_desc *problem, amm_context *context, int k,
                            rounds *out)
{
    amm_lowered lowered;
    amm_space_range space;
    AMM_TRY(amm_lower_init(&lowered, context, problem));
    amm_status status = amm_space_open(&space, &lowered.arena, problem);
    out->layouts = out->costed = out->tables = 0;
    if (status == AMM_OK) {
        status = sweep(&lowered, &space, 1, make_class, out, &out->classes_s[k]);
    }
    if (status == AMM_OK) {
        status = sweep(&lowered, &space, EVERY, cost_strategy, out, &out->strategy_s[k]);
    }
    if (status == AMM_OK) {
        status = sweep(&lowered, &space, EVERY, make_tables, out, &out->tables_s[k]);
    }
    out->classes = 0;
    for (int32_t b = 0; b < (int32_t)AMM_ROW_BUCKETS; b++) {
        for (const amm_layer_class *x = lowered.analytic->classes[b]; x != NULL; x = x->next) {
            out->classes++;
        }
    }
    amm_lower_free(&lowered);
    return status;
}

static void print(const char *what, double *seconds, double per, const char *unit)
{
    qsort(seconds, ROUNDS, sizeof *seconds, compare);
    printf("  %-34s %10.3f %10.3f  %s\n", what, seconds[0] * per, seconds[ROUNDS / 2] * per, unit);
}

static int measure(amm_context *context, const char *model, const char *cluster, const char *batch)
{
    static rounds r;
    amm_spec *spec = NULL;
    amm_status status = amm_spec_create(&spec, context, NULL);
    const char *const keys[][2] = { { "model", model },
                                    { "cluster", cluster },
                                    { "global_batch", batch } };
    for (int k = 0; k < 3 && status == AMM_OK; k++) {
        status = amm_spec_set(spec, keys[k][0], keys[k][1]);
    }
    status = status == AMM_OK ? amm_spec_check(spec) : status;
    r.checksum = 0.0;
    for (int k = 0; k < ROUNDS && status == AMM_OK; k++) {
        status = one_round(&spec->problem, context, k, &r);
    }
    if (status != AMM_OK) {
        (void)fprintf(stderr, "%s: %s\n", model, amm_last_error());
    } else {
        printf("%s on %s: %lld layouts, %lld classes\n", model, cluster, (long long)r.layouts,
               (long long)r.classes);
        print("all classes", r.classes_s, 1e3, "ms");
        print("one strategy, time and memory", r.strategy_s, 1e6 / (double)r.costed, "us");
        print("one config as tables in ticks", r.tables_s, 1e6 / (double)r.tables, "us");
        printf("  checksum %.9g\n", r.checksum);
    }
    amm_spec_free(spec);
    return status != AMM_OK;
}

int main(void)
{
    amm_context *context = NULL;
    int failed = amm_context_create(&context, NULL) != AMM_OK;
    printf("%-36s %10s %10s\n", "", "best", "median");
    failed = failed || measure(context, "llama-3-70b", "8xdgx-h100", "256") ||
             measure(context, "megatron-175b", "512xdgx-h100", "1536") ||
             measure(context, "deepseek-v3", "32xdgx-h100", "1536");
    amm_context_free(context);
    return failed;
}
