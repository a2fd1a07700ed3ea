#include "kernels.h"

extern const struct fnn_kernels fnn_kernels_base;
#if defined(FNN_HAS_X86_VARIANTS)
extern const struct fnn_kernels fnn_kernels_avx2, fnn_kernels_avx512;
#endif

const struct fnn_kernels *fnn_kernels_for(enum fnn_isa isa) {
#if defined(FNN_HAS_X86_VARIANTS)
  if (isa >= FNN_ISA_AVX512) return &fnn_kernels_avx512;
  if (isa >= FNN_ISA_AVX2) return &fnn_kernels_avx2;
#endif
  (void)isa;
  return &fnn_kernels_base;
}
