# Looks for nvcc. Sets AMM_NVCC (empty without) and AMM_CUDA_PROBE, the one line that `ammeter
# doctor` repeats. CUDA is never required unless AMM_CUDA=ON asks for it.
set(AMM_NVCC "")
if(NOT AMM_CUDA)
  set(AMM_CUDA_PROBE "off (AMM_CUDA=${AMM_CUDA})")
else()
  find_program(AMM_NVCC_EXECUTABLE nvcc
    HINTS ENV CUDACXX ENV CUDA_HOME ENV CUDA_PATH
    PATHS /usr/local/cuda /opt/cuda
    PATH_SUFFIXES bin)
  mark_as_advanced(AMM_NVCC_EXECUTABLE)
  set(AMM_CUDA_PROBE "nvcc not found, CPU only")
  if(AMM_NVCC_EXECUTABLE)
    # The wrapper can be there while the compiler behind it is not: only an answer counts.
    execute_process(COMMAND "${AMM_NVCC_EXECUTABLE}" --version
      OUTPUT_VARIABLE nvcc_answer ERROR_QUIET RESULT_VARIABLE nvcc_result)
    if(nvcc_result EQUAL 0 AND nvcc_answer MATCHES "V([0-9]+[.][0-9.]+)")
      set(AMM_NVCC "${AMM_NVCC_EXECUTABLE}")
      set(AMM_CUDA_PROBE "nvcc ${CMAKE_MATCH_1} (${AMM_NVCC})")
    else()
      set(AMM_CUDA_PROBE "${AMM_NVCC_EXECUTABLE} does not work, CPU only")
    endif()
  endif()
  if(NOT AMM_NVCC AND NOT AMM_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR
      "AMM_CUDA=${AMM_CUDA} needs nvcc (${AMM_CUDA_PROBE}): put it on PATH, set CUDA_HOME, or use "
      "AMM_CUDA=AUTO")
  endif()
endif()
message(STATUS "CUDA: ${AMM_CUDA_PROBE}")

# The backend's module. Instrumented builds go without: nvcc links no sanitizer.
set(AMM_CUDA_MODULE_BUILT 0)
if(AMM_NVCC AND NOT AMM_SANITIZE AND NOT AMM_COVERAGE AND NOT AMM_FUZZ)
  set(AMM_CUDA_MODULE_BUILT 1)
endif()
file(RELATIVE_PATH AMM_LIBRARY_FROM_PROGRAM
  "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}")
set(AMM_CUDA_ARCHITECTURES "" CACHE STRING
  "Compute capabilities of the module, as 80;90; empty: all common ones that nvcc knows")

# amm_cuda_targets(OUT): -gencode flags for those architectures, and PTX of the newest for later devices.
function(amm_cuda_targets out)
  set(wanted ${AMM_CUDA_ARCHITECTURES})
  if(NOT wanted)
    execute_process(COMMAND "${AMM_NVCC}" --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET)
    foreach(arch 80 86 89 90 100 120)
      if(known MATCHES "sm_${arch}[^0-9]")
        list(APPEND wanted ${arch})
      endif()
    endforeach()
  endif()
  set(flags "")
  foreach(arch IN LISTS wanted)
    list(APPEND flags "-gencode=arch=compute_${arch},code=sm_${arch}")
    set(newest ${arch})
  endforeach()
  list(APPEND flags "-gencode=arch=compute_${newest},code=compute_${newest}")
  set(${out} "${flags}" PARENT_SCOPE)
endfunction()
