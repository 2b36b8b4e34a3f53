/* avx512_emulated.h - AVX-512 on AVX2 by SIMDe, so that avx512.h can be tested on processors without it.
 *
 * Included before all else where RNNFAST_EMULATE_AVX512 is on. Old releases of SIMDe lack masked loads and stores. */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#ifndef _mm512_maskz_loadu_ps
#define MASKED_ACCESS(real, lanes, mask, vector, suffix)                                                               \
  static inline vector emulated_maskz_loadu_##suffix(mask k, const void *from) {                                       \
    real lane[lanes] = {0};                                                                                            \
    for (int i = 0; i < lanes; i++)                                                                                    \
      if (k >> i & 1) lane[i] = ((const real *)from)[i];                                                               \
    return simde_mm512_loadu_##suffix(lane);                                                                           \
  }                                                                                                                    \
  static inline void emulated_mask_storeu_##suffix(void *to, mask k, vector a) {                                       \
    real lane[lanes];                                                                                                  \
    simde_mm512_storeu_##suffix(lane, a);                                                                              \
    for (int i = 0; i < lanes; i++)                                                                                    \
      if (k >> i & 1) ((real *)to)[i] = lane[i];                                                                       \
  }
MASKED_ACCESS(float, 16, simde__mmask16, simde__m512, ps)
MASKED_ACCESS(double, 8, simde__mmask8, simde__m512d, pd)
#undef MASKED_ACCESS
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_maskz_loadu_pd emulated_maskz_loadu_pd
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm512_mask_storeu_pd emulated_mask_storeu_pd
#endif
