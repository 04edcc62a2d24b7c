/* How the readers of this folder reach each other. */
#ifndef AMM_IO_READ_H
#define AMM_IO_READ_H

#include "io/json_read.h"

/* Reads one object. `out` is amm_problem_desc * for problems, pointer to const pointer to the
 * description for every other kind. */
typedef amm_status (*amm_read_value)(const amm_value *value, void *out);

amm_status amm_read_model_value(const amm_value *value, void *out);
amm_status amm_read_device_value(const amm_value *value, void *out);
/* The key "posterior" of a device; *out stays when there is none. */
amm_status amm_read_posterior(const amm_value *device, const amm_posterior **out);
amm_status amm_read_cluster_value(const amm_value *value, void *out);
amm_status amm_read_runtime_value(const amm_value *value, void *out);
amm_status amm_read_profile_value(const amm_value *value, void *out);
amm_status amm_read_problem_value(const amm_value *value, void *out);

/* Whether an object is a Hugging Face config.json: no "format", but "model_type" or "architectures".
 * amm_read_model_value reads those too. */
bool amm_value_is_hf(const amm_value *value);
amm_status amm_read_hf_value(const amm_value *value, void *out);

/* A part of another description: an object in place, or a text that names a preset or a file. */
amm_status amm_read_part(const amm_value *value, amm_preset_kind kind, void *out);

/* How one-line clusters below `folder` find devices and nodes. */
typedef struct amm_lookup {
    amm_reader *reader;
    const char *folder; /* as in amm_document */
} amm_lookup;
amm_cluster_names amm_lookup_names(amm_lookup *lookup);

/* Index of the preset of this name in either case, -1: none. A device is also found by the name and
 * aliases that stand in its file. */
amm_status amm_preset_find(amm_reader *r, amm_preset_kind kind, const char *name, int32_t *out);

/* The canonical name of a device: that of the preset of this name or alias, else `name` itself. The
 * result lives in the arena. */
amm_status amm_device_canonical(amm_reader *r, const char **out, const char *name);

/* ", close presets: a, b" for messages, runtimes also by their frameworks; when nothing is close,
 * the command that lists all, but not for a path. */
void amm_preset_close_names(char *out, size_t size, amm_preset_kind kind, const char *name);

/* The embedded text and its file name for messages. `index` as in amm_preset_name. */
const char *amm_preset_text(amm_preset_kind kind, int32_t index, size_t *size);
const char *amm_preset_folder(amm_preset_kind kind);

/* The bytes of a file; free with amm_release. `any`: also pipes and devices, as a person may type
 * them; "-" is standard input then. *out is NULL when there is no such file. */
amm_status amm_load_file(const amm_context *context, char **out, size_t *size, const char *path,
                         bool any, const char *where);

#endif
