/* Every kernel of every instruction set that this machine has, against naive loops in double precision. */
#include <string.h>

#include "check.h"
#include "kernels_parts.h"

int main(void) {
  static const char *const names[FNN_ISA_COUNT] = {"base", "avx2", "avx512", "avx512", "avx512"};
  int best = (int)fnn_cpu_isa();
  for (int isa = 0; isa <= best && isa < FNN_ISA_COUNT; isa++) {
    const struct fnn_kernels *kernels = fnn_kernels_for((enum fnn_isa)isa);
    const struct fnn_lane_kernels *pairs = fnn_pair_kernels_for((enum fnn_isa)isa, kernels->lanes->width);
    expect(strcmp(kernels->name, names[isa]) == 0, "the kernels for %s are those for %s", names[isa], kernels->name);
    check_failures += spec_elementwise(kernels);
    check_failures += spec_reduce(kernels);
    check_failures += spec_norm(kernels);
    check_failures += spec_window(kernels);
    check_failures += spec_random(kernels);
    check_failures += spec_update(kernels);
    check_failures += spec_image(kernels);
    check_failures += spec_lanes(kernels);
    check_failures += spec_lane_conv(kernels, pairs);
    check_failures += spec_winograd(kernels, pairs && pairs->winograd_input ? pairs : NULL);
    check_failures += spec_channel_conv(kernels);
    printf("%s: checked\n", kernels->name);
  }
  check_failures += spec_gemm();
  return check_result("kernels");
}
