/* caches.c - sizes of caches as Linux describes them below /sys, a folder for each (sysfs-devices-system-cpu). */
#include "system/caches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CACHES_MOST = 16, LINE_BYTES = 256 };

/* The line that a file of a cache consists of; "" where it has no such file. */
static void read_line(const char *root, int cache, const char *name, char line[LINE_BYTES]) {
  char path[4096];
  const int length = snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu0/cache/index%d/%s", root, cache, name);
  FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "re") : NULL;
  if (file == NULL || fgets(line, LINE_BYTES, file) == NULL) line[0] = '\0';
  if (file != NULL) fclose(file);
}

static int64_t parse_bytes(const char *text) {
  char *unit;
  const long long number = strtoll(text, &unit, 10);
  return (int64_t)number * (*unit == 'K' ? 1 << 10 : *unit == 'M' ? 1 << 20 : 1);
}

/* How many processors a list such as "0-3,8" names, at least 1. */
static int64_t count_listed(const char *list) {
  int64_t count = 0;
  for (char *end; *list >= '0' && *list <= '9'; list = *end == ',' ? end + 1 : end) {
    const long long first = strtoll(list, &end, 10);
    count += *end == '-' ? strtoll(end + 1, &end, 10) - first + 1 : 1;
  }
  return count > 1 ? count : 1;
}

int64_t rf_cache_of_system(const char *root, int level) {
  char line[LINE_BYTES];
  for (int cache = 0; cache < CACHES_MOST; cache++) {
    read_line(root, cache, "level", line);
    if (atoi(line) != level) continue;
    read_line(root, cache, "type", line);
    if (strncmp(line, "Instruction", 11) == 0) continue;
    read_line(root, cache, "size", line);
    const int64_t bytes = parse_bytes(line);
    read_line(root, cache, "shared_cpu_list", line);
    return bytes / count_listed(line);
  }
  return 0;
}
