#include "io/presets_data.h"
#include "io/read.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *folder, *word;
} kinds[AMM_PRESET_KIND_COUNT] = {
#define AMM_PRESET_KIND_ROW(name, folder, word) { folder, word },
    AMM_PRESET_KIND_LIST(AMM_PRESET_KIND_ROW)
#undef AMM_PRESET_KIND_ROW
};

const char *amm_preset_kind_word(amm_preset_kind kind)
{
    return kinds[kind].word;
}

const char *amm_preset_folder(amm_preset_kind kind)
{
    return kinds[kind].folder;
}

bool amm_preset_kind_parse(amm_preset_kind *out, const char *word)
{
    for (int i = 0; i < AMM_PRESET_KIND_COUNT; i++) {
        if (strcmp(word, kinds[i].word) == 0) {
            *out = (amm_preset_kind)i;
            return true;
        }
    }
    return false;
}

/* The index-th file of a kind, NULL past the end. */
static const amm_preset_file *preset_file(amm_preset_kind kind, int32_t index)
{
    for (size_t i = 0; i < amm_preset_file_count; i++) {
        const amm_preset_file *file = &amm_preset_files[i];
        if (strcmp(file->kind, kinds[kind].folder) == 0 && index-- == 0) {
            return file;
        }
    }
    return NULL;
}

const char *amm_preset_name(amm_preset_kind kind, int32_t index)
{
    const amm_preset_file *file = index < 0 ? NULL : preset_file(kind, index);
    return file == NULL ? NULL : file->name;
}

const char *amm_preset_text(amm_preset_kind kind, int32_t index, size_t *size)
{
    const amm_preset_file *file = preset_file(kind, index);
    *size = file->size;
    return file->text;
}

/* ---- names, whatever the case ---------------------------------------------------------------- */

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* `text` starts with `word`. */
static bool starts_with(const char *text, const char *word)
{
    while (*word != '\0' && same_letter(*text, *word)) {
        text++;
        word++;
    }
    return *word == '\0';
}

static bool same_name(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && starts_with(a, b);
}

static bool contains(const char *text, const char *word)
{
    while (*text != '\0' && !starts_with(text, word)) {
        text++;
    }
    return starts_with(text, word);
}

/* ---- devices answer to more than one name ---------------------------------------------------- */

/* Whether the device of this text is called `name`; its canonical name goes into the arena then.
 * Only names are looked at, and the reader's hash stays as it is: nothing is used yet. */
static amm_status device_answers(amm_reader *r, const amm_preset_file *file, const char *name,
                                 const char **canonical)
{
    const uint64_t hash = r->hash;
    amm_document document;
    char quoted[AMM_MAX_NAME + 3];
    (void)snprintf(quoted, sizeof quoted, "\"%.*s\"", AMM_MAX_NAME, name);
    /* A file that does not hold the name need not be parsed: there are many devices. */
    if (!contains(file->text, quoted) && !same_name(file->name, name)) {
        return AMM_OK;
    }
    amm_status status = amm_document_parse(&document, r, file->text, file->size, file->name, NULL);
    r->hash = hash;
    if (status == AMM_OK) {
        const amm_value root = amm_document_root(&document);
        amm_value field;
        amm_value alias;
        const char *text = "";
        bool same = amm_field(&root, "name", &field) &&
                    amm_value_text(&field, &text, AMM_MAX_NAME) == AMM_OK && same_name(text, name);
        const char *other = "";
        if (amm_field(&root, "aliases", &field) && amm_value_is_array(&field)) {
            for (bool ok = amm_value_first(&field, &alias); ok; ok = amm_value_next(&alias)) {
                same = same || (amm_value_text(&alias, &other, AMM_MAX_NAME) == AMM_OK &&
                                same_name(other, name));
            }
        }
        same = same || same_name(file->name, name);
        if (same) {
            *canonical = amm_arena_copy(r->arena, text, strlen(text));
            status = *canonical == NULL ? AMM_NO_MEMORY : AMM_OK;
        }
    }
    amm_document_free(&document);
    return status;
}

/* Index and canonical name of the device preset, -1 and NULL when there is none. */
static amm_status find_device(amm_reader *r, const char *name, int32_t *index,
                              const char **canonical)
{
    *canonical = NULL;
    for (*index = 0;; ++*index) {
        const amm_preset_file *file = preset_file(AMM_PRESET_DEVICE, *index);
        if (file == NULL) {
            *index = -1;
            return AMM_OK;
        }
        AMM_TRY(device_answers(r, file, name, canonical));
        if (*canonical != NULL) {
            return AMM_OK;
        }
    }
}

amm_status amm_device_canonical(amm_reader *r, const char **out, const char *name)
{
    int32_t index = -1;
    AMM_TRY(find_device(r, name, &index, out));
    if (*out == NULL) {
        *out = amm_arena_copy(r->arena, name, strlen(name));
    }
    return *out == NULL ? AMM_NO_MEMORY : AMM_OK;
}

amm_status amm_preset_find(amm_reader *r, amm_preset_kind kind, const char *name, int32_t *out)
{
    const char *candidate = NULL;
    for (*out = 0; (candidate = amm_preset_name(kind, *out)) != NULL; ++*out) {
        if (same_name(candidate, name)) {
            return AMM_OK;
        }
    }
    *out = -1;
    return kind == AMM_PRESET_DEVICE ? find_device(r, name, out, &candidate) : AMM_OK;
}

/* ---- what was meant? ------------------------------------------------------------------------- */

/* Edit distance, letters of either case being equal; `most` + 1 when a name is too long to tell. */
static int distance(const char *a, const char *b, int most)
{
    enum { LONGEST = 64 };
    int row[LONGEST + 1];
    const size_t m = strlen(a);
    const size_t n = strlen(b);
    if (m > LONGEST || n > LONGEST) {
        return most + 1;
    }
    for (size_t k = 0; k <= n; k++) {
        row[k] = (int)k;
    }
    for (size_t i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t k = 1; k <= n; k++) {
            const int replaced = diagonal + (same_letter(a[i - 1], b[k - 1]) ? 0 : 1);
            const int shorter = (row[k - 1] < row[k] ? row[k - 1] : row[k]) + 1;
            diagonal = row[k];
            row[k] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[n];
}

static bool close_to(const char *preset, const char *name)
{
    const size_t length = strlen(name) < strlen(preset) ? strlen(name) : strlen(preset);
    const int most = 1 + (int)(length / 5);
    return (length >= 2 && contains(preset, name)) || distance(preset, name, most) <= most;
}

/* Appends what fits; false: it does not. */
static bool add_name(char *out, size_t size, const char *before, const char *name)
{
    const size_t length = strlen(out);
    const int written = snprintf(out + length, size - length, "%s%s", before, name);
    if ((size_t)written >= size - length) {
        out[length] = '\0';
        return false;
    }
    return true;
}

/* The preset has a name like that, or its text says the word in quotes: an alias, a framework. */
static bool meant(amm_preset_kind kind, int32_t index, const char *name)
{
    char quoted[AMM_MAX_NAME + 3];
    const amm_preset_file *file = preset_file(kind, index);
    (void)snprintf(quoted, sizeof quoted, "\"%.*s\"", AMM_MAX_NAME, name);
    return close_to(file->name, name) ||
           (kind == AMM_PRESET_RUNTIME && contains(file->text, quoted));
}

void amm_preset_close_names(char *out, size_t size, amm_preset_kind kind, const char *name)
{
    enum { MOST = 5 };
    const char *preset = NULL;
    int count = 0;
    out[0] = '\0';
    for (int32_t i = 0; (preset = amm_preset_name(kind, i)) != NULL && count < MOST; i++) {
        if (meant(kind, i, name)) {
            count += add_name(out, size, count == 0 ? ", close presets: " : ", ", preset) ? 1 : 0;
        }
    }
    if (count == 0 && strchr(name, '/') == NULL) {
        (void)snprintf(out, size, "; presets: ammeter list %ss", kinds[kind].word);
    }
}
