/* source.h - the bytes of a file, on the disk or in memory. */
#ifndef RF_SOURCE_H
#define RF_SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct source {
  FILE *file; /* NULL: in memory */
  const char *memory;
  uint64_t bytes; /* all there are */
};

/* RF_OK or RF_ERROR_FILE. */
int32_t rf_source_open(const char *path, struct source *source);
void rf_source_close(struct source *source);

/* Bytes [from, from + count), which are known to be there; RF_ERROR_FILE where they cannot be read after all. */
int32_t rf_source_read(const struct source *source, uint64_t from, size_t count, void *to);

#endif
