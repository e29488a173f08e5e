# SPDX-License-Identifier: MIT
# What makes a fault in these programs and plugins harder to use: the one place for it.  Held by
# tests/integration/test_hardening.py, which reads the built files.
include(CheckCCompilerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# CET: the processor refuses returns and indirect calls that the program did not mean; only x86 has it.  Debian 12's
# start files are without the mark that would have a kernel enforce it, so the linker leaves the mark away.
foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
  string(MAKE_C_IDENTIFIER "LATHE_HAS${flag}" has)
  set(CMAKE_REQUIRED_FLAGS -Werror)
  check_c_compiler_flag(${flag} ${has})
  unset(CMAKE_REQUIRED_FLAGS)
  if(${has})
    add_compile_options(${flag})
  elseif(NOT flag STREQUAL "-fcf-protection=full")
    message(STATUS "hardening: ${flag} is left out: ${CMAKE_C_COMPILER} does not know it")
  endif()
endforeach()
# All symbols are bound at the start, and the tables of their addresses are read-only from then on.
add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
# Needs an optimizing build; the sanitizers look at the same calls more closely.
if(NOT LATHE_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
