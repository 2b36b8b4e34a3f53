/* xla_problem.h - a call from XLA as the library's own record of it. */
#ifndef RF_XLA_PROBLEM_H
#define RF_XLA_PROBLEM_H

#include "include/rnnfast.h"
#include "python/xla.h"

enum { XLA_MESSAGE = 512 };

/* A call whose arrays are XLA's, and the memory that it has itself. */
struct xla_problem {
  rf_problem problem;
  void *memory; /* pointers of tables, lengths, workspace: from xla_memory_take */
  int32_t code; /* of the error, if there was one */
  char message[XLA_MESSAGE];
};

/* Fills a call in and gets its memory. Returns 0, or another number where `code` and `message` say what is wrong. */
int xla_problem_make(const struct xla_frame *frame, struct xla_problem *call);

/* Says what is wrong, as printf; returns 1. */
int xla_problem_fault(struct xla_problem *call, int32_t code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same of a status: 0 for RF_OK. */
int xla_problem_status(struct xla_problem *call, int32_t status);

#endif
