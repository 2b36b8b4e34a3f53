/* restraint.c - how many workers a region gets after others used the processors so much that sharing work out was slower.
 *
 * Whether they still do is only found out by trying again, and a trial costs what the last one lost. It comes after many
 * times that, more at every failure and fewer at every success, so that all trials together cost a few parts in a hundred. */
#include "system/restraint.h"

#include "system/processors.h"

/* Others may be gone again after that many nanoseconds. */
#define PAUSE_MOST INT64_C(5000000000)

enum { TIMES_LEAST = 8, TIMES_MOST = 64 };

int32_t rf_restraint_apply(const struct rf_restraint *restraint, int32_t workers, int64_t now) {
  return now < restraint->until && workers > restraint->most ? restraint->most : workers;
}

void rf_restraint_learn(struct rf_restraint *restraint, int32_t workers, int64_t lost, int64_t now) {
  if (lost <= 0) {
    restraint->times /= 2;
    return;
  }
  const int32_t processors = rf_processors();
  restraint->times = 2 * restraint->times;
  if (restraint->times < TIMES_LEAST) restraint->times = TIMES_LEAST;
  if (restraint->times > TIMES_MOST) restraint->times = TIMES_MOST;
  restraint->most = workers > processors ? processors : workers / 2 > 1 ? workers / 2 : 1;
  const int64_t pause = lost * restraint->times, longest = PAUSE_MOST + 4 * lost;
  restraint->until = now + (pause < longest ? pause : longest);
}
