/* xla_calls.c - what XLA's runtime runs: a frame becomes a record, the library is called, a status becomes an error. */
#include "python/xla_calls.h"

#include "python/xla_memory.h"
#include "python/xla_problem.h"

static struct xla_error *error_of(const struct xla_frame *frame, int32_t code, const char *text) {
  struct xla_error_text error = {.size = sizeof error, .text = text, .code = code};
  return frame->api->make_error(&error);
}

/* Tells the runtime, where it asks, which interface it is that is used here. */
static int is_question(const struct xla_frame *frame) {
  for (struct xla_extension *e = frame->extensions; e != NULL; e = e->next) {
    if (e->kind != XLA_EXTENSION_METADATA) continue;
    struct xla_metadata *metadata = ((struct xla_metadata_extension *)e)->metadata;
    metadata->version.major = XLA_MAJOR;
    metadata->version.minor = XLA_MINOR;
    metadata->traits = 0;
    return 1;
  }
  return 0;
}

static void *run(const struct xla_frame *frame, int32_t (*library_call)(const rf_problem *)) {
  if (is_question(frame)) return NULL;
  if (frame->stage != XLA_STAGE_EXECUTE || frame->size < sizeof *frame) {
    return error_of(frame, XLA_UNIMPLEMENTED, "rnnfast: XLA calls at a stage, or with a record, that is unknown here");
  }
  struct xla_problem call = {.memory = NULL};
  int wrong = xla_problem_make(frame, &call);
  if (!wrong) wrong = xla_problem_status(&call, library_call(&call.problem));
  xla_memory_give(call.memory);
  return wrong ? error_of(frame, call.code, call.message) : NULL;
}

void *xla_forward(void *frame) { return run(frame, rf_forward); }

void *xla_backward(void *frame) { return run(frame, rf_backward); }
