#include "describe/check.h"

#include <stdio.h>
#include <string.h>

/* What a value is called. Of several words for a value the first is written. */
typedef struct word {
    const char *word;
    int32_t value;
} word;

static const word switches[] = { { "off", 0 },   { "on", 1 },   { "0", 0 }, { "1", 1 },
                                 { "false", 0 }, { "true", 1 }, { NULL, 0 } };

/* Interleaved is what chunks make of 1F1B: vpp above 1. */
static const word schedules[] = { { "1f1b", AMM_SCHEDULE_1F1B },
                                  { "gpipe", AMM_SCHEDULE_GPIPE },
                                  { "zb-h1", AMM_SCHEDULE_ZB_H1 },
                                  { "zb-h2", AMM_SCHEDULE_ZB_H2 },
                                  { NULL, 0 } };

/* Megatron-core: alltoall; flex, whose backends DeepEP and HybridEP send one copy per domain. */
static const word dispatchers[] = {
    { "alltoall", 0 }, { "deepep", 1 }, { "hybridep", 1 }, { "flex", 1 }, { NULL, 0 }
};

static const word graphs[] = {
    { "none", 0 }, { "partial", 1 }, { "full_iteration", 2 }, { NULL, 0 }
};

static const word kernels[] = {
#define AMM_ATTENTION_ROW(name, word) { word, AMM_ATTENTION_##name },
    AMM_ATTENTION_LIST(AMM_ATTENTION_ROW)
#undef AMM_ATTENTION_ROW
        { NULL, 0 }
};

static const word cp_comms[] = {
#define AMM_CP_COMM_ROW(name, word) { word, AMM_CP_COMM_##name },
    AMM_CP_COMM_LIST(AMM_CP_COMM_ROW)
#undef AMM_CP_COMM_ROW
        { NULL, 0 }
};

static const word groups[] = { { "all", AMM_SHARD_ALL }, { NULL, 0 } };

static const struct {
    const char *key, *option;
    int32_t fact, usual;
} choices[AMM_CHOICE_COUNT] = {
#define AMM_CHOICE_ROW(name, key, option, megatron, member, fact, usual)                           \
    { key, option, fact, usual },
    AMM_CHOICE_LIST(AMM_CHOICE_ROW)
#undef AMM_CHOICE_ROW
};

static const struct {
    const word *words;
    bool numbers; /* 1 and more, too */
    const char *allowed;
} values[AMM_CHOICE_COUNT] = {
    [AMM_CHOICE_SCHEDULE] = { schedules, false, "1f1b, gpipe, zb-h1, zb-h2" },
    [AMM_CHOICE_SEQUENCE_PARALLEL] = { switches, false, "off, on" },
    [AMM_CHOICE_CP_COMM] = { cp_comms, false, "p2p, all_gather, a2a, a2a+p2p" },
    [AMM_CHOICE_TP_OVERLAP] = { switches, false, "off, on" },
    [AMM_CHOICE_DP_OVERLAP] = { switches, false, "off, on" },
    [AMM_CHOICE_EP_OVERLAP] = { switches, false, "off, on" },
    [AMM_CHOICE_DISPATCHER] = { dispatchers, false, "alltoall, deepep" },
    [AMM_CHOICE_GRAPHS] = { graphs, false, "none, partial, full_iteration" },
    [AMM_CHOICE_SHARD_GROUP] = { groups, true, "all, or a number of ranks" },
    [AMM_CHOICE_ATTENTION] = { kernels, false, "torch, fused, flash1, flash, triton" },
    [AMM_CHOICE_FUSED_NORM] = { switches, false, "off, on" },
};

int32_t amm_choice_usual(amm_choice choice, const amm_runtime *runtime)
{
    const int32_t fact = choices[choice].fact;
    return fact < 0 ? choices[choice].usual : (int32_t)runtime->facts[fact].value;
}

const char *amm_choice_key(amm_choice choice)
{
    return choices[choice].key;
}

const char *amm_choice_option(amm_choice choice)
{
    return choices[choice].option;
}

const char *amm_choice_words(amm_choice choice)
{
    return values[choice].allowed;
}

static bool number(int32_t *out, const char *text, size_t length)
{
    char digits[12];
    int64_t value = 0;
    if (length == 0 || length >= sizeof digits) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (!amm_integer_parse(digits, &value) || value < 1 || value >= AMM_MAX_BATCH) {
        return false;
    }
    *out = (int32_t)value;
    return true;
}

bool amm_choice_parse(int32_t *out, amm_choice choice, const char *text, size_t length)
{
    for (const word *x = values[choice].words; x->word != NULL; x++) {
        if (strlen(x->word) == length && memcmp(text, x->word, length) == 0) {
            *out = x->value;
            return true;
        }
    }
    return values[choice].numbers && number(out, text, length);
}

void amm_choice_format(char out[AMM_RECOMPUTE_CHARS], amm_choice choice, int32_t value)
{
    for (const word *x = values[choice].words; x->word != NULL; x++) {
        if (x->value == value) {
            (void)snprintf(out, AMM_RECOMPUTE_CHARS, "%s", x->word);
            return;
        }
    }
    (void)snprintf(out, AMM_RECOMPUTE_CHARS, "%d", value);
}
