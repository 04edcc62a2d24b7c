/* Lines of a small CSV with '#' comments and one header line; no quoting. */
#ifndef AMM_TESTS_CSV_ROWS_H
#define AMM_TESTS_CSV_ROWS_H

#include <stdbool.h>
#include <stdio.h>

enum { CSV_FIELDS = 24 };

typedef struct csv_rows {
    FILE *file;
    char line[4096];
    char *field[CSV_FIELDS];
    int fields;
} csv_rows;

/* Opens tests/golden/NAME below the source folder (environment SRC, or the current folder). */
void csv_open(csv_rows *rows, const char *name);
/* False at the end. */
bool csv_next(csv_rows *rows);
void csv_close(csv_rows *rows);

/* Integers joined by one separator; returns their number. */
int csv_integers(const char *text, char separator, int *out, int room);

#endif
