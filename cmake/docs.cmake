# SPDX-License-Identifier: MIT
# Installed documents lie in one folder, their sources in several: their links are made to fit.  What is
# not installed is no link any more.

# lathe_doc(COMPONENT SOURCE [NAME]): installs it as NAME, a path below the folder of documents.
function(lathe_doc component source)
  set(name ${ARGV2})
  if(NOT name)
    get_filename_component(name ${source} NAME)
  endif()
  file(RELATIVE_PATH include ${CMAKE_INSTALL_FULL_DOCDIR} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
  file(READ ${PROJECT_SOURCE_DIR}/${source} text)
  string(REGEX REPLACE "\\]\\((\\.\\./)*docs/" "](" text "${text}")
  string(REGEX REPLACE "\\]\\((\\.\\./)*plugin-sdk/kinds/README.md" "](kinds.md" text "${text}")
  string(REGEX REPLACE "\\]\\((\\.\\./)*plugin-sdk/examples/exec" "](examples/exec" text "${text}")
  string(REGEX REPLACE "\\]\\((\\.\\./)*conf/examples/" "](examples/" text "${text}")
  string(REGEX REPLACE "\\]\\((\\.\\./)*plugin-sdk/(net/)?include/" "](${include}/" text "${text}")
  set(away "(\\.\\./\\.\\./(conf|core|plugin-sdk|plugins|tests|tools|cmake)|(\\.\\./)?(conf|core|plugin-sdk|plugins|tests|tools|cmake))/")
  string(REGEX REPLACE "\\[([^]]*)\\]\\(${away}[^)]*\\)" "\\1" text "${text}")
  set(made ${PROJECT_BINARY_DIR}/documents/${name})
  file(WRITE ${made}.new "${text}")
  file(COPY_FILE ${made}.new ${made} ONLY_IF_DIFFERENT)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${source})
  get_filename_component(folder ${name} DIRECTORY)
  install(FILES ${made} DESTINATION ${CMAKE_INSTALL_DOCDIR}/${folder} COMPONENT ${component})
endfunction()
