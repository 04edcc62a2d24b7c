#include "search/planner.h"

#include <string.h>

bool amm_placement_ranks(const int32_t *grid, int32_t nodes, int32_t per_node,
                         const amm_config *config, int32_t *node_of_rank, int32_t *device_of_rank)
{
    const int32_t share = config->tp * config->dp;
    const int32_t ranks = nodes * per_node;
    for (int32_t r = 0; r < ranks; r++) {
        device_of_rank[r] = -1;
    }
    for (int32_t n = 0; n < nodes; n++) {
        for (int32_t k = 0; k < per_node; k++) {
            const int32_t stage = grid[k * nodes + n] - 1;
            if (stage < 0 || stage >= config->pp) {
                return false;
            }
            int32_t rank = stage * share;
            while (rank < (stage + 1) * share && device_of_rank[rank] >= 0) {
                rank++;
            }
            if (rank == (stage + 1) * share) {
                return false;
            }
            device_of_rank[rank] = n * per_node + k;
            node_of_rank[rank] = n;
        }
    }
    return true;
}

/* ---- tilings --------------------------------------------------------------------------------- */

typedef struct tiler {
    int32_t rows, columns, tp, dp;
    int32_t *grid, *out;
    int64_t want, found; /* copy tiling number `want`; -1: count only */
} tiler;

static bool place(tiler *t, int32_t row, int32_t column, int32_t height, int32_t width,
                  int32_t from, int32_t to)
{
    if (row + height > t->rows || column + width > t->columns) {
        return false;
    }
    for (int32_t r = row; r < row + height; r++) {
        for (int32_t c = column; c < column + width; c++) {
            if (t->grid[r * t->columns + c] != from) {
                return false;
            }
        }
    }
    for (int32_t r = row; r < row + height; r++) {
        for (int32_t c = column; c < column + width; c++) {
            t->grid[r * t->columns + c] = to;
        }
    }
    return true;
}

/* First empty cell in row order; the tile as it is, then turned. */
static void tile(tiler *t, int32_t stage)
{
    const int32_t cells = t->rows * t->columns;
    int32_t cell = 0;
    while (cell < cells && t->grid[cell] != 0) {
        cell++;
    }
    if (cell == cells) {
        if (t->found++ == t->want) {
            memcpy(t->out, t->grid, (size_t)cells * sizeof *t->out);
        }
        return;
    }
    const int32_t row = cell / t->columns;
    const int32_t column = cell % t->columns;
    for (int32_t turn = 0; turn < (t->tp == t->dp ? 1 : 2); turn++) {
        const int32_t height = turn == 0 ? t->tp : t->dp;
        const int32_t width = turn == 0 ? t->dp : t->tp;
        if (place(t, row, column, height, width, 0, stage)) {
            tile(t, stage + 1);
            (void)place(t, row, column, height, width, stage, 0);
        }
    }
}

int64_t amm_placement_tilings(int32_t *out, int32_t *scratch, int32_t nodes, int32_t per_node,
                              int32_t tp, int32_t dp, int64_t want)
{
    tiler t = { per_node, nodes, tp, dp, scratch, out, want, 0 };
    memset(scratch, 0, (size_t)(nodes * per_node) * sizeof *scratch);
    tile(&t, 1);
    return t.found;
}
