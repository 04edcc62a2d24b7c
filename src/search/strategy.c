#include "search/strategy.h"

#include <assert.h>
#include <string.h>

/* A slice of the text being read. */
typedef struct slice {
    const char *at;
    size_t length;
} slice;

static bool is(slice s, const char *word)
{
    return strlen(word) == s.length && memcmp(s.at, word, s.length) == 0;
}

/* A positive integer that fills the slice. */
static bool integer(slice s, int64_t *out)
{
    char digits[20];
    if (s.length == 0 || s.length >= sizeof digits) {
        return false;
    }
    memcpy(digits, s.at, s.length);
    digits[s.length] = '\0';
    return amm_integer_parse(digits, out) && *out >= 1 && *out <= AMM_MAX_BATCH;
}

/* Integers between single separators: "8-7-7". Count, or -1; values up to `room`. */
static int32_t integers(slice s, char separator, int32_t *out, int32_t room)
{
    int32_t count = 0;
    size_t start = 0;
    for (size_t i = 0; i <= s.length; i++) {
        if (i < s.length && s.at[i] != separator) {
            continue;
        }
        const slice one = { s.at + start, i - start };
        int64_t value = 0;
        if (!integer(one, &value) || count == room) {
            return -1;
        }
        out[count++] = (int32_t)value;
        start = i + 1;
    }
    return count;
}

/* "[[1,2],[1,2]]": rows of equal length, into out->grid (as many cells as the text has characters). */
static bool placement(amm_strategy *out, slice s)
{
    const size_t room = s.length;
    if (s.length < 4 || s.at[0] != '[' || s.at[s.length - 1] != ']') {
        return false;
    }
    int32_t filled = 0;
    for (size_t i = 1; i + 1 < s.length; i++) {
        const char *end = memchr(s.at + i, ']', s.length - 1 - i);
        if (s.at[i] != '[' || end == NULL) {
            return false;
        }
        const slice row = { s.at + i + 1, (size_t)(end - s.at) - i - 1 };
        const int32_t count = integers(row, ',', out->grid + filled, (int32_t)room - filled);
        if (count < 1 || (out->grid_rows > 0 && count != out->grid_columns)) {
            return false;
        }
        out->grid_columns = count;
        out->grid_rows++;
        filled += count;
        i = (size_t)(end - s.at) + 1; /* at the comma between rows, or past the last */
        if (i + 1 < s.length && (s.at[i] != ',' || i + 2 == s.length)) {
            return false;
        }
    }
    return out->grid_rows > 0;
}

typedef struct parsing {
    amm_strategy *out;
    amm_arena *arena;
    const char *text;
    const amm_problem_desc *problem;
    int32_t stages; /* entries of stage-layers */
    int32_t *sets;  /* recompute sets by stage, or NULL */
    int32_t set_count;
    uint32_t seen; /* keys so far, one bit each */
} parsing;

/* Degrees first: key, member of amm_config. The last ones are the analytic model's. */
#define DEGREE_LIST(X)                                                                             \
    X("tp", tp)                                                                                    \
    X("pp", pp)                                                                                    \
    X("dp", dp) X("micro-batch", micro_batch) X("cp", cp) X("ep", ep) X("etp", etp) X("vpp", vpp)

static const char *const keys[] = {
#define DEGREE_KEY(key, member) key,
    DEGREE_LIST(DEGREE_KEY)
#undef DEGREE_KEY
        "recompute",
    "sharding",
    "stage-layers",
    "placement",
    "tp-term",
#define CHOICE_KEY(name, key, option, ...) option,
    AMM_CHOICE_LIST(CHOICE_KEY)
#undef CHOICE_KEY
};
enum {
    MICRO_BATCH = 3,
    LAST_DEGREE = 7,
    RECOMPUTE,
    SHARDING,
    STAGE_LAYERS,
    PLACEMENT,
    TP_TERM,
    FIRST_CHOICE,
    KEYS = FIRST_CHOICE + AMM_CHOICE_COUNT
}; /* positions in keys */
static_assert(sizeof keys / sizeof keys[0] == KEYS, "a name for every key");

/* The words of files, with '_', are taken as well. */
static bool is_key(slice s, const char *key)
{
    bool same = strlen(key) == s.length;
    for (size_t i = 0; i < s.length && same; i++) {
        same = key[i] == (s.at[i] == '_' ? '-' : s.at[i]);
    }
    return same;
}

static slice trimmed(slice s)
{
    while (s.length > 0 && s.at[0] == ' ') {
        s.at++;
        s.length--;
    }
    while (s.length > 0 && s.at[s.length - 1] == ' ') {
        s.length--;
    }
    return s;
}

/* Index of a key, or -1. */
static int32_t key_of(slice s)
{
    if (is(s, "mb")) { /* as the table calls it */
        return MICRO_BATCH;
    }
    for (int32_t k = 0; k < KEYS; k++) {
        if (is_key(s, keys[k])) {
            return k;
        }
    }
    return -1;
}

static amm_status degree(const parsing *p, slice key, slice value)
{
    amm_config *c = &p->out->config;
    int64_t n = 0;
    if (!integer(value, &n)) {
        return amm_fail(AMM_INPUT,
                        "strategy '%s': %.*s: got '%.*s', allowed an integer from 1 to %d", p->text,
                        (int)key.length, key.at, (int)value.length, value.at, AMM_MAX_BATCH);
    }
#define DEGREE_SET(word, member)                                                                   \
    if (key_of(key) == key_of((slice){ word, strlen(word) })) {                                    \
        c->member = (int32_t)n;                                                                    \
    }
    DEGREE_LIST(DEGREE_SET)
#undef DEGREE_SET
    return AMM_OK;
}

/* recompute=core_attn+mlp, sharding=zero1 */
static amm_status words(const parsing *p, amm_dim dim, slice key, slice value)
{
    int64_t n = 0;
    if (!amm_dim_value_parse(&n, dim, value.at, value.length)) {
        return amm_fail(AMM_INPUT, "strategy '%s': %.*s: unknown, got '%.*s', allowed %s%s",
                        p->text, (int)key.length, key.at, (int)value.length, value.at,
                        dim == AMM_DIM_RECOMPUTE ? "auto, or " : "", amm_dim_words(dim));
    }
    if (dim == AMM_DIM_RECOMPUTE) {
        p->out->config.recompute = (int32_t)n - 1;
    } else if (dim >= AMM_DIM_FIRST_CHOICE) {
        p->out->config.choice[dim - AMM_DIM_FIRST_CHOICE] = (int32_t)n - 1;
    } else {
        p->out->config.sharding = (int32_t)n - 1;
    }
    return AMM_OK;
}

/* "schedule, sequence-parallel, … " */
#define CHOICE_WORD(name, key, option, ...) option ", "
#define CHOICE_WORDS                        AMM_CHOICE_LIST(CHOICE_WORD)
/* "2xfull" -> 2, leaving "full"; a set without a number is one stage. False: no number of stages. */
static bool times(slice *s, int64_t *out)
{
    const char *x =
        s->length > 0 && s->at[0] >= '0' && s->at[0] <= '9' ? memchr(s->at, 'x', s->length) : NULL;
    *out = 1;
    if (x == NULL) {
        return true;
    }
    const slice number = { s->at, (size_t)(x - s->at) };
    s->length -= number.length + 1;
    s->at = x + 1;
    return integer(number, out);
}

/* recompute=2xfull/core_attn+mlp/none: one set a stage, from the first. */
static amm_status stage_sets(parsing *p, slice key, slice value)
{
    const int32_t room = p->problem->model->layer_count;
    p->sets = amm_arena_alloc(p->arena, (size_t)room, sizeof *p->sets);
    if (p->sets == NULL) {
        return AMM_NO_MEMORY;
    }
    for (size_t start = 0; start <= value.length;) {
        const char *slash = memchr(value.at + start, '/', value.length - start);
        const size_t end = slash == NULL ? value.length : (size_t)(slash - value.at);
        slice one = { value.at + start, end - start };
        int64_t count = 0;
        if (!times(&one, &count) || count > room - p->set_count) {
            return amm_fail(
                AMM_INPUT,
                "strategy '%s': recompute: got '%.*s', allowed sets joined by '/', each "
                "as SET or NxSET, for %d stages at most",
                p->text, (int)value.length, value.at, room);
        }
        AMM_TRY(words(p, AMM_DIM_RECOMPUTE, key, one));
        for (int64_t k = 0; k < count; k++) {
            p->sets[p->set_count++] = p->out->config.recompute;
        }
        start = end + 1;
    }
    return AMM_OK;
}

static amm_status recompute(parsing *p, slice key, slice value)
{
    if (is(value, AMM_RECOMPUTE_AUTO)) {
        p->out->config.recompute = AMM_RECOMPUTE_PER_STAGE;
        return AMM_OK;
    }
    return stage_sets(p, key, value);
}

/* One set given is for all stages; several are for one each. */
static amm_status check_sets(const parsing *p)
{
    amm_config *c = &p->out->config;
    if (p->set_count <= 1) {
        return AMM_OK;
    }
    if (p->set_count != c->pp) {
        return amm_fail(AMM_INPUT,
                        "strategy '%s': recompute: got sets of %d stages, allowed one set or %d",
                        p->text, p->set_count, c->pp);
    }
    c->recompute = AMM_RECOMPUTE_PER_STAGE;
    *c = amm_config_with_sets(c, p->sets);
    return AMM_OK;
}

static amm_status item(parsing *p, slice key, slice value)
{
    const int32_t known = key_of(key);
    if (known >= 0 && (p->seen >> known & 1U)) {
        return amm_fail(AMM_INPUT, "strategy '%s': %s: given twice", p->text, keys[known]);
    }
    p->seen |= known >= 0 ? UINT32_C(1) << known : 0;
    if (known >= 0 && known <= (amm_problem_is_analytic(p->problem) ? LAST_DEGREE : MICRO_BATCH)) {
        return degree(p, key, value);
    }
    if (amm_problem_is_analytic(p->problem) && known == RECOMPUTE) {
        return recompute(p, key, value);
    }
    if (amm_problem_is_analytic(p->problem) && known == SHARDING) {
        return words(p, AMM_DIM_SHARDING, key, value);
    }
    if (amm_problem_is_analytic(p->problem) && known >= FIRST_CHOICE) {
        return words(p, (amm_dim)(AMM_DIM_FIRST_CHOICE + known - FIRST_CHOICE), key, value);
    }
    if (known == STAGE_LAYERS) {
        const int32_t room = p->problem->model->layer_count;
        p->out->stage_layers = amm_arena_alloc(p->arena, (size_t)room, sizeof(int32_t));
        if (p->out->stage_layers == NULL) {
            return AMM_NO_MEMORY;
        }
        p->stages = integers(value, '-', p->out->stage_layers, room);
        return p->stages > 0 ? AMM_OK
                             : amm_fail(AMM_INPUT,
                                        "strategy '%s': stage-layers: got '%.*s', allowed positive "
                                        "integers joined by '-', at most %d",
                                        p->text, (int)value.length, value.at, room);
    }
    const bool amp = p->problem->cost_model == AMM_COST_AMP_REFERENCE;
    if (amp && known == PLACEMENT) {
        p->out->grid = amm_arena_alloc(p->arena, value.length + 1, sizeof *p->out->grid);
        if (p->out->grid == NULL) {
            return AMM_NO_MEMORY;
        }
        return placement(p->out, value)
                   ? AMM_OK
                   : amm_fail(AMM_INPUT,
                              "strategy '%s': placement: not rows of stage numbers like "
                              "[[1,2],[1,2]]",
                              p->text);
    }
    if (amp && known == TP_TERM && (is(value, "profile") || is(value, "explicit"))) {
        p->out->explicit_tp = is(value, "explicit");
        return AMM_OK;
    }
    return amm_fail(AMM_INPUT,
                    "strategy '%s': got '%.*s=%.*s', allowed tp, pp, dp, micro-batch, %s", p->text,
                    (int)key.length, key.at, (int)value.length, value.at,
                    amp ? "placement, tp-term=profile|explicit"
                    : amm_problem_is_analytic(p->problem)
                        ? "cp, ep, etp, vpp, recompute, sharding, " CHOICE_WORDS "stage-layers"
                        : "stage-layers");
}

/* "; allowed 83 = 1 before + 80 blocks + 2 after them: 21-20-20-22?" where the blocks alone were
 * counted. */
static amm_status refuse_layers(const parsing *p, int64_t sum)
{
    const amm_model *model = p->problem->model;
    int32_t first = 0;
    int32_t blocks = 0;
    while (first < model->layer_count && model->layers[first].kind != AMM_LAYER_BLOCK) {
        first++;
    }
    while (first + blocks < model->layer_count &&
           model->layers[first + blocks].kind == AMM_LAYER_BLOCK) {
        blocks++;
    }
    const int32_t after = model->layer_count - first - blocks;
    amm_text meant;
    amm_text_init(&meant, p->arena->context);
    if (p->stages == p->out->config.pp && sum == blocks && blocks < model->layer_count) {
        for (int32_t s = 0; s < p->stages; s++) {
            amm_text_printf(&meant, "%s%d", s == 0 ? ", did you mean stage-layers=" : "-",
                            p->out->stage_layers[s] + (s == 0 ? first : 0) +
                                (s + 1 == p->stages ? after : 0));
        }
        amm_text_append(&meant, "?");
    }
    const amm_status status = amm_fail(
        AMM_INPUT,
        "strategy '%s': stage-layers: got %d stages with %lld layers, allowed %d stages with %d "
        "(%d before the blocks, %d blocks, %d after them)%.500s",
        p->text, p->stages, (long long)sum, p->out->config.pp, model->layer_count, first, blocks,
        after, meant.length > 0 ? meant.data : "");
    amm_text_discard(&meant);
    return status;
}

static amm_status check(const parsing *p)
{
    amm_config *c = &p->out->config;
    const int64_t devices = p->problem->cluster->device_count;
    const int64_t batch = p->problem->global_batch;
    /* Each is at most 2^24: the product of two fits. */
    if (amm_problem_is_analytic(p->problem)) {
        const int64_t parts = (int64_t)c->tp * c->pp;
        if (parts > devices || parts * c->dp > devices || parts * c->dp * c->cp != devices) {
            return amm_fail(AMM_INPUT,
                            "strategy '%s': tp x pp x cp x dp: got %d x %d x %d x %d, allowed a "
                            "product of %lld devices",
                            p->text, c->tp, c->pp, c->cp, c->dp, (long long)devices);
        }
    } else if ((int64_t)c->tp * c->pp > devices || (int64_t)c->tp * c->pp * c->dp != devices) {
        return amm_fail(AMM_INPUT,
                        "strategy '%s': tp x pp x dp: got %d x %d x %d, allowed a product of %lld "
                        "devices",
                        p->text, c->tp, c->pp, c->dp, (long long)devices);
    }
    if (batch % (c->dp * c->micro_batch) != 0) {
        return amm_fail(AMM_INPUT,
                        "strategy '%s': dp x micro-batch: got %d x %lld, allowed a divisor of the "
                        "global batch %lld",
                        p->text, c->dp, (long long)c->micro_batch, (long long)batch);
    }
    c->micro_batches = batch / (c->dp * c->micro_batch);
    AMM_TRY(check_sets(p));
    if (p->out->stage_layers != NULL) {
        int64_t sum = 0;
        for (int32_t s = 0; s < p->stages; s++) {
            sum += p->out->stage_layers[s];
        }
        if (p->stages != c->pp || sum != p->problem->model->layer_count) {
            return refuse_layers(p, sum);
        }
    }
    const amm_cluster *cluster = p->problem->cluster;
    if (p->out->grid != NULL && (p->out->grid_columns != cluster->node_count ||
                                 p->out->grid_rows != cluster->nodes[0].device_count)) {
        return amm_fail(
            AMM_INPUT,
            "strategy '%s': placement: got %d x %d, allowed %d rows (devices of a node) "
            "x %d columns (nodes)",
            p->text, p->out->grid_rows, p->out->grid_columns, cluster->nodes[0].device_count,
            cluster->node_count);
    }
    return AMM_OK;
}

amm_status amm_strategy_parse(amm_strategy *out, amm_arena *arena, const char *text,
                              const amm_problem_desc *problem)
{
    parsing p = { .out = out, .arena = arena, .text = text, .problem = problem };
    memset(out, 0, sizeof *out);
    out->config.tp = out->config.pp = out->config.dp = 1;
    out->config.micro_batch = 1;
    out->config.cp = out->config.ep = out->config.etp = out->config.vpp = 1;
    if (amm_problem_is_analytic(p.problem)) {
        amm_config_usual(&out->config, problem->runtime);
    }
    if (amm_problem_is_analytic(p.problem) &&
        problem->runtime->facts[AMM_FACT_distributed_optimizer].value > 0.0) {
        out->config.sharding = AMM_SHARDING_OPTIMIZER;
    }
    for (const char *at = text; *at != '\0';) {
        const size_t key_length = strcspn(at, "=,");
        const char *value = at + key_length + (at[key_length] == '=' ? 1 : 0);
        const char *end = value;
        for (int depth = 0; *end != '\0' && (*end != ',' || depth > 0); end++) {
            depth += (*end == '[') - (*end == ']');
        }
        const slice key = { at, key_length };
        const slice rest = { value, (size_t)(end - value) };
        AMM_TRY(item(&p, trimmed(key), trimmed(rest)));
        if (*end == ',' && end[1] == '\0') {
            return amm_fail(AMM_INPUT, "strategy '%s': ends with a comma", text);
        }
        at = *end == ',' ? end + 1 : end;
    }
    return check(&p);
}
