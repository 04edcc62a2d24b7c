#include "solve_instance.h"

#include "core/random.h"
#include "test_support.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void prefix(double *table, int32_t layers, uint64_t *seed, int32_t low, int32_t high)
{
    table[0] = 0.0;
    for (int32_t l = 0; l < layers; l++) {
        table[l + 1] = table[l] + amm_random_range(seed, low, high);
    }
}

/* Memory: a stage holds `weight` per item, `capacity` differs by stage and entry. */
static void windows(int32_t *first, int32_t layers, const double *weight, double capacity)
{
    for (int32_t j = 0; j <= layers; j++) {
        int32_t i = j;
        while (i > 0 && weight[j] - weight[i - 1] <= capacity) {
            i--;
        }
        first[j] = i;
    }
}

void instance_random(instance *out, uint64_t *seed, int32_t layers, int32_t stages)
{
    const int32_t classes = amm_random_range(seed, 1, 3);
    const int32_t high = amm_random_range(seed, 0, 3) == 0 ? 2 : amm_random_range(seed, 3, 200);
    const bool tight = amm_random_range(seed, 0, 2) == 0;
    const bool with_d = amm_random_range(seed, 0, 3) != 0;
    const bool with_o = with_d && amm_random_range(seed, 0, 2) == 0;
    const bool same_u = amm_random_range(seed, 0, 1) == 0;
    const bool with_end = amm_random_range(seed, 0, 2) == 0;
    const int32_t slow = amm_random_range(seed, 0, 1) == 0 ? high : high * 10;
    double weight[INSTANCE_LAYERS + 1];
    memset(out, 0, sizeof *out);
    prefix(weight, layers, seed, 0, 20);
    prefix(out->o, layers, seed, 0, high / 2);
    for (int32_t k = 0; k < classes; k++) {
        prefix(out->t[k], layers, seed, amm_random_range(seed, 0, 1), high);
        prefix(out->u[k], layers, seed, 0, high);
        prefix(out->d[k], layers, seed, 0, high);
    }
    for (int32_t s = 0; s < stages; s++) {
        const int32_t count = amm_random_range(seed, 1, classes);
        const int32_t shift = amm_random_range(seed, 0, classes - 1);
        for (int32_t j = 0; j <= layers; j++) {
            out->e[s][j] = amm_random_range(seed, 0, slow);
        }
        for (int32_t k = 0; k < classes; k++) {
            const int32_t row = (k + shift) % classes;
            amm_solve_entry *x = &out->entries[s][k];
            x->t = out->t[row];
            x->u = same_u ? out->t[row] : out->u[row];
            x->d = with_d ? out->d[row] : NULL;
            for (int32_t j = 0; with_end && j <= layers; j++) {
                out->end[s][k][j] = amm_random_range(seed, 0, slow);
            }
            x->end = with_end && amm_random_range(seed, 0, 2) > 0 ? out->end[s][k] : NULL;
            x->rho =
                with_d && amm_random_range(seed, 0, 4) == 0 ? amm_random_range(seed, 0, high) : 0;
            if (tight) {
                const double mean = weight[layers] / stages;
                windows(out->first[s][k], layers, weight,
                        mean * (0.8 + 0.1 * amm_random_range(seed, 0, 12)));
                x->first = out->first[s][k];
            }
        }
        out->stages[s].entry_count = count;
        out->stages[s].entries = out->entries[s];
        if (!tight && s > 0 && amm_random_range(seed, 0, 2) == 0) { /* stages may share an array */
            out->stages[s].entries = out->stages[s - 1].entries;
        }
        out->stages[s].e = amm_random_range(seed, 0, 5) == 0 ? NULL : out->e[s];
    }
    const int32_t a[] = { 0, 1, 3, 7, 63, 511 };
    out->config.layers = layers;
    out->config.stages = stages;
    out->config.a = a[amm_random_range(seed, 0, 5)];
    out->config.stage = out->stages;
    out->config.o = with_o ? out->o : NULL;
}

typedef struct walk {
    const amm_solve_config *c;
    brute *best;
    int32_t cuts[INSTANCE_STAGES + 1], entry[INSTANCE_STAGES];
} walk;

/* Smaller start, then smaller entry, from the last stage backwards. */
static bool comes_first(const walk *w)
{
    for (int32_t s = w->c->stages - 1; s >= 0; s--) {
        if (w->cuts[s] != w->best->cuts[s]) {
            return w->cuts[s] < w->best->cuts[s];
        }
        if (w->entry[s] != w->best->entry[s]) {
            return w->entry[s] < w->best->entry[s];
        }
    }
    return false;
}

static void compare(const walk *w)
{
    amm_objective parts;
    w->best->partitions++;
    if (!amm_solve_score(&parts, w->c, w->cuts, w->entry)) {
        return;
    }
    const double total = amm_objective_total(&parts, w->c->a);
    brute *b = w->best;
    const double mine[] = { total, parts.max_d, parts.max_t };
    const double theirs[] = { b->total, b->parts.max_d, b->parts.max_t };
    bool better = !b->feasible;
    for (int k = 0; k < 3 && !better; k++) {
        if (mine[k] > theirs[k]) {
            return;
        }
        better = mine[k] < theirs[k];
    }
    if (better || comes_first(w)) {
        b->feasible = true;
        b->total = total;
        b->parts = parts;
        memcpy(b->cuts, w->cuts, sizeof b->cuts);
        memcpy(b->entry, w->entry, sizeof b->entry);
    }
}

static void try_stage(walk *w, int32_t s)
{
    if (s == w->c->stages) {
        compare(w);
        return;
    }
    const bool last = s + 1 == w->c->stages;
    const int32_t from = last ? w->c->layers : w->cuts[s] + 1;
    for (int32_t j = from; j <= w->c->layers - (w->c->stages - 1 - s); j++) {
        w->cuts[s + 1] = j;
        for (int32_t k = 0; k < w->c->stage[s].entry_count; k++) {
            w->entry[s] = k;
            try_stage(w, s + 1);
        }
    }
}

void instance_brute_force(brute *out, const instance *in)
{
    walk w = { &in->config, out, { 0 }, { 0 } };
    memset(out, 0, sizeof *out);
    try_stage(&w, 0);
}

static void check_instance(amm_solver *solver, const instance *in, int32_t number,
                           int32_t *infeasible)
{
    brute want;
    amm_solution got;
    int32_t cuts[INSTANCE_STAGES + 1];
    int32_t entry[INSTANCE_STAGES];
    instance_brute_force(&want, in);
    assert_int_equal(amm_solve(solver, &got, cuts, entry, &in->config, HUGE_VAL), AMM_OK);
    if (got.feasible != want.feasible || (want.feasible && got.total != want.total)) {
        fail_msg("instance %d: solver %d %.17g, brute force %d %.17g", number, got.feasible,
                 got.total, want.feasible, want.total);
    }
    const double bound = amm_solve_bound(&in->config);
    if (!want.feasible) {
        (*infeasible)++;
        return;
    }
    assert_true(bound <= want.total);
    for (int32_t s = 0; s < in->config.stages; s++) {
        if (cuts[s] != want.cuts[s] || entry[s] != want.entry[s]) {
            fail_msg("instance %d: not the canonical optimum at stage %d", number, s);
        }
    }
    /* A bound at the optimum still finds it; one below finds nothing. */
    assert_int_equal(amm_solve(solver, &got, cuts, entry, &in->config, want.total), AMM_OK);
    assert_true(got.feasible && got.total == want.total);
    assert_int_equal(amm_solve(solver, &got, cuts, entry, &in->config, want.total - 1.0), AMM_OK);
    assert_false(got.feasible);
}

/* The same instance in units that are not integers: finalists are compared like that. */
static void check_in_seconds(amm_solver *solver, instance *in, double unit)
{
    const double *const end = (const double *)&in->first;
    for (double *x = (double *)&in->t; x < end; x++) {
        *x *= unit;
    }
    for (int32_t s = 0; s < INSTANCE_STAGES; s++) {
        for (int32_t k = 0; k < INSTANCE_CLASSES; k++) {
            in->entries[s][k].rho *= unit;
        }
    }
    brute want;
    amm_solution got;
    int32_t cuts[INSTANCE_STAGES + 1];
    int32_t entry[INSTANCE_STAGES];
    instance_brute_force(&want, in);
    assert_int_equal(amm_solve(solver, &got, cuts, entry, &in->config, HUGE_VAL), AMM_OK);
    assert_int_equal(got.feasible, want.feasible);
    if (want.feasible) {
        assert_close(got.total, want.total, 1e-12, 0.0);
        assert_true(amm_solve_bound(&in->config) <= want.total * (1.0 + 1e-12));
    }
}

void check_random_instances(int32_t count, uint64_t seed)
{
    static instance in;
    int32_t infeasible = 0;
    amm_solver solver;
    amm_solver_init(&solver, test_context());
    for (int32_t n = 0; n < count; n++) {
        const int32_t layers = amm_random_range(&seed, 1, 13);
        instance_random(&in, &seed, layers, amm_random_range(&seed, 1, layers < 6 ? layers : 6));
        check_instance(&solver, &in, n, &infeasible);
        if (n % 4 == 0) {
            check_in_seconds(&solver, &in, 1e-3 / 7.0);
        }
    }
    amm_solver_free(&solver);
    printf("%d instances, %d infeasible\n", count, infeasible);
    assert_true(infeasible > count / 100);
}
