#include "calibrate/runs.h"
#include "io/read.h"

#include <math.h>
#include <string.h>

/* The row being read; the first thing that cannot be understood is its reason. */
typedef struct reading {
    amm_runs *runs;
    int64_t row;
    amm_run_row *out;
    amm_status status; /* NO_MEMORY only */
} reading;

static void refuse(reading *r, const char *reason)
{
    if (r->out->reason == NULL) {
        r->out->reason = reason;
    }
}

static void refuse_cell(reading *r, int column, const char *why)
{
    static const char *const names[AMM_COLUMN_COUNT] = {
#define AMM_RUN_COLUMN_NAME(name) #name,
        AMM_RUN_COLUMN_LIST(AMM_RUN_COLUMN_NAME)
#undef AMM_RUN_COLUMN_NAME
    };
    if (r->out->reason == NULL) {
        r->out->reason = amm_arena_format(&r->runs->arena, "%s: %s, got \"%.60s\"", names[column],
                                          why, amm_runs_text(r->runs, r->row, column));
        r->status = r->out->reason == NULL ? AMM_NO_MEMORY : r->status;
    }
}

static void assume(reading *r, int setting)
{
    r->out->assumed |= UINT32_C(1) << setting;
}

static const char *text(const reading *r, int column)
{
    return amm_runs_text(r->runs, r->row, column);
}

/* A number > 0 or >= `low`; `usual` where the cell is empty. */
static double number(reading *r, int column, double low, double usual)
{
    const char *cell = text(r, column);
    double value = usual;
    if (cell[0] == '\0') {
        if (isnan(usual)) {
            refuse_cell(r, column, "missing");
        }
        return usual;
    }
    if (!amm_number_parse(cell, &value) || value < low || value > 1e15) {
        refuse_cell(r, column, "not a number in range");
        return low;
    }
    return value;
}

static double whole(reading *r, int column, double low, double usual)
{
    const double value = number(r, column, low, usual);
    if (!isnan(value) && value != floor(value)) {
        refuse_cell(r, column, "not a whole number");
    }
    return value;
}

/* As whole, from 1 to what a problem may have. */
static double count(reading *r, int column, double high, double usual)
{
    const double value = whole(r, column, 1, usual);
    if (value > high) {
        refuse_cell(r, column, "not a number in range");
    }
    return value;
}

static double flag(reading *r, int column, double usual)
{
    const double value = number(r, column, 0, usual);
    if (value != 0.0 && value != 1.0) {
        refuse_cell(r, column, "neither 0 nor 1");
    }
    return value;
}

/* One of a choice's words; "": the choice stays as it is. */
static void choice_word(reading *r, int column, amm_choice choice, int *out, size_t length)
{
    const char *cell = text(r, column);
    int32_t value = *out;
    if (cell[0] != '\0' && !amm_choice_parse(&value, choice, cell, length)) {
        refuse_cell(r, column, "unknown");
    }
    *out = value;
}

/* ---- network --------------------------------------------------------------------------------- */

static void read_block(reading *r, amm_block_shape *x)
{
    const bool moe = text(r, AMM_COLUMN_moe_experts)[0] != '\0';
    x->hidden = whole(r, AMM_COLUMN_hidden, 1, nan(""));
    x->heads = whole(r, AMM_COLUMN_heads, 1, nan(""));
    x->kv_heads = whole(r, AMM_COLUMN_kv_heads, 1, x->heads);
    x->head_qk = x->head_v = amm_is_multiple(x->hidden, x->heads) ? x->hidden / x->heads : 0.0;
    x->gated = flag(r, AMM_COLUMN_gated_mlp, 0);
    x->norm_vectors = x->gated > 0.0 ? 1.0 : 2.0;
    x->ffn = whole(r, AMM_COLUMN_ffn_hidden, 1, 4.0 * x->hidden);
    if (moe) {
        x->experts = whole(r, AMM_COLUMN_moe_experts, 0, 0);
        x->top_k = whole(r, AMM_COLUMN_moe_topk, 0, 1);
        x->expert_ffn = whole(r, AMM_COLUMN_moe_ffn_hidden, 1, x->ffn);
        x->shared_ffn = x->expert_ffn * whole(r, AMM_COLUMN_moe_shared_experts, 0, 0);
    }
    if (x->experts > 0.0) {
        x->ffn = 0.0;
    }
}

/* What the table has no columns for (head sizes, latent attention, windows, biases) comes from the
 * network preset that agrees in every figure that the table has. */
static bool preset_agrees(const amm_network *preset, const amm_network *row)
{
    const amm_block_shape *a = &preset->kind[preset->kind_count - 1];
    const amm_block_shape *b = &row->kind[row->kind_count - 1];
    return preset->block_count == row->block_count && a->hidden == b->hidden &&
           a->heads == b->heads && a->experts == b->experts && a->gated == b->gated &&
           (a->kv_heads == b->kv_heads || a->kv_rank > 0.0) &&
           (a->experts > 0.0 ? a->expert_ffn == b->expert_ffn && a->top_k == b->top_k
                             : a->ffn == b->ffn);
}

static void use_preset(reading *r)
{
    amm_network *n = &r->out->network;
    for (int32_t i = 0; i < r->runs->network_count; i++) {
        const amm_network *preset = &r->runs->networks[i];
        if (preset_agrees(preset, n)) {
            const double vocab = n->vocab;
            const double prediction_layers = n->prediction_layers;
            *n = *preset;
            n->vocab = vocab;
            n->prediction_layers = prediction_layers;
            return;
        }
    }
}

/* The rules for the blocks of any model, as for files; their message is the reason. */
static void check_blocks(reading *r)
{
    const amm_network *n = &r->out->network;
    for (int32_t k = 0; k < n->kind_count && r->out->reason == NULL; k++) {
        amm_layer layer = amm_layer_of(AMM_LAYER_BLOCK);
        layer.hidden = (int64_t)n->kind[k].hidden;
        layer.tokens = (int64_t)r->out->run.seq_len;
        layer.shape = n->kind[k];
        layer.shape.window = fmin(layer.shape.window, r->out->run.seq_len);
        if (amm_layer_finish(&layer, 0, "network") != AMM_OK) {
            r->out->reason = amm_arena_format(&r->runs->arena, "%s", amm_last_error());
            r->status = r->out->reason == NULL ? AMM_NO_MEMORY : r->status;
        }
    }
}

static void read_network(reading *r)
{
    amm_network *n = &r->out->network;
    amm_block_shape block = { 0 };
    read_block(r, &block);
    const double layers = whole(r, AMM_COLUMN_layers, 1, nan(""));
    const double dense_first = whole(r, AMM_COLUMN_first_k_dense, 0, 0);
    r->out->run.seq_len = count(r, AMM_COLUMN_seq_len, INT32_MAX, 2048);
    n->hidden = block.hidden;
    n->vocab = whole(r, AMM_COLUMN_vocab, 1, 51200);
    /* GPT and its kin share the table (Radford et al. 2019), gated networks do not; presets decide
     * for themselves. */
    n->tied = block.gated <= 0.0;
    n->prediction_layers = strstr(text(r, AMM_COLUMN_notes), "mtp=1") != NULL;
    if (r->out->reason != NULL || layers > AMM_MAX_LAYERS || dense_first > layers) {
        refuse_cell(r, AMM_COLUMN_layers, "out of range");
        return;
    }
    n->block_count = (int32_t)layers;
    uint8_t *kind_of = amm_arena_alloc(&r->runs->arena, (size_t)n->block_count, 1);
    if (kind_of == NULL) {
        r->status = AMM_NO_MEMORY;
        refuse(r, "memory");
        return;
    }
    n->kind_of = kind_of;
    if (block.experts > 0.0 && dense_first > 0.0) {
        n->kind[0] = block;
        n->kind[0].experts = n->kind[0].shared_ffn = 0.0;
        n->kind[0].ffn = block.expert_ffn * (block.top_k + block.shared_ffn / block.expert_ffn);
        n->kind_count = 1;
    }
    n->kind[n->kind_count++] = block;
    for (int32_t b = 0; b < n->block_count; b++) {
        kind_of[b] = (uint8_t)(b < dense_first ? 0 : n->kind_count - 1);
    }
    amm_network_finish(n);
    use_preset(r);
    check_blocks(r);
}

/* ---- strategy -------------------------------------------------------------------------------- */

static int word_index(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static void read_precision(reading *r)
{
    if (!amm_precision_parse(&r->out->run.precision, text(r, AMM_COLUMN_precision))) {
        refuse_cell(r, AMM_COLUMN_precision, "unknown");
    }
}

/* Ranks that share: of "(group=8)", of anything else in brackets all. */
static void read_group(reading *r)
{
    amm_run *run = &r->out->run;
    const char *group = strstr(text(r, AMM_COLUMN_zero_stage_or_fsdp), "group=");
    int32_t size = AMM_SHARD_ALL;
    if (group != NULL && !amm_choice_parse(&size, AMM_CHOICE_SHARD_GROUP, group + 6,
                                           strspn(group + 6, "0123456789"))) {
        refuse_cell(r, AMM_COLUMN_zero_stage_or_fsdp, "unknown");
    }
    run->shard_group = size == AMM_SHARD_ALL ? run->dp * run->cp : size;
}

static void read_sharding(reading *r, const amm_facts *facts)
{
    amm_run *run = &r->out->run;
    const char *cell = text(r, AMM_COLUMN_zero_stage_or_fsdp);
    const bool optimizer = strcmp(cell, "zero1") == 0 || strncmp(cell, "zero1(", 6) == 0;
    run->shard_group = 1.0;
    if (strstr(cell, "zero3") != NULL) {
        run->sharding = AMM_SHARDING_PARAMETERS;
    } else if (strstr(cell, "zero2") != NULL) {
        run->sharding = AMM_SHARDING_GRADIENTS;
    } else if (optimizer || (cell[0] == '\0' && facts->distributed_optimizer > 0.0)) {
        run->sharding = AMM_SHARDING_OPTIMIZER;
    } else if (cell[0] == '\0' || strcmp(cell, "ddp") == 0 || strcmp(cell, "zero0") == 0) {
        run->sharding = AMM_SHARDING_NONE;
        return;
    } else if (strstr(cell, "fsdp") != NULL) {
        run->sharding = AMM_SHARDING_PARAMETERS;
    } else {
        refuse_cell(r, AMM_COLUMN_zero_stage_or_fsdp, "unknown");
    }
    read_group(r);
}

static void read_recompute(reading *r)
{
    static const char *const words[] = {
#define AMM_RECOMPUTE_WORD(name, word) word,
        AMM_RECOMPUTE_LIST(AMM_RECOMPUTE_WORD)
#undef AMM_RECOMPUTE_WORD
    };
    amm_run *run = &r->out->run;
    const char *kind = text(r, AMM_COLUMN_recompute);
    const char *modules = text(r, AMM_COLUMN_recompute_modules);
    if (modules[0] != '\0' && strcmp(kind, "selective") != 0) {
        refuse_cell(r, AMM_COLUMN_recompute_modules, "for selective recomputation only");
    } else if (strcmp(kind, "full") == 0) {
        run->recompute = AMM_RECOMPUTE_FULL;
    } else if (strcmp(kind, "selective") == 0 && modules[0] == '\0') {
        run->recompute = AMM_RECOMPUTE_CORE_ATTN;
    } else if (strcmp(kind, "selective") == 0) {
        while (*modules != '\0') {
            char word[32] = "";
            const size_t length = strcspn(modules, "+,; ");
            if (length < sizeof word) {
                memcpy(word, modules, length);
            }
            const int i = word_index(word, words, AMM_RECOMPUTE_COUNT);
            if (i < 0) {
                refuse_cell(r, AMM_COLUMN_recompute_modules, "unknown module");
                return;
            }
            run->recompute |= 1 << i;
            modules += length + (modules[length] != '\0');
        }
    } else if (kind[0] == '\0') {
        assume(r, AMM_ASSUMED_RECOMPUTE);
    } else if (strcmp(kind, "none") != 0) {
        refuse_cell(r, AMM_COLUMN_recompute, "unknown");
    }
}

/* Kernels: the note "kernel=..." where there is one, else the flag, else the runtime's. */
static void read_kernels(reading *r, const amm_facts *facts)
{
    amm_run *run = &r->out->run;
    const char *cell = text(r, AMM_COLUMN_flash_attention);
    const bool flash = flag(r, AMM_COLUMN_flash_attention, 0) > 0.0;
    const char *note = strstr(text(r, AMM_COLUMN_notes), "kernel=");
    const int usual = (int)facts->attention_kernel;
    const bool usual_fused = usual >= AMM_ATTENTION_FLASH1;
    run->norm_fused = facts->norm_fused > 0.0;
    if (note != NULL) {
        const char *end = strchr(note, ';');
        const size_t length = end == NULL ? strlen(note) : (size_t)(end - note);
        char kernel[64] = "";
        memcpy(kernel, note + 7, length - 7 < sizeof kernel ? length - 7 : sizeof kernel - 1);
        run->attention = strstr(kernel, "flash_attentionv1") != NULL ? AMM_ATTENTION_FLASH1
                         : strstr(kernel, "flash") != NULL           ? AMM_ATTENTION_FLASH
                         : strstr(kernel, "torch") != NULL           ? AMM_ATTENTION_TORCH
                                                                     : AMM_ATTENTION_FUSED_SOFTMAX;
        run->norm_fused = strstr(kernel, "RMS") != NULL;
    } else if (cell[0] == '\0') {
        run->attention = usual;
    } else if (flash) {
        run->attention = usual_fused ? usual : AMM_ATTENTION_FLASH;
    } else {
        run->attention = usual_fused ? AMM_ATTENTION_FUSED_SOFTMAX : usual;
    }
}

/* The choice's words, what is captured behind a colon, or that whoever published the run does not know. */
static void read_graphs(reading *r)
{
    amm_run *run = &r->out->run;
    const char *cell = text(r, AMM_COLUMN_cuda_graph);
    const size_t length = strcspn(cell, ":");
    if (strncmp(cell, "unclear", 7) == 0) {
        assume(r, AMM_ASSUMED_GRAPHS);
    } else if (strcmp(cell, "on") == 0) {
        run->graph = 2;
    } else if ((length == 18 && strncmp(cell, "transformer_engine", length) == 0) ||
               (length == 5 && strncmp(cell, "local", length) == 0)) {
        run->graph = 1;
    } else {
        choice_word(r, AMM_COLUMN_cuda_graph, AMM_CHOICE_GRAPHS, &run->graph, strlen(cell));
    }
}

/* "hybridep+ep_overlap" */
static void read_dispatcher(reading *r)
{
    amm_run *run = &r->out->run;
    const char *cell = text(r, AMM_COLUMN_moe_dispatcher);
    const size_t length = strcspn(cell, "+");
    choice_word(r, AMM_COLUMN_moe_dispatcher, AMM_CHOICE_DISPATCHER, &run->deduplicate, length);
    run->ep_overlap = strcmp(cell + length, "+ep_overlap") == 0;
    if (cell[length] != '\0' && !run->ep_overlap) {
        refuse_cell(r, AMM_COLUMN_moe_dispatcher, "unknown");
    }
}

static void read_options(reading *r, const amm_facts *facts)
{
    amm_run *run = &r->out->run;
    run->sequence_parallel =
        flag(r, AMM_COLUMN_seq_parallel, facts->sequence_parallel) > 0.0 && run->tp > 1.0;
    run->dp_overlap = 1; /* no column says otherwise */
    run->tp_overlap = flag(r, AMM_COLUMN_tp_comm_overlap, 0) > 0.0;
    if (text(r, AMM_COLUMN_tp_comm_overlap)[0] == '\0' && run->tp > 1.0 &&
        facts->plans_tp_overlap > 0.0) {
        assume(r, AMM_ASSUMED_TP_OVERLAP);
    }
    run->balance_parameters = facts->balance_parameters > 0.0;
    choice_word(r, AMM_COLUMN_cp_comm, AMM_CHOICE_CP_COMM, &run->cp_comm,
                strlen(text(r, AMM_COLUMN_cp_comm)));
    read_graphs(r);
    read_dispatcher(r);
    read_precision(r);
    read_recompute(r);
    read_kernels(r, facts);
    read_sharding(r, facts);
}

/* The order of passes; chunks decide between plain and interleaved 1F1B. */
static void read_schedule(reading *r)
{
    const char *cell = text(r, AMM_COLUMN_schedule);
    amm_run *run = &r->out->run;
    int32_t kind = AMM_SCHEDULE_1F1B;
    if (cell[0] != '\0' && strcmp(cell, "interleaved") != 0 &&
        strcmp(cell, "interleaved-1f1b") != 0 &&
        !amm_choice_parse(&kind, AMM_CHOICE_SCHEDULE, cell, strlen(cell))) {
        refuse_cell(r, AMM_COLUMN_schedule, "unknown");
    }
    kind = run->pp > 1.0 ? kind : AMM_SCHEDULE_1F1B; /* nothing to order */
    run->schedule = run->vpp > 1.0 ? (int32_t)AMM_SCHEDULE_INTERLEAVED : kind;
}

static void read_degrees(reading *r)
{
    amm_run *run = &r->out->run;
    run->devices = count(r, AMM_COLUMN_gpus, AMM_MAX_DEVICES, nan(""));
    run->tp = count(r, AMM_COLUMN_tp, AMM_MAX_DEVICES, 1);
    run->pp = count(r, AMM_COLUMN_pp, AMM_MAX_DEVICES, 1);
    run->cp = count(r, AMM_COLUMN_cp, AMM_MAX_DEVICES, 1);
    run->ep = count(r, AMM_COLUMN_ep, AMM_MAX_DEVICES, 1);
    run->etp = count(r, AMM_COLUMN_etp, AMM_MAX_DEVICES, 1);
    run->vpp = count(r, AMM_COLUMN_vpp, AMM_MAX_LAYERS, 1);
    run->micro_batch = count(r, AMM_COLUMN_micro_batch, AMM_MAX_BATCH, nan(""));
    r->out->batch = count(r, AMM_COLUMN_global_batch, AMM_MAX_BATCH, nan(""));
    if (r->out->reason != NULL) {
        return;
    }
    run->dp = number(r, AMM_COLUMN_dp, 1, run->devices / (run->tp * run->pp * run->cp));
    if (run->dp != floor(run->dp) || run->tp * run->pp * run->cp * run->dp != run->devices) {
        refuse_cell(r, AMM_COLUMN_dp, "tp x pp x cp x dp is not the number of devices");
    }
    if (run->pp > AMM_MAX_STAGES || run->pp * run->vpp > r->out->network.block_count + 2) {
        refuse_cell(r, AMM_COLUMN_pp, "more stages than layers");
    }
    if (text(r, AMM_COLUMN_vpp)[0] == '\0' && run->pp > 1.0 &&
        strncmp(text(r, AMM_COLUMN_schedule), "interleaved", 11) == 0) {
        run->vpp = fmax(1.0, floor(0.5 * r->out->network.block_count / run->pp));
        assume(r, AMM_ASSUMED_VPP);
    }
    read_schedule(r);
    /* Whole, for check_layout refuses a batch that does not divide. */
    run->micro_batches = floor(r->out->batch / (run->micro_batch * run->dp));
}

/* "6-7-6-5": blocks per stage. */
static void read_stages(reading *r)
{
    const char *cell = text(r, AMM_COLUMN_stage_layers);
    const int32_t p = (int32_t)r->out->run.pp;
    int32_t stage = 0;
    int64_t total = 0;
    if (strchr(cell, '-') == NULL || r->out->reason != NULL) {
        return;
    }
    int32_t *blocks = amm_arena_alloc(&r->runs->arena, (size_t)p, sizeof *blocks);
    if (blocks == NULL) {
        r->status = AMM_NO_MEMORY;
        return;
    }
    for (; *cell != '\0' && stage < p; stage++) {
        for (; *cell >= '0' && *cell <= '9' && blocks[stage] < AMM_MAX_LAYERS; cell++) {
            blocks[stage] = 10 * blocks[stage] + (*cell - '0');
        }
        total += blocks[stage];
        cell += *cell == '-';
    }
    if (stage != p || *cell != '\0' || total != r->out->network.block_count) {
        refuse_cell(r, AMM_COLUMN_stage_layers, "does not list the layers of pp stages");
    }
    r->out->run.stage_blocks = blocks;
}

/* What the row says of one thing and another has to go together. */
static void check_layout(reading *r)
{
    const char *reason = r->out->reason == NULL ? amm_run_row_reject(r->out) : NULL;
    if (reason != NULL) {
        r->out->reason = amm_arena_format(&r->runs->arena, "layout: %s", reason);
        r->status = r->out->reason == NULL ? AMM_NO_MEMORY : r->status;
    }
    if (r->out->reason != NULL) {
        return;
    }
    for (int32_t k = 0; k < r->out->part_count; k++) {
        if (!amm_device_computes_in(r->out->parts[k].device, r->out->run.precision)) {
            refuse_cell(r, AMM_COLUMN_precision, "the device has no matrix units for it");
        }
    }
}

/* ---- machine --------------------------------------------------------------------------------- */

static void read_fabric(reading *r)
{
    const amm_run *run = &r->out->run;
    const double host = fmin(number(r, AMM_COLUMN_gpus_per_node, 1, 8), run->devices);
    const double domain = fmax(host, number(r, AMM_COLUMN_scaleup_domain, 1, host));
    const double nic = number(r, AMM_COLUMN_nic_gbit_per_node, 1e-3, 0);
    r->out->omni_path = strstr(text(r, AMM_COLUMN_interconnect), "Omni") != NULL;
    for (int32_t k = 0; k < r->out->part_count; k++) {
        amm_fabric *f = &r->out->parts[k].fabric;
        const double *peaks = r->out->parts[k].device->peaks;
        f->devices = run->devices;
        f->domain = run->devices / ceil(run->devices / domain);
        f->scaleup_bytes_per_s = peaks[AMM_PEAK_scaleup_bytes_per_s];
        f->links_bytes_per_s = peaks[AMM_PEAK_scaleup_bytes_per_s];
        f->pair_share = peaks[AMM_PEAK_scaleup_pair_share];
        f->quad_share = peaks[AMM_PEAK_scaleup_quad_share];
        f->network_bytes_per_s = nic / 8.0 * 1e9 * f->domain / host;
        if (f->devices > f->domain && nic == 0.0) { /* not published: the reference server's */
            f->network_bytes_per_s = peaks[AMM_PEAK_network_bytes_per_s] * f->domain;
            if (text(r, AMM_COLUMN_cluster)[0] == '\0') {
                assume(r, AMM_ASSUMED_NIC);
            }
        }
    }
}

/* Links of a cluster preset: of the first node that has a part's device. Presets only: a table must
 * not open files. */
static amm_status read_cluster(reading *r)
{
    const char *name = text(r, AMM_COLUMN_cluster);
    const amm_cluster *cluster = NULL;
    int32_t index = -1;
    if (name[0] == '\0' || r->out->reason != NULL) {
        return AMM_OK;
    }
    AMM_TRY(amm_preset_find(&r->runs->reader, AMM_PRESET_CLUSTER, name, &index));
    if (index < 0) {
        refuse_cell(r, AMM_COLUMN_cluster, "unknown");
        return AMM_OK;
    }
    AMM_TRY(amm_get_cluster(&r->runs->reader, &cluster, name, "column cluster"));
    for (int32_t k = 0; k < r->out->part_count; k++) {
        const char *device = r->out->parts[k].device->name;
        for (int32_t i = cluster->node_count - 1; i >= 0; i--) {
            const amm_node *node = &cluster->nodes[i];
            if (strcmp(cluster->types[node->device_type[0]]->name, device) == 0) {
                r->out->parts[k].fabric.scaleup_bytes_per_s = node->intra_bytes_per_s;
                r->out->parts[k].fabric.network_bytes_per_s = node->inter_bytes_per_s;
            }
        }
    }
    return AMM_OK;
}

/* "A", or "A(12)+B(4)": a count in brackets at the end of a type is its number of devices, other
 * brackets and commas belong to the name, where names cannot have them and write '-'. */
static double split_device(char out[AMM_MAX_NAME], const char *cell, size_t length)
{
    const char *open = length > 0 && cell[length - 1] == ')' ? cell + length - 1 : NULL;
    double count = 0.0;
    size_t n = 0;
    while (open != NULL && open > cell && *open != '(') {
        open--;
    }
    if (open != NULL && *open == '(' &&
        strspn(open + 1, "0123456789") == (size_t)(cell + length - 2 - open)) {
        for (const char *c = open + 1; *c != ')' && count < 1e9; c++) {
            count = 10.0 * count + (*c - '0');
        }
        length = (size_t)(open - cell);
    }
    for (size_t i = 0; i < length && n + 1 < AMM_MAX_NAME; i++) {
        if (cell[i] != ')') {
            out[n++] = cell[i] == '(' || cell[i] == ',' ? '-' : cell[i];
        }
    }
    out[n] = '\0';
    return count;
}

static amm_status read_devices(reading *r)
{
    const char *cell = text(r, AMM_COLUMN_gpu);
    amm_run_row *out = r->out;
    double total = 0.0;
    while (*cell != '\0' && out->part_count < AMM_MAX_RUN_PARTS) {
        char name[AMM_MAX_NAME];
        amm_run_part *part = &out->parts[out->part_count++];
        const size_t length = strcspn(cell, "+");
        part->devices = split_device(name, cell, length);
        AMM_TRY(amm_runs_device(r->runs, name, &part->device, &part->owner));
        if (part->device == NULL) {
            refuse_cell(r, AMM_COLUMN_gpu, "unknown device");
            return r->status;
        }
        total += part->devices;
        cell += length + (cell[length] == '+');
    }
    if (*cell != '\0' || out->part_count == 0) {
        refuse_cell(r, AMM_COLUMN_gpu, "unknown device");
        return r->status;
    }
    out->device = out->parts[0].device;
    out->device_owner = out->parts[0].owner;
    const double devices = whole(r, AMM_COLUMN_gpus, 1, nan(""));
    if (out->part_count == 1) {
        out->parts[0].devices = devices;
    } else if (total != devices) {
        refuse_cell(r, AMM_COLUMN_gpu, "does not add up to the number of devices");
    }
    return r->status;
}

amm_status amm_run_row_read(amm_runs *runs, int64_t row, amm_run_row *out)
{
    reading r = { runs, row, out, AMM_OK };
    amm_facts facts;
    memset(out, 0, sizeof *out);
    bool known = true;
    AMM_TRY(amm_runs_runtime(runs, text(&r, AMM_COLUMN_framework), &out->runtime_owner, &known));
    if (!known) {
        assume(&r, AMM_ASSUMED_FRAMEWORK);
    }
    AMM_TRY(read_devices(&r));
    if (out->device == NULL) {
        return r.status;
    }
    amm_runtime_facts(&facts, runs->owners[out->runtime_owner].runtime);
    read_network(&r);
    read_degrees(&r);
    if (out->reason == NULL) {
        read_options(&r, &facts);
        read_stages(&r);
        read_fabric(&r);
        AMM_TRY(read_cluster(&r));
        check_layout(&r);
    }
    out->measured_s = number(&r, AMM_COLUMN_measured_iter_s, 0, 0);
    out->measured_bytes = number(&r, AMM_COLUMN_measured_mem_gb, 0, 0) * 1073741824.0;
    return r.status;
}
