/* check.h - what a problem must satisfy before anything reads it: nothing behind this check looks again, but for the
 * bytes of buffers, which are known once these are laid out (net/workspace.c). */
#ifndef RF_CHECK_H
#define RF_CHECK_H

#include <stdint.h>

#include "include/rnnfast.h"

/* How much of a problem a call reads, and so which arrays may not be NULL. */
enum rf_need {
  RF_NEED_SIZES,    /* sizes and options alone */
  RF_NEED_WEIGHTS,  /* and the parameters */
  RF_NEED_FORWARD,  /* and x, y, the workspace; the parameters only where `packed` is NULL */
  RF_NEED_BACKWARD, /* and the parameters, reserve and workspace, and x for weight gradients */
  RF_NEED_RESERVE   /* sizes, the reserve and the workspace */
};

/* RF_OK, or the status of the first thing wrong; `cells` is how many cells there are. */
int32_t rf_check_problem(const rf_problem *p, int32_t cells, enum rf_need need);

#endif
