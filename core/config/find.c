/* SPDX-License-Identifier: MIT
 *
 * Where the configuration and the plugins are looked for.  Programs find what was installed with
 * them from where they lie themselves, so that an installed tree may be moved.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "config/private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *config_folder(const char *file) {
  const char *slash = file ? strrchr(file, '/') : NULL;
  char *named = slash ? mem_dup_n(file, (size_t)(slash - file) + 1) : mem_dup(".");
  char *folder = realpath(named, NULL);
  free(named);
  return folder ? folder : mem_dup("/");
}

char *config_find_file(void) {
  static const char *const beside[] = {"../etc/lathe/lathe.ini", "/etc/lathe/lathe.ini",
                                       "../conf/lathe.ini", "../../conf/lathe.ini"};
  const char *named = getenv("LATHE_CONFIG");
  if (named && *named)
    return mem_dup(named);
  char *path = NULL, *program = path_program_dir();
  for (size_t i = 0; !path && i < sizeof(beside) / sizeof(beside[0]); i++) {
    path = beside[i][0] == '/' ? mem_dup(beside[i]) : path_join(program, beside[i]);
    if (access(path, R_OK) != 0) {
      free(path);
      path = NULL;
    }
  }
  free(program);
  return path;
}

/* Takes `folder`.  The path of the plugin when it is there, else NULL with the place noted. */
static char *plugin_in(char *folder, const char *plugin, struct buf *searched) {
  size_t len = strlen(plugin);
  const char *suffix = len > 3 && strcmp(plugin + len - 3, ".so") == 0 ? "" : ".so";
  char *file = mem_printf("%s%s", plugin, suffix), *path = path_join(folder, file);
  char *real = access(path, R_OK) == 0 ? realpath(path, NULL) : NULL;
  if (!real)
    buf_printf(searched, "%s%s", searched->len ? ", " : "", folder);
  free(path);
  free(file);
  free(folder);
  return real;
}

/* The same in each of some folders with ':' between them; relative ones begin at `base`. */
static char *plugin_in_each(const char *folders, const char *base, const char *plugin,
                            struct buf *searched) {
  char *found = NULL;
  for (size_t n; folders && *folders && !found; folders += n + (folders[n] == ':')) {
    n = strcspn(folders, ":");
    char *folder = mem_dup_n(folders, n);
    if (n > 0)
      found = plugin_in(path_join(*folder == '/' ? "/" : base, folder), plugin, searched);
    free(folder);
  }
  return found;
}

int config_find_plugin(const char *plugin, const char *const *folders, char **path,
                       struct err *err) {
  struct buf searched = {0};
  *path = NULL;
  if (plugin[0] == '/') {
    if (access(plugin, R_OK) != 0)
      return err_set(
          err, ERR_NOT_FOUND,
          "there is no readable file %.300s; name a plugin's .so, or a name as local-gmsh", plugin);
    *path = mem_dup(plugin);
    return 0;
  }
  if (!path_is_plain_name(plugin))
    return err_set(err, ERR_INVAL,
                   "\"%.80s\" is neither a file name like local-gmsh nor an absolute path", plugin);
  *path = plugin_in_each(getenv("LATHE_PLUGIN_PATH"), ".", plugin, &searched);
  for (; folders && *folders && !*path; folders++)
    *path = plugin_in(mem_dup(*folders), plugin, &searched);
  char *program = path_program_dir();
  if (!*path)
    *path = plugin_in_each(LATHE_PLUGIN_FOLDERS, program, plugin, &searched);
  free(program);
  int code = 0;
  if (!*path)
    code = err_set(err, ERR_NOT_FOUND,
                   "there is no plugin %.80s; looked in %s ([server] plugin_path and "
                   "LATHE_PLUGIN_PATH add folders)",
                   plugin, searched.data);
  buf_free(&searched);
  return code;
}
