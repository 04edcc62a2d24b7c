/* The device layer on the host: see double.h. */
#define _DEFAULT_SOURCE
#undef _FORTIFY_SOURCE /* its longjmp refuses to change stacks */
#include "kernels.h"
#include "driver.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/random.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { POISON = 0xcb, BLOCKS_AT_ONCE = 3, STACK_BYTES = SANITIZED ? 1 << 18 : 1 << 16 };

amm_double_options amm_double_settings;
amm_double_place amm_double_here;

/* ---- memory ------------------------------------------------------------------------------------- */

/* An allocation: its last byte is followed by a page that cannot be touched. */
typedef struct region {
    struct region *next;
    uint8_t *pages;
    size_t page_bytes; /* without the guard */
    void *memory;
    size_t bytes;
    bool host, open;
} region;

typedef enum work_kind { COPY_IN, COPY_OUT, ZERO, LAUNCH } work_kind;

/* What a stream has still to do. */
typedef struct work {
    struct work *next;
    work_kind kind;
    void *to;
    const void *from;
    size_t bytes, shared_bytes;
    amm_kernel_id kernel;
    int32_t blocks, threads;
    void *args;
} work;

struct amm_device {
    const amm_context *context;
    amm_device_facts facts;
    region *regions;
    work *first[AMM_DEVICE_STREAMS];
    uint64_t seed;
    size_t used_bytes;
    int64_t launches;
    bool lost;
    uint8_t *stacks; /* of the fibers of a launch, kept for the next one */
    size_t stacks_bytes;
};

static void set_open(region *r, bool open)
{
    if (r->open != open &&
        mprotect(r->pages, r->page_bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE) != 0) {
        abort();
    }
    r->open = open;
}

static void protect(amm_device *device, bool host_runs)
{
    for (region *r = device->regions; r != NULL; r = r->next) {
        set_open(r, r->host == host_runs);
    }
}

/* The memory that a copy reads or writes; none of the rest. */
static void open_one(amm_device *device, const void *at)
{
    for (region *r = device->regions; r != NULL; r = r->next) {
        if ((const uint8_t *)at >= r->pages && (const uint8_t *)at < r->pages + r->page_bytes) {
            set_open(r, true);
            return;
        }
    }
}

static amm_status allocate(amm_device *device, void **out, size_t bytes, bool host)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t whole = (bytes + 15) / 16 * 16;
    *out = NULL;
    if (!host && device->used_bytes + bytes > device->facts.memory_bytes) {
        return amm_fail(AMM_NO_MEMORY, "double: out of device memory: %zu bytes", bytes);
    }
    region *r = amm_alloc(device->context, 1, sizeof *r);
    if (r == NULL) {
        return AMM_NO_MEMORY;
    }
    r->page_bytes = whole == 0 ? page : (whole + page - 1) / page * page;
    r->pages = mmap(NULL, r->page_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
    if (r->pages == MAP_FAILED || mprotect(r->pages + r->page_bytes, page, PROT_NONE) != 0) {
        amm_release(device->context, r);
        return amm_fail(AMM_NO_MEMORY, "double: mmap of %zu bytes", bytes);
    }
    memset(r->pages, POISON, r->page_bytes);
    r->memory = r->pages + r->page_bytes - whole;
    r->bytes = bytes;
    r->host = host;
    r->open = true;
    r->next = device->regions;
    device->regions = r;
    device->used_bytes += host ? 0 : bytes;
    protect(device, true);
    *out = r->memory;
    return AMM_OK;
}

amm_status amm_device_allocate(amm_device *device, void **out, size_t bytes)
{
    return allocate(device, out, bytes, false);
}

amm_status amm_device_allocate_host(amm_device *device, void **out, size_t bytes)
{
    return allocate(device, out, bytes, true);
}

void amm_device_release(amm_device *device, void *memory)
{
    for (region **at = &device->regions; memory != NULL && *at != NULL; at = &(*at)->next) {
        region *r = *at;
        if (r->memory == memory) {
            *at = r->next;
            device->used_bytes -= r->host ? 0 : r->bytes;
            (void)munmap(r->pages, r->page_bytes + (size_t)sysconf(_SC_PAGESIZE));
            amm_release(device->context, r);
            return;
        }
    }
}

/* ---- fibers ------------------------------------------------------------------------------------- */

typedef struct fiber {
    ucontext_t context;
    jmp_buf jump;
    bool started, done, waits;
    amm_double_place place;
    amm_double_meeting meeting;
    uint64_t value, result;
    int32_t source;
    uint8_t *stack;
    void *fake_stack; /* the sanitizer's */
} fiber;

static struct scheduler {
    fiber *fibers;
    int32_t count, current;
    int32_t *ready, ready_count;
    uint64_t seed;
    const char *fault;
    void (*kernel)(const void *args);
    const void *args;
    ucontext_t home;
    jmp_buf home_jump;
    void *home_fake;
    const void *home_stack;
    size_t home_bytes;
} run;

static void to_home(fiber *self)
{
#if SANITIZED
    __sanitizer_start_switch_fiber(self->done ? NULL : &self->fake_stack, run.home_stack,
                                   run.home_bytes);
    swapcontext(&self->context, &run.home);
    __sanitizer_finish_switch_fiber(self->fake_stack, &run.home_stack, &run.home_bytes);
#else
    if (_setjmp(self->jump) == 0) {
        _longjmp(run.home_jump, 1);
    }
#endif
    amm_double_here = self->place;
}

static void fiber_main(void)
{
    fiber *self = &run.fibers[run.current];
#if SANITIZED
    __sanitizer_finish_switch_fiber(NULL, &run.home_stack, &run.home_bytes);
#endif
    amm_double_here = self->place;
    run.kernel(run.args);
    self->done = true;
    to_home(self);
}

static void resume(fiber *f)
{
#if SANITIZED
    __sanitizer_start_switch_fiber(&run.home_fake, f->stack, STACK_BYTES);
    f->started = true;
    swapcontext(&run.home, &f->context);
    __sanitizer_finish_switch_fiber(run.home_fake, NULL, NULL);
#else
    if (_setjmp(run.home_jump) == 0) {
        if (f->started) {
            _longjmp(f->jump, 1);
        }
        f->started = true;
        (void)setcontext(&f->context);
    }
#endif
}

uint64_t amm_double_meet(amm_double_meeting meeting, uint64_t value, int32_t source)
{
    fiber *self = &run.fibers[run.current];
    self->meeting = meeting;
    self->value = value;
    self->source = source;
    self->waits = true;
    to_home(self);
    return self->result;
}

void amm_double_yield(void)
{
    fiber *self = &run.fibers[run.current];
    if (amm_random_next(&run.seed) % 4 == 0) {
        to_home(self);
    }
}

int64_t amm_double_now_ns(void)
{
    const int32_t slice = amm_double_settings.slice;
    return slice > 0 && amm_random_range(&run.seed, 1, slice) == 1 ? INT64_MAX / 2 : 0;
}

/* Lets those that meet at the same place go on, once all of the warp or block are there. */
static void release(int32_t first, int32_t count)
{
    uint32_t ballot = 0;
    for (int32_t k = first; k < first + count; k++) {
        const fiber *f = &run.fibers[k];
        if (f->done || f->meeting != run.fibers[first].meeting) {
            run.fault = f->done ? "a thread has left that others wait for"
                                : "threads of a warp wait at different places";
            return;
        }
        ballot |= count == AMM_WARP && f->value != 0 ? 1u << (k - first) : 0;
    }
    for (int32_t k = first; k < first + count; k++) {
        fiber *f = &run.fibers[k];
        f->result = ballot;
        if (f->meeting == AMM_DOUBLE_GATHER) {
            f->result = run.fibers[first + (f->source & (AMM_WARP - 1))].value;
        }
        f->waits = false;
        run.ready[run.ready_count++] = k;
    }
}

static bool all_wait(int32_t first, int32_t count, bool block)
{
    for (int32_t k = first; k < first + count; k++) {
        const fiber *f = &run.fibers[k];
        if (!f->waits || (f->meeting == AMM_DOUBLE_BLOCK_SYNC) != block) {
            return false;
        }
    }
    return true;
}

static void arrived(int32_t number)
{
    const fiber *f = &run.fibers[number];
    const bool block = f->meeting == AMM_DOUBLE_BLOCK_SYNC;
    const int32_t size = block ? f->place.threads : AMM_WARP;
    const int32_t first = number / size * size;
    if (all_wait(first, size, block)) {
        release(first, size);
    }
}

/* Runs all fibers to their ends, whichever the seed picks next. */
static void run_fibers(void)
{
    int32_t done = 0;
    run.ready_count = 0;
    for (int32_t k = 0; k < run.count; k++) {
        run.ready[run.ready_count++] = k;
    }
    while (run.ready_count > 0 && run.fault == NULL) {
        const int32_t pick = amm_random_range(&run.seed, 0, run.ready_count - 1);
        run.current = run.ready[pick];
        run.ready[pick] = run.ready[--run.ready_count];
        fiber *f = &run.fibers[run.current];
        resume(f);
        if (f->done) {
            done++;
        } else if (f->waits) {
            arrived(run.current);
        } else {
            run.ready[run.ready_count++] = run.current;
        }
    }
    if (run.fault == NULL && done < run.count) {
        run.fault = "threads wait for others that do not come";
    }
}

static void prepare(fiber *f, int32_t number, const amm_double_place *place)
{
    uint8_t *const stack = f->stack;
    memset(f, 0, sizeof *f);
    f->stack = stack;
    f->place = *place;
    f->place.thread = number;
    (void)getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_main, 0);
}

#define DECLARE(name, NAME) void amm_kernel_##name(const void *args);
AMM_KERNEL_LIST(DECLARE)
#undef DECLARE

static void (*const kernels[AMM_KERNEL_COUNT])(const void *) = {
#define ENTRY(name, NAME) amm_kernel_##name,
    AMM_KERNEL_LIST(ENTRY)
#undef ENTRY
};

/* Some blocks at once, those in any order. */
static void run_blocks(const work *w, uint8_t *shared, size_t shared_step)
{
    int32_t at = 0;
    while (at < w->blocks && run.fault == NULL) {
        const int32_t blocks = w->blocks - at < BLOCKS_AT_ONCE ? w->blocks - at : BLOCKS_AT_ONCE;
        memset(shared, POISON, shared_step * BLOCKS_AT_ONCE);
        for (int32_t b = 0; b < blocks; b++) {
            const amm_double_place place = { 0, w->threads, at + b, w->blocks,
                                             shared + (size_t)b * shared_step };
            for (int32_t t = 0; t < w->threads; t++) {
                prepare(&run.fibers[b * w->threads + t], t, &place);
            }
        }
        run.count = blocks * w->threads;
        run_fibers();
        at += blocks;
    }
}

/* `fibers` stacks; what they held before is nobody's. */
static uint8_t *stacks_of(amm_device *device, size_t fibers)
{
    const size_t bytes = fibers * STACK_BYTES;
    if (bytes > device->stacks_bytes) {
        if (device->stacks != NULL) {
            (void)munmap(device->stacks, device->stacks_bytes);
        }
        device->stacks =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        device->stacks_bytes = bytes;
        if (device->stacks == MAP_FAILED) {
            abort();
        }
    }
    return device->stacks;
}

static amm_status run_kernel(amm_device *device, const work *w)
{
    const size_t fibers = (size_t)(BLOCKS_AT_ONCE * w->threads);
    const size_t shared_step = (w->shared_bytes + 15) / 16 * 16 + 64;
    uint8_t *stacks = stacks_of(device, fibers);
    memset(&run, 0, sizeof run);
    run.seed = amm_random_next(&device->seed);
    run.kernel = kernels[w->kernel];
    run.args = w->args;
    run.fibers = calloc(fibers, sizeof *run.fibers);
    run.ready = calloc(fibers, sizeof *run.ready);
    uint8_t *shared = aligned_alloc(16, shared_step * BLOCKS_AT_ONCE);
    if (run.fibers == NULL || run.ready == NULL || shared == NULL) {
        abort();
    }
    for (size_t k = 0; k < fibers; k++) {
        run.fibers[k].stack = stacks + k * STACK_BYTES;
    }
    protect(device, false);
    run_blocks(w, shared, shared_step);
    protect(device, true);
#if SANITIZED
    if (run.fault != NULL) { /* frames that were left on their way */
        __asan_unpoison_memory_region(device->stacks, device->stacks_bytes);
    }
#endif
    free(shared);
    free(run.ready);
    free(run.fibers);
    return run.fault == NULL ? AMM_OK : amm_fail(AMM_INTERNAL, "double: kernel: %s", run.fault);
}

/* ---- streams ------------------------------------------------------------------------------------ */

static amm_status do_work(amm_device *device, const work *w)
{
    if (w->kind == LAUNCH) {
        device->launches++;
        if (device->launches == amm_double_settings.fail_at_launch) {
            device->lost = true;
            return amm_fail(AMM_UNAVAILABLE, "double: device lost");
        }
        return run_kernel(device, w);
    }
    open_one(device, w->to);
    if (w->kind == ZERO) {
        memset(w->to, 0, w->bytes);
    } else {
        open_one(device, w->from);
        memcpy(w->to, w->from, w->bytes);
    }
    protect(device, true);
    return AMM_OK;
}

static void drop_first(amm_device *device, int32_t stream)
{
    work *w = device->first[stream];
    device->first[stream] = w->next;
    free(w->args);
    free(w);
}

/* Nothing is done before it has to be: what does not wait sees old contents. */
amm_status amm_device_wait(amm_device *device, int32_t stream)
{
    while (device->first[stream] != NULL) {
        /* Other streams get on as well, or not. */
        const int32_t other = amm_random_range(&device->seed, 0, 3) == 0
                                  ? amm_random_range(&device->seed, 0, AMM_DEVICE_STREAMS - 1)
                                  : stream;
        const int32_t next = device->first[other] == NULL ? stream : other;
        if (device->lost) {
            return amm_fail(AMM_UNAVAILABLE, "double: device lost");
        }
        const amm_status status = do_work(device, device->first[next]);
        drop_first(device, next);
        AMM_TRY(status);
    }
    return device->lost ? amm_fail(AMM_UNAVAILABLE, "double: device lost") : AMM_OK;
}

static amm_status add_work(amm_device *device, int32_t stream, const work *model, const void *args,
                           size_t args_bytes)
{
    work *w = malloc(sizeof *w);
    work **at = &device->first[stream];
    if (w == NULL) {
        abort();
    }
    *w = *model;
    w->next = NULL;
    w->args = NULL;
    if (args_bytes > 0) {
        w->args = malloc(args_bytes);
        if (w->args == NULL) {
            abort();
        }
        memcpy(w->args, args, args_bytes);
    }
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = w;
    return AMM_OK;
}

amm_status amm_device_copy_in(amm_device *device, int32_t stream, void *to, const void *from,
                              size_t bytes)
{
    const work w = { .kind = COPY_IN, .to = to, .from = from, .bytes = bytes };
    return add_work(device, stream, &w, NULL, 0);
}

amm_status amm_device_copy_out(amm_device *device, int32_t stream, void *to, const void *from,
                               size_t bytes)
{
    const work w = { .kind = COPY_OUT, .to = to, .from = from, .bytes = bytes };
    return add_work(device, stream, &w, NULL, 0);
}

amm_status amm_device_zero(amm_device *device, int32_t stream, void *to, size_t bytes)
{
    const work w = { .kind = ZERO, .to = to, .bytes = bytes };
    return add_work(device, stream, &w, NULL, 0);
}

amm_status amm_device_launch(amm_device *device, int32_t stream, amm_kernel_id kernel,
                             int32_t blocks, int32_t threads, size_t shared_bytes, const void *args,
                             size_t args_bytes)
{
    const work w = { .kind = LAUNCH,
                     .kernel = kernel,
                     .blocks = blocks,
                     .threads = threads,
                     .shared_bytes = shared_bytes };
    if (blocks < 1 || threads < 1 || threads % AMM_WARP != 0 || threads > 1024 ||
        shared_bytes > device->facts.shared_bytes) {
        return amm_fail(AMM_INTERNAL, "double: %d blocks of %d threads with %zu shared bytes",
                        blocks, threads, shared_bytes);
    }
    return add_work(device, stream, &w, args, args_bytes);
}

amm_status amm_device_occupancy(amm_device *device, int32_t *out, amm_kernel_id kernel,
                                int32_t threads, size_t shared_bytes)
{
    (void)kernel;
    (void)threads;
    (void)shared_bytes;
    *out = device->facts.processors * 2;
    return AMM_OK;
}

/* ---- device ------------------------------------------------------------------------------------- */

bool amm_device_describe(char *note, size_t note_bytes, int32_t number)
{
    (void)snprintf(note, note_bytes, "double of a device, on the host");
    return number == 0;
}

static int64_t or_default(int64_t value, int64_t other)
{
    return value == 0 ? other : value;
}

amm_status amm_device_open(amm_device **out, const amm_context *context, int32_t number)
{
    const amm_double_options *o = &amm_double_settings;
    *out = NULL;
    if (number != 0) {
        return amm_fail(AMM_INPUT, "device: got %d, there is 1", number);
    }
    amm_device *device = amm_alloc(context, 1, sizeof *device);
    if (device == NULL) {
        return AMM_NO_MEMORY;
    }
    device->context = context;
    device->seed = o->seed;
    device->facts = (amm_device_facts){
        .processors = 2,
        .shared_bytes = (size_t)or_default((int64_t)o->shared_bytes, 99 * 1024),
        .memory_bytes = (size_t)or_default((int64_t)o->memory_bytes, INT64_C(1) << 30),
        .most_configs = (int32_t)or_default(o->most_configs, 1 << 10),
        .most_candidates = or_default(o->most_candidates, 1 << 14),
        .most_units = (int32_t)or_default(o->most_units, 1 << 6),
        .unit_ranks = or_default(o->unit_ranks, 1 << 12),
        .most_pushed = (int32_t)or_default(o->most_pushed, 1 << 13),
        .slice_ns = 1,
    };
    *out = device;
    return AMM_OK;
}

void amm_device_close(amm_device *device)
{
    if (device == NULL) {
        return;
    }
    for (int32_t k = 0; k < AMM_DEVICE_STREAMS; k++) {
        while (device->first[k] != NULL) {
            drop_first(device, k);
        }
    }
    while (device->regions != NULL) {
        amm_device_release(device, device->regions->memory);
    }
    if (device->stacks != NULL) {
        (void)munmap(device->stacks, device->stacks_bytes);
    }
    amm_release(device->context, device);
}

const amm_device_facts *amm_device_facts_of(const amm_device *device)
{
    return &device->facts;
}

amm_status amm_cuda_ceilings(amm_ceiling *out, int32_t capacity, int32_t *count,
                             const amm_context *context, const amm_engine_options *options)
{
    (void)out;
    (void)capacity;
    (void)context;
    (void)options;
    *count = 0;
    return amm_fail(AMM_UNAVAILABLE, "double: a host says nothing about a device");
}
