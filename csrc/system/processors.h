/* processors.h - how many processors this process may use: its affinity mask, and the quotas of its control groups. */
#ifndef RF_PROCESSORS_H
#define RF_PROCESSORS_H

#include <stdint.h>

/* As many as the process had when the library was loaded, at least 1; asked for once. */
int32_t rf_processors(void);

/* As many as the calling thread may use now. */
int32_t rf_processors_now(void);

/* Lets the calling thread run wherever the process might when the library was loaded. */
void rf_processors_use_all(void);

#endif
