#include "csv_rows.h"

#include "test_support.h"
#include <stdlib.h>
#include <string.h>

void csv_open(csv_rows *rows, const char *name)
{
    char path[1024];
    const char *source = getenv("SRC");
    (void)snprintf(path, sizeof path, "%s/tests/golden/%s", source == NULL ? "." : source, name);
    rows->file = fopen(path, "r");
    if (rows->file == NULL) {
        fail_msg("cannot open %s", path);
    }
    assert_true(csv_next(rows)); /* the header */
}

bool csv_next(csv_rows *rows)
{
    do {
        if (fgets(rows->line, sizeof rows->line, rows->file) == NULL) {
            return false;
        }
    } while (rows->line[0] == '#');
    rows->line[strcspn(rows->line, "\n")] = '\0';
    rows->fields = 0;
    for (char *at = rows->line; at != NULL && rows->fields < CSV_FIELDS;) {
        rows->field[rows->fields++] = at;
        at = strchr(at, ',');
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    return true;
}

void csv_close(csv_rows *rows)
{
    (void)fclose(rows->file);
}

int csv_integers(const char *text, char separator, int *out, int room)
{
    int count = 0;
    while (text != NULL && *text != '\0' && count < room) {
        out[count++] = atoi(text);
        text = strchr(text, separator);
        text = text == NULL ? NULL : text + 1;
    }
    return count;
}
