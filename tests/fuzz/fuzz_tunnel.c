/* SPDX-License-Identifier: MIT
 *
 * Options of a tunnel, and lines of ssh: what is taken as an option makes a configuration of exactly
 * the lines that it should have, and a sentence about any line fits and is cut nowhere else.
 */
#include "fuzz.h"

#include "ssh_private.h"

#include <stdio.h>
#include <unistd.h>

enum { FIELDS = 8 };

static char *split(char *text, size_t size, char *fields[FIELDS]) {
  char *end = text + size;
  for (int i = 0; i < FIELDS; i++) {
    fields[i] = text < end ? text : end;
    text += strlen(fields[i]) + 1;
  }
  return fields[FIELDS - 1];
}

static int count_lines(const char *path) {
  char line[16384];
  int lines = 0;
  FILE *f = fopen(path, "r");
  MUST(f);
  while (fgets(line, sizeof line, f)) {
    int quotes = 0;
    lines++;
    MUST(line[strlen(line) - 1] == '\n');
    for (const char *c = line; *c; c++) {
      quotes += *c == '"';
      MUST((unsigned char)*c >= ' ' || *c == '\n');
    }
    MUST(quotes == 0 || quotes == 2);
  }
  fclose(f);
  return lines;
}

static void check_config(const struct tunnel_options *o) {
  struct ssh_paths p = {.socket = "/run/x/1-1", .jump_log = "/run/x/jump.log"};
  static int plain;
  snprintf(p.config, sizeof p.config, "/tmp/fuzz-tunnel.%ld", (long)getpid());
  const struct tunnel_options base = {
      .ssh = "ssh", .host = "h", .key = "/k", .known_hosts = "/n", .far_address = "f:1", .port = 1};
  if (!plain) {
    struct tunnel_options *whole = ssh_options_copy(&base);
    MUST(ssh_config_write(whole, &p, 1));
    plain = count_lines(p.config);
    ssh_options_free(whole);
  }
  MUST(ssh_config_write(o, &p, 1));
  int lines = count_lines(p.config), jump = strchr(o->jump, '@') || *o->user ? 6 : 5;
  MUST(lines == plain + (*o->user != '\0') + (*o->jump ? jump : 0));
  unlink(p.config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = calloc(1, size + 2), *fields[FIELDS], why[400], sentence[TUNNEL_TEXT];
  MUST(text);
  if (size)
    memcpy(text, data, size);
  const char *line = split(text, size, fields);
  struct tunnel_options o = {.host = fields[0],
                             .user = fields[1],
                             .key = fields[2],
                             .known_hosts = fields[3],
                             .jump = fields[4],
                             .far_address = fields[5],
                             .ssh = fields[6],
                             .port = (int)(size % 70000)};
  for (int jump = 0; jump < 2; jump++) {
    enum tunnel_state s = ssh_judge_line(line, jump);
    MUST(s >= 0 && s < TUNNEL_STATES && ssh_stronger(s, s) == s);
  }
  if (tunnel_options_check(&o, why, sizeof why)) {
    struct tunnel_options *whole = ssh_options_copy(&o);
    check_config(whole);
    for (int s = 0; s < TUNNEL_STATES; s++)
      ssh_describe(whole, (enum tunnel_state)s, line, sentence, sizeof sentence);
    ssh_options_free(whole);
  } else {
    MUST(*why && memchr(why, '\0', sizeof why));
  }
  free(text);
  return 0;
}
