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

/* "" for -1: none. */
static const char *text_of(const amm_map_texts *texts, int32_t index)
{
    return index < 0 ? "" : texts->list[index];
}

amm_status amm_map_csv(const amm_map *map, char **out)
{
    amm_text text;
    amm_text_init(&text, map->context);
    amm_text_printf(&text, "%s,%s,time_s,tokens_per_s,strategy,reason,status\r\n", column(map, 0),
                    column(map, 1));
    for (int32_t y = 0; y < map->axis[1].count; y++) {
        for (int32_t x = 0; x < map->axis[0].count; x++) {
            const amm_map_point *p = amm_map_at(map, x, y);
            if (p->fate == AMM_MAP_OPEN) {
                continue;
            }
            number(&text, map->axis[0].values[x], ',');
            number(&text, map->axis[1].values[y], ',');
            number(&text, p->time_s, ',');
            number(&text, p->tokens_per_s, ',');
            amm_csv_write(&text, text_of(&map->strategies, p->strategy));
            amm_text_append(&text, ",");
            amm_csv_write(&text, text_of(&map->reasons, p->reason));
            amm_text_printf(&text, ",%s\r\n", amm_map_fate_word(p->fate));
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
        amm_csv_write(&text, map->strategies.list[c->from]);
        amm_text_append(&text, ",");
        amm_csv_write(&text, map->strategies.list[c->to]);
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
    const amm_map_point *p = amm_map_at(map, x, y);
    amm_json_open_row(j, NULL, '{');
    amm_json_integer(j, "x", x);
    amm_json_integer(j, "y", y);
    amm_json_string(j, "status", amm_map_fate_word(p->fate));
    amm_json_number(j, "time_s", p->time_s);
    if (p->strategy < 0) {
        amm_json_null(j, "strategy");
        amm_json_string(j, "reason", text_of(&map->reasons, p->reason));
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
    for (int32_t k = 0; k < map->strategies.count; k++) {
        amm_json_string(&j, NULL, map->strategies.list[k]);
    }
    amm_json_close(&j, ']');
    amm_json_open(&j, "points", '[');
    for (int32_t k = 0; k < map->axis[0].count * map->axis[1].count; k++) {
        if (map->points[k].fate != AMM_MAP_OPEN) {
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

/* A strategy's points, and the step times there. */
typedef struct holding {
    int32_t strategy, points;
    double least_s, largest_s;
} holding;

static int32_t all_points(const amm_map *map)
{
    return map->axis[0].count * map->axis[1].count;
}

static holding holding_of(const amm_map *map, int32_t strategy)
{
    holding h = { strategy, 0, HUGE_VAL, 0.0 };
    for (int32_t k = 0; k < all_points(map); k++) {
        const amm_map_point *p = &map->points[k];
        if (p->strategy == strategy) {
            h.points++;
            h.least_s = fmin(h.least_s, p->time_s);
            h.largest_s = fmax(h.largest_s, p->time_s);
        }
    }
    return h;
}

/* Strategies that hold most points, most first, the first of equals first; the rest shows as
 * '+'. */
static int32_t rank_strategies(const amm_map *map, holding *ranked)
{
    int32_t count = 0;
    for (int32_t s = 0; s < map->strategies.count; s++) {
        const holding h = holding_of(map, s);
        int32_t at = count < LETTERS ? count++ : LETTERS;
        for (; at > 0 && ranked[at - 1].points < h.points; at--) {
            if (at < LETTERS) {
                ranked[at] = ranked[at - 1];
            }
        }
        if (at < LETTERS) {
            ranked[at] = h;
        }
    }
    return count;
}

static char letter_of(const amm_map_point *p, const holding *ranked, int32_t count)
{
    static const char marks[AMM_MAP_FATE_COUNT] = { ' ', '+', '.', '!' };
    for (int32_t k = 0; k < count && p->strategy >= 0; k++) {
        if (ranked[k].strategy == p->strategy) {
            return (char)('A' + k);
        }
    }
    return marks[p->fate];
}

/* At most that many of an axis's points, first and last always. */
static int32_t shown(int32_t index, int32_t count, int32_t most)
{
    return count <= most ? index : (int32_t)((int64_t)index * (count - 1) / (most - 1));
}

enum { GRID_COLUMN = 18 };

static void emit_grid(amm_text *out, const amm_map *map, const holding *ranked, int32_t count)
{
    const amm_map_axis *x = &map->axis[0];
    const amm_map_axis *y = &map->axis[1];
    const int32_t columns = x->count < MOST_COLUMNS ? x->count : MOST_COLUMNS;
    const int32_t rows = y->count < MOST_ROWS ? y->count : MOST_ROWS;
    for (int32_t r = rows - 1; r >= 0; r--) {
        const int32_t row = shown(r, y->count, MOST_ROWS);
        if (y->kind != AMM_MAP_AXIS_COUNT) {
            amm_text_printf(out, "%7s %8.8g", amm_map_axis_word(y->kind), y->values[row]);
        }
        amm_text_pad(out, GRID_COLUMN);
        for (int32_t c = 0; c < columns; c++) {
            const int32_t at = shown(c, x->count, MOST_COLUMNS);
            const char letter[2] = { letter_of(amm_map_at(map, at, row), ranked, count), '\0' };
            amm_text_append(out, letter);
        }
        amm_text_append(out, "\n");
    }
    amm_text_pad(out, GRID_COLUMN);
    amm_text_printf(out, "%s: %.8g", amm_map_axis_word(x->kind), x->values[0]);
    if (x->count > 1) {
        amm_text_printf(out, " to %.8g", x->values[x->count - 1]);
    }
    amm_text_printf(out, " %s\n\n", amm_map_axis_unit(x->kind));
}

/* "1 point", "2 points" */
static void emit_number(amm_text *out, int32_t number, const char *one, const char *several)
{
    amm_text_printf(out, "%d %s", number, number == 1 ? one : several);
}

/* Which of the problem's numbers an axis replaces is said with it. */
static void emit_axes_of(amm_text *out, const amm_map *map, const amm_map_axis_kind *list,
                         size_t count)
{
    for (size_t k = 0; k < count; k++) {
        for (int n = 0; n < 2; n++) {
            if (map->axis[n].kind == list[k]) {
                amm_text_printf(out, " · %s by point", amm_map_axis_word(list[k]));
            }
        }
    }
    amm_text_append(out, "\n");
}

static void emit_problem(amm_text *out, const amm_map *map)
{
    static const amm_map_axis_kind of_cluster[] = { AMM_MAP_NIC, AMM_MAP_NVLINK, AMM_MAP_NODES };
    const amm_problem_desc *p = &map->spec->problem;
    const bool batch = map->axis[0].kind == AMM_MAP_BATCH || map->axis[1].kind == AMM_MAP_BATCH;
    amm_emit_heading(out, "model");
    amm_text_printf(out, "%s · ", p->model->name);
    amm_emit_count(out, (uint64_t)amm_model_parameters(p->model));
    amm_text_append(out, " parameters · ");
    if (!batch) {
        amm_emit_count(out, (uint64_t)p->global_batch);
        amm_text_append(out, p->global_batch == 1 ? " sample of " : " samples of ");
    }
    amm_emit_count(out, (uint64_t)amm_problem_tokens(p));
    amm_text_append(out, batch ? " tokens per sample · batch by point\n" : " tokens per step\n");
    amm_emit_network(out, p->cluster);
    emit_axes_of(out, map, of_cluster, sizeof of_cluster / sizeof of_cluster[0]);
    if (p->runtime != NULL) {
        amm_emit_runtime(out, p);
    }
}

static void emit_head(amm_text *out, const amm_map *map)
{
    const char *x = amm_map_axis_word(map->axis[0].kind);
    amm_emit_heading(out, "map");
    if (map->axis[1].kind != AMM_MAP_AXIS_COUNT) {
        amm_text_printf(out, "%d x ", map->axis[0].count);
        emit_number(out, map->axis[1].count, "point", "points");
        amm_text_printf(out, ", %s along, %s up", x, amm_map_axis_word(map->axis[1].kind));
    } else {
        emit_number(out, map->axis[0].count, "point", "points");
        amm_text_printf(out, ", %s along", x);
    }
    if (map->done < all_points(map)) {
        amm_text_printf(out, " · only %d done", map->done);
    }
    amm_text_append(out, " · ");
    emit_number(out, map->strategies.count, "strategy wins", "strategies win");
    amm_text_append(out, " somewhere, ");
    emit_number(out, map->change_count, "change", "changes");
    amm_text_printf(out, " along %s · %.3g s\n\n", x, map->wall_s);
}

static int32_t count_fate(const amm_map *map, amm_map_fate fate)
{
    int32_t count = 0;
    for (int32_t k = 0; k < all_points(map); k++) {
        count += map->points[k].fate == fate ? 1 : 0;
    }
    return count;
}

static void emit_line(amm_text *out, char mark, int32_t points)
{
    amm_text_printf(out, "       %c  %6d point%s", mark, points, points == 1 ? "   " : "s  ");
}

/* Points without a plan, and the first reason. */
static void emit_planless(amm_text *out, const amm_map *map)
{
    int32_t invalid = 0;
    const int32_t first = amm_map_first_invalid(map, &invalid);
    const int32_t unfit = count_fate(map, AMM_MAP_FATE_NO_PLAN);
    if (unfit > 0) {
        emit_line(out, '.', unfit);
        amm_text_append(out, "nothing fits\n");
    }
    if (invalid == 0) {
        return;
    }
    emit_line(out, '!', invalid);
    amm_text_append(out, "invalid, the first: ");
    for (int n = 0; n < 2; n++) {
        const amm_map_axis *axis = &map->axis[n];
        const int32_t at = n == 0 ? first % map->axis[0].count : first / map->axis[0].count;
        if (axis->kind != AMM_MAP_AXIS_COUNT) {
            amm_text_printf(out, "%s %.8g: ", amm_map_axis_word(axis->kind), axis->values[at]);
        }
    }
    amm_text_printf(out, "%s\n", map->reasons.list[map->points[first].reason]);
}

amm_status amm_map_table(const amm_map *map, char **out)
{
    amm_text text;
    holding ranked[LETTERS];
    const int32_t count = rank_strategies(map, ranked);
    amm_text_init(&text, map->context);
    emit_problem(&text, map);
    emit_head(&text, map);
    emit_grid(&text, map, ranked, count);
    for (int32_t k = 0; k < count; k++) {
        const holding *h = &ranked[k];
        emit_line(&text, (char)('A' + k), h->points);
        amm_text_printf(&text, "%.4f", h->least_s);
        if (h->points > 1) {
            amm_text_printf(&text, " to %.4f", h->largest_s);
        }
        amm_text_printf(&text, " s/step  %s\n", map->strategies.list[h->strategy]);
    }
    if (map->strategies.count > count) {
        amm_text_append(&text, "       +  ");
        emit_number(&text, map->strategies.count - count, "more strategy\n", "more strategies\n");
    }
    emit_planless(&text, map);
    return amm_text_take(&text, out);
}
