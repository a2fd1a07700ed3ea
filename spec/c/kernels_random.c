/* The random kernels, against one number at a time. */
#include "../../csrc/base/rng.h"
#include "check.h"
#include "kernels_parts.h"

static double uniform_at(uint64_t seed, uint64_t number) {
  uint32_t bits[4];
  fnn_philox(seed, number / 4, bits);
  return (double)fnn_uniform(bits[number % 4]);
}

static void check_uniform(const struct fnn_kernels *k, size_t n, uint64_t first) {
  const float low = -0.5f, high = 2.75f;
  float *y = exactly(n, sizeof *y);
  k->random->uniform(n, 42, first, low, high, y);
  for (size_t i = 0; i < n; i++) {
    double want = low + ((double)high - low) * uniform_at(42, 4 * first + i);
    expect(is_near(y[i], want, 5e-7, 0) && y[i] >= low && y[i] < high,
           "%s uniform of %zu from %llu: number %zu is %.9g, expected %.9g", k->name, n, (unsigned long long)first, i,
           (double)y[i], want);
  }
  free(y);
}

/* `high` is never reached, though rounding would: this counter gives 1 - 2^-24, and the float next to 1 + that is 2. */
static void check_open_end(const struct fnn_kernels *k) {
  const uint64_t counter = 2330056;
  float y[4];
  int nearly_one = 0;
  for (size_t i = 0; i < 4; i++) nearly_one |= uniform_at(0, 4 * counter + i) == 1.0 - 0x1p-24;
  EXPECT(nearly_one);
  k->random->uniform(4, 0, counter, 1.0f, 2.0f, y);
  for (int i = 0; i < 4; i++)
    expect(y[i] >= 1.0f && y[i] < 2.0f, "%s uniform in [1, 2) gave %.9g", k->name, (double)y[i]);
  k->random->uniform(4, 0, counter, 1.5f, 1.5f, y);
  for (int i = 0; i < 4; i++) expect(y[i] == 1.5f, "%s uniform in [1.5, 1.5] gave %.9g", k->name, (double)y[i]);
}

static void check_normal(const struct fnn_kernels *k, size_t n, uint64_t first) {
  const float mean = 0.25f, deviation = 1.5f;
  float *y = exactly(n, sizeof *y);
  k->random->normal(n, 7, first, mean, deviation, y);
  for (size_t i = 0; i < n; i++) {
    uint64_t counter = first + i / 2;
    double radius = sqrt(-2 * log(1 - uniform_at(7, 4 * counter))),
           angle = 6.283185307179586 * uniform_at(7, 4 * counter + 1);
    double want = mean + deviation * radius * (i % 2 ? sin(angle) : cos(angle));
    /* the angle is rounded at 2 pi (5e-7), and the radius is at most 5.8 */
    expect(is_near(y[i], want, 8e-6, 0), "%s normal of %zu from %llu: number %zu is %.9g, expected %.9g", k->name, n,
           (unsigned long long)first, i, (double)y[i], want);
  }
  free(y);
}

static void check_dropout(const struct fnn_kernels *k, size_t n, uint64_t start) {
  const float drop = 0.3f, scale = 1.0f / 0.7f;
  uint64_t seed = 5, first = 11;
  float *x = exactly(n, sizeof *x), *y = exactly(n, sizeof *y);
  for (size_t i = 0; i < n; i++) x[i] = (float)i + 1.0f;
  k->random->dropout(n, seed, first, start, drop, scale, x, y);
  k->random->dropout(n, seed, first, start, drop, scale, x, x);
  for (size_t i = 0; i < n; i++) {
    int dropped = uniform_at(seed, 4 * first + start + i) < drop;
    double want = dropped ? 0.0 : ((double)i + 1) * scale;
    expect(is_near(y[i], want, 0, 1e-6) && x[i] == y[i],
           "%s dropout of %zu from %llu: element %zu is %g (in place %g), expected %g", k->name, n,
           (unsigned long long)start, i, (double)y[i], (double)x[i], want);
  }
  free(x), free(y);
}

int spec_random(const struct fnn_kernels *kernels) {
  check_failures = 0;
  for (int i = 0; i < SPEC_COUNTS; i++)
    for (uint64_t first = 0; first < 3; first++) {
      uint64_t far = first == 2 ? 0xFFFFFFFFu - 3 : first; /* the counter's upper half begins to count */
      check_uniform(kernels, spec_counts[i], far);
      check_normal(kernels, spec_counts[i], far);
      for (uint64_t start = 0; start < 5; start++) check_dropout(kernels, spec_counts[i], far + start);
    }
  check_open_end(kernels);
  return check_failures;
}
