/* Tables of text: RFC 4180 in, RFC 4180 out. Read by libcsv. */
#ifndef AMM_IO_CSV_H
#define AMM_IO_CSV_H

#include "core/core.h"

enum { AMM_MAX_CSV_COLUMNS = 1024, AMM_MAX_CSV_ROWS = 4194304 };

/* Every pointer lives in the arena. Missing cells at the end of a line are refused. */
typedef struct amm_csv {
    int32_t columns;
    int64_t rows;              /* below the header */
    const char *const *header; /* [columns] */
    const char *const *cells;  /* [rows * columns] */
} amm_csv;

/* Errors: INPUT with "file:record N: what, got, allowed", NO_MEMORY. */
amm_status amm_csv_read(amm_arena *arena, amm_csv *out, const char *text, size_t size,
                        const char *file);

/* Column of that name, or -1. */
int32_t amm_csv_column(const amm_csv *csv, const char *name);

/* Appends a cell, quoted where it has to be. */
void amm_csv_write(amm_text *out, const char *cell);

#endif
