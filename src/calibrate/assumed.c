/* Settings that a measured run does not tell, and the values that they plausibly had. */
#include "calibrate/runs.h"

#include <math.h>
#include <string.h>

static const char *const assumed_words[AMM_ASSUMED_COUNT] = {
#define AMM_ASSUMED_WORD(name, word) word,
    AMM_ASSUMED_LIST(AMM_ASSUMED_WORD)
#undef AMM_ASSUMED_WORD
};

void amm_assumed_format(char out[AMM_ASSUMED_CHARS], uint32_t assumed)
{
    size_t n = 0;
    out[0] = '\0';
    for (int k = 0; k < AMM_ASSUMED_COUNT; k++) {
        if ((assumed >> k & 1) != 0) {
            const char *word = assumed_words[k];
            const size_t length = strlen(word);
            if (n > 0) {
                out[n++] = '+';
            }
            memcpy(out + n, word, length + 1);
            n += length;
        }
    }
}

/* The index-th number of chunks above 1 whose stages are even, 0 when there are no more. Stages that
 * carry an embedding and a head instead of two blocks are even as well. */
static double chunks(const amm_run_row *row, int64_t index)
{
    const double blocks = row->network.block_count;
    for (double v = 2.0; v * row->run.pp <= blocks + 2.0; v++) {
        const bool even =
            fmod(blocks, v * row->run.pp) == 0.0 || fmod(blocks + 2.0, v * row->run.pp) == 0.0;
        if (even && index-- == 0) {
            return v;
        }
    }
    return 0.0;
}

/* The reference server's network (index 0), that of one NIC generation before and after: rates double
 * from one to the next (InfiniBand EDR, HDR, NDR, XDR: 100, 200, 400, 800 Gbit/s). */
static double network_factor(int64_t index)
{
    static const double factors[] = { 1.0, 0.5, 2.0 };
    return index < 3 ? factors[index] : 0.0;
}

/* Sets the index-th plausible value; false when there are no more. */
static bool set_value(amm_run_row *row, int setting, int64_t index)
{
    static const int sets[] = { AMM_RECOMPUTE_NONE, AMM_RECOMPUTE_CORE_ATTN, AMM_RECOMPUTE_FULL };
    double value = 0.0;
    switch (setting) {
    case AMM_ASSUMED_VPP:
        value = chunks(row, index);
        row->run.vpp = value;
        row->run.schedule = AMM_SCHEDULE_INTERLEAVED;
        return value > 0.0;
    case AMM_ASSUMED_NIC:
        value = network_factor(index);
        for (int32_t k = 0; k < row->part_count; k++) {
            row->parts[k].fabric.network_bytes_per_s *= value;
        }
        return value > 0.0;
    case AMM_ASSUMED_RECOMPUTE:
        row->run.recompute = sets[index < 3 ? index : 0];
        return index < 3;
    case AMM_ASSUMED_TP_OVERLAP:
        row->run.tp_overlap = index == 1;
        return index < 2;
    case AMM_ASSUMED_FRAMEWORK: /* nobody knows what else it does */
        return index < 1;
    case AMM_ASSUMED_GRAPHS:
        row->run.graph = index == 1 ? 2 : 0;
        return index < 2;
    default:
        return false;
    }
}

static int64_t value_count(const amm_run_row *row, int setting)
{
    int64_t n = 0;
    for (amm_run_row tried = *row; set_value(&tried, setting, n); tried = *row) {
        n++;
    }
    return n;
}

bool amm_run_variant(amm_run_row *out, const amm_run_row *row, int64_t index)
{
    *out = *row;
    for (int k = 0; k < AMM_ASSUMED_COUNT; k++) {
        if ((row->assumed >> k & 1) != 0) {
            const int64_t count = value_count(row, k);
            if (count > 0) { /* else only the usual value is possible */
                (void)set_value(out, k, index % count);
                index /= count;
            }
        }
    }
    return index == 0;
}
