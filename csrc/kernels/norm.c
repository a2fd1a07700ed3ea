/* The elementwise halves of the normalizations; their sums are in reduce.c. */
#include "variant.h"

static void affine(size_t n, const float *restrict x, float scale, float shift, float *restrict y) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] * scale + shift;
}

/* what is below 0 becomes 0; NaN stays */
static float relu(float v) { return v < 0.0f ? 0.0f : v; }

static void affine_relu(size_t n, const float *restrict x, float scale, float shift, const float *restrict addend,
                        float *restrict y) {
  if (addend)
    for (size_t i = 0; i < n; i++) y[i] = relu(x[i] * scale + shift + addend[i]);
  else
    for (size_t i = 0; i < n; i++) y[i] = relu(x[i] * scale + shift);
}

static void affine_back(size_t n, const float *g, const float *x, float a, float b, float c, float *d) {
  for (size_t i = 0; i < n; i++) d[i] = g[i] * a + x[i] * b + c;
}

#define NORMALIZE(weight_, bias_) \
  for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * rstd * (weight_) + (bias_);

static void normalize(size_t n, const float *restrict x, float mean, float rstd, const float *restrict weight,
                      const float *restrict bias, float *restrict y) {
  if (weight && bias)
    NORMALIZE(weight[i], bias[i])
  else if (weight)
    NORMALIZE(weight[i], 0.0f)
  else if (bias)
    NORMALIZE(1.0f, bias[i])
  else
    NORMALIZE(1.0f, 0.0f)
}

static void normalize_back(size_t n, const float *restrict g, const float *restrict x, const float *restrict weight,
                           float a, float b, float c, float *restrict d) {
  for (size_t i = 0; i < n; i++) d[i] = g[i] * weight[i] * a + x[i] * b + c;
}

static void normalize_sums(size_t n, const float *restrict g, const float *restrict x, float mean, float rstd,
                           double *restrict sum_gh, double *restrict sum_g) {
  for (size_t i = 0; i < n; i++) {
    sum_gh[i] += g[i] * ((x[i] - mean) * rstd);
    sum_g[i] += g[i];
  }
}

const struct fnn_norm_kernels FNN_VARIANT(fnn_norm) = {
    .affine = affine,
    .affine_relu = affine_relu,
    .affine_back = affine_back,
    .normalize = normalize,
    .normalize_back = normalize_back,
    .normalize_sums = normalize_sums,
};
