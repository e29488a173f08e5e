/* SPDX-License-Identifier: MIT */
#ifndef JOBS_KEPT_H
#define JOBS_KEPT_H

#include "jobs/types.h"

int kept_load(struct jobs *j, struct err *err); /* of an earlier life; blocking */

#endif
