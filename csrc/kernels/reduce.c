/* Reductions of rows. Sixteen lanes run side by side (which a compiler turns into vectors
 * without being allowed to reorder sums) and meet in double precision every BLOCK values. */
#include <math.h>

#include "variant.h"

enum { LANES = 16, BLOCK = 1024 };

#define LANED_SUM(name, parameters, term)                                             \
  static double name parameters {                                                     \
    double total = 0.0;                                                               \
    size_t i = 0;                                                                     \
    while (i + LANES <= n) {                                                          \
      size_t left = (n - i) / LANES * LANES, end = i + (left < BLOCK ? left : BLOCK); \
      float lane[LANES] = {0};                                                        \
      for (; i < end; i += LANES)                                                     \
        for (size_t l = 0; l < LANES; l++) {                                          \
          const size_t k = i + l;                                                     \
          lane[l] += (term);                                                          \
        }                                                                             \
      for (size_t l = 0; l < LANES; l++) total += lane[l];                            \
    }                                                                                 \
    for (; i < n; i++) {                                                              \
      const size_t k = i;                                                             \
      total += (term);                                                                \
    }                                                                                 \
    return total;                                                                     \
  }

LANED_SUM(sum, (size_t n, const float *x), x[k])
LANED_SUM(sum_squares, (size_t n, const float *x, float center), (x[k] - center) * (x[k] - center))
LANED_SUM(dot, (size_t n, const float *x, const float *y), x[k] * y[k])
LANED_SUM(dot_centered, (size_t n, const float *x, float center, const float *y), (x[k] - center) * y[k])
LANED_SUM(dot_weighted, (size_t n, const float *x, float center, const float *y, const float *weight),
          (x[k] - center) * y[k] * weight[k])

static size_t argmax(size_t n, const float *x, size_t stride) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++) {
    const float v = x[i * stride], top = x[best * stride];
    if (v > top || (v != v && top == top)) best = i;
  }
  return best;
}

static size_t argmin(size_t n, const float *x, size_t stride) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++) {
    const float v = x[i * stride], top = x[best * stride];
    if (v < top || (v != v && top == top)) best = i;
  }
  return best;
}

static void sum_rows(size_t rows, size_t n, const float *x, double *y) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < n; j++) y[j] += x[i * n + j];
}

static float row_max(size_t n, size_t stride, const float *x) {
  float top = -INFINITY;
  for (size_t i = 0; i < n; i++) top = x[i * stride] > top || x[i * stride] != x[i * stride] ? x[i * stride] : top;
  return top;
}

static void softmax(size_t n, size_t stride, const float *x, float *y) {
  const float top = row_max(n, stride, x);
  double total = 0.0;
  for (size_t i = 0; i < n; i++) total += y[i * stride] = expf(x[i * stride] - top);
  const float factor = (float)(1.0 / total);
  for (size_t i = 0; i < n; i++) y[i * stride] *= factor;
}

static double logsumexp(size_t n, size_t stride, const float *x) {
  const float top = row_max(n, stride, x);
  if (fabsf(top) == INFINITY) return top;
  double total = 0.0;
  for (size_t i = 0; i < n; i++) total += expf(x[i * stride] - top);
  return top + log(total);
}

static void log_softmax(size_t n, size_t stride, const float *x, float *y) {
  const double shift = logsumexp(n, stride, x);
  for (size_t i = 0; i < n; i++) y[i * stride] = (float)(x[i * stride] - shift);
}

const struct fnn_reduce_kernels FNN_VARIANT(fnn_reduce) = {
    .sum = sum,
    .sum_squares = sum_squares,
    .dot = dot,
    .dot_centered = dot_centered,
    .dot_weighted = dot_weighted,
    .argmax = argmax,
    .argmin = argmin,
    .sum_rows = sum_rows,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .logsumexp = logsumexp,
};
