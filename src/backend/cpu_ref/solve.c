#include "backend/solve.h"

#include <math.h>
#include <string.h>

/* ---- limits of one pass ---------------------------------------------------------------------- */

/* A stage is allowed iff t <= m and max(d - o, rho) <= d. Strict limits are the next double below. */
typedef struct limits {
    double m, d;
} limits;

static double below(double x)
{
    return nextafter(x, -HUGE_VAL);
}

static double stage_d(const amm_solve_config *c, const amm_solve_entry *x, int32_t i, int32_t j)
{
    const double d = x->d == NULL ? 0.0 : x->d[j] - x->d[i];
    return c->o == NULL ? d : d - c->o[i];
}

/* What is paid when a stage ends at j: by the cut and by the entry. */
static double after(const amm_solve_entry *x, const double *e, int32_t j)
{
    return (e == NULL ? 0.0 : e[j]) + (x->end == NULL ? 0.0 : x->end[j]);
}

/* Monotone in i (grows more allowed) and in j (less allowed). */
static bool allowed(const amm_solve_config *c, const amm_solve_entry *x, int32_t i, int32_t j,
                    limits lim)
{
    return x->t[j] - x->t[i] <= lim.m && (x->first == NULL || x->first[j] <= i) &&
           ((x->d == NULL && c->o == NULL) || stage_d(c, x, i, j) <= lim.d);
}

/* Furthest end that any entry of the stage reaches from i; i when none takes a single item. */
static int32_t reach(const amm_solve_config *c, const amm_solve_stage *stage, int32_t i, limits lim)
{
    int32_t best = i;
    for (int32_t k = 0; k < stage->entry_count; k++) {
        const amm_solve_entry *x = &stage->entries[k];
        int32_t low = best; /* allowed (or the result so far) */
        int32_t high = c->layers + 1;
        if (x->rho > lim.d) {
            continue;
        }
        while (high - low > 1) {
            const int32_t middle = low + (high - low) / 2;
            if (allowed(c, x, i, middle, lim)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        best = low;
    }
    return best;
}

/* Smallest start from which any entry of the stage reaches j; j when none takes a single item. */
static int32_t reach_back(const amm_solve_config *c, const amm_solve_stage *stage, int32_t j,
                          limits lim)
{
    int32_t best = j;
    for (int32_t k = 0; k < stage->entry_count; k++) {
        const amm_solve_entry *x = &stage->entries[k];
        int32_t low = -1;
        int32_t high = best;
        if (x->rho > lim.d) {
            continue;
        }
        while (high - low > 1) {
            const int32_t middle = low + (high - low) / 2;
            if (allowed(c, x, middle, j, lim)) {
                high = middle;
            } else {
                low = middle;
            }
        }
        best = high;
    }
    return best;
}

/* Greedy relaxation: every stage goes as far as it can. False: surely no partition within the
 * limits. `furthest` [stages + 1] (or NULL) receives upper bounds of the cuts. */
static bool probe(const amm_solve_config *c, limits lim, int32_t *furthest)
{
    int32_t at = 0;
    if (furthest != NULL) {
        furthest[0] = 0;
    }
    for (int32_t s = 0; s < c->stages; s++) {
        const int32_t room = c->layers - (c->stages - 1 - s);
        at = reach(c, &c->stage[s], at, lim);
        at = at < room ? at : room;
        if (at < s + 1) {
            return false;
        }
        if (furthest != NULL) {
            furthest[s + 1] = at;
        }
    }
    return at == c->layers;
}

/* Greatest lower bound that bisection finds of max t (which == 0) or max d (which == 1) under the
 * other limit: no partition has a value <= the result, unless the result is below 0. *high is known to
 * pass the probe, and is lowered to the least that did. 20 halvings leave a millionth. */
static double bisect_floor(const amm_solve_config *c, limits lim, double *high, int which)
{
    double low = below(0.0);
    if (which == 0) {
        /* The mean of the cheapest entries bounds the maximum: start there, it is nearly tight. */
        double sum = 0.0;
        for (int32_t l = 0; l < c->layers; l++) {
            double least = HUGE_VAL;
            for (int32_t s = 0; s < c->stages; s++) {
                const amm_solve_stage *stage = &c->stage[s];
                if (s > 0 && stage->entries == c->stage[s - 1].entries &&
                    stage->entry_count <= c->stage[s - 1].entry_count) {
                    continue;
                }
                for (int32_t k = 0; k < stage->entry_count; k++) {
                    const double *t = stage->entries[k].t;
                    least = t[l + 1] - t[l] < least ? t[l + 1] - t[l] : least;
                }
            }
            sum += least;
        }
        low = sum / c->stages * (1.0 - 1e-9) - 1e-300;
    }
    for (int step = 0; step < 20 && low < *high; step++) {
        const double middle = low + (*high - low) / 2;
        limits trial = lim;
        *(which == 0 ? &trial.m : &trial.d) = middle;
        if (middle <= low || middle >= *high) {
            break;
        }
        if (probe(c, trial, NULL)) {
            *high = middle;
        } else {
            low = middle;
        }
    }
    return low;
}

/* ---- scratch --------------------------------------------------------------------------------- */

typedef struct scratch {
    double *f, *g;          /* [L + 1] costs after the stage before, after this one */
    double *queue_h;        /* [L + 1] */
    int32_t *queue_i;       /* [L + 1] */
    int32_t *start;         /* [S][L + 1] */
    int32_t *entry;         /* [S][L + 1] */
    int32_t *low, *high;    /* [S + 1] bounds of the cuts */
    int32_t *cuts, *chosen; /* [S + 1], [S]: result of the last pass */
} scratch;

void amm_solver_init(amm_solver *solver, const amm_context *context)
{
    solver->context = context;
    solver->capacity = 0;
    solver->memory = NULL;
}

void amm_solver_free(amm_solver *solver)
{
    amm_release(solver->context, solver->memory);
    solver->memory = NULL;
    solver->capacity = 0;
}

static amm_status scratch_of(amm_solver *solver, scratch *out, int32_t layers, int32_t stages)
{
    const size_t n = (size_t)layers + 1;
    const size_t s = (size_t)stages + 1;
    const size_t bytes = 3 * n * sizeof(double) + (n + 2 * n * s + 4 * s) * sizeof(int32_t);
    if (bytes > solver->capacity) {
        void *memory = amm_resize(solver->context, solver->memory, bytes, 1);
        if (memory == NULL) {
            return AMM_NO_MEMORY;
        }
        solver->memory = memory;
        solver->capacity = bytes;
    }
    double *reals = solver->memory;
    out->f = reals;
    out->g = reals + n;
    out->queue_h = reals + 2 * n;
    int32_t *integers = (int32_t *)(reals + 3 * n);
    out->queue_i = integers;
    out->start = integers + n;
    out->entry = out->start + n * s;
    out->low = out->entry + n * s;
    out->high = out->low + s;
    out->cuts = out->high + s;
    out->chosen = out->cuts + s;
    return AMM_OK;
}

/* ---- one pass: minimum of the sum under limits ----------------------------------------------- */

/* Relaxes stage s through entry k: x->g[j] = min over i of f[i] + u(i, j] + e(j), windows by a
 * monotone queue (all limits are monotone, so the feasible starts of j form a window whose lower
 * end never decreases). Ties keep the smallest start, then the smallest entry. */
static void relax_entry(const amm_solve_config *c, scratch *x, int32_t s, int32_t k, limits lim)
{
    const amm_solve_entry *entry = &c->stage[s].entries[k];
    const double *e = s + 1 < c->stages ? c->stage[s].e : NULL;
    const size_t row = (size_t)s * ((size_t)c->layers + 1);
    int32_t front = 0;
    int32_t back = 0;
    int32_t next = x->low[s];
    for (int32_t j = x->low[s + 1]; j <= x->high[s + 1]; j++) {
        for (; next < j && next <= x->high[s]; next++) {
            const double h = x->f[next] - entry->u[next];
            if (x->f[next] == HUGE_VAL) {
                continue;
            }
            while (back > front && x->queue_h[back - 1] > h) {
                back--;
            }
            x->queue_h[back] = h;
            x->queue_i[back++] = next;
        }
        while (front < back && !allowed(c, entry, x->queue_i[front], j, lim)) {
            front++;
        }
        if (front == back) {
            continue;
        }
        const double value = x->queue_h[front] + (entry->u[j] + after(entry, e, j));
        const int32_t start = x->queue_i[front];
        if (value < x->g[j] || (value == x->g[j] && start < x->start[row + (size_t)j])) {
            x->g[j] = value;
            x->start[row + (size_t)j] = start;
            x->entry[row + (size_t)j] = k;
        }
    }
}

static bool bounds_of_cuts(const amm_solve_config *c, scratch *x, limits lim)
{
    if (!probe(c, lim, x->high)) {
        return false;
    }
    x->low[c->stages] = c->layers;
    for (int32_t s = c->stages - 1; s >= 0; s--) {
        const int32_t at = reach_back(c, &c->stage[s], x->low[s + 1], lim);
        x->low[s] = at > s ? at : s;
        if (x->low[s] > x->high[s]) {
            return false;
        }
    }
    return true;
}

/* Minimal sum within the limits; cuts and chosen entries in the scratch. False: infeasible. */
static bool pass(const amm_solve_config *c, scratch *x, limits lim, amm_solution *out)
{
    const size_t n = (size_t)c->layers + 1;
    out->passes++;
    if (!bounds_of_cuts(c, x, lim)) {
        return false;
    }
    x->f[0] = 0.0;
    for (int32_t s = 0; s < c->stages; s++) {
        for (int32_t j = x->low[s + 1]; j <= x->high[s + 1]; j++) {
            x->g[j] = HUGE_VAL;
        }
        for (int32_t k = 0; k < c->stage[s].entry_count; k++) {
            if (c->stage[s].entries[k].rho <= lim.d) {
                relax_entry(c, x, s, k, lim);
            }
        }
        double *swap = x->f;
        x->f = x->g;
        x->g = swap;
    }
    if (x->f[c->layers] == HUGE_VAL) {
        return false;
    }
    x->cuts[c->stages] = c->layers;
    for (int32_t s = c->stages - 1; s >= 0; s--) {
        const size_t at = (size_t)s * n + (size_t)x->cuts[s + 1];
        x->cuts[s] = x->start[at];
        x->chosen[s] = x->entry[at];
    }
    (void)amm_solve_score(&out->parts, c, x->cuts, x->chosen);
    return true;
}

bool amm_solve_score(amm_objective *out, const amm_solve_config *c, const int32_t *cuts,
                     const int32_t *entry)
{
    bool ok = cuts[0] == 0 && cuts[c->stages] == c->layers;
    *out = amm_objective_start();
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_solve_entry *x = &c->stage[s].entries[entry[s]];
        const int32_t i = cuts[s];
        const int32_t j = cuts[s + 1];
        const double *e = s + 1 < c->stages ? c->stage[s].e : NULL;
        ok = ok && i < j && (x->first == NULL || x->first[j] <= i);
        amm_objective_stage(out, x->t[j] - x->t[i], x->u[j] - x->u[i], after(x, e, j),
                            stage_d(c, x, i, j), x->rho);
    }
    return ok;
}

/* ---- descent over M, under a limit on d ------------------------------------------------------ */

typedef struct best {
    bool found;
    double v;   /* A max t + sum */
    limits lim; /* a pass under these reproduces it */
} best;

static void keep(best *b, const amm_solution *s, double a, double d)
{
    const double v = a * s->parts.max_t + s->parts.sum;
    if (!b->found || v < b->v || (v == b->v && s->parts.max_t < b->lim.m)) {
        b->found = true;
        b->v = v;
        b->lim.m = s->parts.max_t;
        b->lim.d = d;
    }
}

/* Largest max t that a solution with sum >= sum can have and still give A max t + sum <= v. */
static double room_for_t(double v, double sum, double a)
{
    return a > 0.0 ? (v - sum) / a * (1.0 + 4e-16) : HUGE_VAL;
}

/* Minimal v = A max t + sum under d <= dlimit, with the smallest max t among equals; only values
 * <= upper are looked for. */
static void descend_m(const amm_solve_config *c, scratch *x, double dlimit, double upper, best *b,
                      amm_solution *out)
{
    limits lim = { HUGE_VAL, dlimit };
    b->found = false;
    b->v = upper;
    if (!pass(c, x, lim, out)) {
        return;
    }
    const double least_sum = out->parts.sum;
    if (least_sum > upper) {
        return;
    }
    const double widest = out->parts.max_t;
    if (c->a * widest + least_sum <= upper) {
        keep(b, out, c->a, dlimit);
    }
    double narrow = widest;
    const double floor_m = bisect_floor(c, lim, &narrow, 0);
    double sum = least_sum;
    if (c->a > 0.0) {
        /* A tight upper bound early: the narrowest that the probe lets through. */
        lim.m = narrow;
        if (lim.m < widest && pass(c, x, lim, out) &&
            c->a * out->parts.max_t + out->parts.sum <= b->v) {
            keep(b, out, c->a, dlimit);
        }
    }
    double m = fmin(below(widest), room_for_t(b->v, sum, c->a));
    while (m > floor_m) {
        lim.m = m;
        if (!pass(c, x, lim, out)) {
            break;
        }
        sum = out->parts.sum;
        if (c->a * out->parts.max_t + sum <= b->v) {
            keep(b, out, c->a, dlimit);
        } else if (c->a == 0.0) {
            break; /* the sum has grown: no smaller max t has the least sum */
        }
        m = fmin(below(out->parts.max_t), room_for_t(b->v, sum, c->a));
    }
}

/* ---- descent over D -------------------------------------------------------------------------- */

static bool has_d(const amm_solve_config *c)
{
    for (int32_t s = 0; s < c->stages; s++) {
        for (int32_t k = 0; k < c->stage[s].entry_count; k++) {
            if (c->stage[s].entries[k].d != NULL || c->stage[s].entries[k].rho > 0.0) {
                return true;
            }
        }
    }
    return false;
}

/* v never falls as the limit on d does, so: take the best v under the limit and the d of its
 * solution, lower the limit below that d, and stop when v plus the least possible d has no chance.
 * The last winner among equals has the smallest d, and descend_m gave it the smallest max t. */
amm_status amm_solve(amm_solver *solver, amm_solution *out, int32_t *cuts, int32_t *entry,
                     const amm_solve_config *c, double upper)
{
    scratch x;
    amm_solution work = { 0 };
    double total = upper;
    double dlimit = HUGE_VAL;
    double floor_d = 0.0;
    const bool with_d = has_d(c);
    memset(out, 0, sizeof *out);
    AMM_TRY(scratch_of(solver, &x, c->layers, c->stages));
    for (bool first = true;; first = false) {
        best b;
        descend_m(c, &x, dlimit, total - floor_d, &b, &work);
        if (!b.found) {
            break;
        }
        (void)pass(c, &x, b.lim, &work);
        const double d = work.parts.max_d;
        if (b.v + d < total || (b.v + d == total && (!out->feasible || d < out->parts.max_d))) {
            *out = work;
            out->feasible = true;
            memcpy(cuts, x.cuts, ((size_t)c->stages + 1) * sizeof *cuts);
            memcpy(entry, x.chosen, (size_t)c->stages * sizeof *entry);
            total = b.v + d;
        }
        if (first && with_d) {
            const limits any = { HUGE_VAL, HUGE_VAL };
            double least = d;
            floor_d = fmax(0.0, bisect_floor(c, any, &least, 1));
        }
        dlimit = fmin(below(d), total - b.v);
        if (!with_d || dlimit < floor_d || b.v + floor_d > total) {
            break;
        }
    }
    out->total = out->feasible ? amm_objective_total(&out->parts, c->a) : 0.0;
    out->passes = work.passes;
    return AMM_OK;
}

bool amm_solve_probe(const amm_solve_config *config, double m, double d)
{
    const limits lim = { m, d };
    return probe(config, lim, NULL);
}

/* The least that stage s can pay for where it ends. */
static double least_after(const amm_solve_config *c, int32_t s)
{
    const bool last = s + 1 == c->stages;
    const double *e = last ? NULL : c->stage[s].e;
    double least = HUGE_VAL;
    for (int32_t k = 0; k < c->stage[s].entry_count; k++) {
        const amm_solve_entry *x = &c->stage[s].entries[k];
        if (e == NULL && x->end == NULL) {
            return 0.0;
        }
        for (int32_t j = last ? c->layers : s + 1; j <= c->layers - (c->stages - 1 - s); j++) {
            least = fmin(least, after(x, e, j));
        }
    }
    return least;
}

double amm_solve_least_sum(const amm_solve_config *c)
{
    double sum = 0.0;
    for (int32_t l = 0; l < c->layers; l++) {
        double least = HUGE_VAL;
        for (int32_t s = 0; s < c->stages; s++) {
            for (int32_t k = 0; k < c->stage[s].entry_count; k++) {
                const double *u = c->stage[s].entries[k].u;
                least = fmin(least, u[l + 1] - u[l]);
            }
        }
        sum += least;
    }
    for (int32_t s = 0; s < c->stages; s++) {
        sum += least_after(c, s);
    }
    return sum;
}

double amm_solve_bound(const amm_solve_config *c)
{
    const limits any = { HUGE_VAL, HUGE_VAL };
    if (!probe(c, any, NULL)) {
        return HUGE_VAL;
    }
    double widest = 0.0;
    double latest = 0.0;
    for (int32_t s = 0; s < c->stages; s++) {
        for (int32_t k = 0; k < c->stage[s].entry_count; k++) {
            const amm_solve_entry *x = &c->stage[s].entries[k];
            widest = fmax(widest, x->t[c->layers]);
            latest = fmax(latest, fmax(x->rho, x->d == NULL ? 0.0 : x->d[c->layers]));
        }
    }
    return c->a * fmax(0.0, bisect_floor(c, any, &widest, 0)) + amm_solve_least_sum(c) +
           fmax(0.0, bisect_floor(c, any, &latest, 1));
}

static double largest(const double *values, int32_t count)
{
    double most = 0.0;
    for (int32_t k = 0; values != NULL && k < count; k++) {
        most = fmax(most, values[k]);
    }
    return most;
}

double amm_solve_worst(const amm_solve_config *c)
{
    double sum = 0.0;
    double longest = 0.0;
    double end = 0.0;
    for (int32_t l = 0; l < c->layers; l++) {
        double slowest = 0.0;
        for (int32_t s = 0; s < c->stages; s++) {
            const amm_solve_stage *stage = &c->stage[s];
            for (int32_t k = 0; k < stage->entry_count; k++) {
                slowest = fmax(slowest, stage->entries[k].u[l + 1] - stage->entries[k].u[l]);
            }
        }
        sum += slowest;
    }
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_solve_stage *stage = &c->stage[s];
        sum += s + 1 < c->stages ? largest(stage->e, c->layers + 1) : 0.0;
        double after = 0.0;
        for (int32_t k = 0; k < stage->entry_count; k++) {
            const amm_solve_entry *x = &stage->entries[k];
            after = fmax(after, largest(x->end, c->layers + 1));
            longest = fmax(longest, x->t[c->layers]);
            end = fmax(end, fmax(x->rho, x->d == NULL ? 0.0 : x->d[c->layers]));
        }
        sum += after;
    }
    return sum + longest + end;
}
