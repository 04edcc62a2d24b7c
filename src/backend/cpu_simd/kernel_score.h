/* Kernel text: candidates. Included by path.h. */

/* Puts the lanes whose total passes the limit into the list. */
static void offer_lanes(amm_top *top, const amm_problem_config *c, const amm_lanes *parts,
                        uint32_t bits, uint64_t number)
{
    float max_t[LANES];
    float rest[LANES];
    lanes_store(max_t, parts->max_t);
    lanes_store(rest, parts->sum + parts->max_d);
    for (; bits != 0; bits &= bits - 1) {
        const int lane = __builtin_ctz(bits);
        const int64_t ticks = amm_ticks_exact(max_t[lane], rest[lane], c->a);
        amm_top_offer(top, (amm_key){ ticks << c->scale, c->id, number + (uint64_t)lane });
    }
}

/* The largest total that a list of base ticks can still take. */
static inline float limit_of(const amm_top *top, int32_t scale)
{
    if (!amm_top_full(top)) {
        return FLT_MAX;
    }
    return top->count == 0 ? -1.0f : (float)(top->keys[top->count - 1].cost >> scale);
}

/* A row per boundary: t, u + e of the stage before less u of the one after, d, d + o. */
static inline amm_lanes score_chain(const amm_simd_score *x, const amm_problem_config *c,
                                    const uint8_t *const *cuts, uint64_t n, amm_simd_chain chain)
{
    const int32_t count = x->problem->items + 1;
    const lanes zero = lanes_splat(0.0f);
    amm_lanes parts = amm_lanes_start_of(zero);
    const float *begin = x->rows[0].start; /* of item 0 and of the end: the same for all */
    lanes before_t = zero;
    lanes before_d = lanes_splat(begin[0]);
    for (int32_t s = 1; s < c->stages; s++) {
        const lanes4 v = lanes_values(x->rows[s].end, cuts[s] + n, count);
        lanes d = zero;
        if (chain != AMM_SIMD_CHAIN) {
            d = v.d - before_d;
        }
        amm_lanes_stage(&parts, v.t - before_t, v.u, zero, d, lanes_splat(x->rows[s].rho));
        before_t = v.t;
        before_d = chain == AMM_SIMD_CHAIN_O ? v.w : v.d;
    }
    lanes d = zero;
    if (chain != AMM_SIMD_CHAIN) {
        d = lanes_splat(begin[3]) - before_d;
    }
    amm_lanes_stage(&parts, lanes_splat(begin[1]) - before_t, lanes_splat(begin[2]), zero, d,
                    lanes_splat(x->rows[c->stages].rho));
    return parts;
}

/* Rows t, u + e, d, window by end; t, u, d + o, i by start: a stage is admitted where w <= 0. */
static inline amm_lanes score_stages(const amm_simd_score *x, const amm_problem_config *c,
                                     const uint8_t *const *cuts, uint64_t n)
{
    const int32_t count = x->problem->items + 1;
    const lanes zero = lanes_splat(0.0f);
    const uint32_t all = (uint32_t)(UINT64_C(1) << LANES) - 1;
    amm_lanes parts = amm_lanes_start_of(zero);
    for (int32_t s = 0; s < c->stages; s++) {
        const uint8_t *i = s == 0 ? cuts[0] : cuts[s] + n;
        const uint8_t *j = s + 1 == c->stages ? cuts[c->stages] : cuts[s + 1] + n;
        const amm_simd_rows *rows = &x->rows[x->first[s]];
        lanes4 v = lanes_span(rows->end, j, rows->start, i, count);
        lanes rho = lanes_splat(rows->rho);
        for (int32_t k = x->first[s] + 1;
             k < x->first[s + 1] && lanes_bits(lanes_le(v.w, zero)) != all; k++) {
            const amm_simd_rows *next = &x->rows[k];
            const lanes4 w = lanes_span(next->end, j, next->start, i, count);
            const lanes_mask keep = lanes_le(v.w, zero);
            v.t = lanes_select(keep, v.t, w.t);
            v.u = lanes_select(keep, v.u, w.u);
            v.d = lanes_select(keep, v.d, w.d);
            rho = lanes_select(keep, rho, lanes_splat(next->rho));
            v.w = lanes_select(keep, v.w, w.w);
        }
        const lanes_mask admitted = lanes_le(v.w, zero);
        v.t = lanes_select(admitted, v.t, lanes_splat(HUGE_VALF));
        amm_lanes_stage(&parts, v.t, v.u, zero, v.d, rho);
    }
    return parts;
}

/* Candidates [first, first + count), count a multiple of LANES; `number` is that of `first`. */
static inline void score_lanes(const amm_simd_score *x, const amm_simd_span *span,
                               const uint8_t *const *cuts, uint64_t first, uint64_t count,
                               uint64_t number, uint32_t keep, amm_simd_chain chain)
{
    const amm_problem_config *c = &x->problem->configs[x->number];
    const lanes a = lanes_splat((float)c->a);
    float limit = span->top == NULL ? -1.0f : limit_of(span->top, c->scale);
    for (uint64_t n = 0; n < count; n += LANES) {
        const amm_lanes parts = chain == AMM_SIMD_STAGES
                                    ? score_stages(x, c, cuts, first + n)
                                    : score_chain(x, c, cuts, first + n, chain);
        /* A = 0 times an infinite t is no number. */
        lanes total = amm_lanes_total(&parts, a);
        if (chain == AMM_SIMD_STAGES) {
            const lanes infinite = lanes_splat(HUGE_VALF);
            total = lanes_select(lanes_lt(parts.max_t, infinite), total, infinite);
        }
        if (span->scores != NULL) {
            float out[LANES];
            lanes_store(out, total);
            for (uint32_t k = 0; k < LANES && (keep >> k & 1) != 0; k++) {
                span->scores[number + n + k] = out[k];
            }
        }
        if (span->top != NULL) {
            const uint32_t bits = keep & lanes_bits(lanes_le(total, lanes_splat(limit)));
            if (bits != 0) {
                offer_lanes(span->top, c, &parts, bits, number + n);
                limit = limit_of(span->top, c->scale);
            }
        }
    }
}

static void score_by_chain(const amm_simd_score *x, const amm_simd_span *span,
                           const uint8_t *const *cuts, uint64_t first, uint64_t count,
                           uint64_t number, uint32_t keep)
{
    switch (x->chain) {
    case AMM_SIMD_CHAIN:
        score_lanes(x, span, cuts, first, count, number, keep, AMM_SIMD_CHAIN);
        break;
    case AMM_SIMD_CHAIN_D:
        score_lanes(x, span, cuts, first, count, number, keep, AMM_SIMD_CHAIN_D);
        break;
    case AMM_SIMD_CHAIN_O:
        score_lanes(x, span, cuts, first, count, number, keep, AMM_SIMD_CHAIN_O);
        break;
    default:
        score_lanes(x, span, cuts, first, count, number, keep, AMM_SIMD_STAGES);
    }
}

static void score_span(const amm_simd_score *x, const amm_simd_span *span)
{
    const amm_problem_config *c = &x->problem->configs[x->number];
    const uint64_t whole = span->count / LANES * LANES;
    const uint64_t left = span->count - whole;
    const uint32_t all = (uint32_t)(UINT64_C(1) << LANES) - 1;
    const uint8_t *cuts[AMM_MAX_SCORE_ITEMS + 1];
    uint8_t ends[2][LANES];
    uint8_t tail[AMM_MAX_SCORE_ITEMS][LANES];
    memset(ends[0], 0, LANES);
    memset(ends[1], x->problem->items, LANES);
    cuts[0] = ends[0];
    cuts[c->stages] = ends[1];
    for (int32_t s = 1; s < c->stages; s++) {
        cuts[s] = span->cuts + (uint64_t)(s - 1) * span->stride;
    }
    score_by_chain(x, span, cuts, span->first, whole, span->first, all);
    if (left == 0) {
        return;
    }
    /* The rest, filled up with its last candidate. */
    for (int32_t s = 1; s < c->stages; s++) {
        for (uint64_t k = 0; k < LANES; k++) {
            tail[s][k] = cuts[s][span->first + whole + (k < left ? k : left - 1)];
        }
        cuts[s] = tail[s];
    }
    score_by_chain(x, span, cuts, 0, LANES, span->first + whole, all >> (LANES - left));
}
