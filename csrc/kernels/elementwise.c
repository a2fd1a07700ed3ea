/* Elementwise loops, made from the lists in unary.inc, binary.inc, compare.inc and predicate.inc. */
#include <math.h>

#include "exp.h"
#include "variant.h"

#define SELU_SCALE 1.05070099f
#define SELU_ALPHA 1.67326324f
#define SQRT_HALF 0.70710678f

static inline float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; } /* NaN stays */

/* max where that is less than min, as in PyTorch; NaN stays */
static inline float bounded(float x, float min, float max) {
  const float y = x < min ? min : x;
  return y > max ? max : y;
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + fnn_exp(-x)); }

/* log(1 + e^x) without overflow */
static inline float softplus(float x) { return (x > 0.0f ? x : 0.0f) + log1pf(fnn_exp(-fabsf(x))); }

/* sqrt(2/pi) (x + 0.044715 x^3): Hendrycks and Gimpel 2016, section 2 */
static inline float gelu_inner(float x) { return 0.79788456f * (x + 0.044715f * x * x * x); }

static inline float gelu_tanh_slope(float x) {
  float t = fnn_tanh(gelu_inner(x));
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456f * (1.0f + 3.0f * 0.044715f * x * x);
}

static inline float mish_slope(float x) {
  float t = fnn_tanh(softplus(x));
  return t + x * (1.0f - t * t) * sigmoid(x);
}

/* Rounds down; 0 where b is 0 (the ops refuse that) and wraps around for the one overflow. */
static inline int64_t int_floor_divide(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return -a;
  int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

/* fmod, moved to the sign of b. In a double the floor of a quotient of at most 24 bits is right, and its product with b exact;
 * fmodf, which goes bit by bit, is for larger quotients. */
static inline float float_remainder(float a, float b) {
  double quotient = (double)a / b;
  if (fabs(quotient) < 0x1p24 && fabsf(b) < INFINITY) return (float)(a - floor(quotient) * b);
  float m = fmodf(a, b);
  return m != 0.0f && (m < 0.0f) != (b < 0.0f) ? m + b : m;
}

/* part / (a^2 + b^2), whose squares leave the range of a float; 0 where both are 0, as in PyTorch */
static inline float atan2_slope(float part, float a, float b) {
  double squares = (double)a * a + (double)b * b;
  return squares == 0.0 ? 0.0f : (float)(part / squares);
}

/* ---- one operand ---- */

#define X const float x = saved[i]
#define Y const float y = saved[i]
#define NOTHING (void)saved
#define FNN_UNARY(name, params, y_, slope, reads)                                                    \
  static void unary_##name(size_t n, const float *x_, float *y, const float *p) {                    \
    (void)p;                                                                                         \
    for (size_t i = 0; i < n; i++) {                                                                 \
      const float x = x_[i];                                                                         \
      y[i] = y_;                                                                                     \
    }                                                                                                \
  }                                                                                                  \
  static void slope_##name(size_t n, const float *saved, const float *g, float *d, const float *p) { \
    (void)p;                                                                                         \
    for (size_t i = 0; i < n; i++) {                                                                 \
      reads;                                                                                         \
      d[i] = g[i] * (slope);                                                                         \
    }                                                                                                \
  }
#include "unary.inc"
#undef FNN_UNARY
#undef X
#undef Y
#undef NOTHING

#define FNN_PREDICATE(name, condition)                                  \
  static void predicate_##name(size_t n, const float *x_, uint8_t *y) { \
    for (size_t i = 0; i < n; i++) {                                    \
      const float x = x_[i];                                            \
      y[i] = (condition) ? 1 : 0;                                       \
    }                                                                   \
  }
#include "predicate.inc"
#undef FNN_PREDICATE

/* ---- two operands: the strides that occur most get a loop that the compiler can vectorize; a number on the left only where it
 * occurs, `left`, so that what is wanted seldom need not fill the module ---- */

#define LOOP(ia, ib, iy, in, out, expression) \
  for (size_t i = 0; i < n; i++) {            \
    const in a = a_[ia], b = b_[ib];          \
    (void)a, (void)b;                         \
    y_[iy] = (out)(expression);               \
  }

#define STRIDED(left, in, out, expression)        \
  if (sy == 1 && sa == 1 && sb == 1)              \
    LOOP(i, i, i, in, out, expression)            \
  else if (sy == 1 && sa == 1 && sb == 0)         \
    LOOP(i, 0, i, in, out, expression)            \
  else if (left && sy == 1 && sa == 0 && sb == 1) \
    LOOP(0, i, i, in, out, expression)            \
  else                                            \
    LOOP(i *sa, i *sb, i *sy, in, out, expression)

#define DEFINE(prefix, name, left, in, out, expression)                                                      \
  static void prefix##name(size_t n, const in *a_, size_t sa, const in *b_, size_t sb, out *y_, size_t sy) { \
    STRIDED(left, in, out, expression)                                                                       \
  }

/* The same in one loop: what is wanted seldom need not fill the module. */
#define DEFINE_SMALL(prefix, name, in, out, expression)                                                      \
  static void prefix##name(size_t n, const in *a_, size_t sa, const in *b_, size_t sb, out *y_, size_t sy) { \
    LOOP(i *sa, i *sb, i *sy, in, out, expression)                                                           \
  }

#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) \
  DEFINE(binary_, name, 1, float, float, y)                 \
  DEFINE(binary_int_, name, 0, int64_t, int64_t, int_y)
#include "binary.inc"
#undef FNN_BINARY

#define FNN_COMPARE(name, condition)                             \
  DEFINE(compare_, name, 0, float, uint8_t, (condition) ? 1 : 0) \
  DEFINE_SMALL(compare_int_, name, int64_t, uint8_t, (condition) ? 1 : 0)
#include "compare.inc"
#undef FNN_COMPARE

#define SLOPE(prefix, name, expression)                                                                      \
  static void prefix##name(size_t n, const float *a_, size_t sa, const float *b_, size_t sb, const float *g, \
                           size_t sg, float *d) {                                                            \
    if (sa == 1 && sb == 1 && sg == 1)                                                                       \
      for (size_t i = 0; i < n; i++) {                                                                       \
        const float a = a_[i], b = b_[i];                                                                    \
        (void)a, (void)b;                                                                                    \
        d[i] = g[i] * (expression);                                                                          \
      }                                                                                                      \
    else                                                                                                     \
      for (size_t i = 0; i < n; i++) {                                                                       \
        const float a = a_[i * sa], b = b_[i * sb];                                                          \
        (void)a, (void)b;                                                                                    \
        d[i] = g[i * sg] * (expression);                                                                     \
      }                                                                                                      \
  }
#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) \
  SLOPE(slope_a_, name, slope_a)                            \
  SLOPE(slope_b_, name, slope_b)
#include "binary.inc"
#undef FNN_BINARY

/* ---- the rest ---- */

#define WHERE(name, type)                                                                                              \
  static void name(size_t n, const uint8_t *c, size_t sc, const type *a, size_t sa, const type *b, size_t sb, type *y, \
                   size_t sy) {                                                                                        \
    for (size_t i = 0; i < n; i++) y[i * sy] = c[i * sc] ? a[i * sa] : b[i * sb];                                      \
  }
WHERE(where, float)
WHERE(where_int, int64_t)

static void accumulate(size_t n, const float *x, float *y) {
  for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale(size_t n, const float *x, float factor, float *y) {
  for (size_t i = 0; i < n; i++) y[i] = x[i] * factor;
}

static void scale_bytes(size_t n, const uint8_t *restrict x, float factor, float *restrict y) {
  for (size_t i = 0; i < n; i++) y[i] = (float)x[i] * factor;
}

const struct fnn_elementwise_kernels FNN_VARIANT(fnn_elementwise) = {
    .unary =
        {
#define FNN_UNARY(name, params, y, slope, reads) unary_##name,
#include "unary.inc"
#undef FNN_UNARY
        },
    .unary_slope =
        {
#define FNN_UNARY(name, params, y, slope, reads) slope_##name,
#include "unary.inc"
#undef FNN_UNARY
        },
    .binary =
        {
#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) binary_##name,
#include "binary.inc"
#undef FNN_BINARY
        },
    .binary_int =
        {
#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) binary_int_##name,
#include "binary.inc"
#undef FNN_BINARY
        },
    .binary_slope =
        {
#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) {slope_a_##name, slope_b_##name},
#include "binary.inc"
#undef FNN_BINARY
        },
    .compare =
        {
#define FNN_COMPARE(name, condition) compare_##name,
#include "compare.inc"
#undef FNN_COMPARE
        },
    .compare_int =
        {
#define FNN_COMPARE(name, condition) compare_int_##name,
#include "compare.inc"
#undef FNN_COMPARE
        },
    .predicate =
        {
#define FNN_PREDICATE(name, condition) predicate_##name,
#include "predicate.inc"
#undef FNN_PREDICATE
        },
    .where = where,
    .where_int = where_int,
    .accumulate = accumulate,
    .scale = scale,
    .scale_bytes = scale_bytes,
};
