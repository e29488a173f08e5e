/* SPDX-License-Identifier: MIT
 *
 * What ssh's own lines mean.  Those without a version were written by OpenSSH 9.2, run against each
 * fault; the others are as users of other versions have reported them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ssh_private.h"

enum { RUN_MOST = 16 };

/* A whole run's stderr and the state that it ends in. */
static const struct run {
  const char *name;
  enum tunnel_state state;
  const char *lines[RUN_MOST];
} runs[] = {
    {"no pinned key",
     TUNNEL_HOST_KEY_UNKNOWN,
     {"No ED25519 host key is known for [127.0.0.1]:22501 and you have requested strict checking.",
      "Host key verification failed."}},
    {"no pinned key, 10.0",
     TUNNEL_HOST_KEY_UNKNOWN,
     {"No ED25519 host key is known for gpu.example and you have requested strict checking.\r",
      "Host key verification failed.\r"}},
    {"changed",
     TUNNEL_HOST_KEY_CHANGED,
     {"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
      "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
      "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
      "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
      "Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
      "It is also possible that a host key has just been changed.",
      "The fingerprint for the ED25519 key sent by the remote host is",
      "SHA256:5wWybRhCDdoVbrWKfX/u3SGV8r5A+s0UAO9AHbFY+Fc.",
      "Please contact your system administrator.",
      "Add correct host key in kh_changed to get rid of this message.",
      "Offending ED25519 key in kh_changed:1",
      "Host key for [127.0.0.1]:22501 has changed and you have requested strict checking.",
      "Host key verification failed."}},
    {"changed, older",
     TUNNEL_HOST_KEY_CHANGED,
     {"RSA host key for gpu.example has changed and you have requested strict checking.",
      "Host key verification failed."}},
    {"key refused", TUNNEL_KEY_REFUSED, {"root@127.0.0.1: Permission denied (publickey)."}},
    {"key refused, older", TUNNEL_KEY_REFUSED, {"Permission denied (publickey,password)."}},
    {"key refused, others before it",
     TUNNEL_KEY_REFUSED,
     {"Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures",
      "Disconnected from 10.0.0.7 port 22"}},
    {"too open",
     TUNNEL_KEY_FILE,
     {"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
      "@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @",
      "Permissions 0644 for 'open' are too open.",
      "It is required that your private key files are NOT accessible by others.",
      "This private key will be ignored.", "Load key \"open\": bad permissions",
      "root@127.0.0.1: Permission denied (publickey)."}},
    {"no file",
     TUNNEL_KEY_FILE,
     {"no such identity: nokey: No such file or directory",
      "root@127.0.0.1: Permission denied (publickey)."}},
    {"no file, 7.9",
     TUNNEL_KEY_FILE,
     {"Warning: Identity file nokey not accessible: No such file or directory.",
      "no such identity: nokey: No such file or directory",
      "lathe@gpu: Permission denied (publickey)."}},
    {"not a key",
     TUNNEL_KEY_FILE,
     {"Load key \"junk\": error in libcrypto", "root@127.0.0.1: Permission denied (publickey)."}},
    {"not a key, 8.4",
     TUNNEL_KEY_FILE,
     {"Load key \"junk\": invalid format", "root@127.0.0.1: Permission denied (publickey)."}},
    {"refused", TUNNEL_REFUSED, {"ssh: connect to host 127.0.0.1 port 1: Connection refused"}},
    {"no route", TUNNEL_NO_ROUTE, {"ssh: connect to host 10.9.8.7 port 22: No route to host"}},
    {"no network", TUNNEL_NO_ROUTE, {"ssh: connect to host gpu port 22: Network is unreachable"}},
    {"a firewall of this machine",
     TUNNEL_NO_ROUTE,
     {"ssh: connect to host 10.9.8.7 port 22: Permission denied"}},
    {"dropped", TUNNEL_TIMEOUT, {"ssh: connect to host 10.9.8.7 port 22: Connection timed out"}},
    {"dropped, BSD", TUNNEL_TIMEOUT, {"ssh: connect to host gpu port 22: Operation timed out"}},
    {"no name",
     TUNNEL_NAME_UNKNOWN,
     {"ssh: Could not resolve hostname nosuch.invalid: Name or service not known"}},
    {"no name server",
     TUNNEL_NAME_UNKNOWN,
     {"ssh: Could not resolve hostname gpu: Temporary failure in name resolution"}},
    {"silent",
     TUNNEL_FROZEN,
     {"Connection timed out during banner exchange",
      "Connection to 127.0.0.1 port 22510 timed out"}},
    {"closes",
     TUNNEL_CLOSED,
     {"kex_exchange_identification: Connection closed by remote host",
      "Connection closed by 127.0.0.1 port 22511"}},
    {"closes, 7.9",
     TUNNEL_CLOSED,
     {"ssh_exchange_identification: Connection closed by remote host"}},
    {"resets",
     TUNNEL_CLOSED,
     {"kex_exchange_identification: read: Connection reset by peer",
      "Connection reset by 10.0.0.7 port 22"}},
    {"punished, 9.8",
     TUNNEL_CLOSED,
     {"kex_exchange_identification: read: Connection reset by peer",
      "Connection reset by 10.0.0.7 port 22"}},
    {"speaks HTTP",
     TUNNEL_CLOSED,
     {"kex_exchange_identification: banner line contains invalid characters",
      "banner exchange: Connection to 127.0.0.1 port 80: invalid format"}},
    {"no algorithm",
     TUNNEL_NO_AGREEMENT,
     {"Unable to negotiate with 127.0.0.1 port 22504: no matching key exchange method found. Their "
      "offer: diffie-hellman-group14-sha1,kex-strict-s-v00@openssh.com"}},
    {"no host key type",
     TUNNEL_NO_AGREEMENT,
     {"Unable to negotiate with 10.0.0.7 port 22: no matching host key type found. Their offer: "
      "ssh-rsa"}},
    {"frozen", TUNNEL_FROZEN, {"Timeout, server 127.0.0.1 not responding."}},
    {"frozen, 9.2", TUNNEL_FROZEN, {"Timeout, server 127.0.0.1 not responding.\r"}},
    {"lost", TUNNEL_LOST, {"Connection to 127.0.0.1 closed by remote host."}},
    {"lost, broken pipe", TUNNEL_LOST, {"client_loop: send disconnect: Broken pipe"}},
    {"lost, 7.9", TUNNEL_LOST, {"packet_write_wait: Connection to 10.0.0.7 port 22: Broken pipe"}},
    {"no socket",
     TUNNEL_LOCAL,
     {"unix_listener: cannot bind to path /nonexistent/f.sock: No such file or directory",
      "Could not request local forwarding."}},
    {"too old for an option",
     TUNNEL_LOCAL,
     {"/run/config: line 9: Bad configuration option: updatehostkeys",
      "/run/config: terminating, 1 bad configuration options"}},
    {"no user of that number", TUNNEL_LOCAL, {"No user exists for uid 4711"}},
    {"nothing there",
     TUNNEL_FAR_DOWN,
     {"channel 1: open failed: connect failed: Connection refused"}},
    {"no socket there", TUNNEL_FAR_DOWN, {"channel 1: open failed: connect failed: open failed"}},
    {"forbidden",
     TUNNEL_FORWARD_REFUSED,
     {"channel 1: open failed: administratively prohibited: open failed"}},
    {"only a warning",
     TUNNEL_STOPPED,
     {"** WARNING: connection is not using a post-quantum key exchange algorithm.",
      "** This session may be vulnerable to \"store now, decrypt later\" attacks.",
      "Warning: Permanently added '10.0.0.7' (ED25519) to the list of known hosts.", "", "motd"}},
};

static const struct run of_jump[] = {
    {"no key pinned",
     TUNNEL_JUMP_FAILED,
     {"No ED25519 host key is known for jump and you have requested strict checking.",
      "Host key verification failed."}},
    {"refused", TUNNEL_JUMP_FAILED, {"ssh: connect to host jump port 22: Connection refused"}},
    {"key refused", TUNNEL_JUMP_FAILED, {"lathe@jump: Permission denied (publickey)."}},
    {"forbidden",
     TUNNEL_JUMP_FAILED,
     {"channel 0: open failed: administratively prohibited: open failed",
      "stdio forwarding failed"}},
    {"host refused",
     TUNNEL_REFUSED,
     {"channel 0: open failed: connect failed: Connection refused", "stdio forwarding failed"}},
    {"host has no name there",
     TUNNEL_NAME_UNKNOWN,
     {"channel 0: open failed: connect failed: Name or service not known",
      "stdio forwarding failed"}},
    {"host unreachable there",
     TUNNEL_NO_ROUTE,
     {"channel 0: open failed: connect failed: No route to host", "stdio forwarding failed"}},
    {"frozen", TUNNEL_FROZEN, {"Timeout, server jump not responding."}},
    {"nothing", TUNNEL_STOPPED, {"hello"}},
};

static void check(const struct run *table, size_t count, bool jump) {
  for (size_t i = 0; i < count; i++) {
    enum tunnel_state s = TUNNEL_STOPPED;
    for (size_t k = 0; k < RUN_MOST && table[i].lines[k]; k++)
      s = ssh_stronger(s, ssh_judge_line(table[i].lines[k], jump));
    if (s != table[i].state)
      fail_msg("%s: \"%s\" instead of \"%s\"", table[i].name, tunnel_word(s),
               tunnel_word(table[i].state));
  }
}

static void a_run_ends_in_the_state_that_tells_most(void **state) {
  (void)state;
  check(runs, sizeof runs / sizeof *runs, false);
  check(of_jump, sizeof of_jump / sizeof *of_jump, true);
}

static const struct tunnel_options gpu = {
    .ssh = "ssh",
    .host = "gpu.example.org",
    .user = "lathe",
    .key = "/etc/lathe/ssh/id",
    .known_hosts = "/etc/lathe/ssh/known_hosts",
    .jump = "me@jump",
    .far_address = "127.0.0.1:8080",
    .port = 22,
};

static void each_state_has_a_word_of_its_own_and_a_whole_sentence(void **state) {
  char text[TUNNEL_TEXT];
  (void)state;
  for (int s = 0; s < TUNNEL_STATES; s++) {
    ssh_describe(&gpu, (enum tunnel_state)s, "what {ssh} said", text, sizeof text);
    assert_ptr_equal(strstr(text, tunnel_word((enum tunnel_state)s)), text);
    assert_true(strlen(text) > strlen(tunnel_word((enum tunnel_state)s)) + 15);
    const char *brace = strchr(text, '{');
    assert_true(!brace ||
                strncmp(brace, "{ssh} said", 10) == 0); /* a value is not expanded again */
    for (int other = 0; other < s; other++)
      assert_string_not_equal(tunnel_word((enum tunnel_state)s),
                              tunnel_word((enum tunnel_state)other));
  }
}

static void commands_to_copy_have_the_right_names(void **state) {
  char text[TUNNEL_TEXT];
  struct tunnel_options other = gpu;
  (void)state;
  ssh_describe(&gpu, TUNNEL_HOST_KEY_UNKNOWN, "", text, sizeof text);
  assert_non_null(strstr(text, "ssh-keyscan gpu.example.org,"));
  other.port = 2222;
  ssh_describe(&other, TUNNEL_HOST_KEY_UNKNOWN, "", text, sizeof text);
  assert_non_null(strstr(text, "ssh-keyscan -p 2222 gpu.example.org,"));
  ssh_describe(&other, TUNNEL_HOST_KEY_CHANGED, "", text, sizeof text);
  assert_non_null(
      strstr(text, "ssh-keygen -f /etc/lathe/ssh/known_hosts -R \"[gpu.example.org]:2222\""));
}

static void a_sentence_is_cut_and_not_overrun(void **state) {
  char whole[TUNNEL_TEXT], cut[64];
  (void)state;
  ssh_describe(&gpu, TUNNEL_KEY_REFUSED, "x", whole, sizeof whole);
  for (size_t size = 1; size <= sizeof cut; size++) {
    memset(cut, '#', sizeof cut);
    ssh_describe(&gpu, TUNNEL_KEY_REFUSED, "x", cut, size);
    assert_int_equal(strlen(cut), size - 1);
    assert_memory_equal(cut, whole, size - 1);
  }
}

static void places_are_taken_apart(void **state) {
  static const struct {
    const char *text, *user, *host;
    int port;
  } good[] = {
      {"jump", "", "jump", 22},
      {"me@jump:2222", "me", "jump", 2222},
      {"me@realm@jump", "me@realm", "jump", 22},
      {"fe80::1", "", "fe80::1", 22},
      {"u@[fe80::1%eth0]:24", "u", "fe80::1%eth0", 24},
      {"10.0.0.1:1", "", "10.0.0.1", 1},
  };
  static const char *const bad[] = {
      "",     "@h",     "u@",     "-h",  "u@-h", "h:",   "h:0",  "h:65536", "h:1x",
      "[::1", "[::1]x", "[::1]:", "a b", "a,b",  "a\nb", "$(x)", "u;@h"};
  struct ssh_place p;
  char why[300];
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(ssh_read_place(good[i].text, 22, &p, why, sizeof why));
    assert_string_equal(p.user, good[i].user);
    assert_string_equal(p.host, good[i].host);
    assert_int_equal(p.port, good[i].port);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (ssh_read_place(bad[i], 22, &p, why, sizeof why))
      fail_msg("\"%s\" was taken", bad[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_ends_in_the_state_that_tells_most),
      cmocka_unit_test(each_state_has_a_word_of_its_own_and_a_whole_sentence),
      cmocka_unit_test(commands_to_copy_have_the_right_names),
      cmocka_unit_test(a_sentence_is_cut_and_not_overrun),
      cmocka_unit_test(places_are_taken_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
