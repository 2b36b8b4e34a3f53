/* tensors.c - the header of a .safetensors file. */
#include "file/tensors.h"

#include <stdlib.h>

#include "include/rnnfast.h"

#define HEADER_MOST 100000000 /* bytes, as others who read such files have it */

/* Where the header is read: what it may speak of, and how much room the list has. */
struct header {
  struct json json;
  struct tensors *tensors;
  uint64_t first, end; /* of the numbers, in the file */
  int64_t room;
  int has_words;
};

static int read_shape(struct json *j, struct tensor *t, uint64_t *numbers) {
  int64_t axes = 0, size;
  *numbers = 1;
  if (!rf_json_take(j, '[')) return 0;
  while (rf_json_next(j, '[', &axes)) {
    if (!rf_json_whole(j, &size) || size < 0 || axes > INT32_MAX) return 0;
    if (__builtin_mul_overflow(*numbers, (uint64_t)size, numbers)) return 0;
    if (axes <= RF_TENSOR_AXES) t->shape[axes - 1] = size;
  }
  t->axes = (int32_t)axes;
  return !j->spent;
}

static int read_offsets(struct header *r, struct tensor *t) {
  int64_t count = 0, offset[2] = {0};
  if (!rf_json_take(&r->json, '[')) return 0;
  while (rf_json_next(&r->json, '[', &count)) {
    if (count > 2 || !rf_json_whole(&r->json, &offset[count - 1])) return 0;
  }
  if (r->json.spent || count != 2 || offset[0] < 0 || offset[0] > offset[1]) return 0;
  if ((uint64_t)offset[1] > r->end - r->first) return 0;
  t->from = r->first + (uint64_t)offset[0];
  t->bytes = (uint64_t)(offset[1] - offset[0]);
  return 1;
}

static int32_t dtype_of(struct text name) {
  static const char *const names[] = {[RF_F32] = "F32", [RF_F64] = "F64", [RF_BF16] = "BF16", [RF_I8] = "I8"};
  for (int32_t n = 0; n < 4; n++) {
    if (rf_text_is(name, names[n])) return n;
  }
  return RF_TENSOR_OTHER;
}

/* {"dtype": .., "shape": [..], "data_offsets": [.., ..]}, whose bytes are those of its numbers where the type is known. */
static int read_tensor(struct header *r, struct tensor *t) {
  struct text key, dtype = {0};
  int64_t count = 0;
  int has_shape = 0, has_offsets = 0;
  uint64_t numbers = 0;
  if (!rf_json_take(&r->json, '{')) return 0;
  while (rf_json_next(&r->json, '{', &count)) {
    if (!rf_json_key(&r->json, &key)) return 0;
    if (rf_text_is(key, "dtype")) {
      if (dtype.at || !rf_json_string(&r->json, &dtype)) return 0;
    } else if (rf_text_is(key, "shape")) {
      if (has_shape || !(has_shape = read_shape(&r->json, t, &numbers))) return 0;
    } else if (rf_text_is(key, "data_offsets")) {
      if (has_offsets || !(has_offsets = read_offsets(r, t))) return 0;
    } else if (!rf_json_skip(&r->json)) {
      return 0;
    }
  }
  if (r->json.spent || !dtype.at || !has_shape || !has_offsets) return 0;
  t->dtype = dtype_of(dtype);
  if (t->dtype == RF_TENSOR_OTHER) return 1;
  static const uint64_t sizes[] = {[RF_F32] = 4, [RF_F64] = 8, [RF_BF16] = 2, [RF_I8] = 1};
  const uint64_t size = sizes[t->dtype];
  return t->bytes % size == 0 && t->bytes / size == numbers;
}

/* All values are strings; of interest is what this library wrote. */
static int read_words(struct json *j, struct text *about) {
  struct text key, value;
  int64_t count = 0;
  if (!rf_json_take(j, '{')) return 0;
  while (rf_json_next(j, '{', &count)) {
    if (!rf_json_key(j, &key) || !rf_json_string(j, &value)) return 0;
    if (rf_text_is(key, "rnnfast")) *about = value;
  }
  return !j->spent;
}

static int32_t add(struct header *r, const struct tensor *tensor) {
  struct tensors *all = r->tensors;
  if (all->count == r->room) {
    r->room = r->room > 0 ? 2 * r->room : 16;
    struct tensor *list = realloc(all->list, (size_t)r->room * sizeof *list);
    if (list == NULL) return RF_ERROR_MEMORY;
    all->list = list;
  }
  all->list[all->count++] = *tensor;
  return RF_OK;
}

static int32_t read_header(struct header *r) {
  int64_t count = 0;
  if (!rf_json_take(&r->json, '{')) return RF_ERROR_FORMAT;
  while (rf_json_next(&r->json, '{', &count)) {
    struct tensor tensor = {0};
    if (!rf_json_key(&r->json, &tensor.name)) return RF_ERROR_FORMAT;
    if (rf_text_is(tensor.name, "__metadata__")) {
      if (r->has_words || !read_words(&r->json, &r->tensors->about)) return RF_ERROR_FORMAT;
      r->has_words = 1;
      continue;
    }
    if (!read_tensor(r, &tensor)) return RF_ERROR_FORMAT;
    const int32_t status = add(r, &tensor);
    if (status != RF_OK) return status;
  }
  return rf_json_end(&r->json) ? RF_OK : RF_ERROR_FORMAT;
}

int32_t rf_tensors_read(const struct source *source, struct tensors *tensors) {
  unsigned char head[8];
  uint64_t length = 0;
  *tensors = (struct tensors){0};
  if (source->bytes < sizeof head) return RF_ERROR_FORMAT;
  int32_t status = rf_source_read(source, 0, sizeof head, head);
  if (status != RF_OK) return status;
  for (int i = 7; i >= 0; i--) length = length << 8 | head[i];
  if (length < 2 || length > HEADER_MOST || length > source->bytes - sizeof head) return RF_ERROR_FORMAT;
  tensors->header = malloc((size_t)length);
  if (tensors->header == NULL) return RF_ERROR_MEMORY;
  status = rf_source_read(source, sizeof head, (size_t)length, tensors->header);
  if (status != RF_OK) return status;
  if (!rf_is_utf8((struct text){tensors->header, (size_t)length})) return RF_ERROR_FORMAT;
  struct header reading = {
      {tensors->header, tensors->header + length, 0}, tensors, sizeof head + length, source->bytes, 0, 0};
  status = read_header(&reading);
  if (status != RF_OK) return status;
  return rf_tensors_order(tensors, reading.first, reading.end) ? RF_OK : RF_ERROR_FORMAT;
}

void rf_tensors_free(struct tensors *tensors) {
  free(tensors->list);
  free(tensors->header);
  *tensors = (struct tensors){0};
}
