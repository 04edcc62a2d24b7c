#include "backend/backend.h"
#include "io/io.h"

#include "cuda_probe.h"
#include "version.h"
#include <ammeter/spec.h>
#include <string.h>

/* What is said about a backend: cuda also repeats what the build found. */
static void backend_note(amm_text *out, const char *name, const char *note)
{
    amm_text_append(out, note);
    if (strcmp(name, "cuda") == 0) {
        amm_text_printf(out, " (build: %s)", AMM_CUDA_PROBE);
    }
}

static int64_t count_presets(amm_preset_kind kind)
{
    int32_t count = 0;
    while (amm_preset_name(kind, count) != NULL) {
        count++;
    }
    return count;
}

static void doctor_text(amm_text *out)
{
    const char *name;
    const char *note;
    bool available;
    amm_text_printf(out, "ammeter   %s, commit %s\n", amm_version(), amm_commit());
    amm_text_printf(out, "compiler  %s, %s\n", AMM_COMPILER, AMM_BUILD_TYPE);
    for (int32_t k = 0; amm_backend_describe(k, &name, &available, &note); k++) {
        amm_text_append(out, k == 0 ? "backends" : "");
        amm_text_pad(out, 10);
        amm_text_printf(out, "%-9s %s: ", name, available ? "ok " : "no ");
        backend_note(out, name, note);
        amm_text_append(out, "\n");
    }
    amm_text_append(out, "presets   ");
    for (amm_preset_kind k = (amm_preset_kind)0; k < AMM_PRESET_KIND_COUNT; k++) {
        amm_text_printf(out, "%s%lld %ss", k == (amm_preset_kind)0 ? "" : ", ",
                        (long long)count_presets(k), amm_preset_kind_word(k));
    }
    amm_text_printf(out, "\nthreads   %d available\n", amm_processors());
}

static void doctor_json(amm_json *j, const amm_context *context)
{
    const char *name;
    const char *note;
    bool available;
    amm_json_open(j, NULL, '{');
    amm_json_string(j, "format", "ammeter-doctor");
    amm_json_integer(j, "version", 1);
    amm_json_open(j, "program", '{');
    amm_json_string(j, "name", "ammeter");
    amm_json_string(j, "version", amm_version());
    amm_json_string(j, "commit", amm_commit());
    amm_json_string(j, "compiler", AMM_COMPILER);
    amm_json_string(j, "build_type", AMM_BUILD_TYPE);
    amm_json_close(j, '}');
    amm_json_open(j, "backends", '[');
    for (int32_t k = 0; amm_backend_describe(k, &name, &available, &note); k++) {
        amm_text text;
        amm_text_init(&text, context);
        backend_note(&text, name, note);
        amm_json_open(j, NULL, '{');
        amm_json_string(j, "name", name);
        amm_json_bool(j, "available", available);
        amm_json_string(j, "note", text.status == AMM_OK ? text.data : NULL);
        amm_json_close(j, '}');
        amm_text_discard(&text);
    }
    amm_json_close(j, ']');
    amm_json_open(j, "presets", '{');
    for (amm_preset_kind k = (amm_preset_kind)0; k < AMM_PRESET_KIND_COUNT; k++) {
        amm_json_integer(j, amm_preset_kind_word(k), count_presets(k));
    }
    amm_json_close(j, '}');
    amm_json_integer(j, "processors", amm_processors());
    amm_json_close(j, '}');
}

amm_status amm_doctor(amm_context *context, char **out, int json)
{
    amm_text text;
    *out = NULL;
    if (json != 0 && json != 1) {
        return amm_fail(AMM_INPUT, "doctor: json is %d, allowed 0 or 1", json);
    }
    amm_text_init(&text, context);
    if (json == 0) {
        doctor_text(&text);
    } else {
        amm_json j;
        amm_json_init(&j, &text, true);
        doctor_json(&j, context);
        amm_text_append(&text, "\n");
    }
    return amm_text_take(&text, out);
}
