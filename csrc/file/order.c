/* order.c - tensors in order: of their places, which fill the file, and of their names, by which they are found. */
#include <stdlib.h>
#include <string.h>

#include "file/names.h"
#include "file/tensors.h"

static int compare(const void *a, const void *b) {
  return rf_text_compare(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

static int compare_places(const void *one, const void *other) {
  const struct tensor *a = one, *b = other;
  return a->from != b->from ? (a->from > b->from) - (a->from < b->from) : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

/* Whether tensors follow each other from `first` to `end`: none shares a byte with another, and no byte is nobody's. */
static int tile(struct tensors *tensors, uint64_t first, uint64_t end) {
  if (tensors->count > 1) qsort(tensors->list, (size_t)tensors->count, sizeof *tensors->list, compare_places);
  for (int64_t n = 0; n < tensors->count; n++) {
    if (tensors->list[n].from != first) return 0;
    first += tensors->list[n].bytes;
  }
  return first == end;
}

/* In the order of names, each of them once. */
static int sort(struct tensors *tensors) {
  if (tensors->count > 1) qsort(tensors->list, (size_t)tensors->count, sizeof *tensors->list, compare);
  for (int64_t n = 1; n < tensors->count; n++) {
    if (compare(&tensors->list[n - 1], &tensors->list[n]) == 0) return 0;
  }
  return 1;
}

int rf_tensors_order(struct tensors *tensors, uint64_t first, uint64_t end) {
  return tile(tensors, first, end) && sort(tensors);
}

/* A name and what is sought, PART.NAME, compared without putting it together. */
static int compare_to(struct text name, struct text part, const char *end) {
  const struct text pieces[] = {part, {".", 1}, {(char *)end, strlen(end)}};
  for (int i = part.length > 0 ? 0 : 2; i < 3; i++) {
    const struct text piece = {name.at, name.length < pieces[i].length ? name.length : pieces[i].length};
    const int order = rf_text_compare(piece, pieces[i]);
    if (order != 0) return order;
    name.at += piece.length;
    name.length -= piece.length;
  }
  return name.length > 0;
}

struct tensor *rf_tensors_find(const struct tensors *tensors, struct text part, const char *name) {
  int64_t from = 0, to = tensors->count;
  while (from < to) {
    const int64_t middle = from + (to - from) / 2;
    const int order = compare_to(tensors->list[middle].name, part, name);
    if (order == 0) return &tensors->list[middle];
    if (order < 0) from = middle + 1;
    if (order > 0) to = middle;
  }
  return NULL;
}

int rf_tensors_left(const struct tensors *tensors, const struct text *names, int32_t count) {
  for (int64_t n = 0; n < tensors->count; n++) {
    struct text part = tensors->list[n].name;
    if (tensors->list[n].taken) continue;
    const char *dot = memchr(part.at, '.', part.length);
    part.length = dot != NULL ? (size_t)(dot - part.at) : 0;
    if (rf_names_have(names, count, part)) return 1;
  }
  return 0;
}
