/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Solids that keep their own nodes, and the faces at which two of them are in contact.
 */
#ifndef CAD_CONTACTS_H
#define CAD_CONTACTS_H

#include <stdbool.h>

struct contacts;
struct names;
struct out;
struct task;

/* Gives each solid faces of its own, after they were cut along each other (cut.h): where two shared
 * a face, each has one, and both lie in one place.  Fills *c with these.  False: the kernel could
 * not copy them. */
bool contacts_imprint(struct names *n, struct contacts *c);
/* Adds pairs of solids with faces that are at most `gap` apart and face each other, measured at
 * points of them; pairs that are known stay as they are. */
void contacts_near(const struct names *n, double gap, struct contacts *c);
/* The groups contact_1_master, contact_1_slave, ... into n->groups. */
void contacts_group(struct names *n, const struct contacts *c);
void contacts_free(struct contacts *c);
/* "contacts":[...], */
void contacts_json(const struct task *t, struct out *o);

#endif
