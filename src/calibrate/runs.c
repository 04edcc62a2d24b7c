#include "calibrate/runs.h"
#include "analytic/stage.h"
#include "analytic/range.h"
#include "describe/check.h"
#include "io/read.h"

#include <math.h>
#include <string.h>

/* ---- owners of constants --------------------------------------------------------------------- */

static amm_status add_owner(amm_runs *runs, const char *name, const amm_device *device,
                            const amm_runtime *runtime, int32_t *out)
{
    if (runs->owner_count == AMM_MAX_OWNERS) {
        return amm_fail(AMM_LIMIT, "%s: too many devices and runtimes, allowed %d", runs->file,
                        AMM_MAX_OWNERS);
    }
    amm_owner *o = &runs->owners[runs->owner_count];
    o->name = name;
    o->device = device;
    o->runtime = runtime;
    o->first = runs->constant_count;
    runs->constant_count += device != NULL ? AMM_RATE_COUNT : AMM_FACT_COUNT;
    *out = runs->owner_count++;
    return AMM_OK;
}

static const amm_device *find_device(const amm_runs *runs, const char *name)
{
    for (int32_t i = 0; i < runs->preset_count; i++) {
        if (amm_device_named(runs->presets[i], name) ||
            strcmp(amm_preset_name(AMM_PRESET_DEVICE, i), name) == 0) {
            return runs->presets[i];
        }
    }
    return NULL;
}

amm_status amm_runs_device(amm_runs *runs, const char *name, const amm_device **out, int32_t *owner)
{
    const amm_device *constants = NULL;
    for (int32_t i = 0; i < runs->device_count; i++) {
        if (amm_device_named(runs->devices[i].device, name)) {
            *out = runs->devices[i].device;
            *owner = runs->devices[i].owner;
            return AMM_OK;
        }
    }
    *out = find_device(runs, name);
    if (*out == NULL || (*out)->peaks[0] == 0.0) {
        *out = NULL;
        return AMM_OK;
    }
    constants = (*out)->constants_of == NULL ? *out : find_device(runs, (*out)->constants_of);
    if (constants == NULL) {
        return amm_fail(AMM_INTERNAL, "%s: constants_of: no such device", (*out)->name);
    }
    *owner = -1;
    for (int32_t i = 0; i < runs->owner_count; i++) {
        if (runs->owners[i].device != NULL && strcmp(runs->owners[i].name, constants->name) == 0) {
            *owner = i;
        }
    }
    if (*owner < 0) {
        AMM_TRY(add_owner(runs, constants->name, constants, NULL, owner));
    }
    if (runs->device_count < AMM_MAX_OWNERS) {
        runs->devices[runs->device_count].device = *out;
        runs->devices[runs->device_count++].owner = *owner;
    }
    return AMM_OK;
}

/* The runtime preset of that name or that lists the framework, else "generic". */
amm_status amm_runs_runtime(amm_runs *runs, const char *framework, int32_t *owner, bool *known)
{
    const amm_runtime *found = NULL;
    const amm_runtime *generic = NULL;
    const char *name = NULL;
    for (int32_t p = 0; found == NULL && (name = amm_preset_name(AMM_PRESET_RUNTIME, p)) != NULL;
         p++) {
        const amm_runtime *runtime = runs->runtimes[p];
        if (runtime == NULL) {
            AMM_TRY(amm_get_runtime(&runs->reader, &runtime, name, "runtime"));
            runs->runtimes[p] = runtime;
        }
        generic = strcmp(name, "generic") == 0 ? runtime : generic;
        found = strcmp(name, framework) == 0 ? runtime : found;
        for (int32_t i = 0; i < runtime->framework_count; i++) {
            found = strcmp(runtime->frameworks[i], framework) == 0 ? runtime : found;
        }
    }
    *known = found != NULL;
    found = found == NULL ? generic : found;
    for (int32_t i = 0; i < runs->owner_count; i++) {
        if (runs->owners[i].runtime == found) {
            *owner = i;
            return AMM_OK;
        }
    }
    return add_owner(runs, found->name, NULL, found, owner);
}

/* ---- table ----------------------------------------------------------------------------------- */

const char *amm_runs_text(const amm_runs *runs, int64_t row, int column)
{
    const int32_t c = runs->column[column];
    return c < 0 ? "" : runs->csv.cells[row * runs->csv.columns + c];
}

static amm_status read_table(amm_runs *runs, const char *text, size_t size)
{
    static const char *const names[AMM_COLUMN_COUNT] = {
#define AMM_RUN_COLUMN_NAME(name) #name,
        AMM_RUN_COLUMN_LIST(AMM_RUN_COLUMN_NAME)
#undef AMM_RUN_COLUMN_NAME
    };
    static const int needed[] = { AMM_COLUMN_layers,  AMM_COLUMN_hidden,
                                  AMM_COLUMN_heads,   AMM_COLUMN_gpu,
                                  AMM_COLUMN_gpus,    AMM_COLUMN_micro_batch,
                                  AMM_COLUMN_seq_len, AMM_COLUMN_global_batch };
    AMM_TRY(amm_csv_read(&runs->arena, &runs->csv, text, size, runs->file));
    for (int c = 0; c < AMM_COLUMN_COUNT; c++) {
        runs->column[c] = amm_csv_column(&runs->csv, names[c]);
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (runs->column[needed[i]] < 0) {
            return amm_fail(AMM_INPUT, "%s:record 1: missing column, allowed a header with %s",
                            runs->file, names[needed[i]]);
        }
    }
    return AMM_OK;
}

/* Every preset that is a language model. */
static amm_status read_networks(amm_runs *runs)
{
    int32_t count = 0;
    const char *name = NULL;
    while (amm_preset_name(AMM_PRESET_MODEL, count) != NULL) {
        count++;
    }
    runs->networks = amm_arena_alloc(&runs->arena, (size_t)count, sizeof *runs->networks);
    if (runs->networks == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t i = 0; (name = amm_preset_name(AMM_PRESET_MODEL, i)) != NULL; i++) {
        const amm_model *model = NULL;
        AMM_TRY(amm_get_model(&runs->reader, &model, name, "model"));
        const amm_status status =
            amm_network_of(&runs->networks[runs->network_count], &runs->arena, model, name);
        if (status == AMM_OK) {
            runs->network_count++;
        } else if (status != AMM_INPUT) {
            return status;
        }
    }
    return AMM_OK;
}

static amm_status read_devices(amm_runs *runs)
{
    const char *name = NULL;
    while (amm_preset_name(AMM_PRESET_DEVICE, runs->preset_count) != NULL) {
        runs->preset_count++;
    }
    runs->presets =
        amm_arena_alloc(&runs->arena, (size_t)runs->preset_count, sizeof *runs->presets);
    if (runs->presets == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t i = 0; (name = amm_preset_name(AMM_PRESET_DEVICE, i)) != NULL; i++) {
        AMM_TRY(amm_get_device(&runs->reader, &runs->presets[i], name, "device"));
    }
    return AMM_OK;
}

static amm_status read_rows(amm_runs *runs)
{
    runs->rows = amm_arena_alloc(&runs->arena, (size_t)runs->csv.rows, sizeof *runs->rows);
    if (runs->rows == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int64_t i = 0; i < runs->csv.rows; i++) {
        AMM_TRY(amm_run_row_read(runs, i, &runs->rows[i]));
    }
    return AMM_OK;
}

amm_status amm_runs_read(amm_runs **out, amm_context *context, const char *text, size_t size,
                         const char *file)
{
    *out = NULL;
    amm_runs *runs = amm_alloc(context, 1, sizeof *runs);
    if (runs == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_arena_init(&runs->arena, context);
    runs->reader.context = context;
    runs->reader.arena = &runs->arena;
    runs->reader.hash = AMM_HASH_START;
    runs->file = amm_arena_copy(&runs->arena, file, strlen(file));
    amm_status status = runs->file == NULL ? AMM_NO_MEMORY : read_table(runs, text, size);
    status = status == AMM_OK ? read_networks(runs) : status;
    status = status == AMM_OK ? read_devices(runs) : status;
    status = status == AMM_OK ? read_rows(runs) : status;
    if (status != AMM_OK) {
        amm_runs_free(runs);
        return status;
    }
    *out = runs;
    return AMM_OK;
}

amm_status amm_runs_create(amm_runs **out, amm_context *context, const char *path)
{
    char *data = NULL;
    size_t size = 0;
    *out = NULL;
    AMM_TRY(amm_load_file(context, &data, &size, path, true, "runs"));
    if (data == NULL) {
        return amm_fail(AMM_IO, "runs: cannot read \"%.300s\": no such file", path);
    }
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    const amm_status status = amm_runs_read(out, context, data, size, name);
    amm_release(context, data);
    return status;
}

void amm_runs_free(amm_runs *runs)
{
    if (runs != NULL) {
        const amm_context *context = runs->arena.context;
        amm_arena_free(&runs->arena);
        amm_release(context, runs);
    }
}

size_t amm_runs_count(const amm_runs *runs)
{
    return (size_t)runs->csv.rows;
}

const char *amm_runs_cell(const amm_runs *runs, size_t row, const char *column)
{
    const int32_t c = amm_csv_column(&runs->csv, column);
    return c < 0 || row >= (size_t)runs->csv.rows
               ? ""
               : runs->csv.cells[row * (size_t)runs->csv.columns + (size_t)c];
}

const char *amm_runs_reason(const amm_runs *runs, size_t row)
{
    const char *reason = row < (size_t)runs->csv.rows ? runs->rows[row].reason : "no such row";
    return reason == NULL ? "" : reason;
}

/* ---- constants ------------------------------------------------------------------------------- */

size_t amm_runs_constant_count(const amm_runs *runs)
{
    return runs->constant_count;
}

amm_status amm_runs_constant(const amm_runs *runs, size_t index, amm_constant_info *out)
{
    for (int32_t i = 0; i < runs->owner_count; i++) {
        const amm_owner *o = &runs->owners[i];
        const amm_named *table = o->device != NULL ? amm_rate_table : amm_fact_table;
        const amm_constant *values = o->device != NULL ? o->device->rates : o->runtime->facts;
        const size_t count = o->device != NULL ? AMM_RATE_COUNT : AMM_FACT_COUNT;
        if (index >= o->first && index < o->first + count) {
            const size_t k = index - o->first;
            out->owner = o->name;
            out->name = table[k].name;
            out->value = values[k].value;
            out->low = table[k].low;
            out->high = table[k].high;
            out->fact = o->device == NULL;
            return AMM_OK;
        }
    }
    return amm_fail(AMM_INPUT, "constant: out of range, got %zu, allowed 0 to %zu", index,
                    runs->constant_count);
}

/* Members of amm_rates and amm_facts in the order of their tables. */
static void overlay_rates(amm_rates *r, const double *values)
{
    size_t i = 0;
#define AMM_SET(name, low, high, usual, what) r->name = values[i++];
    AMM_RATE_LIST(AMM_SET)
#undef AMM_SET
}

static void overlay_facts(amm_facts *f, const double *values)
{
    size_t i = 0;
#define AMM_SET(name, low, high, usual, what) f->name = values[i++];
    AMM_FACT_LIST(AMM_SET)
#undef AMM_SET
}

void amm_runs_machine(const amm_runs *runs, const amm_run_row *row, int32_t part,
                      const double *constants, amm_machine *out)
{
    const amm_run_part *of = &row->parts[part];
    const amm_owner *device = &runs->owners[of->owner];
    const amm_owner *runtime = &runs->owners[row->runtime_owner];
    double values[AMM_RATE_COUNT];
    amm_device_rates(&out->rates, of->device); /* its own peaks, the constants of its kind */
    if (constants == NULL) {
        for (size_t i = 0; i < AMM_RATE_COUNT; i++) {
            values[i] = device->device->rates[i].value;
        }
        amm_runtime_facts(&out->facts, runtime->runtime);
    } else {
        overlay_facts(&out->facts, constants + runtime->first);
    }
    overlay_rates(&out->rates, constants == NULL ? values : constants + device->first);
    out->fabric = of->fabric;
    out->memory_bytes = (double)of->device->memory_bytes;
    out->fabric.collective_share = row->omni_path ? out->facts.omni_path_share : 1.0;
}

/* Devices serve stages in order: the parts that stage i of p has. */
static bool stage_has(const amm_run_row *row, int32_t part, int32_t stage)
{
    const double per_stage = row->run.devices / row->run.pp;
    double first = 0.0;
    for (int32_t k = 0; k < part; k++) {
        first += row->parts[k].devices;
    }
    return first < per_stage * (stage + 1) && first + row->parts[part].devices > per_stage * stage;
}

void amm_runs_step(const amm_runs *runs, const amm_run_row *row, const double *constants,
                   amm_step *out)
{
    amm_machine machine[AMM_MAX_RUN_PARTS];
    amm_stages stages;
    amm_stages other;
    amm_runs_machine(runs, row, 0, constants, &machine[0]);
    amm_stage_costs(&stages, &row->network, &machine[0], &row->run);
    for (int32_t k = 1; k < row->part_count; k++) {
        amm_runs_machine(runs, row, k, constants, &machine[k]);
        amm_stage_costs(&other, &row->network, &machine[k], &row->run);
        for (int32_t i = 0; i < stages.count; i++) {
            const amm_stage_seconds *a = &stages.stage[i];
            const amm_stage_seconds *b = &other.stage[i];
            const bool slower = b->forward_s + b->backward_s > a->forward_s + a->backward_s;
            if (stage_has(row, k, i) && (slower || !stage_has(row, 0, i))) {
                stages.stage[i] = *b;
            }
        }
    }
    amm_step_of_stages(out, &stages, &row->network, &machine[0], &row->run);
}

double amm_runs_room(const amm_run_row *row)
{
    double room = HUGE_VAL;
    for (int32_t k = 0; k < row->part_count; k++) {
        room = fmin(room, (double)row->parts[k].device->memory_bytes);
    }
    return room;
}

static amm_status check_constants(const amm_runs *runs, const double *constants)
{
    amm_constant_info info;
    for (size_t i = 0; constants != NULL && i < runs->constant_count; i++) {
        AMM_TRY(amm_runs_constant(runs, i, &info));
        if (!(constants[i] >= info.low && constants[i] <= info.high)) {
            return amm_fail(AMM_INPUT, "%s:%s: out of range, got %g, allowed %g to %g", info.owner,
                            info.name, constants[i], info.low, info.high);
        }
    }
    return AMM_OK;
}

amm_status amm_runs_predict(const amm_runs *runs, const double *constants, double *time_s,
                            double *memory_bytes)
{
    AMM_TRY(check_constants(runs, constants));
    for (int64_t i = 0; i < runs->csv.rows; i++) {
        const amm_run_row *row = &runs->rows[i];
        amm_machine machine;
        amm_step step = { 0 };
        amm_ledger ledger = { 0 };
        step.time_s = ledger.total = (double)NAN;
        if (row->reason == NULL) {
            amm_runs_machine(runs, row, 0, constants, &machine);
            if (time_s != NULL) {
                amm_runs_step(runs, row, constants, &step);
            }
            if (memory_bytes != NULL) {
                amm_step_memory(&ledger, &row->network, &machine, &row->run);
            }
        }
        if (time_s != NULL) {
            time_s[i] = step.time_s;
        }
        if (memory_bytes != NULL) {
            memory_bytes[i] = ledger.total;
        }
    }
    return AMM_OK;
}

/* ---- predictions as a table ------------------------------------------------------------------ */

static void write_number(amm_text *out, double value)
{
    char number[AMM_NUMBER_CHARS];
    amm_text_append(out, ",");
    if (!isnan(value)) {
        amm_number_format(number, value);
        amm_text_append(out, number);
    }
}

/* The terms of a step, in the order in which the table has them. */
#define AMM_STEP_TERMS(X)     X(compute) X(bubble) X(tp) X(cp) X(ep) X(pp) X(dp) X(optimizer) X(other)
#define AMM_TERM_COLUMN(name) #name "_s,"
#define AMM_TERM_EMPTY(name)  ","

static void write_terms(amm_text *out, const amm_step *step)
{
#define AMM_WRITE_TERM(name) write_number(out, step->name##_s);
    AMM_STEP_TERMS(AMM_WRITE_TERM)
#undef AMM_WRITE_TERM
}

/* Range of the row, or over the variants of what it does not tell. */
static void predict_range(amm_run_prediction *out, const amm_runs *runs, const amm_run_row *row)
{
    const amm_range_basis basis = { row->device, runs->owners[row->device_owner].device,
                                    runs->owners[row->runtime_owner].runtime->facts };
    amm_run_row variant;
    for (int64_t i = 0; amm_run_variant(&variant, row, i); i++) {
        amm_machine machine;
        amm_step step;
        amm_step_spread spread;
        amm_runs_machine(runs, &variant, 0, NULL, &machine);
        amm_runs_step(runs, &variant, NULL, &step);
        amm_step_range(&spread, &variant.network, &machine, &variant.run, step.time_s, &basis);
        out->low_s = i == 0 ? spread.low_s : fmin(out->low_s, spread.low_s);
        out->high_s = i == 0 ? spread.high_s : fmax(out->high_s, spread.high_s);
        out->validated = spread.validated && row->part_count == 1;
    }
}

void amm_run_predict(amm_run_prediction *out, const amm_runs *runs, const amm_run_row *row)
{
    amm_machine machine;
    amm_step step = { 0 };
    amm_ledger ledger = { 0 };
    out->time_s = out->low_s = out->high_s = out->memory_gib = out->flops = (double)NAN;
    out->feasible = -1;
    out->validated = false;
    out->regime[0] = '\0';
    if (row->reason != NULL) {
        return;
    }
    amm_runs_machine(runs, row, 0, NULL, &machine);
    amm_runs_step(runs, row, NULL, &step);
    amm_step_memory(&ledger, &row->network, &machine, &row->run);
    if (isfinite(step.time_s) && step.time_s > 0.0 && isfinite(ledger.total)) {
        out->time_s = step.time_s;
        out->memory_gib = ledger.total / 1073741824.0;
        out->flops = step.flops;
        out->step = step;
        out->feasible = ledger.total <= amm_runs_room(row);
        amm_regime_key(out->regime, row->device, &row->network, &row->run);
        predict_range(out, runs, row);
    }
}

static void write_row(amm_text *out, const amm_runs *runs, int64_t i)
{
    const amm_run_row *row = &runs->rows[i];
    amm_run_prediction p;
    char assumed[AMM_ASSUMED_CHARS];
    for (int32_t c = 0; c < runs->csv.columns; c++) {
        amm_text_append(out, c == 0 ? "" : ",");
        amm_csv_write(out, runs->csv.cells[i * runs->csv.columns + c]);
    }
    amm_run_predict(&p, runs, row);
    amm_assumed_format(assumed, row->assumed);
    if (p.feasible < 0) {
        amm_text_append(out, ",,,,,,,," AMM_STEP_TERMS(AMM_TERM_EMPTY));
        amm_csv_write(out, row->reason != NULL ? row->reason : AMM_REASON_NOT_FINITE);
        amm_text_append(out, "\n");
        return;
    }
    write_number(out, p.time_s);
    write_number(out, p.low_s);
    write_number(out, p.high_s);
    write_number(out, p.memory_gib);
    amm_text_printf(out, ",%d,%s,%s", p.feasible, p.validated ? p.regime : "unvalidated", assumed);
    write_terms(out, &p.step);
    amm_text_append(out, ",\n");
}

amm_status amm_runs_csv(const amm_runs *runs, char **out)
{
    amm_text text;
    amm_text_init(&text, runs->arena.context);
    for (int32_t c = 0; c < runs->csv.columns; c++) {
        amm_text_append(&text, c == 0 ? "" : ",");
        amm_csv_write(&text, runs->csv.header[c]);
    }
    amm_text_append(
        &text, ",predicted_iter_s,predicted_low_s,predicted_high_s,predicted_mem_gb,"
               "predicted_feasible,regime,assumed," AMM_STEP_TERMS(AMM_TERM_COLUMN) "reason\n");
    for (int64_t i = 0; i < runs->csv.rows; i++) {
        write_row(&text, runs, i);
    }
    return amm_text_take(&text, out);
}
