#include "io/read.h"

#include <string.h>

static const amm_read_value readers[AMM_PRESET_KIND_COUNT] = {
    [AMM_PRESET_MODEL] = amm_read_model_value,     [AMM_PRESET_DEVICE] = amm_read_device_value,
    [AMM_PRESET_CLUSTER] = amm_read_cluster_value, [AMM_PRESET_RUNTIME] = amm_read_runtime_value,
    [AMM_PRESET_PROFILE] = amm_read_profile_value, [AMM_PRESET_PROBLEM] = amm_read_problem_value,
};

/* A whole text. `folder` as in amm_document. */
static amm_status read_text(amm_reader *r, amm_preset_kind kind, void *out, const char *text,
                            size_t size, const char *file, const char *folder)
{
    amm_document document;
    amm_status status = amm_document_parse(&document, r, text, size, file, folder);
    if (status == AMM_OK) {
        const amm_value root = amm_document_root(&document);
        status = readers[kind](&root, out);
    }
    amm_document_free(&document);
    return status;
}

/* "a/b/c.json" -> "a/b/"; "c.json" -> "". NULL when memory is out. */
static const char *folder_of(amm_reader *r, const char *file)
{
    const char *slash = strrchr(file, '/');
    return amm_arena_copy(r->arena, file, slash == NULL ? 0 : (size_t)(slash - file) + 1);
}

/* A text that came with a file name: what it refers to lies beside it. */
static amm_status read_named(amm_reader *r, amm_preset_kind kind, void *out, const char *text,
                             size_t size, const char *file)
{
    const char *folder = folder_of(r, file);
    return folder == NULL ? AMM_NO_MEMORY : read_text(r, kind, out, text, size, file, folder);
}

static amm_status read_preset(amm_reader *r, amm_preset_kind kind, void *out, int32_t index)
{
    size_t size = 0;
    const char *text = amm_preset_text(kind, index, &size);
    const char *file = amm_arena_format(r->arena, "models/%s/%s.json", amm_preset_folder(kind),
                                        amm_preset_name(kind, index));
    return file == NULL ? AMM_NO_MEMORY : read_text(r, kind, out, text, size, file, NULL);
}

/* ---- one-line clusters ----------------------------------------------------------------------- */

/* Like "4x...": no preset or sensible file is called so. */
static bool looks_like_line(const char *what)
{
    what += strspn(what, " \t");
    const size_t digits = strspn(what, "0123456789");
    what += digits;
    what += strspn(what, " \t");
    return digits > 0 && *what == 'x';
}

static amm_status get_named(amm_reader *r, amm_preset_kind kind, void *out, const char *what,
                            const char *where, const char *folder, bool typed);

static amm_status line_device(const amm_device **out, const char *name, const char *where,
                              void *payload)
{
    const amm_lookup *lookup = payload;
    return get_named(lookup->reader, AMM_PRESET_DEVICE, out, name, where, lookup->folder, false);
}

static amm_status line_node(const amm_cluster **out, const char *name, const char *where,
                            void *payload)
{
    const amm_lookup *lookup = payload;
    int32_t index = -1;
    char close[512];
    AMM_TRY(amm_preset_find(lookup->reader, AMM_PRESET_CLUSTER, name, &index));
    if (index >= 0) {
        return read_preset(lookup->reader, AMM_PRESET_CLUSTER, out, index);
    }
    amm_preset_close_names(close, sizeof close, AMM_PRESET_CLUSTER, name);
    return amm_fail(AMM_INPUT,
                    "%s: no node preset \"%s\"%s; or describe the node: "
                    "4xT4,intra=50gbit,inter=50gbit",
                    where, name, close);
}

amm_cluster_names amm_lookup_names(amm_lookup *lookup)
{
    const amm_cluster_names names = { line_device, line_node, lookup };
    return names;
}

static amm_status read_line(amm_reader *r, const amm_cluster **out, const char *line,
                            const char *where, const char *folder)
{
    amm_lookup lookup = { r, folder };
    const amm_cluster_names names = amm_lookup_names(&lookup);
    amm_cluster *cluster = NULL;
    r->hash = amm_hash(r->hash, line, strlen(line));
    AMM_TRY(amm_cluster_parse_line(r->arena, &cluster, line, &names, where));
    *out = cluster;
    return AMM_OK;
}

/* ---- names, paths, inline texts -------------------------------------------------------------- */

static amm_status unknown(amm_preset_kind kind, const char *what, const char *where)
{
    char close[512];
    amm_preset_close_names(close, sizeof close, kind, what);
    return amm_fail(AMM_INPUT, "%s: no %s preset and no file is called \"%.200s\"%s", where,
                    amm_preset_kind_word(kind), what, close);
}

/* A file; *found says whether there was one. */
static amm_status get_file(amm_reader *r, amm_preset_kind kind, void *out, const char *what,
                           const char *where, const char *folder, bool typed, bool *found)
{
    char *text = NULL;
    size_t size = 0;
    const bool stream = typed && strcmp(what, "-") == 0;
    const char *path =
        what[0] == '/' || stream ? what : amm_arena_format(r->arena, "%s%s", folder, what);
    if (path == NULL) {
        return AMM_NO_MEMORY;
    }
    *found = false;
    AMM_TRY(amm_load_file(r->context, &text, &size, path, typed, where));
    if (text == NULL) {
        return AMM_OK;
    }
    *found = true;
    const amm_status status =
        read_named(r, kind, out, text, size, stream ? "standard input" : path);
    amm_release(r->context, text);
    return status;
}

/* `typed`: by a person, who may also mean standard input or a pipe. */
static amm_status get_named(amm_reader *r, amm_preset_kind kind, void *out, const char *what,
                            const char *where, const char *folder, bool typed)
{
    int32_t index = -1;
    bool found = false;
    AMM_TRY(amm_preset_find(r, kind, what, &index));
    if (index >= 0) {
        return read_preset(r, kind, out, index);
    }
    if (folder != NULL && what[0] != '\0') {
        AMM_TRY(get_file(r, kind, out, what, where, folder, typed, &found));
    }
    if (found) {
        return AMM_OK;
    }
    if (kind == AMM_PRESET_CLUSTER && looks_like_line(what)) {
        return read_line(r, out, what, where, folder);
    }
    return kind == AMM_PRESET_CLUSTER && strpbrk(what, ",:+") != NULL
               ? amm_fail(AMM_INPUT,
                          "%s: no cluster preset and no file is called \"%.200s\"; a line starts "
                          "with N x: 1x%.200s",
                          where, what, what)
               : unknown(kind, what, where);
}

amm_status amm_read_part(const amm_value *value, amm_preset_kind kind, void *out)
{
    enum { LONGEST = 65536 };
    char where[AMM_WHERE_CHARS];
    const char *what = NULL;
    if (amm_value_is_object(value)) {
        return readers[kind](value, out);
    }
    if (!amm_value_is_string(value)) {
        return amm_value_refuse(value, NULL,
                                "wrong type, allowed a preset name, a path or an object");
    }
    AMM_TRY(amm_value_text(value, &what, LONGEST));
    amm_value_where(where, value, NULL);
    const amm_document *document = value->document;
    return get_named(document->reader, kind, out, what, where, document->folder, false);
}

static amm_status get(amm_reader *r, amm_preset_kind kind, void *out, const char *what,
                      const char *where)
{
    const char *folder = r->folder == NULL ? "" : r->folder;
    if (what[strspn(what, " \t\r\n")] == '{') {
        return read_text(r, kind, out, what, strlen(what), where, folder);
    }
    return get_named(r, kind, out, what, where, folder, true);
}

/* ---- public faces: one pair per kind --------------------------------------------------------- */

#define AMM_READ_AND_GET(word, KIND)                                                               \
    amm_status amm_read_##word(amm_reader *r, const amm_##word **out, const char *text,            \
                               size_t size, const char *file)                                      \
    {                                                                                              \
        return read_named(r, AMM_PRESET_##KIND, (void *)out, text, size, file);                    \
    }                                                                                              \
    amm_status amm_get_##word(amm_reader *r, const amm_##word **out, const char *what,             \
                              const char *where)                                                   \
    {                                                                                              \
        return get(r, AMM_PRESET_##KIND, (void *)out, what, where);                                \
    }

AMM_READ_AND_GET(model, MODEL)
AMM_READ_AND_GET(device, DEVICE)
AMM_READ_AND_GET(cluster, CLUSTER)
AMM_READ_AND_GET(runtime, RUNTIME)
AMM_READ_AND_GET(profile, PROFILE)

amm_status amm_read_problem(amm_reader *r, amm_problem_desc *out, const char *text, size_t size,
                            const char *file)
{
    return read_named(r, AMM_PRESET_PROBLEM, out, text, size, file);
}

amm_status amm_get_problem(amm_reader *r, amm_problem_desc *out, const char *what,
                           const char *where)
{
    memset(out, 0, sizeof *out);
    return get(r, AMM_PRESET_PROBLEM, out, what, where);
}
