/* Kernel text: the exact partition of a config, and a floor under all of them. The method is that of
 * backend/solve.h in integers: greedy probes bound the cuts, a dynamic programme finds the least sum
 * under limits (M, D), M and D descend. Starts form a window for every end, so that few are tried:
 * lanes over ends against one start after the other beat queues. Included by path.h. */

/* A stage is allowed iff t <= m and max(d - o, rho) <= d. Integers, or infinite. */
typedef struct limits {
    float m, d;
} limits;

/* A config with its tables found. */
typedef struct instance {
    const amm_problem *p;
    const amm_problem_config *c;
    const float *o;
    int32_t items, stages;
} instance;

typedef struct item_tables {
    const float *t, *u, *d;
    const uint16_t *window;
    float rho;
} item_tables;

static inline item_tables tables_of(const instance *x, int32_t entry)
{
    const amm_problem_entry *y = &x->p->entries[entry];
    const item_tables out = { amm_problem_table(x->p, y->t), amm_problem_table(x->p, y->u),
                              amm_simd_table(x->p, y->d), amm_simd_window(x->p, y->window),
                              y->rho };
    return out;
}

static inline const amm_problem_stage *stage_of(const instance *x, int32_t s)
{
    return &x->p->stages[x->c->stage + s];
}

static inline bool allowed(const instance *x, const item_tables *y, int32_t i, int32_t j,
                           limits lim)
{
    return y->t[j] - y->t[i] <= lim.m && (y->window == NULL || y->window[j] <= i) &&
           (y->d == NULL || y->d[j] - y->d[i] - amm_simd_at(x->o, i) <= lim.d);
}

/* ---- probes ------------------------------------------------------------------------------------ */

static const uint32_t every_lane = (uint32_t)((UINT64_C(1) << LANES) - 1);

/* Furthest end that the entry reaches from i. Ends up to i are allowed, and so is what pads tables. */
static int32_t entry_reach(const instance *x, const item_tables *y, int32_t i, limits lim)
{
    const lanes ti = lanes_splat(y->t[i]);
    const lanes di = lanes_splat(amm_simd_at(y->d, i));
    const lanes oi = lanes_splat(amm_simd_at(x->o, i));
    const bool with_d = y->d != NULL && lim.d < HUGE_VALF;
    for (int32_t j = (i + 1) & BLOCK; j <= x->items; j += LANES) {
        uint32_t bits = lanes_bits(lanes_le(lanes_load(y->t + j) - ti, lanes_splat(lim.m)));
        if (with_d) {
            bits &= lanes_bits(lanes_le(lanes_load(y->d + j) - di - oi, lanes_splat(lim.d)));
        }
        if (y->window != NULL) {
            bits &= lanes_bits(lanes_le(lanes_from_u16(y->window + j), lanes_splat((float)i)));
        }
        if (bits != every_lane) {
            const int32_t end = j + __builtin_ctz(~bits) - 1;
            return end < x->items ? end : x->items;
        }
    }
    return x->items;
}

/* Smallest start from which the entry reaches j. */
static int32_t entry_reach_back(const instance *x, const item_tables *y, int32_t j, limits lim)
{
    const lanes tj = lanes_splat(y->t[j]);
    const lanes dj = lanes_splat(amm_simd_at(y->d, j));
    const bool with_d = y->d != NULL && lim.d < HUGE_VALF;
    int32_t start = 0;
    for (int32_t i = (j - 1) & BLOCK; i >= 0; i -= LANES) {
        uint32_t bits = lanes_bits(lanes_le(tj - lanes_load(y->t + i), lanes_splat(lim.m)));
        if (with_d) {
            const lanes o = x->o == NULL ? lanes_splat(0.0f) : lanes_load(x->o + i);
            bits &= lanes_bits(lanes_le(dj - lanes_load(y->d + i) - o, lanes_splat(lim.d)));
        }
        if (j - i < LANES) {
            bits |= every_lane << (j - i);
        }
        bits = ~bits & every_lane;
        if (bits != 0) {
            start = i + 32 - __builtin_clz(bits);
            break;
        }
    }
    return y->window != NULL && y->window[j] > start ? y->window[j] : start;
}

/* Greedy: every stage goes as far as it can; false: surely nothing within the limits. `high`
 * [stages + 1] (or NULL): upper bounds of the cuts. */
static bool probe(const instance *x, limits lim, int32_t *high)
{
    int32_t at = 0;
    for (int32_t s = 0; s < x->stages; s++) {
        const amm_problem_stage *stage = stage_of(x, s);
        const int32_t room = x->items - (x->stages - 1 - s);
        int32_t best = at;
        for (int32_t k = 0; k < stage->entry_count; k++) {
            const item_tables y = tables_of(x, stage->entry + k);
            const int32_t end = y.rho <= lim.d ? entry_reach(x, &y, at, lim) : at;
            best = best > end ? best : end;
        }
        at = best < room ? best : room;
        if (at < s + 1) {
            return false;
        }
        if (high != NULL) {
            high[s + 1] = at;
        }
    }
    return at == x->items;
}

static bool bounds_of_cuts(const instance *x, amm_simd_solver *z, limits lim)
{
    z->high[0] = 0;
    if (!probe(x, lim, z->high)) {
        return false;
    }
    z->low[x->stages] = x->items;
    for (int32_t s = x->stages - 1; s >= 0; s--) {
        const amm_problem_stage *stage = stage_of(x, s);
        int32_t best = z->low[s + 1];
        for (int32_t k = 0; k < stage->entry_count; k++) {
            const item_tables y = tables_of(x, stage->entry + k);
            const int32_t start =
                y.rho <= lim.d ? entry_reach_back(x, &y, z->low[s + 1], lim) : best;
            best = best < start ? best : start;
        }
        z->low[s] = best > s ? best : s;
        if (z->low[s] > z->high[s]) {
            return false;
        }
    }
    return true;
}

/* The least integer above `low` (which surely fails) that the probe lets through as limit on t or, if
 * `on_d`, on d, to within low / 2^precision; `lim` with the limit infinite passes. *fails: the largest
 * that was seen to fail. */
static float least_limit(const instance *x, limits lim, bool on_d, float low, int precision,
                         float *fails)
{
    float high = 16777216.0f; /* no sum of ticks is */
    float step = floorf(fabsf(low) / 64.0f) + 1.0f;
    bool bracket = false;
    while (high - low > 1.0f && high - low > ldexpf(low, -precision)) {
        /* From below in growing steps: the least is near. */
        const float middle = bracket || low + step >= high ? floorf((low + high) / 2) : low + step;
        *(on_d ? &lim.d : &lim.m) = middle;
        if (probe(x, lim, NULL)) {
            high = middle;
            bracket = true;
        } else {
            low = middle;
            step *= 4.0f;
        }
    }
    *fails = low;
    return high;
}

/* Sum over items of the cheapest value of any stage. */
static double cheapest(const instance *x, bool of_t)
{
    float least[AMM_SIMD_SOLVE_ITEMS + 1 + LANES];
    double sum = 0.0;
    const float *before = NULL;
    for (int32_t l = 0; l < x->items; l++) {
        least[l] = HUGE_VALF;
    }
    for (int32_t s = 0; s < x->stages; s++) {
        /* No item costs less in a later entry. */
        const item_tables y = tables_of(x, stage_of(x, s)->entry);
        const float *table = of_t ? y.t : y.u;
        for (int32_t l = 0; table != before && l < x->items; l++) {
            const float one = table[l + 1] - table[l];
            least[l] = one < least[l] ? one : least[l];
        }
        before = table;
    }
    for (int32_t l = 0; l < x->items; l++) {
        sum += (double)least[l];
    }
    return sum;
}

/* The cheapest sum: items, and boundaries that leave every stage an item. */
static int64_t least_sum(const instance *x)
{
    double sum = cheapest(x, false);
    for (int32_t s = 0; s + 1 < x->stages; s++) {
        const float *e = amm_simd_table(x->p, stage_of(x, s)->e);
        float least = HUGE_VALF;
        for (int32_t j = s + 1; e != NULL && j <= x->items - (x->stages - 1 - s); j++) {
            least = e[j] < least ? e[j] : least;
        }
        sum += e == NULL ? 0.0 : (double)least;
    }
    return (int64_t)sum;
}

/* An integer that surely fails as limit on t: below the mean of the cheapest. */
static float failing_t(const instance *x)
{
    return (float)((int64_t)ceil(cheapest(x, true) / x->stages) - 1);
}

static int64_t config_bound(const amm_problem *p, int32_t number)
{
    const amm_problem_config *c = &p->configs[number];
    const instance x = { p, c, amm_simd_table(p, c->o), p->items, c->stages };
    const limits any = { HUGE_VALF, HUGE_VALF };
    float fails = 0.0f;
    if (!probe(&x, any, NULL)) {
        return AMM_TICKS_NONE;
    }
    const float m = least_limit(&x, any, false, failing_t(&x), 30, &fails);
    const float d = least_limit(&x, any, true, -1.0f, 30, &fails);
    return amm_ticks_exact(m, d, c->a) + least_sum(&x);
}

/* ---- one pass: the least sum under limits ------------------------------------------------------ */

/* Stage s through one entry: g[j] = min over i of f[i] + u (i, j] + e(j), lanes along j. Ties keep the
 * smallest start. */
static inline void relax(const instance *x, amm_simd_solver *z, int32_t s, const item_tables *y,
                         limits lim, bool with_d, bool with_window)
{
    const float *e = s + 1 < x->stages ? amm_simd_table(x->p, stage_of(x, s)->e) : NULL;
    float *start = z->start + (size_t)s * (size_t)x->p->stride;
    const lanes m = lanes_splat(lim.m);
    const lanes d = lanes_splat(lim.d);
    int32_t from = z->low[s];
    for (int32_t j = z->low[s + 1] & BLOCK; j <= z->high[s + 1]; j += LANES) {
        const int32_t first = j > z->low[s + 1] ? j : z->low[s + 1];
        const int32_t to = j + LANES - 1 <= z->high[s] ? j + LANES - 2 : z->high[s];
        while (from < first && from <= to && !allowed(x, y, from, first, lim)) {
            from++;
        }
        const lanes here = lanes_numbers(j);
        const lanes tj = lanes_load(y->t + j);
        const lanes dj = with_d ? lanes_load(y->d + j) : tj;
        const lanes wj = with_window ? lanes_from_u16(y->window + j) : tj;
        lanes uj = lanes_load(y->u + j);
        if (e != NULL) {
            uj = uj + lanes_load(e + j);
        }
        lanes best = lanes_load(z->g + j);
        lanes best_i = lanes_load(start + j);
        for (int32_t i = from; i <= to; i++) {
            const lanes at = lanes_splat((float)i);
            const lanes value = lanes_splat(z->f[i] - y->u[i]) + uj;
            lanes_mask fits =
                lanes_both(lanes_le(tj - lanes_splat(y->t[i]), m), lanes_lt(at, here));
            if (with_d) {
                const lanes late = dj - lanes_splat(y->d[i]) - lanes_splat(amm_simd_at(x->o, i));
                fits = lanes_both(fits, lanes_le(late, d));
            }
            if (with_window) {
                fits = lanes_both(fits, lanes_le(wj, at));
            }
            /* Equal: only a start that an entry before this one put there can be larger. */
            const lanes_mask better = lanes_both(fits, lanes_lt(value, best));
            const lanes_mask equal =
                lanes_both(lanes_both(fits, lanes_le(value, best)), lanes_lt(at, best_i));
            best_i = lanes_select(equal, at, lanes_select(better, at, best_i));
            best = lanes_select(better, value, best);
        }
        lanes_store(z->g + j, best);
        lanes_store(start + j, best_i);
    }
}

static void relax_stage(const instance *x, amm_simd_solver *z, int32_t s, limits lim)
{
    const amm_problem_stage *stage = stage_of(x, s);
    const int32_t first = z->low[s + 1] & BLOCK;
    for (int32_t j = first; j < ((z->high[s + 1] + LANES) & BLOCK); j++) {
        z->g[j] = HUGE_VALF;
        z->start[(size_t)s * (size_t)x->p->stride + (size_t)j] = HUGE_VALF;
    }
    for (int32_t k = 0; k < stage->entry_count; k++) {
        const item_tables y = tables_of(x, stage->entry + k);
        const bool with_d = y.d != NULL && lim.d < HUGE_VALF;
        if (y.rho > lim.d) {
            continue;
        }
        if (with_d && y.window != NULL) {
            relax(x, z, s, &y, lim, true, true);
        } else if (with_d) {
            relax(x, z, s, &y, lim, true, false);
        } else if (y.window != NULL) {
            relax(x, z, s, &y, lim, false, true);
        } else {
            relax(x, z, s, &y, lim, false, false);
        }
    }
}

/* Parts of the partition, each stage by its first admitting entry. */
static amm_simd_parts parts_of(const instance *x, const int32_t *cuts)
{
    amm_simd_parts parts = amm_simd_parts_start_of(0.0f);
    for (int32_t s = 0; s < x->stages; s++) {
        (void)add_stage(&parts, x->p, x->c, s, cuts[s], cuts[s + 1]);
    }
    return parts;
}

/* Cuts in z->cuts. False: none within the limits. */
static bool pass(const instance *x, amm_simd_solver *z, limits lim, amm_simd_parts *out,
                 int32_t *passes)
{
    (*passes)++;
    if (!bounds_of_cuts(x, z, lim)) {
        return false;
    }
    z->f[0] = 0.0f;
    for (int32_t s = 0; s < x->stages; s++) {
        relax_stage(x, z, s, lim);
        float *swap = z->f;
        z->f = z->g;
        z->g = swap;
    }
    if (z->f[x->items] == HUGE_VALF) {
        return false;
    }
    z->cuts[x->stages] = x->items;
    for (int32_t s = x->stages - 1; s >= 0; s--) {
        z->cuts[s] = (int32_t)z->start[(size_t)s * (size_t)x->p->stride + (size_t)z->cuts[s + 1]];
    }
    *out = parts_of(x, z->cuts);
    return true;
}

/* ---- descent ----------------------------------------------------------------------------------- */

typedef struct best {
    bool found;
    int64_t v; /* A max t + sum; before anything is found: the largest of use */
    limits lim;
} best;

static void keep(best *b, const amm_simd_parts *s, int32_t a, float d)
{
    const int64_t v = amm_ticks_exact(s->max_t, s->sum, a);
    if (v < b->v || (v == b->v && (!b->found || s->max_t < b->lim.m))) {
        *b = (best){ true, v, { s->max_t, d } };
    }
}

/* Largest max t with which a sum can still give v. */
static float room_for_t(int64_t v, int64_t sum, int32_t a)
{
    const int64_t room = a == 0 ? INT64_MAX : (v - sum) / a;
    return v < sum ? -1.0f : room < 16777216 ? (float)room : HUGE_VALF;
}

/* The least v under d <= dlimit, with the smallest max t among equals. `sum`: no partition has less. */
static void descend_m(const instance *x, amm_simd_solver *z, float dlimit, int64_t sum, best *b,
                      int32_t *passes)
{
    const int32_t a = x->c->a;
    limits lim = { HUGE_VALF, dlimit };
    amm_simd_parts parts;
    float fails = -1.0f;
    if (!probe(x, lim, NULL)) {
        return;
    }
    if (a > 0) {
        /* A tight upper bound early: the narrowest that the probe lets through. */
        lim.m = least_limit(x, lim, false, failing_t(x), 9, &fails);
        if (pass(x, z, lim, &parts, passes)) {
            keep(b, &parts, a, dlimit);
        }
    }
    lim.m = room_for_t(b->v, sum, a);
    while (lim.m > fails && pass(x, z, lim, &parts, passes)) {
        sum = (int64_t)parts.sum;
        if (a == 0 && b->found && sum > b->v) {
            break; /* no smaller max t has the least sum */
        }
        keep(b, &parts, a, dlimit);
        const float room = room_for_t(b->v, sum, a);
        lim.m = room < parts.max_t - 1.0f ? room : parts.max_t - 1.0f;
    }
}

static bool has_d(const instance *x)
{
    for (int32_t s = 0; s < x->stages; s++) {
        const amm_problem_stage *stage = stage_of(x, s);
        for (int32_t k = 0; k < stage->entry_count; k++) {
            const amm_problem_entry *y = &x->p->entries[stage->entry + k];
            if (y->d != AMM_NO_TABLE || y->rho > 0.0f) {
                return true;
            }
        }
    }
    return false;
}

static void take_solution(amm_solved *out, uint16_t *cuts, const instance *x,
                          const amm_simd_solver *z, const amm_simd_parts *parts)
{
    out->total = amm_ticks_exact(parts->max_t, parts->sum + parts->max_d, x->c->a);
    out->max_t = parts->max_t;
    out->sum = parts->sum;
    out->max_d = parts->max_d;
    for (int32_t s = 0; s <= x->stages; s++) {
        cuts[s] = (uint16_t)z->cuts[s];
    }
}

/* v never falls as the limit on d does: the best v under the limit and the d of its solution, then
 * the limit goes below that d, until v plus the least possible d has no chance. */
static void solve_config(amm_simd_solver *z, amm_solved *out, uint16_t *cuts, int64_t upper,
                         const amm_problem *p, int32_t number)
{
    const amm_problem_config *c = &p->configs[number];
    const instance x = { p, c, amm_simd_table(p, c->o), p->items, c->stages };
    const bool with_d = has_d(&x);
    const int64_t sum = least_sum(&x);
    float dlimit = HUGE_VALF;
    float floor_d = 0.0f;
    int64_t total = upper == AMM_TICKS_NONE ? upper - 1 : upper;
    *out = (amm_solved){ AMM_TICKS_NONE, 0.0f, 0.0f, 0.0f, 0 };
    if (total < sum) {
        return;
    }
    for (bool first = true;; first = false) {
        best b = { .v = total - (int64_t)floor_d };
        amm_simd_parts parts;
        descend_m(&x, z, dlimit, sum, &b, &out->passes);
        if (!b.found || !pass(&x, z, b.lim, &parts, &out->passes)) {
            break;
        }
        const int64_t here = b.v + (int64_t)parts.max_d;
        if (here < total ||
            (here == total && (out->total == AMM_TICKS_NONE || parts.max_d < out->max_d))) {
            take_solution(out, cuts, &x, z, &parts);
            total = here;
        }
        if (first && with_d) {
            const limits any = { HUGE_VALF, HUGE_VALF };
            float fails = -1.0f;
            (void)least_limit(&x, any, true, -1.0f, 9, &fails);
            floor_d = fails + 1.0f;
        }
        const int64_t room = total - b.v;
        dlimit = (float)room < parts.max_d ? (float)room : parts.max_d - 1.0f;
        if (!with_d || dlimit < floor_d || b.v + (int64_t)floor_d > total) {
            break;
        }
    }
}
