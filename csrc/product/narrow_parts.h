/* narrow_parts.h - how rows of A are cut where they are made into another type first: blocks of whole parts. */
#ifndef RF_NARROW_PARTS_H
#define RF_NARROW_PARTS_H

#include <stdint.h>
#include "product/narrow.h"

enum { BLOCK_NUMBERS = 512, BLOCK_PARTS = 8 };

/* What one chain sums: numbers [from, to) of segments [segment, last), in so many lines of weights. */
struct part {
  int64_t segment, last, from, to, lines;
};

/* The product with parts as long as blocks, where sums need no shorter ones. */
static inline struct product_narrow parts_of_blocks(const struct product_narrow *p) {
  struct product_narrow whole = *p;
  const int64_t size = p->a.size, numbers = rf_weight_lines(size, p->type) << p->type;
  whole.part = size > 0 && numbers < BLOCK_NUMBERS ? BLOCK_NUMBERS / numbers * size : BLOCK_NUMBERS;
  return whole;
}

/* Parts that follow one another, the first of which begins line `line`. */
struct block {
  struct part part[BLOCK_PARTS];
  int parts;
  int64_t line, lines;
};

/* Moves `part` on, from {0} to the first one. 0 when none is left. */
static int part_next(const struct product_narrow *p, struct part *part) {
  const struct rows *a = &p->a;
  const int within = part->to > 0 && part->to < a->size;
  const int64_t some = a->size > 0 && a->size < p->part ? p->part / a->size : 1;
  part->from = within ? part->to : 0;
  if (!within) part->segment = part->last;
  if (part->segment >= a->segments || a->size == 0) return 0;
  part->last = part->segment + some < a->segments ? part->segment + some : a->segments;
  part->to = part->from + p->part < a->size ? part->from + p->part : a->size;
  part->lines = (part->last - part->segment) * rf_weight_lines(part->to - part->from, p->type);
  return 1;
}

/* The same of a block: as many parts as fit, one at least. */
static int block_next(const struct product_narrow *p, struct block *block) {
  struct part part = block->parts ? block->part[block->parts - 1] : (struct part){0};
  block->line += block->lines;
  block->parts = 0;
  block->lines = 0;
  while (block->parts < BLOCK_PARTS && part_next(p, &part) && (block->lines + part.lines) << p->type <= BLOCK_NUMBERS) {
    block->part[block->parts++] = part;
    block->lines += part.lines;
  }
  return block->parts > 0;
}

#endif
