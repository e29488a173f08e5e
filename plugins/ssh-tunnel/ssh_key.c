/* SPDX-License-Identifier: MIT
 *
 * The private key's file, looked at before ssh does: what ssh says of it ends in "Permission denied",
 * as if the other machine were to blame.
 */
#include "ssh_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The base64 of an OpenSSH key's beginning tells its cipher: "openssh-key-v1", 0, 0 0 0 4, "none". */
#define OPENSSH_PLAIN "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"

static const char *judge_head(const char *head) {
  const char *at = strstr(head, "-----BEGIN OPENSSH PRIVATE KEY-----");
  if (!strstr(head, "-----BEGIN ") || !strstr(head, "PRIVATE KEY-----"))
    return strstr(head, "ssh-") == head || strstr(head, "ecdsa-") == head
               ? "it is the public half; name the file without .pub"
               : "it is not a private key";
  if (at) {
    at += strlen("-----BEGIN OPENSSH PRIVATE KEY-----");
    at += strspn(at, "\r\n");
    if (strncmp(at, OPENSSH_PLAIN, strlen(OPENSSH_PLAIN)) != 0)
      return "it is protected by a passphrase, and nobody is there to type it; make one without "
             "(ssh-keygen -p -N '' -f FILE), or a key of its own for lathe";
  }
  if (strstr(head, "BEGIN ENCRYPTED PRIVATE KEY") || strstr(head, "Proc-Type: 4,ENCRYPTED"))
    return "it is protected by a passphrase, and nobody is there to type it; make one without, or "
           "a "
           "key of its own for lathe";
  return NULL;
}

const char *ssh_look_at_key(const char *path, char *why, size_t size) {
  char head[512];
  struct stat st;
  const char *wrong = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == EACCES || errno == EPERM)
      snprintf(why, size,
               "the user that runs lathed (number %ld) may not read it; chown it to that user",
               (long)geteuid());
    else
      snprintf(why, size, "%s", strerror(errno));
    return why;
  }
  ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, head, sizeof head - 1) : -1;
  close(fd);
  head[n > 0 ? n : 0] = '\0';
  if (n < 0)
    wrong = "it is not a file";
  else if (st.st_uid == getuid() && (st.st_mode & 077))
    wrong = "others may read it, and ssh refuses a key that is no secret; chmod 600 it";
  else
    wrong = judge_head(head);
  if (wrong)
    snprintf(why, size, "%s", wrong);
  return wrong ? why : NULL;
}
