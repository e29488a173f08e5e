/* SPDX-License-Identifier: MIT
 *
 * May a candidate get a job now?  A yes, or one reason.  The words are those of the API.
 */
#ifndef ROUTING_ADMISSION_H
#define ROUTING_ADMISSION_H

enum admission { /* where several hold, the first is told */
                 ADMISSION_YES,
                 ADMISSION_EXCLUDED, /* an attempt failed there, for good or while another one is ready */
                 ADMISSION_PINNED_ELSEWHERE, /* another one may have what the job submitted, or keeps the job */
                 ADMISSION_UNFIT, /* it does not do this, or is not what has the job any more */
                 ADMISSION_NOT_READY,
                 ADMISSION_DRAINED, /* by hand */
                 ADMISSION_BREAKER, /* it cannot be reached, or is not sane */
                 ADMISSION_GUARD,   /* it does the kind worse than it should */
                 ADMISSION_BUDGET,  /* money; or memory or threads are short */
                 ADMISSION_FULL,    /* no slot */
                 ADMISSION_COUNT
};

const char *admission_word(enum admission a); /* "full" ...; NULL: it is admitted */
const char *admission_text(enum admission a); /* the same for people: "has no free slot" */

#endif
