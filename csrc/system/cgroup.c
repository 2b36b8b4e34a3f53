/* cgroup.c - the processor time that Linux grants this process by its control groups, version 1 or 2 (cgroups(7)). */
#include "system/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 3 * PATH_BYTES };

/* The two versions differ in how groups and mounts are named, and in which files hold a quota and its period. */
struct version {
  const char *controller; /* of the group's line; "": version 2's only one */
  const char *filesystem;
  const char *usual_mount;
};
static const struct version versions[] = {{"", "cgroup2", "/sys/fs/cgroup"}, {"cpu", "cgroup", "/sys/fs/cgroup/cpu"}};

/* Whether `word` is one of a list that commas separate. */
static int listed(const char *list, const char *word) {
  const size_t length = strlen(word), all = strcspn(list, " \n");
  for (size_t at = 0; at <= all; at += strcspn(list + at, ", \n") + 1) {
    if (strncmp(list + at, word, length) == 0 && strchr(", \n", list[at + length]) != NULL) return 1;
  }
  return 0;
}

static FILE *open_file(const char *root, const char *path, const char *name) {
  char whole[2 * PATH_BYTES];
  const int length = snprintf(whole, sizeof whole, "%s%s%s", root, path, name);
  return length > 0 && (size_t)length < sizeof whole ? fopen(whole, "re") : NULL;
}

/* This process's group, from a line "number:controllers:path" of /proc/self/cgroup. */
static int find_group(const char *root, const struct version *version, char path[PATH_BYTES]) {
  char line[LINE_BYTES];
  int found = 0;
  FILE *file = open_file(root, "/proc/self/cgroup", "");
  while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
    char *controllers = strchr(line, ':'), *end = controllers ? strchr(controllers + 1, ':') : NULL;
    if (end == NULL) continue;
    *end = '\0';
    found = *version->controller ? listed(controllers + 1, version->controller) : end == controllers + 1;
    if (found) snprintf(path, PATH_BYTES, "%.*s", PATH_BYTES - 1, end + 1);
  }
  if (file != NULL) fclose(file);
  path[found ? strcspn(path, "\n") : 0] = '\0';
  return found;
}

/* Where the groups are mounted, and which of them is at the mount's top, from lines
 * "id parent device TOP MOUNT options [optional ..] - FILESYSTEM source OPTIONS" of /proc/self/mountinfo. */
static void find_mount(const char *root, const struct version *version, char top[PATH_BYTES], char mount[PATH_BYTES]) {
  char line[LINE_BYTES], kind[64], options[PATH_BYTES], found_top[PATH_BYTES], found_mount[PATH_BYTES];
  strcpy(top, "/");
  strcpy(mount, version->usual_mount);
  FILE *file = open_file(root, "/proc/self/mountinfo", "");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    const char *rest = strstr(line, " - ");
    if (rest == NULL || sscanf(line, "%*s %*s %*s %4095s %4095s", found_top, found_mount) != 2) continue;
    if (sscanf(rest, " - %63s %*s %4095s", kind, options) != 2 || strcmp(kind, version->filesystem) != 0) continue;
    if (*version->controller && !listed(options, version->controller)) continue;
    strcpy(top, found_top);
    strcpy(mount, found_mount);
    break;
  }
  if (file != NULL) fclose(file);
}

/* Processors that one group's quota pays for; 0 where it has none. */
static double quota_of(const char *root, const struct version *version, const char *group) {
  double quota = 0, period = 0;
  FILE *file = open_file(root, group, *version->controller ? "/cpu.cfs_quota_us" : "/cpu.max");
  if (file == NULL) return 0;
  const int read = fscanf(file, "%lf %lf", &quota, &period); /* "max": neither */
  fclose(file);
  if (*version->controller) {
    file = open_file(root, group, "/cpu.cfs_period_us");
    if (file == NULL || fscanf(file, "%lf", &period) != 1) period = 0;
    if (file != NULL) fclose(file);
  }
  return read >= 1 && quota > 0 && period > 0 ? quota / period : 0; /* version 1 says -1 for none */
}

static double tightest(const char *root, const struct version *version) {
  char path[PATH_BYTES], top[PATH_BYTES], group[2 * PATH_BYTES];
  double least = 0;
  if (!find_group(root, version, path)) return 0;
  char mount[PATH_BYTES];
  find_mount(root, version, top, mount);
  const size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);
  const int below = strncmp(path, top, length) == 0 && strchr("/", path[length]) != NULL && strstr(path, "..") == NULL;
  snprintf(group, sizeof group, "%s%s", mount, below ? path + length : "");
  for (size_t end = strlen(group); end >= strlen(mount); end--) {
    if (group[end] != '\0' && group[end] != '/') continue;
    group[end] = '\0';
    const double quota = quota_of(root, version, group);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  }
  return least;
}

int32_t rf_cgroup_processors(const char *root) {
  double least = 0;
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    const double quota = tightest(root, &versions[i]);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  }
  return least == 0 || least > INT32_MAX ? 0 : least < 1 ? 1 : (int32_t)least;
}
