# SPDX-License-Identifier: MIT
# `cpack` in the build folder makes the Debian packages: lathe, lathe-dev, and one for each plugin with heavy
# libraries.  What each depends on is read from its programs by dpkg-shlibdeps.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME lathe)
set(CPACK_PACKAGE_VENDOR lathe)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_PACKAGE_CONTACT "The lathe maintainers <lathe@example.org>" CACHE STRING "Maintainer of the packages")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_COMPONENTS_ALL "")
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_STRIP_FILES ON)
# With DESTDIR the prefix is /usr and the configuration /etc, whatever prefix this tree was configured with.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_HOMEPAGE "https://lathe.example.org")

# What packages of plugins depend on: any lathe that takes plugins of this major version.
string(REGEX REPLACE "[.].*" "" lathe_abi_major "${LATHE_ABI_VERSION}")

set(debian ${PROJECT_SOURCE_DIR}/packaging/debian)
set(debian_made ${PROJECT_BINARY_DIR}/debian)
# The daemon's package looks at what others put where its plugins and their configuration lie.
file(WRITE ${debian_made}/lathe/triggers
  "interest-noawait /usr/${LATHE_PLUGIN_DIR}\ninterest-noawait /etc/lathe/conf.d\n")
file(WRITE ${debian_made}/lathe/conffiles "/etc/lathe/lathe.ini\n")
file(WRITE ${debian_made}/gmsh/conffiles "/etc/lathe/conf.d/local-gmsh.ini\n")
file(WRITE ${debian_made}/changelog "lathe (${PROJECT_VERSION}-1) unstable; urgency=medium

  * First packages: the daemon and its client, the plugin SDK, and meshing
    with Gmsh.

 -- ${CPACK_PACKAGE_CONTACT}  Sat, 21 Nov 2026 12:00:00 +0000
")
if(GZIP)
  execute_process(COMMAND ${GZIP} -9nc ${debian_made}/changelog OUTPUT_FILE ${debian_made}/changelog.Debian.gz)
endif()

# lathe_package(COMPONENT PACKAGE SUMMARY TEXT [RELATION VALUE]...): RELATION is the end of one of CPack's
# variables CPACK_DEBIAN_<COMPONENT>_PACKAGE_...
macro(lathe_package component package summary text)
  string(TOUPPER ${component} upper)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package})
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${text}")
  set(relations "${ARGN}")
  while(relations)
    list(POP_FRONT relations relation value)
    string(REPLACE "|" ";" CPACK_DEBIAN_${upper}_PACKAGE_${relation} "${value}")
  endwhile()
  # Only in packages: elsewhere LICENSES say it.
  install(FILES ${debian}/copyright ${debian_made}/changelog.Debian.gz DESTINATION share/doc/${package}
          COMPONENT ${component} EXCLUDE_FROM_ALL)
endmacro()

lathe_package(runtime lathe "geometry and image jobs on whichever compute the admin chose"
  "lathed takes jobs over REST, keeps them in SQLite and hands them to plugins
that run in warm worker processes of their own. This package has the daemon,
its service, the command line client lathe, and the plugins that need nothing
more."
  SECTION science
  DEPENDS "adduser"
  PROVIDES "lathe-plugin-abi-${lathe_abi_major}"
  RECOMMENDS "openssh-client"
  SUGGESTS "lathe-plugin-gmsh, lathe-dev"
  CONTROL_EXTRA "${debian}/postinst|${debian}/prerm|${debian}/postrm|${debian_made}/lathe/conffiles|${debian_made}/lathe/triggers")
lathe_package(dev lathe-dev "what is needed to write plugins for lathe"
  "The header, the client kit for services that speak HTTP, the rules for CMake
and pkg-config, the templates of `lathe plugin new`, and lathe-plugin-check,
which tells whether a plugin keeps its promises."
  SECTION devel
  DEPENDS "lathe (= ${PROJECT_VERSION}-1)"
  RECOMMENDS "cmake, pkg-config, gcc, g++, libjansson-dev"
  SUGGESTS "libcurl4-openssl-dev, libssl-dev")
if(TARGET plugin_local-gmsh)
  lathe_package(gmsh lathe-plugin-gmsh "surface and volume meshes for lathe, with Gmsh"
    "The plugin local-gmsh, which does the kinds mesh and preview on this machine,
and the backend that selects it."
    SECTION science
    DEPENDS "lathe (>= ${PROJECT_VERSION}), lathe-plugin-abi-${lathe_abi_major}"
    CONTROL_EXTRA "${debian_made}/gmsh/conffiles")
endif()
include(CPack)
