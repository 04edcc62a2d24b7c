#include "options.h"

static const amm_cli_command command = {
    "ammeter doctor",
    NULL,
    "Says what works here and what does not: version, compiler, backends, presets, processors."
    "\vExit codes: 0, 1 internal or unwritable output, 2 usage.",
    0,
    0,
};

int amm_cli_doctor(int argc, char **argv)
{
    amm_cli_options options;
    amm_context *context = NULL;
    char *text = NULL;
    amm_cli_options_read(&options, &command, argc, argv);
    amm_status status = amm_context_create(&context, NULL);
    if (status == AMM_OK) {
        status = amm_doctor(context, &text, options.json ? 1 : 0);
    }
    const int code = status == AMM_OK ? amm_cli_write(options.output, text) : amm_cli_fail(status);
    amm_text_free(context, text);
    amm_context_free(context);
    return code;
}
