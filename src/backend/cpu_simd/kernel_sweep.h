/* Kernel text: every partition of a config. Prefix stages one partition after the other; the last two
 * cuts (b, c) as a tile of table look-ups, lanes along c. Included by path.h. */

/* ---- a config made ready ----------------------------------------------------------------------- */

/* Furthest end that the window admits from i, at least `from`. */
static int32_t window_reach(const uint16_t *window, int32_t i, int32_t from, int32_t items)
{
    int32_t high = items + 1;
    if (window == NULL) {
        return items;
    }
    while (high - from > 1) { /* from: admitted, or where the search began */
        const int32_t middle = from + (high - from) / 2;
        if (window[middle] <= i) {
            from = middle;
        } else {
            high = middle;
        }
    }
    return from;
}

/* One entry's t, u + e, max(d - o, rho) over (i, j], j in (from, end] and perhaps some beyond. */
static void entry_row(float *out, const amm_simd_walk *w, const amm_problem_entry *x,
                      const float *e, int32_t i, int32_t from, int32_t end)
{
    const amm_problem *p = w->problem;
    const float *t = amm_problem_table(p, x->t);
    const float *u = amm_problem_table(p, x->u);
    const float *d = amm_simd_table(p, x->d);
    const lanes ti = lanes_splat(t[i]);
    const lanes ui = lanes_splat(u[i]);
    const lanes di = lanes_splat(amm_simd_at(d, i));
    const lanes oi = lanes_splat(amm_simd_at(amm_simd_table(p, p->configs[w->number].o), i));
    const lanes rho = lanes_splat(x->rho);
    for (int32_t j = (from + 1) & BLOCK; j <= end; j += LANES) {
        const lanes_mask own = lanes_lt(lanes_splat((float)from), lanes_numbers(j));
        float *at = out + j;
        lanes uj = lanes_load(u + j) - ui;
        lanes late = rho;
        if (e != NULL) {
            uj = lanes_load(u + j) + lanes_load(e + j) - ui;
        }
        if (d != NULL) {
            late = lanes_max(lanes_load(d + j) - di - oi, rho);
        }
        lanes_store(at, lanes_select(own, lanes_load(t + j) - ti, lanes_load(at)));
        at += w->stride;
        lanes_store(at, lanes_select(own, uj, lanes_load(at)));
        at += w->stride;
        lanes_store(at, lanes_select(own, late, lanes_load(at)));
    }
}

/* t, u + e, max(d - o, rho) of stage s < S - 1 over (i, j] for all j > i by its first admitting
 * entry; infinite where there is none. `out` [3][stride]; up to i nothing that is read. Returns the
 * furthest end. */
static int32_t stage_row(float *out, const amm_simd_walk *w, int32_t s, int32_t i)
{
    const amm_problem *p = w->problem;
    const amm_problem_config *c = &p->configs[w->number];
    const amm_problem_stage *stage = &p->stages[c->stage + s];
    const float *e = amm_simd_table(p, stage->e);
    const lanes infinite = lanes_splat(HUGE_VALF);
    const size_t past = w->stride - LANES;
    int32_t at = i;
    for (int32_t k = 0; k < stage->entry_count; k++) {
        const amm_problem_entry *x = &p->entries[stage->entry + k];
        const int32_t end = window_reach(amm_simd_window(p, x->window), i, at, p->items);
        entry_row(out, w, x, e, i, at, end);
        at = end;
    }
    for (float *row = out; row < out + 3 * w->stride; row += w->stride) {
        for (size_t j = (size_t)at + 1; j < w->stride; j += LANES) {
            lanes_store(row + (j < past ? j : past), infinite);
        }
    }
    return at;
}

static inline amm_lanes load_parts(const float *rows, size_t stride, size_t at)
{
    const amm_lanes out = { lanes_load(rows + at), lanes_load(rows + stride + at),
                            lanes_load(rows + 2 * stride + at) };
    return out;
}

/* t, u, max(d - o, rho) of the last stage over (i, items] for all i, in w->last: by its first
 * admitting entry, infinite where there is none. w->last_from: from there on there is one. */
static void last_row(amm_simd_walk *w)
{
    const amm_problem *p = w->problem;
    const amm_problem_config *c = &p->configs[w->number];
    const amm_problem_stage *stage = &p->stages[c->stage + c->stages - 1];
    const size_t end = (size_t)p->items;
    const float *o = amm_simd_table(p, c->o);
    for (size_t i = 0; i < 3 * w->stride; i++) {
        w->last[i] = HUGE_VALF;
    }
    for (int32_t k = stage->entry_count - 1; k >= 0; k--) { /* the first that admits comes last */
        const amm_problem_entry *x = &p->entries[stage->entry + k];
        const uint16_t *window = amm_simd_window(p, x->window);
        const float from = window == NULL ? 0.0f : (float)window[end];
        const float *t = amm_problem_table(p, x->t);
        const float *u = amm_problem_table(p, x->u);
        const float *d = amm_simd_table(p, x->d);
        const lanes dn = lanes_splat(amm_simd_at(d, p->items));
        for (size_t i = 0; i < end; i += LANES) {
            const lanes at = lanes_numbers((int32_t)i);
            const lanes_mask own =
                lanes_both(lanes_le(lanes_splat(from), at), lanes_lt(at, lanes_splat((float)end)));
            lanes late = lanes_splat(x->rho);
            if (d != NULL) {
                const lanes offset = o != NULL ? lanes_load(o + i) : lanes_splat(0.0f);
                late = lanes_max(dn - lanes_load(d + i) - offset, late);
            }
            float *out = w->last + i;
            lanes_store(
                out, lanes_select(own, lanes_splat(t[end]) - lanes_load(t + i), lanes_load(out)));
            out += w->stride;
            lanes_store(
                out, lanes_select(own, lanes_splat(u[end]) - lanes_load(u + i), lanes_load(out)));
            out += w->stride;
            lanes_store(out, lanes_select(own, late, lanes_load(out)));
        }
    }
    w->last_from = 0;
    for (int32_t i = c->stages - 1; i < p->items; i++) {
        w->last_from = w->last[i] == HUGE_VALF ? i + 1 : w->last_from;
    }
}

static inline float least_lane(lanes x)
{
    float values[LANES];
    lanes_store(values, x);
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; k++) {
            values[k] = values[k + half] < values[k] ? values[k + half] : values[k];
        }
    }
    return values[0];
}

/* least after (s, i): in `best` the least parts of the lanes. */
static void put_least(amm_simd_walk *w, const amm_lanes *best, int32_t s, int32_t i)
{
    float *out = w->least + (size_t)s * 3 * w->stride + i;
    out[0] = least_lane(best->max_t);
    out[w->stride] = least_lane(best->sum);
    out[2 * w->stride] = least_lane(best->max_d);
}

static inline void keep_least(amm_lanes *best, const amm_lanes *parts)
{
    best->max_t = lanes_min(best->max_t, parts->max_t);
    best->sum = lanes_min(best->sum, parts->sum);
    best->max_d = lanes_min(best->max_d, parts->max_d);
}

/* least after (s, i), from the stage's row up to `end` and least after (s + 1, j). */
static void fill_least(amm_simd_walk *w, const float *row, int32_t s, int32_t i, int32_t end)
{
    const float *next = w->least + (size_t)(s + 1) * 3 * w->stride;
    const lanes infinite = lanes_splat(HUGE_VALF);
    amm_lanes best = { infinite, infinite, infinite };
    for (size_t j = (size_t)i + 1; j <= (size_t)end; j += LANES) {
        amm_lanes parts = load_parts(row, w->stride, j);
        const amm_lanes rest = load_parts(next, w->stride, j);
        amm_lanes_join(&parts, &rest);
        keep_least(&best, &parts);
    }
    put_least(w, &best, s, i);
}

/* The lanes of row b of the tile: stage S - 2 over (b, c], c up to `end`, and the last one over
 * (c, items], c from w->last_from. Also least after (S - 2, b). */
static size_t pack_pairs(amm_simd_walk *w, const float *row, int32_t b, int32_t end, size_t at)
{
    const int32_t from = b + 1 > w->last_from ? b + 1 : w->last_from;
    const int32_t most = end + 1 < w->problem->items ? end + 1 : w->problem->items;
    const int32_t to = most > from ? most : from;
    w->from[b] = from;
    w->count[b] = to - from;
    w->vectors[b] = (to - from + LANES - 1) / LANES;
    w->pair[b] = at; /* and that of b + 1 is where it ends */
    const lanes infinite = lanes_splat(HUGE_VALF);
    amm_lanes best = { infinite, infinite, infinite };
    for (int32_t v = 0; v < w->vectors[b]; v++, at += 3 * LANES) {
        const size_t c = (size_t)(from + v * LANES);
        amm_lanes parts = load_parts(row, w->stride, c);
        const amm_lanes last = load_parts(w->last, w->stride, c);
        amm_lanes_join(&parts, &last); /* past `to` one of the two is infinite */
        lanes_store(w->pairs + at, parts.max_t);
        lanes_store(w->pairs + at + LANES, parts.sum);
        lanes_store(w->pairs + at + 2 * LANES, parts.max_d);
        keep_least(&best, &parts);
    }
    put_least(w, &best, w->problem->configs[w->number].stages - 2, b);
    w->pair[b + 1] = at;
    return at;
}

static void fill_ranks(amm_simd_walk *w, int32_t stages)
{
    const size_t n = (size_t)w->problem->items + 1;
    memset(w->ranks, 0, ((size_t)stages + 1) * n * sizeof *w->ranks);
    w->ranks[(size_t)stages * n + n - 1] = 1;
    for (int32_t s = stages - 1; s >= 0; s--) {
        uint64_t *row = w->ranks + (size_t)s * n;
        for (size_t i = n - 1; i-- > (size_t)s;) { /* below s: never met, and perhaps too many */
            row[i] = row[i + 1] + row[n + i + 1];
        }
    }
}

static bool any_d(const amm_problem *p, const amm_problem_config *c)
{
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_stage *stage = &p->stages[c->stage + s];
        for (int32_t k = 0; k < stage->entry_count; k++) {
            const amm_problem_entry *x = &p->entries[stage->entry + k];
            if (x->d != AMM_NO_TABLE || x->rho > 0.0f) {
                return true;
            }
        }
    }
    return false;
}

static void walk_prepare(amm_simd_walk *w)
{
    const amm_problem *p = w->problem;
    const int32_t stages = p->configs[w->number].stages;
    const size_t block = 3 * w->stride;
    float row[3 * (AMM_SIMD_ROWS + 2 * AMM_SIMD_PAD)] = { 0 };
    fill_ranks(w, stages);
    for (size_t k = 0; k < (size_t)stages * block; k++) {
        w->least[k] = HUGE_VALF;
    }
    w->with_d = any_d(p, &p->configs[w->number]);
    last_row(w);
    for (int32_t s = stages - 2; s >= 0; s--) {
        size_t at = 0;
        for (int32_t i = s; i < p->items && (s > 0 || i == 0); i++) {
            float *out = s == stages - 3 ? w->middle + (size_t)i * block : row;
            const int32_t end = stage_row(out, w, s, i);
            if (s == stages - 2) {
                at = pack_pairs(w, row, i, end, at);
                w->counts[i + 1] = w->counts[i] + (uint64_t)w->count[i];
            } else {
                fill_least(w, out, s, i, end);
            }
        }
    }
}

/* ---- limits ------------------------------------------------------------------------------------ */

/* The key that a new one has to be less than, or NULL. */
static inline const amm_key *worst_key(const amm_simd_range *r)
{
    const amm_key *own =
        r->top.count > 0 && amm_top_full(&r->top) ? &r->top.keys[r->top.count - 1] : NULL;
    if (own == NULL || (r->worst != NULL && amm_key_less(r->worst, own))) {
        return r->worst;
    }
    return own;
}

static inline bool useless(const amm_simd_range *r, const amm_key *key)
{
    const amm_key *worst = worst_key(r);
    return key->cost > r->upper || (worst != NULL && !amm_key_less(key, worst));
}

/* Totals (perhaps rounded twice) above this are of no use. */
static inline float filter_limit(const amm_simd_range *r, int32_t scale)
{
    const amm_key *worst = worst_key(r);
    int64_t limit = r->upper;
    if (worst != NULL && worst->cost < limit) {
        limit = worst->cost;
    }
    if (limit < 0) {
        return -1.0f;
    }
    return limit == AMM_TICKS_NONE ? FLT_MAX : (float)(limit >> scale) * AMM_NEAR_SLACK;
}

/* ---- tiles ------------------------------------------------------------------------------------- */

/* Prefix stages up to p, rows b of [low, high], of which ranks [from, to) are wanted. */
typedef struct tile {
    int32_t p, low, high;
    uint64_t base, from, to;
} tile;

/* Rank of the first partition of row b. */
static inline uint64_t row_rank(const amm_simd_walk *w, const tile *x, int32_t b)
{
    const size_t n = (size_t)w->problem->items + 1;
    const int32_t s = w->problem->configs[w->number].stages - 3;
    return s < 0 ? x->base
                 : x->base + w->ranks[(size_t)s * n + (size_t)x->p] -
                       w->ranks[(size_t)s * n + (size_t)b - 1];
}

/* What row b adds to: parts before it, in all lanes. */
static inline amm_lanes_filter row_before(const amm_simd_walk *w, const amm_simd_range *r,
                                          int32_t b, bool with_d)
{
    const float *rec = r->record + b;
    const amm_lanes_filter out = { lanes_splat(rec[0]), lanes_splat(rec[w->stride]),
                                   lanes_splat(with_d ? rec[2 * w->stride] : 0.0f) };
    return out;
}

/* Totals of the lanes at `pair`, perhaps rounded twice. */
static inline lanes pair_totals(const float *pair, const amm_lanes_filter *before, lanes a,
                                bool with_d)
{
    const lanes zero = lanes_splat(0.0f);
    amm_lanes_filter parts = { lanes_load(pair), lanes_load(pair + LANES), zero };
    if (with_d) {
        parts.max_d = lanes_load(pair + 2 * LANES);
    }
    amm_lanes_filter_join(&parts, before);
    if (!with_d) {
        parts.max_d = zero; /* spares the maximum */
    }
    return amm_lanes_filter_total(&parts, a);
}

/* Offers lane `lane` of those at `pair` if it is wanted. */
static void offer_pair(const amm_simd_walk *w, amm_simd_range *r, const tile *x, int32_t b,
                       const float *pair, int lane, uint64_t rank)
{
    const amm_problem_config *c = &w->problem->configs[w->number];
    const float *rec = r->record + b;
    const amm_simd_parts rest = { pair[lane], pair[LANES + lane], pair[2 * LANES + lane] };
    amm_simd_parts parts = { rec[0], rec[w->stride], rec[2 * w->stride] };
    amm_simd_parts_join(&parts, &rest);
    const int64_t ticks = amm_ticks_exact(parts.max_t, parts.sum + parts.max_d, c->a);
    const amm_key key = { ticks << c->scale, c->id, rank };
    if (rank >= x->from && rank < x->to && !useless(r, &key)) {
        amm_top_offer(&r->top, key);
    }
}

/* Offers those of row b that pass. */
static void offer_row(const amm_simd_walk *w, amm_simd_range *r, const tile *x, int32_t b)
{
    const amm_problem_config *c = &w->problem->configs[w->number];
    const lanes a = lanes_splat((float)c->a);
    const amm_lanes_filter before = row_before(w, r, b, true);
    const uint64_t first = row_rank(w, x, b) + (uint64_t)(w->from[b] - b - 1);
    for (int32_t v = 0; v < w->vectors[b]; v++) {
        const float *pair = w->pairs + w->pair[b] + (size_t)v * 3 * LANES;
        const lanes limit = lanes_splat(filter_limit(r, c->scale));
        uint32_t bits = lanes_bits(lanes_le(pair_totals(pair, &before, a, true), limit));
        for (; bits != 0; bits &= bits - 1) {
            const int lane = __builtin_ctz(bits);
            offer_pair(w, r, x, b, pair, lane, first + (uint64_t)(v * LANES + lane));
        }
    }
}

/* Is any total of rows [low, high] within the limit? */
static inline bool rows_pass(const amm_simd_walk *w, const amm_simd_range *r, int32_t low,
                             int32_t high, float limit, bool with_d)
{
    const lanes a = lanes_splat((float)w->problem->configs[w->number].a);
    lanes least = lanes_splat(HUGE_VALF);
    const float *pair = w->pairs + w->pair[low];
    for (int32_t b = low; b <= high; b++) {
        const float *end = w->pairs + w->pair[b + 1];
        const amm_lanes_filter before = row_before(w, r, b, with_d);
        for (; pair < end; pair += 3 * LANES) {
            /* In this order: 0 times infinite, no number, is passed over. */
            least = lanes_min(pair_totals(pair, &before, a, with_d), least);
        }
    }
    return lanes_bits(lanes_le(least, lanes_splat(limit))) != 0;
}

/* Feasible partitions of row b with a rank below this. */
static uint64_t row_count_below(const amm_simd_walk *w, const tile *x, int32_t b, uint64_t rank)
{
    const uint64_t first = row_rank(w, x, b) + (uint64_t)(w->from[b] - b - 1);
    const uint64_t count = (uint64_t)w->count[b];
    return rank <= first ? 0 : rank - first < count ? rank - first : count;
}

enum { ROWS = 32 };

/* Costs of the tile are formed, and what may be among the keys is offered. */
static void score_tile(const amm_simd_walk *w, amm_simd_range *r, const tile *x)
{
    const amm_problem_config *c = &w->problem->configs[w->number];
    /* The first and the last row may be wanted in part. */
    r->count.scored += w->counts[x->high] - w->counts[x->low] +
                       row_count_below(w, x, x->high, x->to) -
                       row_count_below(w, x, x->low, x->from);
    /* Few rows at a time, so that little is looked through again. */
    for (int32_t b = x->low; b <= x->high; b += ROWS) {
        const int32_t high = b + ROWS - 1 < x->high ? b + ROWS - 1 : x->high;
        const float limit = filter_limit(r, c->scale);
        if (w->with_d ? rows_pass(w, r, b, high, limit, true)
                      : rows_pass(w, r, b, high, limit, false)) {
            for (int32_t k = b; k <= high; k++) {
                offer_row(w, r, x, k);
            }
        }
    }
}

/* Parts before b for all b of [low, high]: prefix and stage S - 3. Trims the rows at either end that
 * cannot hold a key. False: none is left. */
static bool tile_records(const amm_simd_walk *w, amm_simd_range *r, const amm_simd_parts *prefix,
                         tile *x)
{
    const amm_problem_config *c = &w->problem->configs[w->number];
    const float *middle = w->middle + (size_t)x->p * 3 * w->stride;
    const float *after = w->least + (size_t)(c->stages - 2) * 3 * w->stride;
    const amm_lanes before = { lanes_splat(prefix->max_t), lanes_splat(prefix->sum),
                               lanes_splat(prefix->max_d) };
    const lanes a = lanes_splat((float)c->a);
    const lanes limit = lanes_splat(r->prune ? filter_limit(r, c->scale) : FLT_MAX);
    int32_t first = INT32_MAX;
    int32_t last = -1;
    for (int32_t b = x->low; b <= x->high; b += LANES) {
        amm_lanes parts = load_parts(middle, w->stride, (size_t)b);
        const amm_lanes rest = load_parts(after, w->stride, (size_t)b);
        amm_lanes_join(&parts, &before);
        lanes_store(r->record + b, parts.max_t);
        lanes_store(r->record + w->stride + b, parts.sum);
        lanes_store(r->record + 2 * w->stride + b, parts.max_d);
        amm_lanes_join(&parts, &rest);
        const uint32_t bits = lanes_bits(lanes_le(amm_lanes_total(&parts, a), limit));
        if (bits != 0) {
            first = first < b + __builtin_ctz(bits) ? first : b + __builtin_ctz(bits);
            last = b + 31 - __builtin_clz(bits);
        }
    }
    x->low = first;
    x->high = last < x->high ? last : x->high;
    return x->low <= x->high;
}

/* Ranks [r->from, end) of the tile that begins at `base`. */
static void walk_tile(const amm_simd_walk *w, amm_simd_range *r, const amm_simd_parts *prefix,
                      int32_t p, uint64_t base, uint64_t end)
{
    const int32_t stages = w->problem->configs[w->number].stages;
    tile x = { p, p + 1, w->problem->items - 2, base, r->from, end < r->to ? end : r->to };
    while (x.low < x.high && row_rank(w, &x, x.low + 1) <= x.from) {
        x.low++;
    }
    while (x.low < x.high && row_rank(w, &x, x.high) >= x.to) {
        x.high--;
    }
    if (stages == 2) {
        x.low = x.high = 0;
        r->record[0] = r->record[w->stride] = r->record[2 * w->stride] = 0.0f;
        score_tile(w, r, &x);
    } else if (tile_records(w, r, prefix, &x)) {
        score_tile(w, r, &x);
    }
}

/* ---- prefixes ---------------------------------------------------------------------------------- */

/* Stage s over (i, j] by its first admitting entry; false: none. */
static bool add_stage(amm_simd_parts *parts, const amm_problem *p, const amm_problem_config *c,
                      int32_t s, int32_t i, int32_t j)
{
    const amm_problem_stage *stage = &p->stages[c->stage + s];
    for (int32_t k = 0; k < stage->entry_count; k++) {
        const amm_problem_entry *x = &p->entries[stage->entry + k];
        const uint16_t *window = amm_simd_window(p, x->window);
        if (window == NULL || window[j] <= i) {
            const float *t = amm_problem_table(p, x->t);
            const float *u = amm_problem_table(p, x->u);
            const float *d = amm_simd_table(p, x->d);
            const float *e = s + 1 == c->stages ? NULL : amm_simd_table(p, stage->e);
            const float late =
                amm_simd_at(d, j) - amm_simd_at(d, i) - amm_simd_at(amm_simd_table(p, c->o), i);
            amm_simd_parts_stage(parts, t[j] - t[i], u[j] - u[i], amm_simd_at(e, j), late, x->rho);
            return true;
        }
    }
    return false;
}

/* Surely no key begins with these parts of stages before s, which end at item i. */
static bool hopeless(const amm_simd_walk *w, const amm_simd_range *r, const amm_simd_parts *parts,
                     int32_t s, int32_t i, uint64_t rank)
{
    const amm_problem_config *c = &w->problem->configs[w->number];
    const float *least = w->least + (size_t)s * 3 * w->stride + i;
    if (least[0] == HUGE_VALF) {
        return true;
    }
    const amm_simd_parts rest = { least[0], least[w->stride], least[2 * w->stride] };
    amm_simd_parts floor = *parts;
    amm_simd_parts_join(&floor, &rest);
    const int64_t ticks = amm_ticks_exact(floor.max_t, floor.sum + floor.max_d, c->a);
    const amm_key key = { ticks << c->scale, c->id, rank };
    return r->prune && useless(r, &key);
}

static void take(amm_simd_range *r, uint64_t end, uint64_t work)
{
    const uint64_t to = end < r->to ? end : r->to;
    r->count.covered += to - r->from;
    r->from = to;
    r->work = r->work > work ? r->work - work : 0;
}

/* Cut s moves on, those behind it start over: the first that changed; 0: none is left. */
static int32_t advance(int32_t *cuts, int32_t s, int32_t items, int32_t stages)
{
    while (s > 0 && cuts[s] == items - stages + s) {
        s--;
    }
    if (s > 0) {
        cuts[s]++;
        for (int32_t k = s + 1; k < stages; k++) {
            cuts[k] = cuts[k - 1] + 1;
        }
    }
    return s;
}

static void walk_one(const amm_simd_walk *w, amm_simd_range *r)
{
    const amm_problem *p = w->problem;
    const amm_problem_config *c = &p->configs[w->number];
    amm_simd_parts parts = amm_simd_parts_start_of(0.0f);
    if (add_stage(&parts, p, c, 0, 0, p->items)) {
        const int64_t ticks = amm_ticks_exact(parts.max_t, parts.sum + parts.max_d, c->a);
        const amm_key key = { ticks << c->scale, c->id, 0 };
        r->count.scored++;
        if (!useless(r, &key)) {
            amm_top_offer(&r->top, key);
        }
    }
    take(r, 1, 1);
}

/* From the first cut that changed to the tile: the depth whose prefix leads nowhere, or `depth`. */
static int32_t extend(const amm_simd_walk *w, amm_simd_range *r, int32_t changed, int32_t depth,
                      uint64_t *end)
{
    const amm_problem *p = w->problem;
    const size_t n = (size_t)p->items + 1;
    for (int32_t s = changed; s <= depth; s++) {
        const uint64_t *ranks = w->ranks + (size_t)(s - 1) * n;
        const int32_t i = r->cuts[s - 1];
        const int32_t j = r->cuts[s];
        r->base[s] = r->base[s - 1] + ranks[i] - ranks[j - 1];
        *end = r->base[s] + ranks[n + (size_t)j];
        r->parts[s] = r->parts[s - 1];
        if (!add_stage(&r->parts[s], p, &p->configs[w->number], s - 1, i, j) ||
            hopeless(w, r, &r->parts[s], s, j, r->base[s])) {
            return s;
        }
    }
    *end = r->base[depth] + w->ranks[(size_t)depth * n + (size_t)r->cuts[depth]];
    return 0;
}

enum { TILE_WORK = 64 }; /* costs that the rest of a tile or a skipped prefix is worth */

static void walk_range(const amm_simd_walk *w, amm_simd_range *r)
{
    const amm_problem *p = w->problem;
    const int32_t stages = p->configs[w->number].stages;
    const int32_t depth = stages > 3 ? stages - 3 : 0;
    int32_t changed = 1;
    r->base[0] = 0;
    r->parts[0] = amm_simd_parts_start_of(0.0f);
    if (stages == 1) {
        walk_one(w, r);
        return;
    }
    amm_partition_unrank(r->cuts, r->from, p->items, stages);
    if (hopeless(w, r, &r->parts[0], 0, 0, 0)) {
        take(r, r->to, TILE_WORK);
    }
    while (r->from < r->to && r->work > 0) {
        uint64_t end = 0;
        int32_t s = extend(w, r, changed, depth, &end);
        const uint64_t scored = r->count.scored;
        if (s == 0) {
            s = depth;
            walk_tile(w, r, &r->parts[depth], r->cuts[depth], r->base[depth], end);
        }
        take(r, end, TILE_WORK + r->count.scored - scored);
        changed = advance(r->cuts, s, p->items, stages);
    }
}
