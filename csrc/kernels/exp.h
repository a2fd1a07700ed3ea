/* exp and tanh without branches or calls, so that loops over them become vectors. Errors below 2 units in the last place over
 * the whole range, denormal results and infinities included; the polynomials are those of Moshier's Cephes library
 * (expf.c, tanhf.c). NaN stays NaN. */
#ifndef FNN_KERNELS_EXP_H
#define FNN_KERNELS_EXP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* 2^k for -127 < k < 128 */
static inline float fnn_power_of_two(int32_t k) {
  const int32_t bits = (k + 127) * (1 << 23);
  float power;
  memcpy(&power, &bits, sizeof power);
  return power;
}

static inline float fnn_exp(float x) {
  const float bounded = x > 89.0f ? 89.0f : x > -104.0f ? x : -104.0f; /* beyond are infinity and 0 */
  const float round = 12582912.0f;                                     /* 1.5 * 2^23: adding it leaves whole numbers */
  const float n = (bounded * 1.44269504f + round) - round;
  const float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f; /* bounded - n log 2 */
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e = p * (r * r) + r + 1.0f;
  const int32_t whole = (int32_t)n, half = whole / 2;
  const float y = e * fnn_power_of_two(half) * fnn_power_of_two(whole - half);
  return x != x ? x : y; /* NOLINT(misc-redundant-expression): NaN is not itself */
}

static inline float fnn_tanh(float x) {
  const float a = fabsf(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float small = p * z * x + x, large = copysignf(1.0f - 2.0f / (fnn_exp(2.0f * a) + 1.0f), x);
  return a < 0.625f ? small : large;
}

#endif
