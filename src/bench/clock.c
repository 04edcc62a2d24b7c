#define _DEFAULT_SOURCE /* clock_gettime */
#include "bench/workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double amm_bench_clock_s(bool cpu_time)
{
    struct timespec now;
    if (!cpu_time) {
        return amm_clock_s();
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Value of a line "key<blanks>: value" of Linux' list of processors. */
static bool line_value(const char *line, const char *key, char *out, size_t size)
{
    const char *colon = strchr(line, ':');
    if (strncmp(line, key, strlen(key)) != 0 || colon == NULL) {
        return false;
    }
    (void)snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " "));
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static void read_told(amm_machine_facts *out)
{
    char line[512];
    char value[96];
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        double mhz = 0.0;
        if (*out->cpu == '\0' && line_value(line, "model name", value, sizeof value)) {
            memcpy(out->cpu, value, sizeof out->cpu);
        }
        if (isnan(out->mhz_told) && line_value(line, "cpu MHz", value, sizeof value) &&
            amm_number_parse(value, &mhz)) {
            out->mhz_told = mhz;
        }
    }
    (void)fclose(file);
}

#if defined(__x86_64__)
/* Additions that wait for each other take a cycle each on every processor of this kind; the fastest
 * of a few tries was disturbed least. */
static double measure_mhz(void)
{
    enum { ADDS = 16, ROUNDS = 200000, TRIES = 9 };
    double best_s = HUGE_VAL;
    for (int n = 0; n < TRIES; n++) {
        uint64_t x = 0;
        const double start_s = amm_bench_clock_s(false);
        for (int k = 0; k < ROUNDS; k++) {
            __asm__ volatile(".rept 16\n\tadd $1, %0\n\t.endr" : "+r"(x) : : "cc");
        }
        best_s = fmin(best_s, amm_bench_clock_s(false) - start_s);
    }
    return 1e-6 * ADDS * ROUNDS / best_s;
}
#else
static double measure_mhz(void)
{
    return (double)NAN;
}
#endif

void amm_machine_facts_read(amm_machine_facts *out)
{
    memset(out, 0, sizeof *out);
    out->processors = amm_processors();
    out->mhz_told = (double)NAN;
    read_told(out);
    out->mhz_measured = measure_mhz();
}
