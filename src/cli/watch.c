#define _GNU_SOURCE /* sigaction, clock_gettime */
#include "watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* A second interrupt ends the program at once. */
static void catch_interrupt(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    action.sa_flags = (int)SA_RESETHAND;
    (void)sigaction(SIGINT, &action, NULL);
}

static double clock_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int amm_cli_watch_progress(double done, double best_s, void *payload)
{
    static const double interval_s = 0.2;
    amm_cli_watch *p = payload;
    if (!p->shown) {
        return interrupted;
    }
    const double now_s = clock_s();
    if (now_s < p->next_s) {
        return interrupted;
    }
    p->next_s = now_s + interval_s;
    (void)fprintf(stderr, "%s%3.0f %%", p->terminal ? "\r\033[K" : "", 100.0 * done);
    if (best_s >= 0.0) {
        (void)fprintf(stderr, "  best %.4f s/step", best_s);
    }
    if (!p->terminal) {
        (void)fputc('\n', stderr);
    }
    p->drawn = p->terminal;
    return interrupted;
}

amm_cli_watch amm_cli_watch_begin(const amm_cli_options *options)
{
    const bool terminal = isatty(STDERR_FILENO) == 1;
    /* A search that is over at once shows nothing. */
    static const double patience_s = 0.5;
    const amm_cli_watch p = { options->checkpoint,
                              false,
                              options->progress || (terminal && !options->quiet),
                              terminal,
                              false,
                              options->progress ? 0.0 : clock_s() + patience_s };
    catch_interrupt();
    return p;
}

void amm_cli_watch_end(const amm_cli_watch *p)
{
    if (p->drawn) {
        (void)fputs("\r\033[K", stderr);
    }
}
