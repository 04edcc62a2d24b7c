#include "io/json_read.h"
#include "search/partitions.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORMAT "ammeter-checkpoint"

static uint64_t add_number(uint64_t hash, uint64_t number)
{
    uint8_t bytes[sizeof number];
    for (size_t k = 0; k < sizeof bytes; k++) {
        bytes[k] = (uint8_t)(number >> 8 * k);
    }
    return amm_hash(hash, bytes, sizeof bytes);
}

/* Of all numbers, in the order of the file. */
static uint64_t checksum(const amm_checkpoint *c)
{
    const uint64_t numbers[] = {
        c->problem, c->config, (uint64_t)c->scale, (uint64_t)c->items, (uint64_t)c->stages,
        c->ranks,   c->next,   c->count.covered,   c->count.scored,    (uint64_t)c->top.capacity
    };
    uint64_t hash = AMM_HASH_START;
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
        hash = add_number(hash, numbers[k]);
    }
    for (int32_t k = 0; k < c->top.count; k++) {
        hash = add_number(add_number(hash, (uint64_t)c->top.keys[k].cost), c->top.keys[k].rank);
    }
    return hash;
}

amm_status amm_checkpoint_write(char **out, const amm_context *context, const amm_checkpoint *c)
{
    amm_json j;
    amm_text text;
    amm_text_init(&text, context);
    amm_json_init(&j, &text, true);
    amm_json_open(&j, NULL, '{');
    amm_json_string(&j, "format", FORMAT);
    amm_json_integer(&j, "version", 1);
    amm_json_string(&j, "program", amm_version());
    amm_json_hex(&j, "problem", c->problem);
    amm_json_id(&j, "config", c->config);
    amm_json_integer(&j, "scale", c->scale);
    amm_json_integer(&j, "items", c->items);
    amm_json_integer(&j, "stages", c->stages);
    amm_json_id(&j, "ranks", c->ranks);
    amm_json_id(&j, "next", c->next);
    amm_json_id(&j, "covered", c->count.covered);
    amm_json_id(&j, "scored", c->count.scored);
    amm_json_integer(&j, "keep", c->top.capacity);
    amm_json_open(&j, "best", '[');
    for (int32_t k = 0; k < c->top.count; k++) {
        amm_json_open_row(&j, NULL, '{');
        amm_json_id(&j, "cost", (uint64_t)c->top.keys[k].cost);
        amm_json_id(&j, "rank", c->top.keys[k].rank);
        amm_json_close(&j, '}');
    }
    amm_json_close(&j, ']');
    amm_json_hex(&j, "checksum", checksum(c));
    amm_json_close(&j, '}');
    amm_text_append(&text, "\n");
    return amm_text_take(&text, out);
}

/* A decimal number in a string, at most `high`. */
static amm_status read_id(const amm_value *object, const char *key, uint64_t high, uint64_t *out)
{
    amm_value value;
    const char *text = NULL;
    uint64_t n = 0;
    AMM_TRY(amm_field_needed(object, key, &value));
    AMM_TRY(amm_value_text(&value, &text, 20));
    bool good = *text != '\0';
    for (const char *at = text; *at != '\0' && good; at++) {
        const uint64_t digit = (uint64_t)(*at - '0');
        good = *at >= '0' && *at <= '9' && n <= (UINT64_MAX - digit) / 10;
        n = good ? 10 * n + digit : n;
    }
    if (!good || n > high) {
        return amm_value_refuse(object, key, "got \"%s\", allowed a number up to %" PRIu64, text,
                                high);
    }
    *out = n;
    return AMM_OK;
}

/* What has to be the same for the sweep to go on. */
static amm_status same_id(const amm_value *object, const char *key, uint64_t wanted)
{
    uint64_t got = 0;
    AMM_TRY(read_id(object, key, UINT64_MAX, &got));
    if (got != wanted) {
        return amm_value_refuse(
            object, key, "of another sweep, got %" PRIu64 ", this one has %" PRIu64, got, wanted);
    }
    return AMM_OK;
}

static amm_status same_integer(const amm_value *object, const char *key, int64_t wanted)
{
    int64_t got = 0;
    AMM_TRY(amm_field_integer(object, key, true, INT32_MIN, INT32_MAX, &got));
    if (got != wanted) {
        return amm_value_refuse(
            object, key, "of another sweep, got %" PRId64 ", this one has %" PRId64, got, wanted);
    }
    return AMM_OK;
}

static amm_status same_text(const amm_value *object, const char *key, const char *wanted)
{
    amm_value value;
    const char *got = NULL;
    AMM_TRY(amm_field_needed(object, key, &value));
    AMM_TRY(amm_value_text(&value, &got, 64));
    if (strcmp(got, wanted) != 0) {
        return amm_value_refuse(object, key, "of another sweep, got \"%s\", this one has \"%s\"",
                                got, wanted);
    }
    return AMM_OK;
}

/* Of the numbers as they were read. */
static amm_status check_checksum(const amm_checkpoint *c, const amm_value *root)
{
    char wanted[17];
    amm_value value;
    const char *got = NULL;
    (void)snprintf(wanted, sizeof wanted, "%016" PRIx64, checksum(c));
    AMM_TRY(amm_field_needed(root, "checksum", &value));
    AMM_TRY(amm_value_text(&value, &got, 64));
    if (strcmp(got, wanted) != 0) {
        return amm_value_refuse(root, "checksum", "got \"%s\", the numbers have \"%s\"", got,
                                wanted);
    }
    return AMM_OK;
}

static amm_status read_best(amm_checkpoint *c, const amm_value *root)
{
    static const char *const keys[] = { "cost", "rank", NULL };
    amm_value list;
    amm_value item;
    int32_t count = 0;
    AMM_TRY(amm_field_needed(root, "best", &list));
    const bool few = c->count.scored < (uint64_t)c->top.capacity; /* each was scored */
    AMM_TRY(amm_value_count(&list, &count, few ? (int32_t)c->count.scored : c->top.capacity));
    for (bool more = amm_value_first(&list, &item); more; more = amm_value_next(&item)) {
        amm_key key = { .config = c->config };
        uint64_t cost = 0;
        AMM_TRY(amm_value_keys(&item, keys));
        AMM_TRY(read_id(&item, "cost", INT64_MAX, &cost));
        AMM_TRY(read_id(&item, "rank", c->next == 0 ? 0 : c->next - 1, &key.rank));
        key.cost = (int64_t)cost;
        if (c->top.count > 0 && !amm_key_less(&c->top.keys[c->top.count - 1], &key)) {
            return amm_value_refuse(&item, "cost", "not after the one before it, by cost and rank");
        }
        c->top.keys[c->top.count++] = key;
    }
    return AMM_OK;
}

/* What is known of a sweep before the search that it belongs to. */
static amm_status read_head(amm_checkpoint *c, const amm_value *root)
{
    static const char *const keys[] = { "format", "version", "program",  "problem",
                                        "config", "scale",   "items",    "stages",
                                        "ranks",  "next",    "covered",  "scored",
                                        "keep",   "best",    "checksum", NULL };
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, c->problem);
    AMM_TRY(amm_value_format(root, FORMAT));
    AMM_TRY(amm_value_keys(root, keys));
    AMM_TRY(same_text(root, "program", amm_version()));
    AMM_TRY(same_text(root, "problem", hash));
    return same_integer(root, "keep", c->top.capacity);
}

static amm_status read_all(amm_checkpoint *c, const amm_value *root)
{
    AMM_TRY(read_head(c, root));
    AMM_TRY(same_id(root, "config", c->config));
    AMM_TRY(same_integer(root, "scale", c->scale));
    AMM_TRY(same_integer(root, "items", c->items));
    AMM_TRY(same_integer(root, "stages", c->stages));
    AMM_TRY(same_id(root, "ranks", c->ranks));
    AMM_TRY(read_id(root, "next", c->ranks, &c->next));
    AMM_TRY(read_id(root, "covered", c->ranks, &c->count.covered));
    if (c->count.covered != c->next) {
        return amm_value_refuse(root, "covered", "got %" PRIu64 ", all %" PRIu64 " before next are",
                                c->count.covered, c->next);
    }
    AMM_TRY(read_id(root, "scored", c->count.covered, &c->count.scored));
    c->top.count = 0;
    AMM_TRY(read_best(c, root));
    return check_checksum(c, root);
}

static amm_status read_text(amm_checkpoint *c, const amm_context *context, const char *text,
                            size_t size, const char *file,
                            amm_status (*read)(amm_checkpoint *, const amm_value *))
{
    amm_arena arena;
    amm_document document;
    amm_arena_init(&arena, context);
    amm_reader reader = { context, &arena, NULL, AMM_HASH_START };
    amm_status status = amm_document_parse(&document, &reader, text, size, file, NULL);
    if (status == AMM_OK) {
        const amm_value root = amm_document_root(&document);
        status = read(c, &root);
    }
    amm_document_free(&document);
    amm_arena_free(&arena);
    return status;
}

amm_status amm_checkpoint_check(amm_checkpoint *c, const amm_context *context, const char *text,
                                size_t size, const char *file)
{
    return read_text(c, context, text, size, file, read_head);
}

amm_status amm_checkpoint_read(amm_checkpoint *c, const amm_context *context, const char *text,
                               size_t size, const char *file)
{
    return read_text(c, context, text, size, file, read_all);
}
