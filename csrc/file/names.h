/* names.h - names in order: each once, and found by halves, so that a file of many costs no more than reading it. */
#ifndef RF_NAMES_H
#define RF_NAMES_H

#include <stdint.h>

#include "file/json.h"

/* Below, at or above 0 as `a` stands before, at or after `b`: byte by byte, the shorter one first. */
int rf_text_compare(struct text a, struct text b);

/* Puts names in order; 0 where one is there twice. */
int rf_names_sort(struct text *names, int32_t count);

/* Whether a name is among these, which are in order. */
int rf_names_have(const struct text *names, int32_t count, struct text name);

#endif
