/* SPDX-License-Identifier: MIT
 *
 * What the kernel says of this process.
 */
#ifndef CHECK_PROC_H
#define CHECK_PROC_H

#include <stdbool.h>
#include <stdint.h>

struct proc_counts {
  int threads, files, sockets; /* files: all descriptors, sockets among them */
  int64_t heap;                /* bytes that malloc handed out; 0: not known */
  int64_t anonymous;           /* bytes of memory that no file backs */
};
void proc_count(struct proc_counts *out);
bool proc_has_children(void);
/* How long this process was ready to run while others ran. */
int64_t proc_waited_us(void);

#endif
