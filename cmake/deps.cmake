# SPDX-License-Identifier: MIT
# Every library that the build may use, found once.  docs/adr/ says why each one.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(lathe_dependency target module package)
  pkg_check_modules(${target} IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "${module} was not found; on Debian: apt install ${package}")
  endif()
endfunction()

lathe_dependency(UV libuv libuv1-dev)
lathe_dependency(MHD libmicrohttpd libmicrohttpd-dev)
lathe_dependency(SQLITE sqlite3 libsqlite3-dev)
lathe_dependency(JANSSON jansson libjansson-dev)
lathe_dependency(INIH inih libinih-dev)
lathe_dependency(PCRE libpcre2-8 libpcre2-dev)
lathe_dependency(CRYPTO libcrypto libssl-dev)
lathe_dependency(ARCHIVE libarchive libarchive-dev)
lathe_dependency(CURL libcurl libcurl4-openssl-dev)
