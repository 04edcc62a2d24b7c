#include "bench/workload.h"
#include "io/io.h"
#include "version.h"

#include <math.h>

static const char *const rate_words[AMM_CEILING_COUNT + 1] = {
#define AMM_CEILING_WORD(name, word, unit, what) word,
    AMM_CEILING_LIST(AMM_CEILING_WORD)
#undef AMM_CEILING_WORD
        NULL
};
static const char *const rate_units[AMM_CEILING_COUNT] = {
#define AMM_CEILING_UNIT(name, word, unit, what) unit,
    AMM_CEILING_LIST(AMM_CEILING_UNIT)
#undef AMM_CEILING_UNIT
};

const char *amm_bench_rate_word(amm_bench_ceiling rate)
{
    return rate_words[rate];
}

static const char *clock_word(bool cpu_time)
{
    return cpu_time ? "cpu" : "wall";
}

/* ---- for people -------------------------------------------------------------------------------- */

/* Three digits and a prefix: 12.3 M. */
static void put_value(amm_text *out, double value)
{
    static const char *const prefixes[] = { " ", "k", "M", "G", "T" };
    int k = 0;
    while (value >= 999.5 && k < 4) {
        value /= 1000.0;
        k++;
    }
    amm_text_printf(out, "%7.*f %s", value < 9.995 ? 2 : (value < 99.95 ? 1 : 0), value,
                    prefixes[k]);
}

static void put_machine(amm_text *out, const amm_bench *b)
{
    int32_t entries = 0;
    int32_t vector_bytes = 0;
    amm_text_printf(out, "machine   %s, %lld processors, %s", b->before.cpu,
                    (long long)b->before.processors, amm_ceilings_isa(&entries, &vector_bytes));
    if (isfinite(b->before.mhz_measured)) {
        amm_text_printf(out, ", %.0f MHz before, %.0f after (measured)", b->before.mhz_measured,
                        b->after.mhz_measured);
    }
    amm_text_printf(out, "\nbuild     ammeter %s, commit %s, %s, %s\n", amm_version(), amm_commit(),
                    AMM_COMPILER, AMM_BUILD_TYPE);
    for (int32_t k = 0; k < b->thread_count; k++) {
        amm_text_printf(out, "%s%d thread%s:", k == 0 ? "ceilings  " : "          ",
                        b->rates[k].threads, b->rates[k].threads == 1 ? "" : "s");
        for (int32_t r = 0; r < (int32_t)AMM_CEILING_COUNT; r++) {
            amm_text_printf(out, "%s %s", r == 0 ? "" : ",", rate_words[r]);
            put_value(out, b->rates[k].per_s[r]);
            amm_text_append(out, rate_units[r]);
        }
        amm_text_append(out, "\n");
    }
    for (int32_t k = 0; k < b->device_rate_count; k++) {
        const amm_ceiling *r = &b->device_rates[k];
        amm_text_printf(out, "%s%s", k == 0 ? b->device_backend->name : ",", k == 0 ? ":    " : "");
        amm_text_printf(out, " %s", r->name);
        put_value(out, r->value);
        amm_text_printf(out, "%s%s", r->unit, k + 1 == b->device_rate_count ? "\n" : "");
    }
}

static void put_figure(amm_text *out, const amm_figure *f)
{
    const amm_instance_shape *x = &f->c->shape;
    if (f->c->problem != NULL) {
        amm_text_printf(out, "%-10s %-21s", f->c->name, f->c->problem);
    } else {
        amm_text_printf(out, "%-10s %6d %6d %7d", f->c->name, x->stages, x->items, x->classes);
    }
    amm_text_printf(out, "  %-9s %7d  ", f->backend, f->threads);
    put_value(out, f->value);
    amm_text_printf(out, "%-12s ", f->c->unit);
    if (f->ceiling > 0.0) {
        put_value(out, f->ceiling);
        amm_text_printf(out, " %7.2f %%  %-7s", 100.0 * f->value / f->ceiling, f->ceiling_by);
    } else {
        amm_text_printf(out, "%9s %9s  %-7s", "-", "-", "-");
    }
    amm_text_printf(out, " %8.1f ms %5.1f %%  %s\n", 1e3 * f->median_s, 100.0 * f->spread,
                    clock_word(f->cpu_time));
}

static void put_text(amm_text *out, const amm_bench *b)
{
    put_machine(out, b);
    amm_text_append(out, "\ncase       stages layers classes  backend   threads      value"
                         "                ceiling  of it     by        median  spread  clock\n");
    for (int32_t k = 0; k < b->figure_count; k++) {
        put_figure(out, &b->figures[k]);
    }
    for (int32_t k = 0; k < b->backends.count; k++) {
        if (b->backends.list[k].backend == NULL) {
            amm_text_printf(out, "not here: %s: %s\n", b->backends.list[k].name,
                            b->backends.list[k].note);
        }
    }
    for (int32_t k = 0; k < b->skip_count; k++) {
        const amm_bench_skip *s = &b->skips[k];
        char shape[AMM_BENCH_SHAPE_BYTES];
        amm_text_printf(out, "not timed: %s, %s, %s on %d threads: %s\n", s->c->name,
                        amm_bench_shape_words(shape, s->c), s->backend, s->threads, s->reason);
    }
    amm_text_printf(out, "\nmedian of %d repeats, in %.1f s; results equal those of cpu/ref%s\n",
                    b->repeats, b->wall_s, b->quick ? "; quick: the figures are rough" : "");
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void write_facts(amm_json *j, const amm_bench *b)
{
    int32_t entries = 0;
    int32_t vector_bytes = 0;
    amm_json_open(j, "program", '{');
    amm_json_string(j, "name", "ammeter");
    amm_json_string(j, "version", amm_version());
    amm_json_string(j, "commit", amm_commit());
    amm_json_string(j, "compiler", AMM_COMPILER);
    amm_json_string(j, "build_type", AMM_BUILD_TYPE);
    amm_json_close(j, '}');
    amm_json_open(j, "machine", '{');
    amm_json_string(j, "cpu", b->before.cpu);
    amm_json_integer(j, "processors", b->before.processors);
    amm_json_string(j, "instructions", amm_ceilings_isa(&entries, &vector_bytes));
    amm_json_integer(j, "permute_entries", entries);
    amm_json_number(j, "mhz_told", b->before.mhz_told);
    amm_json_number(j, "mhz_before", b->before.mhz_measured);
    amm_json_number(j, "mhz_after", b->after.mhz_measured);
    amm_json_close(j, '}');
    amm_json_bool(j, "quick", b->quick);
    amm_json_integer(j, "repeats", b->repeats);
    amm_json_number(j, "wall_s", b->wall_s);
}

static void write_ceilings(amm_json *j, const amm_bench *b)
{
    amm_json_open(j, "ceilings", '[');
    for (int32_t k = 0; k < b->thread_count; k++) {
        for (int32_t r = 0; r < (int32_t)AMM_CEILING_COUNT; r++) {
            const double value = b->rates[k].per_s[r];
            amm_json_open_row(j, NULL, '{');
            amm_json_string(j, "name", rate_words[r]);
            amm_json_integer(j, "threads", b->rates[k].threads);
            amm_json_number(j, "value", value > 0.0 ? value : (double)NAN);
            amm_json_string(j, "unit", rate_units[r]);
            amm_json_close(j, '}');
        }
    }
    for (int32_t k = 0; k < b->device_rate_count; k++) {
        amm_json_open_row(j, NULL, '{');
        amm_json_string(j, "name", b->device_rates[k].name);
        amm_json_string(j, "backend", b->device_backend->name);
        amm_json_integer(j, "threads", 1);
        amm_json_number(j, "value", b->device_rates[k].value);
        amm_json_string(j, "unit", b->device_rates[k].unit);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
}

/* Of a problem that has no one shape: null. */
static void write_shape(amm_json *j, const char *key, int32_t value)
{
    amm_json_number(j, key, value > 0 ? value : (double)NAN);
}

static void write_figure(amm_json *j, const amm_figure *f)
{
    const bool bounded = f->ceiling > 0.0;
    amm_json_open(j, NULL, '{');
    amm_json_string(j, "name", f->c->name);
    amm_json_string(j, "backend", f->backend);
    amm_json_integer(j, "threads", f->threads);
    amm_json_string(j, "problem", f->c->problem);
    write_shape(j, "stages", f->c->shape.stages);
    write_shape(j, "layers", f->c->shape.items);
    write_shape(j, "classes", f->c->shape.classes);
    amm_json_number(j, "value", f->value);
    amm_json_number(j, "covered_value", f->covered_value);
    amm_json_string(j, "unit", f->c->unit);
    amm_json_number(j, "ceiling", bounded ? f->ceiling : (double)NAN);
    amm_json_string(j, "ceiling_by", f->ceiling_by);
    amm_json_number(j, "fraction", bounded ? f->value / f->ceiling : (double)NAN);
    amm_json_number(j, "median_s", f->median_s);
    amm_json_number(j, "spread", f->spread);
    amm_json_string(j, "clock", clock_word(f->cpu_time));
    amm_json_hex(j, "checksum", f->checksum);
    amm_json_close(j, '}');
}

static void write_missing(amm_json *j, const amm_bench *b)
{
    amm_json_open(j, "backends", '[');
    for (int32_t k = 0; k < b->backends.count; k++) {
        amm_json_open_row(j, NULL, '{');
        amm_json_string(j, "name", b->backends.list[k].name);
        amm_json_bool(j, "available", b->backends.list[k].backend != NULL);
        amm_json_string(j, "note", b->backends.list[k].note);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
    amm_json_open(j, "not_timed", '[');
    for (int32_t k = 0; k < b->skip_count; k++) {
        const amm_bench_skip *s = &b->skips[k];
        amm_json_open_row(j, NULL, '{');
        amm_json_string(j, "name", s->c->name);
        write_shape(j, "stages", s->c->shape.stages);
        amm_json_string(j, "backend", s->backend);
        amm_json_integer(j, "threads", s->threads);
        amm_json_string(j, "reason", s->reason);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
}

static void put_json(amm_text *out, const amm_bench *b)
{
    amm_json j;
    amm_json_init(&j, out, true);
    amm_json_open(&j, NULL, '{');
    amm_json_string(&j, "format", "ammeter-bench");
    amm_json_integer(&j, "version", 1);
    write_facts(&j, b);
    write_ceilings(&j, b);
    amm_json_open(&j, "results", '[');
    for (int32_t k = 0; k < b->figure_count; k++) {
        write_figure(&j, &b->figures[k]);
    }
    amm_json_close(&j, ']');
    write_missing(&j, b);
    amm_json_close(&j, '}');
    amm_text_append(out, "\n");
}

amm_status amm_bench_text(const amm_bench *b, char **out, int json)
{
    amm_text text;
    *out = NULL;
    if (json != 0 && json != 1) {
        return amm_fail(AMM_INPUT, "bench: json is %d, allowed 0 or 1", json);
    }
    amm_text_init(&text, b->context);
    if (json == 0) {
        put_text(&text, b);
    } else {
        put_json(&text, b);
    }
    return amm_text_take(&text, out);
}
