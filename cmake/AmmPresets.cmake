# amm_embed_presets(OUTPUT): OUTPUT becomes a C file with every file of models/, as declared in
# src/io/presets_data.h.
set(AMM_PRESET_KINDS networks devices clusters profiles problems runtimes)

function(amm_embed_presets output)
  set(globs ${AMM_PRESET_KINDS})
  list(TRANSFORM globs PREPEND "${PROJECT_SOURCE_DIR}/models/")
  list(TRANSFORM globs APPEND "/*.json")
  file(GLOB files CONFIGURE_DEPENDS ${globs})

  # The list is a file of its own, so that a preset that is removed or renamed is noticed too.
  set(manifest "${output}.list")
  file(CONFIGURE OUTPUT "${manifest}" CONTENT "${files}" @ONLY)

  set(script "${PROJECT_SOURCE_DIR}/cmake/embed_presets.cmake")
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" -D "MANIFEST=${manifest}" -D "OUTPUT=${output}" -P "${script}"
    DEPENDS "${script}" "${manifest}" ${files}
    COMMENT "Embedding the presets of models/"
    VERBATIM)
endfunction()
