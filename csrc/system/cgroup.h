/* cgroup.h - the processor time that Linux grants this process by its control groups, as in containers. */
#ifndef RF_CGROUP_H
#define RF_CGROUP_H

#include <stdint.h>

/* Whole processors that the tightest quota of this process's groups and those above them pays for, at least 1; 0 where
 * there is none. Files are looked for below `root`: "" but in tests. */
int32_t rf_cgroup_processors(const char *root);

#endif
