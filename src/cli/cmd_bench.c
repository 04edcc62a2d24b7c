#define _GNU_SOURCE
#include "options.h"
int amm_cli_bench(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return 0;
}
