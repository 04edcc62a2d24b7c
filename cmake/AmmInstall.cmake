# Install rules: headers, both libraries, the command, a CMake package and a pkg-config file.
#
# The two libraries are exported apart, so that users of the shared one need not have cJSON's
# development files: find_package(ammeter) gives ammeter::ammeter,
# find_package(ammeter COMPONENTS static) adds ammeter::static.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ammeter")
set(package_build_dir "${PROJECT_BINARY_DIR}/package")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/ammeter"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")

foreach(kind shared static)
  install(TARGETS ammeter_${kind} EXPORT ammeter_${kind})
  install(EXPORT ammeter_${kind}
    FILE ammeter-${kind}-targets.cmake
    NAMESPACE ammeter::
    DESTINATION "${package_dir}")
endforeach()
if(TARGET ammeter_cli)
  install(TARGETS ammeter_cli)
endif()
if(TARGET ammeter_cuda)
  install(FILES "$<TARGET_PROPERTY:ammeter_cuda,AMM_FILE>" DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
      WORLD_EXECUTE)
endif()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/ammeterConfig.cmake.in" "${package_build_dir}/ammeterConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${package_build_dir}/ammeterConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion) # until 1.0 every minor version may change the interface
install(FILES
  "${package_build_dir}/ammeterConfig.cmake"
  "${package_build_dir}/ammeterConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/AmmCjson.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/AmmCsv.cmake"
  DESTINATION "${package_dir}")

# The prefix is relative to the file itself: an installed tree can be moved.
file(RELATIVE_PATH AMM_PC_PREFIX
  "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/ammeter.pc.in" "${package_build_dir}/ammeter.pc" @ONLY)
install(FILES "${package_build_dir}/ammeter.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
