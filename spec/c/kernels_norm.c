/* The halves of normalizations that go over a row's values, against the same formulas in double precision. */
#include <string.h>

#include "check.h"
#include "kernels_parts.h"

static uint64_t state = 8;

static float *floats(size_t count) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = random_float(&state);
  return x;
}

/* Terms are at most 60 in magnitude, and a result may be what they leave of each other. */
static void expect_near(const struct fnn_kernels *k, const char *name, size_t n, size_t i, float got, double want) {
  expect(is_near(got, want, 1e-5, 1e-6), "%s %s of %zu: number %zu is %.9g, expected %.9g", k->name, name, n, i,
         (double)got, want);
}

static double relu(double v) { return v < 0.0 ? 0.0 : v; }

static void check_affine(const struct fnn_kernels *k, size_t n) {
  const float a = 0.7f, b = -0.2f, c = 0.1f;
  float *x = floats(n), *g = floats(n), *y = floats(n);
  k->norm->affine(n, x, a, b, y);
  for (size_t i = 0; i < n; i++) expect_near(k, "affine", n, i, y[i], (double)x[i] * a + b);
  k->norm->affine_back(n, g, x, a, b, c, y);
  for (size_t i = 0; i < n; i++) expect_near(k, "affine_back", n, i, y[i], (double)g[i] * a + (double)x[i] * b + c);
  memcpy(y, g, n * sizeof *y);
  k->norm->affine_back(n, y, x, a, b, c, y);
  for (size_t i = 0; i < n; i++)
    expect_near(k, "affine_back in place", n, i, y[i], (double)g[i] * a + (double)x[i] * b + c);
  k->norm->affine_relu(n, x, a, b, NULL, y);
  for (size_t i = 0; i < n; i++) expect_near(k, "affine_relu", n, i, y[i], relu((double)x[i] * a + b));
  if (n > 0) x[n / 2] = NAN; /* which stays */
  k->norm->affine_relu(n, x, a, b, g, y);
  for (size_t i = 0; i < n; i++)
    expect_near(k, "affine_relu with an addend", n, i, y[i], relu((double)x[i] * a + b + g[i]));
  free(x), free(g), free(y);
}

static void check_normalize(const struct fnn_kernels *k, size_t n) {
  const float mean = 0.3f, rstd = 1.7f;
  float *x = floats(n), *weight = floats(n), *bias = floats(n), *y = floats(n);
  for (int choice = 0; choice < 4; choice++) {
    const float *w = choice & 1 ? weight : NULL, *b = choice & 2 ? bias : NULL;
    k->norm->normalize(n, x, mean, rstd, w, b, y);
    for (size_t i = 0; i < n; i++)
      expect_near(k, "normalize", n, i, y[i],
                  ((double)x[i] - mean) * rstd * (w ? (double)w[i] : 1.0) + (b ? (double)b[i] : 0.0));
  }
  free(x), free(weight), free(bias), free(y);
}

static void check_normalize_back(const struct fnn_kernels *k, size_t n) {
  const float a = 0.7f, b = -0.2f, c = 0.1f;
  float *x = floats(n), *g = floats(n), *weight = floats(n), *d = floats(n);
  k->norm->normalize_back(n, g, x, weight, a, b, c, d);
  for (size_t i = 0; i < n; i++)
    expect_near(k, "normalize_back", n, i, d[i], (double)g[i] * weight[i] * a + (double)x[i] * b + c);
  free(x), free(g), free(weight), free(d);
}

/* Three rows onto sums that have begun. */
static void check_normalize_sums(const struct fnn_kernels *k, size_t n) {
  const float mean = 0.3f, rstd = 1.7f;
  double *sums[2] = {exactly(n, sizeof(double)), exactly(n, sizeof(double))};
  double *wants[2] = {exactly(n, sizeof(double)), exactly(n, sizeof(double))};
  for (size_t i = 0; i < n; i++) sums[0][i] = wants[0][i] = 0.5, sums[1][i] = wants[1][i] = -0.25;
  for (int row = 0; row < 3; row++) {
    float *x = floats(n), *g = floats(n);
    for (size_t i = 0; i < n; i++) {
      wants[0][i] += g[i] * ((double)x[i] - mean) * rstd;
      wants[1][i] += g[i];
    }
    k->norm->normalize_sums(n, g, x, mean, rstd, sums[0], sums[1]);
    free(x), free(g);
  }
  for (size_t i = 0; i < n; i++) {
    expect_near(k, "normalize_sums, of g h", n, i, (float)sums[0][i], wants[0][i]);
    expect_near(k, "normalize_sums, of g", n, i, (float)sums[1][i], wants[1][i]);
  }
  for (int i = 0; i < 2; i++) free(sums[i]), free(wants[i]);
}

int spec_norm(const struct fnn_kernels *kernels) {
  check_failures = 0;
  for (int i = 0; i < SPEC_COUNTS; i++) {
    check_affine(kernels, spec_counts[i]);
    check_normalize(kernels, spec_counts[i]);
    check_normalize_back(kernels, spec_counts[i]);
    check_normalize_sums(kernels, spec_counts[i]);
  }
  return check_failures;
}
