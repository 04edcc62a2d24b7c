/* The files below models/, compiled into the library, so that a preset works wherever the library
 * does. The build generates the definitions (cmake/embed_presets.cmake). */
#ifndef AMM_IO_PRESETS_DATA_H
#define AMM_IO_PRESETS_DATA_H

#include <stddef.h>

/* One embedded file. All pointers have static lifetime. */
typedef struct amm_preset_file {
    const char *kind; /* the folder below models/: "networks", "devices", ... */
    const char *name; /* the file name without ".json" */
    const char *text; /* the file's bytes, NUL-terminated */
    size_t size;      /* number of bytes in text, without the NUL */
} amm_preset_file;

/* Sorted by kind, then by name (byte order); one entry of NULLs follows the last file. */
extern const amm_preset_file amm_preset_files[];
extern const size_t amm_preset_file_count;

#endif
