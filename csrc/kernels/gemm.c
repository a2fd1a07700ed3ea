#define _GNU_SOURCE /* setenv */
#include "gemm.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "../base/context.h"
#include "kernels.h"

#if defined(FNN_HAS_OPENBLAS)
/* Of OpenBLAS built with DYNAMIC_ARCH: who choose its kernels, by OPENBLAS_CORETYPE or the CPU's model. */
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

/* Ends OpenBLAS's threads, as it does itself before a fork; they start again when somebody asks for more than one. */
extern int blas_thread_shutdown_(void) __attribute__((weak));

static int has_slowest_kernels(void) { return strcmp(openblas_get_corename(), "Prescott") == 0; }

static void choose_kernels(const char *core) {
  static const char variable[] = "OPENBLAS_CORETYPE";
  if (setenv(variable, core, 1) != 0) return;
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv(variable);
}
#endif

void fnn_gemm_fit_kernels(void) {
#if defined(FNN_HAS_OPENBLAS)
  if (!gotoblas_dynamic_init || !gotoblas_dynamic_quit || getenv("OPENBLAS_CORETYPE")) return;
  if (has_slowest_kernels() && fnn_cpu_isa() >= FNN_ISA_AVX512) choose_kernels("SkylakeX");
  if (has_slowest_kernels() && fnn_cpu_isa() >= FNN_ISA_AVX2) choose_kernels("Haswell");
#endif
}

/* When the program or module is loaded. Threads of OpenBLAS's have been started by then, and would turn in a loop for some time, on
 * CPUs that ours want. */
__attribute__((constructor)) static void prepare_library(void) {
  fnn_gemm_fit_kernels();
#if defined(FNN_HAS_OPENBLAS)
  openblas_set_num_threads(1);
  if (blas_thread_shutdown_) blas_thread_shutdown_();
#endif
}

const char *fnn_gemm_library(void) {
#if defined(FNN_HAS_OPENBLAS)
  return openblas_get_config();
#else
  return "CBLAS";
#endif
}

static void scale(size_t m, size_t n, float beta, float *c, size_t ldc) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0.0f ? 0.0f : beta * c[i * ldc + j];
}

/* How BLAS is told of a matrix: transposed or not, and the distance of its rows (or columns). A
 * single row or column may have any stride there, so BLAS's lower bound on it is met by hand. */
static CBLAS_TRANSPOSE orientation(struct fnn_matrix x, size_t rows, size_t columns, int *lead) {
  int plain = x.column == 1 && (x.row >= columns || rows == 1);
  size_t distance = plain ? x.row : x.column, least = plain ? columns : rows;
  *lead = (int)(distance > least ? distance : least);
  return plain ? CblasNoTrans : CblasTrans;
}

void fnn_gemm_serial(size_t m, size_t n, size_t k, struct fnn_matrix a, struct fnn_matrix b, float beta, float *c,
                     size_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    scale(m, n, beta, c, ldc);
    return;
  }
  if (m == 1) {
    /* sgemm would copy all of b first; c is cleared here, for 0 times what lies there may be NaN to a gemv */
    if (beta == 0.0f) scale(m, n, beta, c, ldc);
    int plain = b.column == 1 && (b.row >= n || k == 1), lead = (int)(plain ? b.row : b.column);
    int rows = (int)(plain ? k : n), columns = (int)(plain ? n : k);
    cblas_sgemv(CblasRowMajor, plain ? CblasTrans : CblasNoTrans, rows, columns, 1.0f, b.data,
                lead > columns ? lead : columns, a.data, (int)(k == 1 ? 1 : a.column), 1.0f, c, 1);
    return;
  }
  int lda, ldb;
  CBLAS_TRANSPOSE ta = orientation(a, m, k, &lda), tb = orientation(b, k, n, &ldb);
  cblas_sgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, 1.0f, a.data, lda, b.data, ldb, beta, c, (int)ldc);
}

struct job {
  size_t m, n, k, ldc;
  struct fnn_matrix a, b;
  float beta, *c;
  size_t grain; /* of an axis in a piece */
  const struct fnn_elementwise_kernels *kernels;
  float *sums; /* by depth: what the pieces after the first make, one after the other */
};

static void some_rows(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  struct fnn_matrix a = {j->a.data + first * j->a.row, j->a.row, j->a.column};
  fnn_gemm_serial(last - first, j->n, j->k, a, j->b, j->beta, j->c + first * j->ldc, j->ldc);
}

static void some_columns(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  struct fnn_matrix b = {j->b.data + first * j->b.column, j->b.row, j->b.column};
  fnn_gemm_serial(j->m, last - first, j->k, j->a, b, j->beta, j->c + first, j->ldc);
}

static void some_depth(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  struct fnn_matrix a = {j->a.data + first * j->a.column, j->a.row, j->a.column};
  struct fnn_matrix b = {j->b.data + first * j->b.row, j->b.row, j->b.column};
  if (first == 0)
    fnn_gemm_serial(j->m, j->n, last, a, b, j->beta, j->c, j->ldc);
  else
    fnn_gemm_serial(j->m, j->n, last - first, a, b, 0.0f, j->sums + (first / j->grain - 1) * j->m * j->n, j->n);
}

static void add_rows(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t part = 0; part < (j->k - 1) / j->grain; part++)
    for (size_t i = first; i < last; i++)
      j->kernels->accumulate(j->n, j->sums + (part * j->m + i) * j->n, j->c + i * j->ldc);
}

static enum fnn_status multiply_by_depth(struct fnn_context *context, struct job *job) {
  enum { ROWS = 16 };
  job->kernels = context->kernels->elementwise;
  job->sums = fnn_alloc(context, (job->k - 1) / job->grain * job->m * job->n * sizeof *job->sums);
  if (!job->sums) return FNN_NO_MEMORY;
  fnn_parallel(context, job->k, job->grain, some_depth, job);
  fnn_parallel(context, job->m, ROWS, add_rows, job);
  fnn_free(context, job->sums);
  return FNN_OK;
}

/* Along the longest axis, for BLAS copies what a piece has of both factors first, which takes long where a piece has few columns. Sums
 * over parts of the depth have to be added up, so it must be long. */
enum fnn_status fnn_gemm(struct fnn_context *context, size_t m, size_t n, size_t k, struct fnn_matrix a,
                         struct fnn_matrix b, float beta, float *c, size_t ldc) {
  struct job job = {.m = m, .n = n, .k = k, .ldc = ldc, .a = a, .b = b, .beta = beta, .c = c};
  size_t wide = n >= m ? n : m, length = k / 4 >= wide ? k : wide;
  double work = (double)m * (double)n * (double)k;
  size_t pieces = work < 65536.0 ? 1 : work < 4194304.0 ? 2 : work < 67108864.0 ? 4 : 8;
  job.grain = ((length + pieces - 1) / pieces + 15) / 16 * 16;
  if (length > wide && pieces > 1) return multiply_by_depth(context, &job);
  fnn_parallel(context, wide, job.grain, n >= m ? some_columns : some_rows, &job);
  return FNN_OK;
}
