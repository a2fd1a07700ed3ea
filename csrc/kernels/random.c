/* Random numbers: each is made from its own counter, so any part of a stream can be made alone. */
#include <math.h>

#include "../base/rng.h"
#include "variant.h"

static void uniform(size_t n, uint64_t seed, uint64_t first, float low, float high, float *y) {
  const float last = nextafterf(high, low); /* the sum may be rounded up to `high` */
  for (size_t i = 0; i < n; i += 4) {
    uint32_t bits[4];
    fnn_philox(seed, first + i / 4, bits);
    for (size_t k = 0; k < 4 && i + k < n; k++) {
      const float value = low + (high - low) * fnn_uniform(bits[k]);
      y[i + k] = value == high ? last : value;
    }
  }
}

static void normal(size_t n, uint64_t seed, uint64_t first, float mean, float deviation, float *y) {
  for (size_t i = 0; i < n; i += 2) {
    uint32_t bits[4];
    fnn_philox(seed, first + i / 2, bits);
    float radius = sqrtf(-2.0f * logf(1.0f - fnn_uniform(bits[0]))); /* 1 - u is in (0, 1] */
    float angle = 6.28318531f * fnn_uniform(bits[1]);
    y[i] = mean + deviation * radius * cosf(angle);
    if (i + 1 < n) y[i + 1] = mean + deviation * radius * sinf(angle);
  }
}

static void dropout(size_t n, uint64_t seed, uint64_t first, uint64_t start, float drop, float scale, const float *x,
                    float *y) {
  uint64_t i = 0;
  while (i < n) {
    uint32_t bits[4];
    uint64_t number = start + i;
    fnn_philox(seed, first + number / 4, bits);
    for (uint64_t k = number % 4; k < 4 && i < n; k++, i++) y[i] = fnn_uniform(bits[k]) < drop ? 0.0f : x[i] * scale;
  }
}

const struct fnn_random_kernels FNN_VARIANT(fnn_random) = {
    .uniform = uniform,
    .normal = normal,
    .dropout = dropout,
};
