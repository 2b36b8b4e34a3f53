/* forks.c - whether a process is a copy of another, from the flags that Linux keeps of it (proc_pid_stat(5)). */
#include "system/forks.h"

#include <stdio.h>
#include <string.h>

#ifdef __linux__
enum { LINE_BYTES = 1024, FORKED_WITHOUT_EXEC = 0x40 }; /* PF_FORKNOEXEC, include/linux/sched.h */

int rf_forked(void) {
  char line[LINE_BYTES];
  unsigned flags = 0;
  FILE *file = fopen("/proc/self/stat", "re");
  if (file == NULL) return 0;
  const char *name_end =
      fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL; /* a name may hold one, too */
  fclose(file);
  /* After the name: state, parent, process group, session, terminal, its process group, flags. */
  if (name_end == NULL || sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1) return 0;
  return (flags & FORKED_WITHOUT_EXEC) != 0;
}
#else
int rf_forked(void) { return 0; }
#endif
