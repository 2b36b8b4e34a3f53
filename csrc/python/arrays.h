/* arrays.h - calls of librnnfast on NumPy arrays, for the Python extension alone: an array comes as its id().
 *
 * Asking Python for an address costs more than a small net takes, four times a call and more. In NumPy's C interface,
 * which every extension compiled against it relies on, an array's data pointer follows the head that all objects have,
 * and in CPython id() is the object's address. Whoever calls keeps the arrays alive; they are of type ndarray itself. */
#include <Python.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "include/rnnfast.h"

enum { ALIGNMENT = 64, AXES = 3 };
enum { DENSE = 0x1, OWNDATA = 0x4, ALIGNED = 0x100, WRITEABLE = 0x400 }; /* NumPy's flags */

struct array {
  PyObject_HEAD char *data;
  int axes;
  const intptr_t *shape, *strides;
  PyObject *base, *dtype;
  int flags;
};

/* NULL for None. */
static void *array_data(uintptr_t id) { return id == (uintptr_t)Py_None ? NULL : ((const struct array *)id)->data; }

/* Whether arrays of numbers still lie where they lay, dense and of the same dtype, and are writeable if that matters.
 * `forms` has six numbers for each: address, dtype's id, axes and sizes, three at most. Anyone may change them in place. */
static int arrays_are(int32_t count, const uintptr_t *ids, const intptr_t *forms, intptr_t item, int32_t writeable) {
  for (int32_t n = 0; n < count; n++) {
    const struct array *a = (const struct array *)ids[n];
    const intptr_t *form = forms + (3 + AXES) * n;
    if ((intptr_t)a->data != form[0] || (intptr_t)a->dtype != form[1] || a->axes != form[2]) return 0;
    if (writeable && !(a->flags & WRITEABLE)) return 0;
    intptr_t stride = item;
    for (int axis = a->axes - 1; axis >= 0; axis--) {
      if (a->shape[axis] != form[3 + axis] || a->strides[axis] != stride) return 0;
      stride *= a->shape[axis];
    }
  }
  return 1;
}

/* Whether an array, if there is one, lies in memory that some array of Python's owns, and none of these owners. */
static int array_is_apart(const struct array *a, int32_t count, const uintptr_t *owners) {
  if ((PyObject *)a == Py_None) return 1;
  const struct array *owner = a->base ? (const struct array *)a->base : a;
  if (Py_TYPE((PyObject *)owner) != Py_TYPE((PyObject *)a) || !(owner->flags & OWNDATA)) return 0;
  for (int32_t n = 0; n < count; n++) {
    if ((uintptr_t)owner == owners[n]) return 0;
  }
  return 1;
}

/* The same of all that a backward reads. */
static int arrays_are_apart(int32_t count, const uintptr_t *owners, uintptr_t x, uintptr_t dy, uintptr_t mask,
                            uintptr_t resets, uintptr_t h0, uintptr_t c0, uintptr_t dh_n, uintptr_t dc_n) {
  const uintptr_t arrays[] = {x, dy, mask, resets, h0, c0, dh_n, dc_n};
  for (size_t n = 0; n < sizeof arrays / sizeof *arrays; n++) {
    if (!array_is_apart((const struct array *)arrays[n], count, owners)) return 0;
  }
  return 1;
}

/* The first aligned byte of an array of bytes. */
static void *array_block(uintptr_t id) {
  const uintptr_t start = (uintptr_t)array_data(id);
  return (void *)((start + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

/* What says which steps are live and where states are cut; all None: nothing. */
static void array_ragged(rf_problem *p, uintptr_t lengths, uintptr_t mask, uintptr_t resets) {
  p->lengths = array_data(lengths);
  p->mask = array_data(mask);
  p->resets = array_data(resets);
}

static int32_t array_forward(rf_problem *p, uintptr_t x, uintptr_t y, uintptr_t h0, uintptr_t c0, uintptr_t h_n,
                             uintptr_t c_n, uintptr_t reserve, uintptr_t workspace, uint64_t dropout_seed) {
  p->x = array_data(x);
  p->y = array_data(y);
  p->h0 = array_data(h0);
  p->c0 = array_data(c0);
  p->h_n = array_data(h_n);
  p->c_n = array_data(c_n);
  p->reserve = array_block(reserve);
  p->workspace = array_block(workspace);
  p->dropout_seed = dropout_seed;
  return rf_forward(p);
}

/* `d_parameters`: gradients of every layer and direction in turn, in PyTorch's order; NULL: not wanted. `tables` has room
 * for as many pointers. */
static int32_t array_backward(rf_problem *p, uintptr_t x, uintptr_t dy, uintptr_t dx, uintptr_t h0, uintptr_t c0,
                              uintptr_t dh_n, uintptr_t dc_n, uintptr_t dh0, uintptr_t dc0, uintptr_t norms,
                              uintptr_t reserve, uintptr_t workspace, const uintptr_t *d_parameters, void **tables,
                              uint64_t dropout_seed, int32_t overwrite) {
  p->x = array_data(x);
  p->dy = array_data(dy);
  p->dx = array_data(dx);
  p->h0 = array_data(h0);
  p->c0 = array_data(c0);
  p->dh_n = array_data(dh_n);
  p->dc_n = array_data(dc_n);
  p->dh0 = array_data(dh0);
  p->dc0 = array_data(dc0);
  p->state_grad_norms = array_data(norms);
  p->reserve = array_block(reserve);
  p->workspace = array_block(workspace);
  p->dropout_seed = dropout_seed;
  p->overwrite = overwrite;
  const int32_t count = p->num_layers * p->num_directions, projects = p->weight_hr != NULL;
  const int32_t each = (p->bias_ih ? 4 : 2) + projects;
  for (int32_t n = 0; d_parameters && n < count * each; n++) {
    tables[n % each * count + n / each] = array_data(d_parameters[n]);
  }
  p->d_weight_ih = d_parameters ? tables : NULL;
  p->d_weight_hh = d_parameters ? tables + count : NULL;
  p->d_bias_ih = d_parameters && p->bias_ih ? tables + 2 * count : NULL;
  p->d_bias_hh = d_parameters && p->bias_ih ? tables + 3 * count : NULL;
  p->d_weight_hr = d_parameters && projects ? tables + (each - 1) * count : NULL;
  return rf_backward(p);
}

/* Rows that advance together step by step: their net, state and scratch, and what the arrays of a step must be. */
struct array_stream {
  const rf_net *net;
  void *state, *workspace;
  int64_t batch, inputs, outputs;
  intptr_t x_item, y_item; /* bytes of a number, or of an index */
  uintptr_t type, x_dtype, y_dtype; /* id() of ndarray and of dtypes */
  atomic_int held;
};

/* NULL where there is no memory. */
static struct array_stream *array_stream_new(const rf_net *net, int64_t batch, int64_t inputs, int64_t outputs,
                                             intptr_t x_item, intptr_t y_item, uintptr_t type, uintptr_t x_dtype,
                                             uintptr_t y_dtype, void *state, void *workspace) {
  struct array_stream *s = malloc(sizeof *s);
  if (s == NULL) return NULL;
  *s = (struct array_stream){.net = net,
                             .state = state,
                             .workspace = workspace,
                             .batch = batch,
                             .inputs = inputs,
                             .outputs = outputs,
                             .x_item = x_item,
                             .y_item = y_item,
                             .type = type,
                             .x_dtype = x_dtype,
                             .y_dtype = y_dtype};
  return s;
}

static void array_stream_free(struct array_stream *stream) { free(stream); }

/* A stream is one thread's at a time: 1 where it is the caller's now, until given back. */
static int array_stream_take(struct array_stream *stream) { return !atomic_exchange(&stream->held, 1); }
static void array_stream_give(struct array_stream *stream) { atomic_store(&stream->held, 0); }

/* (batch, width), or (width,) where the batch is one row; and how many axes that are. */
static int array_is_row(const struct array_stream *s, uintptr_t id, uintptr_t dtype, int64_t width, int flags) {
  const struct array *a = (const struct array *)id;
  if ((uintptr_t)Py_TYPE((PyObject *)id) != s->type || (uintptr_t)a->dtype != dtype || (a->flags & flags) != flags) {
    return 0;
  }
  if (a->axes == 1) return s->batch == 1 && a->shape[0] == width;
  return a->axes == 2 && a->shape[0] == s->batch && a->shape[1] == width ? 2 : 0;
}

/* Makes a step: 1. Where the arrays are not plain ones of the right shape, or overlap, 0, and where the stream is somebody
 * else's at this moment, -1: nothing was done. */
static int array_stream_step(struct array_stream *s, uintptr_t x, uintptr_t y) {
  const int axes = array_is_row(s, x, s->x_dtype, s->inputs, DENSE | ALIGNED);
  if (!axes || array_is_row(s, y, s->y_dtype, s->outputs, DENSE | ALIGNED | WRITEABLE) != axes) return 0;
  const char *from = array_data(x);
  char *to = array_data(y);
  if (from < to + s->batch * s->outputs * s->y_item && to < from + s->batch * s->inputs * s->x_item) return 0;
  if (!array_stream_take(s)) return -1;
  rf_net_step(s->net, s->batch, from, to, s->state, s->workspace);
  array_stream_give(s);
  return 1;
}
