# Target amm_build_info writes what a result says about its build into the generated headers
#   version.h     AMM_VERSION_STRING, AMM_VERSION_MAJOR, _MINOR, _PATCH, AMM_COMMIT, AMM_COMPILER,
#                 AMM_BUILD_TYPE
#   cuda_probe.h  AMM_CUDA_PROBE
# version.h is looked at on every build, but written only when it changes: a commit recompiles the
# files that include it and no others.
set(AMM_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")

configure_file(
  "${PROJECT_SOURCE_DIR}/cmake/cuda_probe.h.in" "${AMM_GENERATED_DIR}/cuda_probe.h" @ONLY)

find_package(Git QUIET)
add_custom_target(amm_build_info
  COMMAND "${CMAKE_COMMAND}"
    -D "GIT=${GIT_EXECUTABLE}"
    -D "SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    -D "OUTPUT=${AMM_GENERATED_DIR}/version.h"
    -D "PROJECT_VERSION=${PROJECT_VERSION}"
    -D "COMPILER=${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
    -D "BUILD_TYPE=$<CONFIG>"
    -P "${PROJECT_SOURCE_DIR}/cmake/write_version.cmake"
  BYPRODUCTS "${AMM_GENERATED_DIR}/version.h"
  COMMENT ""
  VERBATIM)
