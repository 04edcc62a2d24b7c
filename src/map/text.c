#include "emit/emit.h"
#include "io/csv.h"
#include "io/io.h"
#include "map/map.h"

#include <math.h>

/* ---- CSV --------------------------------------------------------------------------------------- */

static void number(amm_text *out, double value, char end)
{
    char text[AMM_NUMBER_CHARS] = "";
    if (isfinite(value)) {
        amm_number_format(text, value);
    }
    amm_text_printf(out, "%s%c", text, end);
}

static const char *column(const amm_map *map, int axis)
{
    return map->axis[axis].kind == AMM_MAP_AXIS_COUNT ? "y"
                                                      : amm_map_axis_word(map->axis[axis].kind);
}

amm_status amm_map_csv(const amm_map *map, char **out)
{
    amm_text text;
    amm_text_init(&text, map->context);
    amm_text_printf(&text, "%s,%s,time_s,tokens_per_s,strategy,reason\r\n", column(map, 0),
                    column(map, 1));
    for (int32_t y = 0; y < map->axis[1].count; y++) {
        for (int32_t x = 0; x < map->axis[0].count; x++) {
            const amm_map_point *p =
                &map->points[(size_t)y * (size_t)map->axis[0].count + (size_t)x];
            if (!p->done) {
                continue;
            }
            number(&text, map->axis[0].values[x], ',');
            number(&text, map->axis[1].values[y], ',');
            number(&text, p->time_s, ',');
            number(&text, p->strategy < 0 ? (double)NAN : p->tokens_per_s, ',');
            amm_csv_write(&text, p->strategy < 0 ? "" : map->strategies[p->strategy]);
            amm_text_append(&text, ",");
            amm_csv_write(&text, p->reason == NULL ? "" : p->reason);
            amm_text_append(&text, "\r\n");
        }
    }
    return amm_text_take(&text, out);
}

amm_status amm_map_break_even_csv(const amm_map *map, char **out)
{
    amm_text text;
    amm_text_init(&text, map->context);
    amm_text_printf(&text, "%s,%s,from,to\r\n", column(map, 1), column(map, 0));
    for (int32_t k = 0; k < map->change_count; k++) {
        const amm_map_change *c = &map->changes[k];
        number(&text, map->axis[1].values[c->y], ',');
        number(&text, c->x, ',');
        amm_csv_write(&text, map->strategies[c->from]);
        amm_text_append(&text, ",");
        amm_csv_write(&text, map->strategies[c->to]);
        amm_text_append(&text, "\r\n");
    }
    return amm_text_take(&text, out);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void write_axis(amm_json *j, const char *key, const amm_map_axis *axis)
{
    if (axis->kind == AMM_MAP_AXIS_COUNT) {
        amm_json_null(j, key);
        return;
    }
    amm_json_open_row(j, key, '{');
    amm_json_string(j, "axis", amm_map_axis_word(axis->kind));
    amm_json_string(j, "unit", amm_map_axis_unit(axis->kind));
    amm_json_open(j, "values", '[');
    for (int32_t k = 0; k < axis->count; k++) {
        amm_json_number(j, NULL, axis->values[k]);
    }
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

static void write_point(amm_json *j, const amm_map *map, int32_t x, int32_t y)
{
    const amm_map_point *p = &map->points[(size_t)y * (size_t)map->axis[0].count + (size_t)x];
    amm_json_open_row(j, NULL, '{');
    amm_json_integer(j, "x", x);
    amm_json_integer(j, "y", y);
    amm_json_number(j, "time_s", p->time_s);
    if (p->strategy < 0) {
        amm_json_null(j, "strategy");
        amm_json_string(j, "reason", p->reason);
    } else {
        amm_json_integer(j, "strategy", p->strategy);
    }
    amm_json_close(j, '}');
}

static void write_changes(amm_json *j, const amm_map *map)
{
    amm_json_open(j, "break_even", '[');
    for (int32_t k = 0; k < map->change_count; k++) {
        const amm_map_change *c = &map->changes[k];
        amm_json_open_row(j, NULL, '{');
        amm_json_integer(j, "y", c->y);
        amm_json_number(j, "x", c->x);
        amm_json_integer(j, "from", c->from);
        amm_json_integer(j, "to", c->to);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
}

amm_status amm_map_json(const amm_map *map, char **out)
{
    amm_json j;
    amm_text text;
    amm_text_init(&text, map->context);
    amm_json_init(&j, &text, true);
    amm_json_open(&j, NULL, '{');
    amm_json_string(&j, "format", "ammeter-map");
    amm_json_integer(&j, "version", 1);
    amm_json_string(&j, "program", amm_version());
    amm_json_hex(&j, "problem", map->spec->hash);
    write_axis(&j, "x", &map->axis[0]);
    write_axis(&j, "y", &map->axis[1]);
    amm_json_open(&j, "strategies", '[');
    for (int32_t k = 0; k < map->strategy_count; k++) {
        amm_json_string(&j, NULL, map->strategies[k]);
    }
    amm_json_close(&j, ']');
    amm_json_open(&j, "points", '[');
    for (int32_t k = 0; k < map->axis[0].count * map->axis[1].count; k++) {
        if (map->points[k].done) {
            write_point(&j, map, k % map->axis[0].count, k / map->axis[0].count);
        }
    }
    amm_json_close(&j, ']');
    write_changes(&j, map);
    amm_json_close(&j, '}');
    amm_text_append(&text, "\n");
    return amm_text_take(&text, out);
}

/* ---- table ------------------------------------------------------------------------------------- */

enum { LETTERS = 26, MOST_COLUMNS = 80, MOST_ROWS = 40 };

/* Strategies that hold most points, most first; the rest shows as '+'. */
static int32_t rank_strategies(const amm_map *map, int32_t *ranked, int32_t *points)
{
    int32_t count = 0;
    for (int32_t s = 0; s < map->strategy_count; s++) {
        int32_t n = 0;
        for (int32_t k = 0; k < map->axis[0].count * map->axis[1].count; k++) {
            n += map->points[k].done && map->points[k].strategy == s;
        }
        int32_t at = count < LETTERS ? count++ : LETTERS;
        while (at > 0 && points[at - 1] < n) {
            if (at < LETTERS) {
                points[at] = points[at - 1];
                ranked[at] = ranked[at - 1];
            }
            at--;
        }
        if (at < LETTERS) {
            points[at] = n;
            ranked[at] = s;
        }
    }
    return count;
}

static char letter_of(const amm_map_point *p, const int32_t *ranked, int32_t count)
{
    if (!p->done || p->strategy < 0) {
        return p->done ? '.' : ' ';
    }
    for (int32_t k = 0; k < count; k++) {
        if (ranked[k] == p->strategy) {
            return (char)('A' + k);
        }
    }
    return '+';
}

/* At most that many of an axis's points, first and last always. */
static int32_t shown(int32_t index, int32_t count, int32_t most)
{
    return count <= most ? index : (int32_t)((int64_t)index * (count - 1) / (most - 1));
}

static void emit_grid(amm_text *out, const amm_map *map, const int32_t *ranked, int32_t count)
{
    const int32_t columns = map->axis[0].count < MOST_COLUMNS ? map->axis[0].count : MOST_COLUMNS;
    const int32_t rows = map->axis[1].count < MOST_ROWS ? map->axis[1].count : MOST_ROWS;
    for (int32_t r = rows - 1; r >= 0; r--) {
        const int32_t y = shown(r, map->axis[1].count, MOST_ROWS);
        amm_text_printf(out, "%8.5g  ", map->axis[1].values[y]);
        for (int32_t c = 0; c < columns; c++) {
            const int32_t x = shown(c, map->axis[0].count, MOST_COLUMNS);
            const char letter[2] = {
                letter_of(&map->points[(size_t)y * (size_t)map->axis[0].count + (size_t)x], ranked,
                          count),
                '\0'
            };
            amm_text_append(out, letter);
        }
        amm_text_append(out, "\n");
    }
    amm_text_printf(out, "          %.5g to %.5g %s\n\n", map->axis[0].values[0],
                    map->axis[0].values[map->axis[0].count - 1],
                    amm_map_axis_unit(map->axis[0].kind));
}

amm_status amm_map_table(const amm_map *map, char **out)
{
    amm_text text;
    int32_t ranked[LETTERS] = { 0 };
    int32_t points[LETTERS] = { 0 };
    const int32_t count = rank_strategies(map, ranked, points);
    amm_text_init(&text, map->context);
    amm_emit_heading(&text, "map");
    amm_text_printf(&text, "%d x %d points, %s", map->axis[0].count, map->axis[1].count,
                    amm_map_axis_word(map->axis[0].kind));
    if (map->axis[1].kind != AMM_MAP_AXIS_COUNT) {
        amm_text_printf(&text, " along, %s up", amm_map_axis_word(map->axis[1].kind));
    }
    amm_text_printf(&text, " · %d strategies win somewhere, %d changes along %s · %.3g s\n\n",
                    map->strategy_count, map->change_count, amm_map_axis_word(map->axis[0].kind),
                    map->wall_s);
    emit_grid(&text, map, ranked, count);
    for (int32_t k = 0; k < count; k++) {
        amm_text_printf(&text, "       %c  %6d points  %s\n", 'A' + k, points[k],
                        map->strategies[ranked[k]]);
    }
    if (map->strategy_count > count) {
        amm_text_printf(&text, "       +  %d more strategies\n", map->strategy_count - count);
    }
    return amm_text_take(&text, out);
}
