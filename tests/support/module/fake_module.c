/* A backend module with nothing in it: of version FAKE_VERSION, on a device that is FAKE_DEVICE. */
#include "backend/module.h"

#include <stdio.h>

static bool describe(char *note, size_t note_bytes, int32_t number)
{
    (void)snprintf(note, note_bytes, "fake device %d", number);
    return FAKE_DEVICE;
}

static const amm_backend backend = { .version = FAKE_VERSION, .name = "cuda" };
static const amm_module module = { FAKE_VERSION, &backend, describe };

__attribute__((visibility("default"))) const amm_module *
amm_backend_module(const amm_module_host *host);

const amm_module *amm_backend_module(const amm_module_host *host)
{
    (void)host;
    return &module;
}
