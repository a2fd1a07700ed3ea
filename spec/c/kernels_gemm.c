/* Matrix products: every orientation against a triple loop, and the same bits for any number of threads; in mixed precision with
 * numbers that bfloat16 holds. */
#define _GNU_SOURCE /* setenv */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/base/context.h"
#include "../../csrc/kernels/gemm.h"
#include "check.h"
#include "kernels_parts.h"

static uint64_t state = 6;

/* A matrix in memory of its own: rows (or, transposed, columns) `gap` elements further apart than they must be. */
static struct fnn_matrix any_matrix(size_t rows, size_t columns, int transposed, size_t gap) {
  size_t distance = (transposed ? rows : columns) + gap, lines = transposed ? columns : rows;
  size_t count = lines ? (lines - 1) * distance + (transposed ? rows : columns) : 0;
  float *data = exactly(count + 1, sizeof *data);
  for (size_t i = 0; i < count; i++) data[i] = random_float(&state);
  return (struct fnn_matrix){data, transposed ? 1 : distance, transposed ? distance : 1};
}

static void multiply(size_t m, size_t n, size_t k, struct fnn_matrix a, struct fnn_matrix b, float beta, float *c,
                     size_t ldc) {
  for (size_t i = 0; i < m; i++)
    for (size_t j = 0; j < n; j++) {
      double sum = beta == 0.0f ? 0.0 : (double)beta * c[i * ldc + j];
      for (size_t l = 0; l < k; l++) sum += (double)a.data[i * a.row + l * a.column] * b.data[l * b.row + j * b.column];
      c[i * ldc + j] = (float)sum;
    }
}

static void check_product(size_t m, size_t n, size_t k, int orientations, size_t gap, float beta) {
  size_t ldc = n + gap, count = m ? (m - 1) * ldc + n : 0;
  struct fnn_matrix a = any_matrix(m, k, orientations & 1, gap), b = any_matrix(k, n, orientations >> 1, gap);
  float *start = exactly(count + 1, sizeof *start), *serial = exactly(count + 1, sizeof *start),
        *want = exactly(count + 1, sizeof *start);
  float *parallel = exactly(count + 1, sizeof *start), *first = exactly(count + 1, sizeof *start);
  float *mixed = exactly(count + 1, sizeof *start), *first_mixed = exactly(count + 1, sizeof *start);
  for (size_t i = 0; i < count; i++)
    start[i] = beta == 0.0f && i % ldc < n ? NAN : random_float(&state); /* 0 * NaN must not stay */
  memcpy(serial, start, count * sizeof *start);
  memcpy(want, start, count * sizeof *start);
  fnn_gemm_serial(m, n, k, a, b, beta, serial, ldc);
  multiply(m, n, k, a, b, beta, want, ldc);
  int near = 1, same = 1;
  for (size_t i = 0; i < count; i++) near = near && is_near(serial[i], want[i], 1e-5 + 1e-6 * (double)k, 1e-5);
  struct fnn_context *context = fnn_context_new();
  context->kernels = fnn_kernels_for(context->isa);
  for (int threads = 1; threads <= 4; threads++) {
    fnn_threads_set(&context->threads, threads);
    memcpy(parallel, start, count * sizeof *start);
    memcpy(mixed, start, count * sizeof *start);
    EXPECT(fnn_gemm(context, m, n, k, a, b, beta, parallel, ldc) == FNN_OK);
    EXPECT(fnn_gemm_mixed(context, m, n, k, a, b, beta, mixed, ldc) == FNN_OK);
    if (threads == 1) memcpy(first, parallel, count * sizeof *start), memcpy(first_mixed, mixed, count * sizeof *start);
    for (size_t i = 0; i < count; i++) near = near && is_near(parallel[i], want[i], 1e-5 + 1e-6 * (double)k, 1e-5);
    for (size_t i = 0; i < count; i++) near = near && is_near(mixed[i], want[i], 1e-5 + 1e-6 * (double)k, 1e-5);
    same = same && memcmp(first, parallel, count * sizeof *start) == 0;
    same = same && memcmp(first_mixed, mixed, count * sizeof *start) == 0;
  }
  fnn_context_release(context);
  expect(near, "product of (%zu,%zu) and (%zu,%zu), orientations %d, gap %zu, beta %g", m, k, k, n, orientations, gap,
         (double)beta);
  expect(same, "product of (%zu,%zu) and (%zu,%zu), orientations %d: other bits with other threads", m, k, k, n,
         orientations);
  free((void *)a.data), free((void *)b.data), free(start), free(serial), free(want), free(parallel), free(first),
      free(mixed), free(first_mixed);
}

static void check_shape(size_t m, size_t n, size_t k) {
  for (int orientations = 0; orientations < 4; orientations++)
    for (size_t gap = 0; gap <= 3; gap += 3)
      for (int beta = 0; beta <= 1; beta++) check_product(m, n, k, orientations, gap, (float)beta);
}

/* An OpenBLAS that has taken its slowest kernels, as for a CPU that it does not know, is given better ones, but where that is the
 * user's will. */
#if defined(FNN_HAS_OPENBLAS)
extern void gotoblas_dynamic_init(void) __attribute__((weak));
extern void gotoblas_dynamic_quit(void) __attribute__((weak));

static void check_kernels(void) {
  static const char variable[] = "OPENBLAS_CORETYPE";
  if (!gotoblas_dynamic_init || fnn_cpu_isa() < FNN_ISA_AVX2) return;
  const char *set = getenv(variable);
  char *before = set ? strdup(set) : NULL;
  setenv(variable, "Prescott", 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  fnn_gemm_fit_kernels();
  expect(strcmp(openblas_get_corename(), "Prescott") == 0, "kernels that the user chose are others");
  unsetenv(variable);
  fnn_gemm_fit_kernels();
  expect(strcmp(openblas_get_corename(), "Prescott") != 0, "OpenBLAS has its slowest kernels");
  expect(!getenv(variable), "OPENBLAS_CORETYPE is set");
  if (before) setenv(variable, before, 1);
  free(before);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
}
#else
static void check_kernels(void) {}
#endif

int spec_gemm(void) {
  static const size_t sizes[] = {0, 1, 2, 5, 16, 17};
  enum { SIZES = sizeof sizes / sizeof sizes[0] };
  check_failures = 0;
  check_kernels();
  for (int m = 0; m < SIZES; m++)
    for (int n = 0; n < SIZES; n++)
      for (int k = 0; k < SIZES; k++) check_shape(sizes[m], sizes[n], sizes[k]);
  check_shape(70, 130, 90);  /* large enough to be cut into pieces, by columns */
  check_shape(310, 40, 25);  /* by rows */
  check_shape(40, 70, 2500); /* and by depth */
  check_shape(16, 200, 101), check_shape(33, 17, 600), check_shape(49, 65, 97); /* around panels of mixed precision */
  return check_failures;
}
