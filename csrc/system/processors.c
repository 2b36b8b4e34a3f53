/* processors.c - how many processors this process may use: its affinity mask, and the quotas of its control groups. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "system/processors.h"

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "system/cgroup.h"

static int32_t online(void) {
  const long found = sysconf(_SC_NPROCESSORS_ONLN);
  return found < 1 ? 1 : found > INT32_MAX ? INT32_MAX : (int32_t)found;
}

#ifdef __linux__
static cpu_set_t at_load;
static int known;

/* Before any thread of the program has had a reason to pin itself: the first caller may be one that has. */
__attribute__((constructor)) static void remember(void) {
  known = sched_getaffinity(getpid(), sizeof at_load, &at_load) == 0;
}

static int32_t allowed_at_load(void) { return known ? CPU_COUNT(&at_load) : online(); }

static int32_t allowed_now(void) {
  cpu_set_t now;
  return sched_getaffinity(0, sizeof now, &now) == 0 ? CPU_COUNT(&now) : online();
}

void rf_processors_use_all(void) {
  if (known) sched_setaffinity(0, sizeof at_load, &at_load);
}
#else
static int32_t allowed_at_load(void) { return online(); }
static int32_t allowed_now(void) { return online(); }
void rf_processors_use_all(void) {}
#endif

static int32_t within_quota(int32_t processors) {
  const int32_t quota = rf_cgroup_processors("");
  return quota > 0 && quota < processors ? quota : processors;
}

int32_t rf_processors(void) {
  static _Atomic int32_t found;
  int32_t processors = atomic_load_explicit(&found, memory_order_relaxed);
  if (processors == 0) {
    processors = within_quota(allowed_at_load());
    atomic_store_explicit(&found, processors, memory_order_relaxed);
  }
  return processors;
}

int32_t rf_processors_now(void) { return within_quota(allowed_now()); }
