/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pairs of solids that are in contact.
 */
#ifndef MODEL_CONTACT_PAIRS_H
#define MODEL_CONTACT_PAIRS_H

#include <stddef.h>

#define CONTACTS_TOLD 200
struct contact_side {
  int solid, *faces; /* owned */
  size_t count;
};
struct contact {               /* of two solids that keep their own nodes */
  struct contact_side side[2]; /* master and slave */
  double area, gap;
};
struct contacts {
  struct contact *of;
  size_t count;
};

#endif
