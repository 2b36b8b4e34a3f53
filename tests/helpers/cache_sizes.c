/* cache_sizes.c - prints the bytes of the data caches of levels 1 to 3 that a tree of /sys describes, 0 where it has none. */
#include <stdio.h>

#include "system/caches.h"

int main(int count, char **arguments) {
  for (int level = 1; level <= 3 && count > 1; level++)
    printf("%lld ", (long long)rf_cache_of_system(arguments[1], level));
  return 0;
}
