/* Progress on standard error and the first interrupt, for commands that take their time. */
#ifndef AMM_CLI_WATCH_H
#define AMM_CLI_WATCH_H

#include "options.h"

typedef struct amm_cli_watch {
    const char *checkpoint; /* NULL: none */
    bool unwritable;        /* the checkpoint */
    bool shown, terminal;
    bool drawn; /* a line is on the terminal that has to go */
    double next_s;
} amm_cli_watch;

/* From here on the first interrupt is noticed, a second one ends the program at once. */
amm_cli_watch amm_cli_watch_begin(const amm_cli_options *options);
int amm_cli_watch_progress(double done, double best_s, void *payload); /* an amm_progress */
void amm_cli_watch_end(const amm_cli_watch *watch);

#endif
