/* names.c - names in order: each once, and found by halves. */
#include "file/names.h"

#include <stdlib.h>
#include <string.h>

int rf_text_compare(struct text a, struct text b) {
  const int order = memcmp(a.at, b.at, a.length < b.length ? a.length : b.length);
  return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare(const void *a, const void *b) {
  return rf_text_compare(*(const struct text *)a, *(const struct text *)b);
}

int rf_names_sort(struct text *names, int32_t count) {
  qsort(names, (size_t)count, sizeof *names, compare);
  for (int32_t n = 1; n < count; n++) {
    if (rf_text_compare(names[n - 1], names[n]) == 0) return 0;
  }
  return 1;
}

int rf_names_have(const struct text *names, int32_t count, struct text name) {
  return bsearch(&name, names, (size_t)count, sizeof *names, compare) != NULL;
}
