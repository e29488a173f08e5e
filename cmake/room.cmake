# SPDX-License-Identifier: MIT
# lathe_room(NAME USES room... LINK library...): one folder of core/ as a static library.
#
# USES names the rooms that this one may include; tools/check-arrows holds the includes against it.
function(lathe_room name)
  cmake_parse_arguments(ROOM "" "" "USES;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.c)
  add_library(lathe_${name} STATIC ${sources})
  target_include_directories(lathe_${name} PUBLIC ${PROJECT_SOURCE_DIR}/core)
  list(TRANSFORM ROOM_USES PREPEND lathe_)
  target_link_libraries(lathe_${name} PUBLIC ${ROOM_USES} ${ROOM_LINK})
endfunction()
