#include "kernels.h"

extern const struct fnn_kernels fnn_kernels_base;
#if defined(FNN_HAS_X86_VARIANTS)
extern const struct fnn_kernels fnn_kernels_avx2, fnn_kernels_avx512;
extern const struct fnn_lane_kernels fnn_pairs_avx512_bf16;
extern const struct fnn_panel_kernels fnn_panels_avx512_bf16;
#endif
#if defined(FNN_HAS_AMX)
extern const struct fnn_lane_kernels fnn_pairs_amx;
extern const struct fnn_panel_kernels fnn_panels_amx;
#endif

const struct fnn_kernels *fnn_kernels_for(enum fnn_isa isa) {
#if defined(FNN_HAS_X86_VARIANTS)
  if (isa >= FNN_ISA_AVX512) return &fnn_kernels_avx512;
  if (isa >= FNN_ISA_AVX2) return &fnn_kernels_avx2;
#endif
  (void)isa;
  return &fnn_kernels_base;
}

size_t fnn_lanes_for(enum fnn_isa isa, size_t images) {
  size_t width = fnn_kernels_for(isa)->lanes->width;
  if (2 * images > width) return width;
  /* a lesser instruction set's narrow vectors beat wide ones that are half empty */
  return isa > FNN_ISA_AVX2 ? fnn_lanes_for(FNN_ISA_AVX2, images) : 0;
}

const struct fnn_lane_kernels *fnn_lane_kernels_for(enum fnn_isa isa, size_t width) {
  const struct fnn_lane_kernels *kernels = fnn_kernels_for(isa)->lanes;
  return kernels->width == width ? kernels : fnn_kernels_for(FNN_ISA_AVX2)->lanes;
}

const struct fnn_lane_kernels *fnn_pair_kernels_for(enum fnn_isa isa, size_t width) {
#if defined(FNN_HAS_AMX)
  if (isa >= FNN_ISA_AMX && width == fnn_pairs_amx.width && fnn_cpu_grants_amx()) return &fnn_pairs_amx;
#endif
#if defined(FNN_HAS_X86_VARIANTS)
  if (isa >= FNN_ISA_AVX512_BF16 && width == fnn_pairs_avx512_bf16.width) return &fnn_pairs_avx512_bf16;
#endif
  (void)isa, (void)width;
  return NULL;
}

const struct fnn_panel_kernels *fnn_panel_kernels_for(enum fnn_isa isa) {
#if defined(FNN_HAS_AMX)
  if (isa >= FNN_ISA_AMX && fnn_cpu_grants_amx()) return &fnn_panels_amx;
#endif
#if defined(FNN_HAS_X86_VARIANTS)
  if (isa >= FNN_ISA_AVX512_BF16) return &fnn_panels_avx512_bf16;
#endif
  (void)isa;
  return NULL;
}
