/* xla_calls.h - the handlers that XLA calls on the CPU, for the Python extension alone: `frame` is a struct xla_frame. */
#ifndef RF_XLA_CALLS_H
#define RF_XLA_CALLS_H

void *xla_forward(void *frame); /* rf_forward, recorded where a reserve is among the results */
void *xla_backward(void *frame); /* rf_backward, which leaves the reserve as it is */

#endif
