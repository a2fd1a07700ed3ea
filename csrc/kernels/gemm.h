/* Matrix products, by the system's BLAS; in mixed precision by our own kernels. */
#ifndef FNN_KERNELS_GEMM_H
#define FNN_KERNELS_GEMM_H

#include <limits.h>
#include <stddef.h>

#include "../base/status.h"

struct fnn_context;

/* An m x n matrix in memory: element (i, j) is data[i * row + j * column], and one of the two strides is 1. */
struct fnn_matrix {
  const float *data;
  size_t row, column;
};

/* m, n, k and the strides of all three matrices fit an int, for BLAS counts in ints; but where m, n or k is 0, the others may be
 * of any size. Whoever calls sees to it. */
enum { FNN_GEMM_MOST = INT_MAX };

static inline int fnn_gemm_fits(size_t m, size_t n, size_t k) {
  return m == 0 || n == 0 || k == 0 || (m <= FNN_GEMM_MOST && n <= FNN_GEMM_MOST && k <= FNN_GEMM_MOST);
}

/* c = beta * c + a b for a of m x k, b of k x n and c of m x n with rows `ldc` apart; beta is 0 or 1.
 * Works on the calling thread alone, and may be called from inside a parallel task. */
void fnn_gemm_serial(size_t m, size_t n, size_t k, struct fnn_matrix a, struct fnn_matrix b, float beta, float *c,
                     size_t ldc);

/* The same on the context's threads, cut into pieces that depend on m, n and k alone. Where there is no memory, c is as it was. */
enum fnn_status fnn_gemm(struct fnn_context *context, size_t m, size_t n, size_t k, struct fnn_matrix a,
                         struct fnn_matrix b, float beta, float *c, size_t ldc) FNN_CHECK;

/* The same in mixed precision: factors are rounded to bfloat16, where the CPU has AMX and the product is worth it; else no different
 * from fnn_gemm. */
enum fnn_status fnn_gemm_mixed(struct fnn_context *context, size_t m, size_t n, size_t k, struct fnn_matrix a,
                               struct fnn_matrix b, float beta, float *c, size_t ldc) FNN_CHECK;

/* When the program or module is loaded, OpenBLAS's threads are ended, process-wide, for products are cut into pieces for our own; and
 * it is given kernels that fit the CPU, as this does. Nobody may be in OpenBLAS meanwhile.
 *
 * Up to version 0.3.24 OpenBLAS takes its slowest kernels, of SSE3, for a CPU whose model it does not know, as are those younger
 * than itself; products take three times as long and more. Has it use some that fit, but where OPENBLAS_CORETYPE is set. */
void fnn_gemm_fit_kernels(void);

/* What the BLAS library says of itself (version, chosen kernels), or "CBLAS". */
const char *fnn_gemm_library(void);

#endif
