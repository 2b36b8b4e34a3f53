/* narrow.c - products with weights of narrow types; compiled per instruction set. */
#include "product/narrow.h"

#include "product/narrow_widened.h"
#include "system/cpu.h"

/* Instructions that not every processor with AVX-512 has, and no emulation of that. */
#if defined(__AVX512BW__) && (defined(__clang__) || __GNUC__ >= 10)
#include "product/narrow_bytes.h"
#include "product/narrow_pairs.h"
#include "vec/tiles.h"

#if TILES_THERE
#include "product/narrow_tiled_bytes.h"
#include "product/narrow_tiled_pairs.h"

static void rounded_rows(const struct product_narrow *p) {
  (p->rounds == NARROW_TILES ? tiled_pairs_rows : pairs_rows)(p);
}

static void whole_rows(const struct product_narrow *p) {
  bytes_rows(p, tiled_bytes_gain(&p->a) && tiles_able() ? tiled_bytes_run : bytes_run);
}

static size_t tiled_room(int32_t type, int64_t rows) {
  return !tiles_able() ? 0 : type == RF_WEIGHT_I8 ? tiled_bytes_room(rows) : tiled_pairs_room(rows);
}
#else
static size_t tiled_room(int32_t type, int64_t rows) {
  (void)type, (void)rows;
  return 0;
}
static void rounded_rows(const struct product_narrow *p) { pairs_rows(p); }
static void whole_rows(const struct product_narrow *p) { bytes_rows(p, bytes_run); }
#endif

/* Rows of a batch from which on that pays: by tiles 4 of 512 units take 0.8 times as long as weights that are widened, 8 half
 * as long, sequences of 4 rows 0.4 times (Emerald Rapids). */
enum { PAIRS_BATCH = 16, TILES_BATCH = 4 };

int ROUNDS_NAME(RF_NARROW_NAME)(int32_t type, int64_t batch) {
  if (type != RF_WEIGHT_BF16) return NARROW_WIDENED;
  if (tiles_able()) return batch < TILES_BATCH ? NARROW_WIDENED : NARROW_TILES;
  return batch >= PAIRS_BATCH && rf_cpu_pairs() ? NARROW_PAIRS : NARROW_WIDENED;
}

static int run_by_own(const struct product_narrow *p) {
  if (p->rounds) {
    rounded_rows(p);
  } else if (p->type == RF_WEIGHT_I8 && rf_cpu_features_once() & RF_CPU_AVX512VNNI) {
    whole_rows(p);
  } else {
    return 0;
  }
  return 1;
}

static int has_bytes(void) { return (rf_cpu_features_once() & RF_CPU_AVX512VNNI) != 0; }
#else
int ROUNDS_NAME(RF_NARROW_NAME)(int32_t type, int64_t batch) {
  (void)type, (void)batch;
  return NARROW_WIDENED;
}

static int run_by_own(const struct product_narrow *p) {
  (void)p;
  return 0;
}

static int has_bytes(void) { return 0; }
static size_t tiled_room(int32_t type, int64_t rows) {
  (void)type, (void)rows;
  return 0;
}
#endif

void RF_NARROW_NAME(const struct product_narrow *p) {
  if (!run_by_own(p)) widened_rows(p, 0, p->a.count);
}

/* None where all products are AVX512_VNNI's. Those of bfloat16 are the processor's own only from some rows of a batch on, but
 * memory for a batch is to serve smaller ones, too; and where there is memory rows that are not finite use it. */
size_t ROOM_NAME(RF_NARROW_NAME)(int32_t type, int64_t rows) {
  const size_t tiled = tiled_room(type, rows), widened = widened_room(rows);
  if (type == RF_WEIGHT_I8 && has_bytes() && tiled == 0) return 0;
  return tiled > widened ? tiled : widened;
}
