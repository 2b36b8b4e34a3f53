/* cpu.c - asks the processor for its features and caches. */
#define _GNU_SOURCE /* syscall */
#include "system/cpu.h"

#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "system/caches.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

enum { LEAF_1_ECX, LEAF_7_EBX, LEAF_7_ECX, LEAF_7_EDX, LEAF_7_1_EAX, WORDS };
enum { OSXSAVE = 1 << 27 };                 /* leaf 1, ecx: xgetbv may be used */
/* XCR0: the registers that the system saves for each process. */
enum { STATE_YMM = 0x06, STATE_ZMM = 0xe6, STATE_TILES = 0x600e6 };

static const struct {
  uint32_t flag;
  int word, bit;
  uint32_t state;
} features[] = {
    {RF_CPU_AVX2, LEAF_7_EBX, 5, STATE_YMM},        {RF_CPU_FMA, LEAF_1_ECX, 12, STATE_YMM},
    {RF_CPU_AVX512F, LEAF_7_EBX, 16, STATE_ZMM},    {RF_CPU_AVX512DQ, LEAF_7_EBX, 17, STATE_ZMM},
    {RF_CPU_AVX512VL, LEAF_7_EBX, 31, STATE_ZMM},   {RF_CPU_AVX512BW, LEAF_7_EBX, 30, STATE_ZMM},
    {RF_CPU_AVX512VNNI, LEAF_7_ECX, 11, STATE_ZMM}, {RF_CPU_AVX512BF16, LEAF_7_1_EAX, 5, STATE_ZMM},
    {RF_CPU_AMX_TILE, LEAF_7_EDX, 24, STATE_TILES}, {RF_CPU_AMX_BF16, LEAF_7_EDX, 22, STATE_TILES},
    {RF_CPU_AMX_INT8, LEAF_7_EDX, 25, STATE_TILES},
};

static uint32_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

uint32_t rf_cpu_features(void) {
  uint32_t word[WORDS] = {0}, found = 0, eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &word[LEAF_1_ECX], &edx) || !(word[LEAF_1_ECX] & OSXSAVE)) return 0;
  if (__get_cpuid_count(7, 0, &eax, &word[LEAF_7_EBX], &word[LEAF_7_ECX], &word[LEAF_7_EDX]) && eax >= 1) {
    __get_cpuid_count(7, 1, &word[LEAF_7_1_EAX], &ebx, &ecx, &edx);
  }
  uint32_t saved = saved_state();
  for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
    if ((word[features[i].word] >> features[i].bit & 1) && (saved & features[i].state) == features[i].state) {
      found |= features[i].flag;
    }
  }
  return found;
}

static int of_intel(void) {
  uint32_t eax, ebx, ecx, edx;
  return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_INTEL_ebx;
}

#else

uint32_t rf_cpu_features(void) { return 0; }
static int of_intel(void) { return 0; }

#endif

uint32_t rf_cpu_features_once(void) {
  enum { ASKED = 1u << 31 };
  static _Atomic uint32_t known;
  uint32_t found = known;
  if (!found) known = found = rf_cpu_features() | ASKED;
  return found;
}

int rf_cpu_pairs(void) {
  enum { UNKNOWN, NO, YES };
  static _Atomic int known; /* asking is slow under a hypervisor */
  int found = known;
  if (found == UNKNOWN) {
    known = found = rf_cpu_features_once() & RF_CPU_AVX512BF16 && !of_intel() ? YES : NO;
  }
  return found == YES;
}

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>

static int tiles_permitted(void) {
  enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM of asm/prctl.h; a component of XCR0 */
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#else
static int tiles_permitted(void) { return 0; }
#endif

int rf_cpu_tiles(void) {
  enum { UNKNOWN, NO, YES };
  static _Atomic int known;
  const uint32_t needed = RF_CPU_AVX512VNNI | RF_CPU_AVX512BF16 | RF_CPU_AMX_TILE | RF_CPU_AMX_BF16 | RF_CPU_AMX_INT8;
  int found = known;
  if (found == UNKNOWN) {
    known = found = (rf_cpu_features_once() & needed) == needed && tiles_permitted() ? YES : NO;
  }
  return found == YES;
}

const char *rf_cpu_feature_name(uint32_t flag) {
  static const struct {
    uint32_t flag;
    const char *name;
  } names[] = {{RF_CPU_AVX2, "avx2"},
               {RF_CPU_FMA, "fma"},
               {RF_CPU_AVX512F, "avx512f"},
               {RF_CPU_AVX512DQ, "avx512dq"},
               {RF_CPU_AVX512VL, "avx512vl"},
               {RF_CPU_AVX512BW, "avx512bw"},
               {RF_CPU_AVX512VNNI, "avx512_vnni"},
               {RF_CPU_AVX512BF16, "avx512_bf16"},
               {RF_CPU_AMX_TILE, "amx_tile"},
               {RF_CPU_AMX_BF16, "amx_bf16"},
               {RF_CPU_AMX_INT8, "amx_int8"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (names[i].flag == flag) return names[i].name;
  }
  return NULL;
}

#if defined(_SC_LEVEL1_DCACHE_SIZE) && defined(_SC_LEVEL2_CACHE_SIZE)
static int64_t asked(int level) {
  const long bytes = sysconf(level == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : rf_cache_of_system("", level); /* glibc knows x86's alone */
}
#elif defined(__APPLE__)
#include <sys/sysctl.h>

static int64_t known_to_kernel(const char *name) {
  int64_t value = 0; /* little-endian, so that a number of 32 bits fits as well */
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, NULL, 0) == 0 ? value : 0;
}

static int64_t asked(int level) {
  const int64_t sharing = level == 1 ? 1 : known_to_kernel("hw.perflevel0.cpusperl2");
  int64_t bytes = known_to_kernel(level == 1 ? "hw.perflevel0.l1dcachesize" : "hw.perflevel0.l2cachesize");
  if (bytes == 0) bytes = known_to_kernel(level == 1 ? "hw.l1dcachesize" : "hw.l2cachesize");
  return sharing > 1 ? bytes / sharing : bytes;
}
#else
static int64_t asked(int level) { return rf_cache_of_system("", level); }
#endif

int64_t rf_cpu_cache(int level) {
  static _Atomic int64_t known[2]; /* some ask the processor, which is slow under a hypervisor */
  int64_t bytes = known[level - 1];
  if (bytes == 0) {
    bytes = asked(level);
    if (bytes < 16 << 10) bytes = level == 1 ? 32 << 10 : 512 << 10;
    known[level - 1] = bytes;
  }
  return bytes;
}
