#include "io/io.h"
#include "verify/check.h"

static const char *const words[AMM_OPERATION_COUNT] = {
#define AMM_OPERATION_WORD(name, word, counted) word,
    AMM_OPERATION_LIST(AMM_OPERATION_WORD)
#undef AMM_OPERATION_WORD
};
static const char *const counted_words[AMM_OPERATION_COUNT] = {
#define AMM_OPERATION_COUNTED(name, word, counted) counted,
    AMM_OPERATION_LIST(AMM_OPERATION_COUNTED)
#undef AMM_OPERATION_COUNTED
};

static uint64_t checked_of(const amm_subject *subject)
{
    uint64_t sum = 0;
    for (int32_t k = 0; k < (int32_t)AMM_OPERATION_COUNT; k++) {
        sum += subject->checked[k];
    }
    return sum;
}

/* The same first difference again: its problem is the first of a run with that seed. */
static void put_replay(amm_text *out, const amm_verification *v)
{
    amm_text_append(out, "ammeter verify ");
    if (v->problem != NULL) {
        amm_text_append(out, "PROBLEM ");
    }
    amm_text_printf(out, "--seed %llu --backend %s --threads %d", (unsigned long long)v->first.seed,
                    v->first.backend, v->first.threads);
    amm_text_printf(out, " --candidates %llu",
                    (unsigned long long)(v->problem == NULL ? 1 : v->candidates));
}

/* ---- for people -------------------------------------------------------------------------------- */

static void put_space(amm_text *out, const amm_verification *v)
{
    amm_text_printf(out, "problem   %s: %llu layouts, %llu of one partition only, ", v->problem,
                    (unsigned long long)v->accepted, (unsigned long long)v->direct);
    if (v->step > 1) {
        amm_text_printf(out, "every %llu. of the others", (unsigned long long)v->step);
    } else {
        amm_text_append(out, "all others");
    }
    amm_text_printf(out, " compared\n");
    if (v->beyond > 0) {
        amm_text_printf(out, "          %llu left out as beyond the engine (LIMIT): %s\n",
                        (unsigned long long)v->beyond, v->beyond_text);
    }
}

static void put_subject(amm_text *out, const amm_subject *s)
{
    amm_text_printf(out, "%-9s ", s->name);
    if (s->backend == NULL) {
        amm_text_printf(out, "not here: %s\n", s->note);
        return;
    }
    amm_text_printf(out, "%d thread%s:", s->threads, s->threads == 1 ? "" : "s");
    for (int32_t k = 0; k < (int32_t)AMM_OPERATION_COUNT; k++) {
        amm_text_printf(out, "%s %llu %s", k == 0 ? "" : ",", (unsigned long long)s->checked[k],
                        counted_words[k]);
    }
    amm_text_printf(out, ": %llu mismatches\n", (unsigned long long)s->mismatches);
    if (s->beyond > 0) {
        amm_text_printf(out, "          %llu calls beyond its limits, nothing compared: %s\n",
                        (unsigned long long)s->beyond, s->beyond_text);
    }
}

static void put_first(amm_text *out, const amm_verification *v)
{
    const amm_mismatch *m = &v->first;
    amm_text_printf(out, "\nfirst mismatch: %s of %s on %d thread%s\n", words[m->operation],
                    m->backend, m->threads, m->threads == 1 ? "" : "s");
    amm_text_printf(out, "  problem   %s, seed %llu\n", m->problem, (unsigned long long)m->seed);
    amm_text_printf(out, "  config    %d: %s\n", m->config, m->shape);
    if (*m->cuts != '\0') {
        amm_text_printf(out, "  cuts      %s\n", m->cuts);
    }
    amm_text_printf(out, "  cpu/ref   %s\n  %-9s %s\n  again     ", m->expected, m->backend,
                    m->got);
    put_replay(out, v);
    amm_text_append(out, "\n");
}

static void put_text(amm_text *out, const amm_verification *v)
{
    if (v->problem != NULL) {
        put_space(out, v);
    }
    for (int32_t k = 0; k < v->subject_count; k++) {
        put_subject(out, &v->subjects[k]);
    }
    if (v->differs) {
        put_first(out, v);
    }
    const uint64_t checked = amm_verification_checked(v);
    if (checked == 0) {
        amm_text_append(out, "\nnothing was compared: cpu/ref defines every result, and ");
        amm_text_append(out, v->configs == 0 && v->problems == 0 && v->problem != NULL
                                 ? "no other backend or no config is there\n"
                                 : "no other backend is there\n");
        return;
    }
    amm_text_printf(out, "\n%llu values compared with cpu/ref on %llu problem%s of %llu configs",
                    (unsigned long long)checked, (unsigned long long)v->problems,
                    v->problems == 1 ? "" : "s", (unsigned long long)v->configs);
    amm_text_printf(out, " (seed %llu) in %.1f s: %llu mismatches\n", (unsigned long long)v->seed,
                    v->wall_s, (unsigned long long)amm_verification_mismatches(v));
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void write_subject(amm_json *j, const amm_subject *s)
{
    amm_json_open(j, NULL, '{');
    amm_json_string(j, "name", s->name);
    amm_json_bool(j, "available", s->backend != NULL);
    amm_json_string(j, "note", s->note);
    amm_json_integer(j, "threads", s->backend != NULL ? s->threads : 0);
    amm_json_integer(j, "checked", (int64_t)checked_of(s));
    amm_json_integer(j, "bounds", (int64_t)s->checked[AMM_OPERATION_BOUND]);
    amm_json_integer(j, "solves", (int64_t)s->checked[AMM_OPERATION_SOLVE]);
    amm_json_integer(j, "scores", (int64_t)s->checked[AMM_OPERATION_SCORE]);
    amm_json_integer(j, "swept", (int64_t)s->checked[AMM_OPERATION_SWEEP]);
    amm_json_integer(j, "mismatches", (int64_t)s->mismatches);
    amm_json_integer(j, "beyond_limits", (int64_t)s->beyond);
    amm_json_string(j, "limit", s->beyond > 0 ? s->beyond_text : NULL);
    amm_json_close(j, '}');
}

static void write_space(amm_json *j, const amm_verification *v)
{
    if (v->problem == NULL) {
        amm_json_null(j, "problem");
        return;
    }
    amm_json_open(j, "problem", '{');
    amm_json_string(j, "name", v->problem);
    amm_json_integer(j, "accepted", (int64_t)v->accepted);
    amm_json_integer(j, "direct", (int64_t)v->direct);
    amm_json_integer(j, "step", (int64_t)v->step);
    amm_json_integer(j, "beyond_limits", (int64_t)v->beyond);
    amm_json_string(j, "limit", v->beyond > 0 ? v->beyond_text : NULL);
    amm_json_close(j, '}');
}

static void write_first(amm_json *j, const amm_verification *v)
{
    const amm_mismatch *m = &v->first;
    amm_text replay;
    if (!v->differs) {
        amm_json_null(j, "first_mismatch");
        return;
    }
    amm_text_init(&replay, v->context);
    put_replay(&replay, v);
    amm_json_open(j, "first_mismatch", '{');
    amm_json_string(j, "backend", m->backend);
    amm_json_integer(j, "threads", m->threads);
    amm_json_string(j, "operation", words[m->operation]);
    amm_json_string(j, "problem", m->problem);
    amm_json_id(j, "seed", m->seed);
    amm_json_integer(j, "config", m->config);
    amm_json_string(j, "shape", m->shape);
    amm_json_string(j, "cuts", m->cuts);
    amm_json_string(j, "expected", m->expected);
    amm_json_string(j, "got", m->got);
    amm_json_string(j, "replay", replay.status == AMM_OK ? replay.data : NULL);
    amm_json_close(j, '}');
    j->text->status = j->text->status == AMM_OK ? replay.status : j->text->status;
    amm_text_discard(&replay);
}

static void put_json(amm_text *out, const amm_verification *v)
{
    amm_json j;
    amm_json_init(&j, out, true);
    amm_json_open(&j, NULL, '{');
    amm_json_string(&j, "format", "ammeter-verification");
    amm_json_integer(&j, "version", 1);
    amm_json_open_row(&j, "program", '{');
    amm_json_string(&j, "name", "ammeter");
    amm_json_string(&j, "version", amm_version());
    amm_json_string(&j, "commit", amm_commit());
    amm_json_close(&j, '}');
    amm_json_integer(&j, "checked", (int64_t)amm_verification_checked(v));
    amm_json_integer(&j, "mismatches", (int64_t)amm_verification_mismatches(v));
    amm_json_id(&j, "seed", v->seed);
    amm_json_integer(&j, "problems", (int64_t)v->problems);
    amm_json_integer(&j, "configs", (int64_t)v->configs);
    write_space(&j, v);
    amm_json_open(&j, "backends", '[');
    for (int32_t k = 0; k < v->subject_count; k++) {
        write_subject(&j, &v->subjects[k]);
    }
    amm_json_close(&j, ']');
    write_first(&j, v);
    amm_json_number(&j, "wall_s", v->wall_s);
    amm_json_close(&j, '}');
    amm_text_append(out, "\n");
}

amm_status amm_verification_text(const amm_verification *v, char **out, int json)
{
    amm_text text;
    *out = NULL;
    if (json != 0 && json != 1) {
        return amm_fail(AMM_INPUT, "verification: json is %d, allowed 0 or 1", json);
    }
    amm_text_init(&text, v->context);
    if (json == 0) {
        put_text(&text, v);
    } else {
        put_json(&text, v);
    }
    return amm_text_take(&text, out);
}
