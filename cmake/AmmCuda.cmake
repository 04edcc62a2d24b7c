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
