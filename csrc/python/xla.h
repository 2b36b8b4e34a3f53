/* xla.h - the part of XLA's C interface for foreign functions that a handler on the CPU needs, version 0.1 and later.
 *
 * XLA keeps this interface stable: records grow at their ends, and each begins with its size. Declared here rather than
 * included, so that building takes no XLA; tests/integrations/jax compares every offset with XLA's own header. */
#ifndef RF_XLA_H
#define RF_XLA_H

#include <stddef.h>
#include <stdint.h>

enum { XLA_MAJOR = 0, XLA_MINOR = 1 }; /* the interface that handlers here were written for */
enum { XLA_EXTENSION_METADATA = 1 };
enum { XLA_STAGE_EXECUTE = 3 };
enum { XLA_BUFFER = 1 }; /* the one kind of operand and of result */
enum { XLA_ATTRIBUTE_SCALAR = 3, XLA_ATTRIBUTE_STRING = 4 };
enum { XLA_PRED = 1, XLA_S32 = 4, XLA_S64 = 5, XLA_U8 = 6, XLA_U32 = 8, XLA_F32 = 11, XLA_F64 = 12 };
enum { XLA_INVALID_ARGUMENT = 3, XLA_RESOURCE_EXHAUSTED = 8, XLA_UNIMPLEMENTED = 12, XLA_INTERNAL = 13 };

struct xla_error; /* made by xla_api.make_error, and then the runtime's */

struct xla_extension {
  size_t size;
  int32_t kind;
  struct xla_extension *next;
};

struct xla_version {
  size_t size;
  struct xla_extension *extensions;
  int32_t major, minor;
};

/* What a handler says of itself when it is registered: the frame then has this extension, and nothing is to be run. */
struct xla_metadata {
  size_t size;
  struct xla_version version;
  uint32_t traits;
};

struct xla_metadata_extension {
  struct xla_extension head;
  struct xla_metadata *metadata;
};

struct xla_error_text {
  size_t size;
  struct xla_extension *extensions;
  const char *text; /* copied */
  int32_t code;
};

struct xla_api {
  size_t size;
  struct xla_extension *extensions;
  struct xla_version version;
  const void *internal;
  struct xla_error *(*make_error)(struct xla_error_text *error);
};

struct xla_buffer {
  size_t size;
  struct xla_extension *extensions;
  int32_t dtype;
  void *data;
  int64_t rank;
  int64_t *dims;
};

/* Operands or results: `items` point to buffers where `kinds` say so. */
struct xla_arrays {
  size_t size;
  struct xla_extension *extensions;
  int64_t count;
  int32_t *kinds;
  void **items;
};

struct xla_text { /* no zero at its end */
  const char *start;
  size_t length;
};

struct xla_scalar {
  int32_t dtype;
  void *value;
};

struct xla_attributes {
  size_t size;
  struct xla_extension *extensions;
  int64_t count;
  int32_t *kinds;
  struct xla_text **names;
  void **items;
};

struct xla_frame {
  size_t size;
  struct xla_extension *extensions;
  const struct xla_api *api;
  void *context;
  int32_t stage;
  struct xla_arrays operands, results;
  struct xla_attributes attributes;
};

#endif
