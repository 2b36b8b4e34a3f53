/* older_record.c - a library of a later version, whose record has grown, reads a caller's of this one: its size is given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/record.h"

static void expect(int holds, const char *what) {
  if (holds) return;
  puts(what);
  exit(1);
}

int main(int count, char **arguments) {
  const size_t older = count > 1 ? strtoul(arguments[1], NULL, 10) : 0;
  rf_problem *caller = malloc(older), room;
  memset(caller, 0x5a, older);
  memset(&room, 0x5a, sizeof room);
  caller->struct_size = older;
  const rf_problem *p = caller;
  expect(rf_record_read(&p, &room) == RF_OK && p == &room, "the older record is not read");
  expect(memcmp(p, caller, older) == 0, "what the caller says is lost");
  expect(p->later == 0 && p->latest == NULL, "what the caller does not know is not zero");
  caller->struct_size = older - 1;
  p = caller;
  expect(rf_record_read(&p, &room) == RF_ERROR_STRUCT_SIZE, "a record that never was is read");
  caller->struct_size = sizeof room + 1;
  expect(rf_record_read(&p, &room) == RF_ERROR_STRUCT_SIZE, "a record that is yet to come is read");
  room.struct_size = sizeof room;
  p = &room;
  expect(rf_record_read(&p, NULL) == RF_OK && p == &room, "the library's own record is copied");
  free(caller);
  puts("read");
  return 0;
}
