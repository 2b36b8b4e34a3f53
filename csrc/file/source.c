/* source.c - the bytes of a file, on the disk or in memory. */
#define _GNU_SOURCE /* fseeko */
#define _FILE_OFFSET_BITS 64
#include "file/source.h"

#include <string.h>
#include <sys/types.h>

#include "include/rnnfast.h"

int32_t rf_source_open(const char *path, struct source *source) {
  *source = (struct source){.file = fopen(path, "rb")};
  if (source->file == NULL) return RF_ERROR_FILE;
  off_t end = -1;
  if (fseeko(source->file, 0, SEEK_END) == 0) end = ftello(source->file);
  if (end < 0) {
    rf_source_close(source);
    return RF_ERROR_FILE;
  }
  source->bytes = (uint64_t)end;
  return RF_OK;
}

void rf_source_close(struct source *source) {
  if (source->file != NULL) fclose(source->file);
  source->file = NULL;
}

int32_t rf_source_read(const struct source *source, uint64_t from, size_t count, void *to) {
  if (source->file == NULL) {
    memcpy(to, source->memory + from, count);
    return RF_OK;
  }
  if (fseeko(source->file, (off_t)from, SEEK_SET) != 0) return RF_ERROR_FILE;
  return fread(to, 1, count, source->file) == count ? RF_OK : RF_ERROR_FILE;
}
