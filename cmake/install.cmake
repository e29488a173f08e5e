# SPDX-License-Identifier: MIT
# What is installed, and into which package it goes: `runtime` (lathe), `dev` (lathe-dev), and one for each
# plugin with heavy libraries (plugins/CMakeLists.txt installs those).
install(TARGETS lathed lathe-worker lathe RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(DIRECTORY plugin-sdk/kinds DESTINATION ${LATHE_SHARE_DIR} COMPONENT runtime FILES_MATCHING PATTERN *.json)
install(FILES plugin-sdk/python/lathe_plugin.py DESTINATION ${LATHE_SHARE_DIR}/python COMPONENT runtime)
install(FILES tools/lathe/lathe.bash DESTINATION share/bash-completion/completions RENAME lathe COMPONENT runtime)
install(FILES conf/sysusers.conf DESTINATION lib/sysusers.d RENAME lathe.conf COMPONENT runtime)
include(cmake/docs.cmake)
file(GLOB decisions CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} docs/adr/*.md)
foreach(page README.md docs/admin.md docs/api.md docs/bench.md docs/benchmarks.md docs/cli.md docs/configuration.md docs/meshing.md
        docs/original.md docs/outputs.md docs/remote.md docs/security.md docs/ssh-tunnel.md docs/switching.md docs/testing.md)
  lathe_doc(runtime ${page})
endforeach()
install(FILES docs/benchmark_results.schema.json DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
foreach(page ${decisions})
  get_filename_component(name ${page} NAME)
  lathe_doc(runtime ${page} adr/${name})
endforeach()
install(DIRECTORY conf/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(FILES LICENSE LICENSES/MIT.txt LICENSES/GPL-2.0-or-later.txt
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT licences) # in packages: their copyright file

# ---- the plugin SDK ----
include(CMakePackageConfigHelpers)
set(lathe_sdk ${PROJECT_BINARY_DIR}/sdk)
file(STRINGS plugin-sdk/include/lathe/plugin.h lathe_abi REGEX "define LATHE_ABI_(MAJOR|MINOR)")
string(REGEX REPLACE ".*MAJOR +([0-9]+).*MINOR +([0-9]+).*" "\\1.\\2" LATHE_ABI_VERSION "${lathe_abi}")
configure_package_config_file(plugin-sdk/cmake/lathe-plugin-config.cmake.in ${lathe_sdk}/lathe-plugin-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lathe-plugin
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR LATHE_PLUGIN_DIR CMAKE_INSTALL_BINDIR)
# The version is that of the ABI: a plugin asks for the oldest header that it can be built with.
write_basic_package_version_file(${lathe_sdk}/lathe-plugin-config-version.cmake
  VERSION ${LATHE_ABI_VERSION} COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
file(RELATIVE_PATH lathe_prefix_from_pc ${CMAKE_INSTALL_PREFIX}/share/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" lathe_prefix_from_pc "${lathe_prefix_from_pc}")
configure_file(plugin-sdk/lathe-plugin.pc.in ${lathe_sdk}/lathe-plugin.pc @ONLY)
install(FILES ${lathe_sdk}/lathe-plugin-config.cmake ${lathe_sdk}/lathe-plugin-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lathe-plugin COMPONENT dev)
install(FILES ${lathe_sdk}/lathe-plugin.pc DESTINATION share/pkgconfig COMPONENT dev)
install(FILES plugin-sdk/include/lathe/plugin.h plugin-sdk/net/include/lathe/net.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lathe COMPONENT dev)
if(NOT LATHE_SANITIZE) # the client kit: an archive that goes into plugins of others
  configure_file(plugin-sdk/net/lathe-net.pc.in ${lathe_sdk}/lathe-net.pc @ONLY)
  install(FILES ${lathe_sdk}/lathe-net.pc DESTINATION share/pkgconfig COMPONENT dev)
  install(TARGETS lathe_net ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
endif()
install(DIRECTORY plugin-sdk/template DESTINATION ${LATHE_SHARE_DIR} COMPONENT dev USE_SOURCE_PERMISSIONS)
install(FILES plugin-sdk/plugin.map DESTINATION ${LATHE_SHARE_DIR} COMPONENT dev)
file(GLOB guides CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} docs/plugin*.md docs/exec.md
     docs/net.md)
foreach(page ${guides})
  lathe_doc(dev ${page})
endforeach()
lathe_doc(dev plugin-sdk/kinds/README.md kinds.md)
install(DIRECTORY plugin-sdk/examples/exec DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT dev
        USE_SOURCE_PERMISSIONS)
install(FILES plugins/echo/echo.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT dev)
if(TARGET lathe-plugin-check)
  install(TARGETS lathe-plugin-check RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT dev)
endif()

# ---- manual pages: made from the programs, docs/ and the headers of the SDK ----
find_package(Python3 COMPONENTS Interpreter)
find_program(GZIP gzip)
set(pages lathe.1 lathe-plugin-check.1 lathe-plugin.3 lathe-net.3 lathe.ini.5 lathed.8 lathe-worker.8)
if(Python3_FOUND AND GZIP AND NOT LATHE_SANITIZE)
  list(TRANSFORM pages PREPEND ${PROJECT_BINARY_DIR}/man/ OUTPUT_VARIABLE made)
  list(TRANSFORM made APPEND .gz OUTPUT_VARIABLE zipped)
  add_custom_command(OUTPUT ${zipped}
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/man-pages $<TARGET_FILE_DIR:lathed> ${PROJECT_BINARY_DIR}/man
    COMMAND ${GZIP} -9nf ${made}
    DEPENDS lathed lathe lathe-worker lathe-plugin-check tools/man-pages plugin-sdk/include/lathe/plugin.h
            plugin-sdk/net/include/lathe/net.h docs/admin.md docs/cli.md docs/configuration.md docs/plugin-check.md VERBATIM)
  add_custom_target(manual-pages ALL DEPENDS ${zipped})
  foreach(page ${pages})
    string(REGEX REPLACE ".*\\." "" chapter ${page})
    set(package runtime)
    if(page MATCHES "^lathe-(plugin|net)")
      set(package dev)
    endif()
    install(FILES ${PROJECT_BINARY_DIR}/man/${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${chapter} COMPONENT ${package})
  endforeach()
elseif(NOT LATHE_SANITIZE)
  message(STATUS "manual pages are left out: python3 or gzip was not found; on Debian: apt install python3-minimal gzip")
endif()

# ---- configuration and unit: they name paths, so they are written when the prefix is known ----
configure_file(cmake/install_conf.cmake.in ${PROJECT_BINARY_DIR}/install_conf.cmake @ONLY)
install(CODE "set(LATHE_CONF_PART lathe)" COMPONENT runtime)
install(SCRIPT ${PROJECT_BINARY_DIR}/install_conf.cmake COMPONENT runtime)
if(TARGET plugin_local-gmsh)
  install(CODE "set(LATHE_CONF_PART local)" COMPONENT gmsh)
  install(SCRIPT ${PROJECT_BINARY_DIR}/install_conf.cmake COMPONENT gmsh)
endif()
include(cmake/package.cmake)
