/* cgroup_quota.c - prints how many processors the control groups below each folder named pay for, 0 where there is no quota. */
#include <stdio.h>

#include "system/cgroup.h"

int main(int count, char **arguments) {
  for (int i = 1; i < count; i++) printf("%d\n", (int)rf_cgroup_processors(arguments[i]));
  return 0;
}
