/* caches.h - sizes of caches as Linux describes them, for processors of which the C library knows none. */
#ifndef RF_CACHES_H
#define RF_CACHES_H

#include <stdint.h>

/* Bytes of the first processor's data cache of this level, of one that several share its part; 0 where nothing says. Files
 * are looked for below `root`: "" but in tests. */
int64_t rf_cache_of_system(const char *root, int level);

#endif
