/* cpu.c - asks the processor for its features and the system for its cache sizes. */
#define _GNU_SOURCE /* sysconf's names of caches */
#include "cpu.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

enum { LEAF_1_ECX, LEAF_7_EBX, WORDS };
enum { OSXSAVE = 1 << 27 };                 /* leaf 1, ecx: xgetbv may be used */
enum { STATE_YMM = 0x06, STATE_ZMM = 0xe6 }; /* XCR0: the registers that the system saves for each process */

static const struct {
  uint32_t flag;
  int word, bit;
  uint32_t state;
} features[] = {
    {RF_CPU_AVX2, LEAF_7_EBX, 5, STATE_YMM},      {RF_CPU_FMA, LEAF_1_ECX, 12, STATE_YMM},
    {RF_CPU_AVX512F, LEAF_7_EBX, 16, STATE_ZMM},  {RF_CPU_AVX512DQ, LEAF_7_EBX, 17, STATE_ZMM},
    {RF_CPU_AVX512VL, LEAF_7_EBX, 31, STATE_ZMM}, {RF_CPU_AVX512BW, LEAF_7_EBX, 30, STATE_ZMM},
};

static uint32_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

uint32_t rf_cpu_features(void) {
  uint32_t word[WORDS] = {0}, found = 0, eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &word[LEAF_1_ECX], &edx) || !(word[LEAF_1_ECX] & OSXSAVE)) return 0;
  __get_cpuid_count(7, 0, &eax, &word[LEAF_7_EBX], &ecx, &edx);
  uint32_t saved = saved_state();
  for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
    if ((word[features[i].word] >> features[i].bit & 1) && (saved & features[i].state) == features[i].state) {
      found |= features[i].flag;
    }
  }
  return found;
}

#else

uint32_t rf_cpu_features(void) { return 0; }

#endif

const char *rf_cpu_feature_name(uint32_t flag) {
  static const struct {
    uint32_t flag;
    const char *name;
  } names[] = {{RF_CPU_AVX2, "avx2"},         {RF_CPU_FMA, "fma"},           {RF_CPU_AVX512F, "avx512f"},
               {RF_CPU_AVX512DQ, "avx512dq"}, {RF_CPU_AVX512VL, "avx512vl"}, {RF_CPU_AVX512BW, "avx512bw"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].flag == flag) return names[i].name;
  }
  return NULL;
}

/* One word of /sys about a cache of the first processor, without stdio's allocations; "" if there is none. */
static void read_cache_word(int index, const char *name, char word[16]) {
  char path[80];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? 0 : read(file, word, 15);
  word[length < 0 ? 0 : length] = '\0';
  if (file >= 0) close(file);
}

static size_t cache_bytes_from_sys(int level) {
  for (int index = 0; index < 8; index++) {
    char found_level[16], type[16], size[16], *unit;
    read_cache_word(index, "level", found_level);
    read_cache_word(index, "type", type);
    read_cache_word(index, "size", size);
    if (atoi(found_level) == level && strncmp(type, "Instruction", 11) != 0) {
      size_t n = strtoul(size, &unit, 10);
      return *unit == 'K' ? n << 10 : *unit == 'M' ? n << 20 : n;
    }
  }
  return 0;
}

static size_t cache_bytes(int level, size_t fallback) {
  long n = 0;
#ifdef _SC_LEVEL1_DCACHE_SIZE
  n = sysconf(level == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE);
#endif
  size_t bytes = n > 0 ? (size_t)n : cache_bytes_from_sys(level);
  return bytes > 0 ? bytes : fallback;
}

/* Asking may cost microseconds, so once is enough; two threads that ask at once find the same. */
static size_t cache_bytes_once(_Atomic size_t *known, int level, size_t fallback) {
  size_t bytes = atomic_load_explicit(known, memory_order_relaxed);
  if (bytes == 0) {
    bytes = cache_bytes(level, fallback);
    atomic_store_explicit(known, bytes, memory_order_relaxed);
  }
  return bytes;
}

size_t rf_cpu_l1d_bytes(void) {
  static _Atomic size_t known;
  return cache_bytes_once(&known, 1, (size_t)32 << 10);
}

size_t rf_cpu_l2_bytes(void) {
  static _Atomic size_t known;
  return cache_bytes_once(&known, 2, (size_t)512 << 10);
}
