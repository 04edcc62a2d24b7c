#include "io/csv.h"

#include <csv.h>
#include <string.h>

/* Growing list of the cells read so far. */
typedef struct csv_state {
    amm_arena *arena;
    const char *file;
    const char **cells;
    int64_t *ends; /* cells read at the end of each record */
    int64_t cell_count, cell_room, record_count, record_room;
    amm_status status;
} csv_state;

static amm_status grow(csv_state *s, void **list, int64_t *room, int64_t count, size_t size)
{
    if (count < *room) {
        return AMM_OK;
    }
    const int64_t fresh = *room == 0 ? 4096 : 2 * *room;
    void *list_fresh = amm_arena_alloc(s->arena, (size_t)fresh, size);
    if (list_fresh == NULL) {
        return AMM_NO_MEMORY;
    }
    if (count > 0) {
        memcpy(list_fresh, *list, (size_t)count * size);
    }
    *list = list_fresh;
    *room = fresh;
    return AMM_OK;
}

static void on_cell(void *data, size_t length, void *payload)
{
    csv_state *s = payload;
    if (s->status != AMM_OK) {
        return;
    }
    void *list = s->cells;
    s->status = grow(s, &list, &s->cell_room, s->cell_count, sizeof *s->cells);
    s->cells = list;
    if (s->status == AMM_OK) {
        const char *cell = amm_arena_copy(s->arena, data == NULL ? "" : data, length);
        s->status = cell == NULL ? AMM_NO_MEMORY : AMM_OK;
        s->cells[s->cell_count++] = cell;
    }
}

static void on_record(int end, void *payload)
{
    csv_state *s = payload;
    (void)end;
    if (s->status != AMM_OK) {
        return;
    }
    if (s->record_count > AMM_MAX_CSV_ROWS) {
        s->status =
            amm_fail(AMM_INPUT, "%s: too many records, allowed %d", s->file, AMM_MAX_CSV_ROWS);
        return;
    }
    void *list = s->ends;
    s->status = grow(s, &list, &s->record_room, s->record_count, sizeof *s->ends);
    s->ends = list;
    if (s->status == AMM_OK) {
        s->ends[s->record_count++] = s->cell_count;
    }
}

static amm_status parse(csv_state *s, const char *text, size_t size)
{
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        return amm_fail(AMM_INTERNAL, "%s: the CSV reader does not start", s->file);
    }
    const size_t read = csv_parse(&parser, text, size, on_cell, on_record, s);
    const int error = csv_error(&parser);
    const int64_t complete = s->record_count; /* csv_fini counts what is left as one more */
    const int unfinished = csv_fini(&parser, on_cell, on_record, s);
    csv_free(&parser);
    AMM_TRY(s->status);
    if (read != size || unfinished != 0) {
        return amm_fail(AMM_INPUT, "%s:record %lld: not CSV (%s)", s->file, (long long)complete + 1,
                        read != size ? csv_strerror(error) : "a quote is not closed");
    }
    return AMM_OK;
}

amm_status amm_csv_read(amm_arena *arena, amm_csv *out, const char *text, size_t size,
                        const char *file)
{
    csv_state s = { arena, file, NULL, NULL, 0, 0, 0, 0, AMM_OK };
    memset(out, 0, sizeof *out);
    AMM_TRY(parse(&s, text, size));
    if (s.record_count < 1 || s.ends[0] > AMM_MAX_CSV_COLUMNS) {
        return amm_fail(AMM_INPUT, "%s: %s", file,
                        s.record_count < 1 ? "no header" : "too many columns");
    }
    const int64_t columns = s.ends[0];
    for (int64_t r = 1; r < s.record_count; r++) {
        if (s.ends[r] - s.ends[r - 1] != columns) {
            return amm_fail(
                AMM_INPUT, "%s:record %lld: wrong number of cells, got %lld, allowed %lld", file,
                (long long)r + 1, (long long)(s.ends[r] - s.ends[r - 1]), (long long)columns);
        }
    }
    out->columns = (int32_t)columns;
    out->rows = s.record_count - 1;
    out->header = s.cells;
    out->cells = s.cells + columns;
    return AMM_OK;
}

int32_t amm_csv_column(const amm_csv *csv, const char *name)
{
    for (int32_t c = 0; c < csv->columns; c++) {
        if (strcmp(csv->header[c], name) == 0) {
            return c;
        }
    }
    return -1;
}

/* The reader takes blanks off the ends of a cell that is not quoted. */
static bool has_blank_end(const char *cell)
{
    const size_t length = strlen(cell);
    return length > 0 &&
           (strchr(" \t", cell[0]) != NULL || strchr(" \t", cell[length - 1]) != NULL);
}

void amm_csv_write(amm_text *out, const char *cell)
{
    if (strpbrk(cell, ",\"\r\n") == NULL && !has_blank_end(cell)) {
        amm_text_append(out, cell);
        return;
    }
    amm_text_append(out, "\"");
    for (const char *c = cell; *c != '\0'; c++) {
        amm_text_append_bytes(out, c, 1);
        if (*c == '"') {
            amm_text_append(out, "\"");
        }
    }
    amm_text_append(out, "\"");
}
