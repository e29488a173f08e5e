/* SPDX-License-Identifier: MIT */
#include "worker/jail/jail_paths.h"

#include "base/mem.h"

#include <fcntl.h>
#include <glob.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Also where the headers are older than the kernel. */
#define FS(bit) (UINT64_C(1) << (bit))
enum { TRUNCATE_BIT = 14, IOCTL_DEV_BIT = 15 };

#define READ_FILE  (LANDLOCK_ACCESS_FS_READ_FILE)
#define READ       (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define READ_RUN   (READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define WRITE_FILE (READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS(TRUNCATE_BIT))
#define DEVICE     (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS(IOCTL_DEV_BIT))
#define OF_FILES                                                                                   \
  (READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | FS(TRUNCATE_BIT) |     \
   FS(IOCTL_DEV_BIT))
#define FOLDER                                                                                     \
  (READ | WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |            \
   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_FIFO |      \
   LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

_Static_assert(JAIL_PATHS_READ_RIGHTS == READ, "the two names are of one thing");

struct let_in {
  const char *path; /* with '*': each that is like it */
  uint64_t rights;
};

static const struct let_in for_all[] = {
    {"/usr", READ_RUN},
    {"/lib", READ_RUN},
    {"/lib32", READ_RUN},
    {"/lib64", READ_RUN},
    {"/bin", READ_RUN},
    {"/sbin", READ_RUN},
    {"/etc/ld.so.cache", READ_FILE},
    {"/etc/ld.so.preload", READ_FILE},
    {"/etc/localtime", READ_FILE},
    {"/etc/timezone", READ_FILE},
    {"/etc/fonts", READ},
    {"/etc/mime.types", READ_FILE},
    {"/var/cache/fontconfig", READ},
    {"/dev/null", WRITE_FILE},
    {"/dev/zero", WRITE_FILE},
    {"/dev/full", WRITE_FILE},
    {"/dev/random", READ_FILE},
    {"/dev/urandom", READ_FILE},
    {"/proc/cpuinfo", READ_FILE},
    {"/proc/meminfo", READ_FILE},
    {"/proc/stat", READ_FILE},
    {"/proc/filesystems", READ_FILE},
    {"/proc/sys/vm/overcommit_memory", READ_FILE},
    {"/proc/sys/kernel/osrelease", READ_FILE},
    {"/sys/devices/system/cpu", READ},
    {"/sys/devices/system/node", READ},
    {"/sys/kernel/mm/transparent_hugepage", READ},
    {NULL, 0},
};

/* Names of hosts and services, certificates of authorities. */
static const struct let_in for_network[] = {
    {"/etc/resolv.conf", READ_FILE},
    {"/run/systemd/resolve", READ},
    {"/etc/hosts", READ_FILE},
    {"/etc/host.conf", READ_FILE},
    {"/etc/nsswitch.conf", READ_FILE},
    {"/etc/gai.conf", READ_FILE},
    {"/etc/services", READ_FILE},
    {"/etc/protocols", READ_FILE},
    {"/etc/ssl/certs", READ},
    {"/etc/ssl/openssl.cnf", READ_FILE},
    {"/etc/ca-certificates", READ},
    {"/etc/pki/tls/certs", READ},
    {"/etc/pki/ca-trust", READ},
    {"/etc/crypto-policies", READ},
    {"/etc/gnutls", READ},
    {NULL, 0},
};

/* Nodes of GPUs, what their libraries ask the drivers by, and the shared memory that CUDA makes. */
static const struct let_in for_devices[] = {
    {"/dev/nvidia*", DEVICE},     {"/dev/dri", DEVICE},          {"/dev/kfd", DEVICE},
    {"/dev/shm", FOLDER},         {"/proc/driver/nvidia", READ}, {"/proc/devices", READ_FILE},
    {"/proc/modules", READ_FILE}, {"/sys/bus/pci", READ},        {"/sys/class", READ},
    {"/sys/dev/char", READ},      {"/sys/devices", READ},        {"/sys/module", READ},
    {"/etc/OpenCL", READ},        {"/etc/vulkan", READ},         {"/etc/glvnd", READ},
    {"/etc/nvidia", READ},        {"/opt/rocm*", READ_RUN},      {NULL, 0},
};

uint64_t jail_paths_known_rights(int abi) {
  int bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  return FS(bits) - 1;
}

uint64_t jail_paths_folder_rights(int abi) {
  return FOLDER & jail_paths_known_rights(abi);
}

static void add_path(struct jail *j, const char *path, uint64_t rights) {
  struct stat st;
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0)
    return;
  if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
    rights &= OF_FILES;
  j->paths = mem_grow(j->paths, (j->count + 1) * sizeof *j->paths);
  j->paths[j->count++] = (struct jail_path){fd, rights & jail_paths_known_rights(j->abi)};
}

static void add_like(struct jail *j, const char *pattern, uint64_t rights) {
  glob_t found;
  if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
    return;
  for (size_t i = 0; i < found.gl_pathc; i++)
    add_path(j, found.gl_pathv[i], rights);
  globfree(&found);
}

static void add_all(struct jail *j, const struct let_in *list) {
  for (; list->path; list++) {
    if (strchr(list->path, '*'))
      add_like(j, list->path, list->rights);
    else
      add_path(j, list->path, list->rights);
  }
}

static void add_plugin_folder(struct jail *j, const char *plugin) {
  char *real = realpath(plugin, NULL);
  char *slash = real ? strrchr(real, '/') : NULL;
  if (slash && slash != real) {
    *slash = '\0';
    add_path(j, real, READ_RUN);
  }
  free(real);
}

static void add_options(struct jail *j, const struct plugin *p, const struct plugin_value *values,
                        size_t count) {
  for (size_t i = 0; p->d.options && p->d.options[i]; i++)
    for (size_t k = 0; p->d.options[i]->type == LATHE_PATH && k < count; k++)
      if (strcmp(values[k].key, p->d.options[i]->key) == 0 && values[k].value[0] == '/')
        add_path(j, values[k].value, READ_RUN);
}

/* Paths that a variable of lathed's environment names, ':' between them. */
static void add_variable(struct jail *j, const char *name, uint64_t rights) {
  char *all = mem_dup(getenv(name)), *rest = all;
  for (char *one; all && (one = strsep(&rest, ":"));)
    if (one[0] == '/' && one[1])
      add_path(j, one, rights);
  free(all);
}

void jail_paths_open(struct jail *j, const struct plugin *p, const struct plugin_value *values,
                     size_t value_count) {
  add_all(j, for_all);
  add_variable(j, "LD_LIBRARY_PATH", READ_RUN);
  if (j->rights & LATHE_NEEDS_NETWORK) {
    add_all(j, for_network);
    add_variable(j, "SSL_CERT_FILE", READ_FILE);
    add_variable(j, "SSL_CERT_DIR", READ);
    add_variable(j, "CURL_CA_BUNDLE", READ_FILE);
  }
  if (j->rights & LATHE_NEEDS_DEVICES)
    add_all(j, for_devices);
  add_plugin_folder(j, p->path);
  add_options(j, p, values, value_count);
}
