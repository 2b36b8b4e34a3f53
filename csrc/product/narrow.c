/* narrow.c - products with weights of narrow types; compiled per instruction set. */
#include "product/narrow.h"

#include "product/narrow_widened.h"
#include "system/cpu.h"

/* Instructions that not every processor with AVX-512 has, and no emulation. */
#if defined(__AVX512BW__) && (defined(__clang__) || __GNUC__ >= 10)
#include "product/narrow_bytes.h"
#include "product/narrow_pairs.h"

enum { ROUNDS_BATCH = 16 }; /* rows of a batch from which on that pays */

int ROUNDS_NAME(RF_NARROW_NAME)(int32_t type, int64_t batch) {
  return type == RF_WEIGHT_BF16 && batch >= ROUNDS_BATCH && rf_cpu_features_once() & RF_CPU_AVX512BF16 ? 1 : 0;
}

static int run_by_own(const struct product_narrow *p) {
  if (p->rounds) {
    pairs_rows(p);
  } else if (p->type == RF_WEIGHT_I8 && rf_cpu_features_once() & RF_CPU_AVX512VNNI) {
    bytes_rows(p);
  } else {
    return 0;
  }
  return 1;
}

static int has_bytes(void) { return (rf_cpu_features_once() & RF_CPU_AVX512VNNI) != 0; }
#else
int ROUNDS_NAME(RF_NARROW_NAME)(int32_t type, int64_t batch) {
  (void)type, (void)batch;
  return 0;
}

static int run_by_own(const struct product_narrow *p) {
  (void)p;
  return 0;
}

static int has_bytes(void) { return 0; }
#endif

void RF_NARROW_NAME(const struct product_narrow *p) {
  if (!run_by_own(p)) widened_rows(p, 0, p->a.count);
}

/* None where products are the processor's own. */
size_t ROOM_NAME(RF_NARROW_NAME)(int32_t type, int64_t batch, int64_t rows) {
  const int own = ROUNDS_NAME(RF_NARROW_NAME)(type, batch) || (type == RF_WEIGHT_I8 && has_bytes());
  return own ? 0 : widened_room(rows);
}
