# SPDX-License-Identifier: MIT
# Where things lie once they are installed.  Programs find the rest from their own place, so an installed
# tree may be moved; only the paths inside the systemd unit and lathe-plugin.pc are fixed.
include(GNUInstallDirs)
set(LATHE_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/lathe/plugins)
set(LATHE_SHARE_DIR share/lathe)

# For lathed, from bin/: the build tree's plugins, then an installation's, wherever it puts libraries.
file(RELATIVE_PATH lathe_lib_from_bin ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set(lathe_folders ../plugins ${lathe_lib_from_bin}/lathe/plugins ../lib/lathe/plugins)
if(CMAKE_LIBRARY_ARCHITECTURE)
  list(APPEND lathe_folders ../lib/${CMAKE_LIBRARY_ARCHITECTURE}/lathe/plugins)
endif()
list(REMOVE_DUPLICATES lathe_folders)
list(JOIN lathe_folders ":" LATHE_PLUGIN_FOLDERS)
