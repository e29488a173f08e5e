# SPDX-License-Identifier: MIT
# lathe_embed(TARGET SYMBOL FILE): the file's bytes as `const unsigned char SYMBOL[]`, NUL-terminated.
#
# Included it defines the function; run with cmake -P it writes the C file.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],){16})" "\\1\n  " bytes "${bytes}")
  file(WRITE ${OUT} "extern const unsigned char ${SYMBOL}[];\nconst unsigned char ${SYMBOL}[] = {\n  ${bytes}0};\n")
  return()
endif()

set(LATHE_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(lathe_embed target symbol file)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embed_${symbol}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DOUT=${out} -DSYMBOL=${symbol} -P ${LATHE_EMBED_SCRIPT}
    DEPENDS ${file} ${LATHE_EMBED_SCRIPT} VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
