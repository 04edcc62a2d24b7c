#define _GNU_SOURCE /* sched_getaffinity, _SC_NPROCESSORS_ONLN */
#include "core/core.h"

#include <sched.h>
#include <unistd.h>

int32_t amm_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return (int32_t)CPU_COUNT(&set);
    }
    /* More than a set holds. */
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (int32_t)count;
}
