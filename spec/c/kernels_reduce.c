/* The reductions, against sums in double precision. */
#include <string.h>

#include "check.h"
#include "kernels_parts.h"

static uint64_t state = 2;

/* Around the vectors' widths, and around the block of 1024 after which the lanes are added up. */
static const size_t more_counts[] = {1023, 1024, 1025, 1040, 5000};

static float *floats(size_t count) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = random_float(&state) * 0.37f;
  return x;
}

/* A lane adds up to 64 numbers in float32 (6e-8 each, of the sum of magnitudes) before double precision takes over. */
static void expect_sum(const struct fnn_kernels *k, const char *name, size_t n, double got, double want,
                       double magnitude) {
  expect(fabs(got - want) <= 4e-6 * magnitude, "%s %s of %zu is %.12g, expected %.12g", k->name, name, n, got, want);
}

static void check_sums(const struct fnn_kernels *k, size_t n) {
  const float center = 0.3f;
  float *x = floats(n), *y = floats(n), *weight = floats(n);
  double sum[5] = {0}, magnitude[5] = {0};
  for (size_t i = 0; i < n; i++) {
    const double a = x[i], b = y[i];
    const double terms[5] = {a, (a - center) * (a - center), a * b, (a - center) * b, (a - center) * b * weight[i]};
    for (int t = 0; t < 5; t++) sum[t] += terms[t], magnitude[t] += fabs(terms[t]) + 1e-7;
  }
  expect_sum(k, "sum", n, k->reduce->sum(n, x), sum[0], magnitude[0]);
  expect_sum(k, "sum_squares", n, k->reduce->sum_squares(n, x, center), sum[1], magnitude[1]);
  expect_sum(k, "dot", n, k->reduce->dot(n, x, y), sum[2], magnitude[2]);
  expect_sum(k, "dot_centered", n, k->reduce->dot_centered(n, x, center, y), sum[3], magnitude[3]);
  expect_sum(k, "dot_weighted", n, k->reduce->dot_weighted(n, x, center, y, weight), sum[4], magnitude[4]);
  free(x), free(y), free(weight);
}

static void check_sum_rows(const struct fnn_kernels *k, size_t rows, size_t n) {
  float *x = floats(rows * n);
  double *y = exactly(n, sizeof *y);
  for (size_t j = 0; j < n; j++) y[j] = 0.5;
  k->reduce->sum_rows(rows, n, x, y);
  for (size_t j = 0; j < n; j++) {
    double want = 0.5;
    for (size_t i = 0; i < rows; i++) want += x[i * n + j];
    expect(fabs(y[j] - want) <= 1e-12, "%s sum_rows of (%zu,%zu): column %zu is %.15g, expected %.15g", k->name, rows,
           n, j, y[j], want);
  }
  free(x), free(y);
}

static size_t naive_extreme(size_t n, const float *x, size_t stride, int largest) {
  for (size_t i = 0; i < n; i++)
    if (isnan(x[i * stride])) return i;
  size_t best = 0;
  for (size_t i = 1; i < n; i++)
    if (largest ? x[i * stride] > x[best * stride] : x[i * stride] < x[best * stride]) best = i;
  return best;
}

static void check_arguments(const struct fnn_kernels *k, size_t n, size_t stride, int with_nan) {
  size_t count = n ? (n - 1) * stride + 1 : 0;
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = (float)random_below(&state, 7); /* ties: the first counts */
  if (with_nan && n > 0)
    for (int i = 0; i < 2; i++) x[random_below(&state, n) * stride] = NAN;
  expect(k->reduce->argmax(n, x, stride) == naive_extreme(n, x, stride, 1), "%s argmax of %zu, stride %zu", k->name, n,
         stride);
  expect(k->reduce->argmin(n, x, stride) == naive_extreme(n, x, stride, 0), "%s argmin of %zu, stride %zu", k->name, n,
         stride);
  free(x);
}

/* A row for softmax: everyday numbers, far apart ones, or with infinities. */
static void fill_row(float *x, size_t count, int kind) {
  for (size_t i = 0; i < count; i++) x[i] = random_float(&state) * (kind == 1 ? 40.0f : 1.0f);
  if (kind == 2)
    for (size_t i = 0; i < count; i += 3) x[i] = -INFINITY;
}

static double naive_logsumexp(size_t n, const float *x, size_t stride) {
  double top = -INFINITY, total = 0;
  for (size_t i = 0; i < n; i++) top = fmax(top, x[i * stride]);
  if (isinf(top)) return top;
  for (size_t i = 0; i < n; i++) total += exp(x[i * stride] - top);
  return top + log(total);
}

static void check_softmax(const struct fnn_kernels *k, size_t n, size_t stride, int kind) {
  size_t count = n ? (n - 1) * stride + 1 : 0;
  float *x = exactly(count, sizeof *x), *y = exactly(count, sizeof *y), *z = exactly(count, sizeof *z);
  fill_row(x, count, kind);
  if (kind == 2 && n > 0) x[(n - 1) * stride] = 1.0f;
  for (size_t i = 0; i < count; i++) y[i] = z[i] = 77.0f;
  double lse = naive_logsumexp(n, x, stride);
  k->reduce->softmax(n, stride, x, y);
  k->reduce->log_softmax(n, stride, x, z);
  expect(is_near((float)k->reduce->logsumexp(n, stride, x), lse, 1e-5, 1e-6), "%s logsumexp of %zu, stride %zu",
         k->name, n, stride);
  float *over = exactly(count, sizeof *over);
  if (count) memcpy(over, x, count * sizeof *over);
  k->reduce->softmax(n, stride, over, over);
  for (size_t i = 0; i < count; i++) {
    int between = i % stride != 0;
    expect(is_near(y[i], between ? 77.0 : exp(x[i] - lse), 1e-6, 1e-5), "%s softmax of %zu, stride %zu: %zu", k->name,
           n, stride, i);
    expect(is_near(z[i], between ? 77.0 : x[i] - lse, 1e-5, 1e-6), "%s log_softmax of %zu, stride %zu: %zu", k->name, n,
           stride, i);
    expect(is_near(over[i], between ? x[i] : exp(x[i] - lse), 1e-6, 1e-5),
           "%s softmax in place of %zu, stride %zu: %zu", k->name, n, stride, i);
  }
  k->reduce->log_softmax(n, stride, x, x);
  for (size_t i = 0; i < count; i += stride)
    expect(is_near(x[i], z[i], 1e-6, 1e-6), "%s log_softmax in place", k->name);
  free(x), free(y), free(z), free(over);
}

static void check_count(const struct fnn_kernels *k, size_t n) {
  check_sums(k, n);
  for (size_t rows = 0; rows < 6; rows++) check_sum_rows(k, rows, n);
  for (size_t stride = 1; stride <= 3; stride++) {
    for (int with_nan = 0; with_nan < 2; with_nan++) check_arguments(k, n, stride, with_nan);
    for (int kind = 0; kind < 3; kind++) check_softmax(k, n, stride, kind);
  }
}

int spec_reduce(const struct fnn_kernels *kernels) {
  check_failures = 0;
  for (int i = 0; i < SPEC_COUNTS; i++) check_count(kernels, spec_counts[i]);
  for (size_t i = 0; i < sizeof more_counts / sizeof more_counts[0]; i++) check_count(kernels, more_counts[i]);
  return check_failures;
}
