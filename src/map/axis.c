#include "map/map.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *word, *unit;
    bool whole;
    double low, high;
} kinds[] = {
#define AMM_MAP_AXIS_ROW(name, word, unit, whole, low, high) { word, unit, whole, low, high },
    AMM_MAP_AXIS_LIST(AMM_MAP_AXIS_ROW)
#undef AMM_MAP_AXIS_ROW
};

const char *amm_map_axis_word(amm_map_axis_kind kind)
{
    return kind < AMM_MAP_AXIS_COUNT ? kinds[kind].word : "";
}

const char *amm_map_fate_word(amm_map_fate fate)
{
    static const char *const words[AMM_MAP_FATE_COUNT] = { "open",
#define AMM_MAP_FATE_WORD(name, word) word,
                                                           AMM_MAP_FATE_LIST(AMM_MAP_FATE_WORD)
#undef AMM_MAP_FATE_WORD
    };
    return fate < AMM_MAP_FATE_COUNT ? words[fate] : "";
}

const char *amm_map_axis_unit(amm_map_axis_kind kind)
{
    return kind < AMM_MAP_AXIS_COUNT ? kinds[kind].unit : "";
}

static amm_status refuse(const char *name, const char *text, const char *why)
{
    return amm_fail(AMM_INPUT,
                    "%s: %s, got '%.64s', allowed nic, nvlink, nodes or batch with =LOW..HIGH or a "
                    "list of ascending numbers",
                    name, why, text);
}

/* A number that ends at `stop`. */
static bool number(const char *text, const char *stop, double *out)
{
    char copy[AMM_NUMBER_CHARS];
    const size_t length = (size_t)(stop - text);
    if (length == 0 || length >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    return amm_number_parse(copy, out);
}

/* From low to high by equal factors; whole numbers once each. */
static int32_t fill_range(double *values, double low, double high, int32_t points, bool whole)
{
    int32_t count = 0;
    for (int32_t k = 0; k < points; k++) {
        double value = points > 1 ? low * pow(high / low, k / (points - 1.0)) : low;
        value = k > 0 && k == points - 1 ? high : value;
        value = whole ? rint(value) : value;
        if (count == 0 || value > values[count - 1]) {
            values[count++] = value;
        }
    }
    return count;
}

static int32_t fill_list(double *values, const char *text, bool whole)
{
    int32_t count = 0;
    for (;;) {
        const char *stop = text + strcspn(text, ",");
        double value = 0.0;
        if (!number(text, stop, &value) || count == AMM_MAX_MAP_POINTS ||
            (whole && value != rint(value)) || (count > 0 && value <= values[count - 1])) {
            return 0;
        }
        values[count++] = value;
        if (*stop == '\0') {
            return count;
        }
        text = stop + 1;
    }
}

/* AMM_MAP_AXIS_COUNT: no such word. */
static size_t find_kind(const char *text, size_t length)
{
    size_t kind = 0;
    while (kind < AMM_MAP_AXIS_COUNT &&
           (length != strlen(kinds[kind].word) || memcmp(text, kinds[kind].word, length) != 0)) {
        kind++;
    }
    return kind;
}

static amm_status check_value(size_t kind, double value, const char *name)
{
    return value >= kinds[kind].low && value <= kinds[kind].high
               ? AMM_OK
               : amm_fail(AMM_INPUT, "%s: out of range, got %s=%.12g, allowed %g to %.8g %s", name,
                          kinds[kind].word, value, kinds[kind].low, kinds[kind].high,
                          kinds[kind].unit);
}

static amm_status read_list(amm_map_axis *out, const char *text, size_t kind, const char *name)
{
    out->count = fill_list(out->values, strchr(text, '=') + 1, kinds[kind].whole);
    if (out->count == 0) {
        return refuse(name, text, "no such values");
    }
    AMM_TRY(check_value(kind, out->values[0], name)); /* they ascend */
    return check_value(kind, out->values[out->count - 1], name);
}

static amm_status read_range(amm_map_axis *out, const char *text, size_t kind, int32_t points,
                             const char *name)
{
    const char *values = strchr(text, '=') + 1;
    const char *dots = strstr(values, "..");
    double low = 0.0;
    double high = 0.0;
    if (!number(values, dots, &low) || !number(dots + 2, text + strlen(text), &high) ||
        low > high || (kinds[kind].whole && (low != rint(low) || high != rint(high)))) {
        return refuse(name, text, "no such values");
    }
    AMM_TRY(check_value(kind, low, name));
    AMM_TRY(check_value(kind, high, name));
    out->count = fill_range(out->values, low, high, points, kinds[kind].whole);
    return AMM_OK;
}

amm_status amm_map_axis_read(amm_map_axis *out, amm_arena *arena, const char *text, int32_t points,
                             const char *name)
{
    const char *equal = strchr(text, '=');
    const size_t kind =
        equal == NULL ? AMM_MAP_AXIS_COUNT : find_kind(text, (size_t)(equal - text));
    if (points < 0 || points > AMM_MAX_MAP_POINTS) {
        return amm_fail(AMM_INPUT, "points: got %d, allowed 1 to %d", points, AMM_MAX_MAP_POINTS);
    }
    if (kind == AMM_MAP_AXIS_COUNT) {
        return refuse(name, text, "unknown axis");
    }
    out->kind = (amm_map_axis_kind)kind;
    out->values = amm_arena_alloc(arena, AMM_MAX_MAP_POINTS, sizeof *out->values);
    if (out->values == NULL) {
        return AMM_NO_MEMORY;
    }
    if (strstr(equal + 1, "..") != NULL) {
        return read_range(out, text, kind, points == 0 ? AMM_MAP_POINTS : points, name);
    }
    return points == 0
               ? read_list(out, text, kind, name)
               : amm_fail(AMM_INPUT, "points: %s is a list, allowed with LOW..HIGH only", name);
}
