# Defines amm_csv, the one name under which libcsv is linked, or leaves it undefined when it is
# missing. Sources include <csv.h>. Installed with the package, which needs the same target.
if(NOT TARGET amm_csv)
  find_path(AMM_CSV_INCLUDE csv.h)
  find_library(AMM_CSV_LIBRARY csv)
  mark_as_advanced(AMM_CSV_INCLUDE AMM_CSV_LIBRARY)
  if(AMM_CSV_INCLUDE AND AMM_CSV_LIBRARY)
    add_library(amm_csv INTERFACE IMPORTED)
    target_include_directories(amm_csv SYSTEM INTERFACE "${AMM_CSV_INCLUDE}")
    target_link_libraries(amm_csv INTERFACE "${AMM_CSV_LIBRARY}")
  endif()
endif()
