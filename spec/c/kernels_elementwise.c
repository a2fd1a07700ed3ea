/* The elementwise kernels: the same lists of formulas, evaluated in double precision, one element at a time. */
#include <string.h>

#include "../../csrc/kernels/kernels.h"
#include "check.h"
#include "kernels_parts.h"

/* float32 has a relative rounding error of 6e-8; the longest formulas (gelu, mish and their slopes) add up some twenty
 * of them, and lose a few digits more where they subtract numbers near 1 from 1. */
static const double ABSOLUTE = 2e-6, RELATIVE = 4e-6;

/* ---- the formulas in double precision ---- */

#define expf exp
#define expm1f expm1
#define logf log
#define log1pf log1p
#define log2f log2
#define log10f log10
#define erff erf
#define sqrtf sqrt
#define fabsf fabs
#define floorf floor
#define ceilf ceil
#define rintf rint
#define truncf trunc
#define powf pow
#define sinf sin
#define cosf cos
#define tanf tan
#define asinf asin
#define acosf acos
#define atanf atan
#define atan2f atan2
#define sinhf sinh
#define coshf cosh
#define tanhf tanh
#define fnn_exp exp
#define fnn_tanh tanh

#define SELU_SCALE 1.0507009873554805
#define SELU_ALPHA 1.6732632423543772
#define SQRT_HALF 0.7071067811865476

static double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double bounded(double x, double min, double max) {
  return x < min && min <= max ? min : x > max || min > max ? max : x;
}
static double atan2_slope(double part, double a, double b) { return a == 0 && b == 0 ? 0 : part / (a * a + b * b); }
static double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }
static double gelu_inner(double x) { return 0.7978845608028654 * (x + 0.044715 * x * x * x); }
static double gelu_tanh_slope(double x) {
  double t = tanh(gelu_inner(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}
static double mish_slope(double x) {
  double t = tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
}
static int64_t int_floor_divide(int64_t a, int64_t b) {
  __extension__ typedef __int128 wide;
  if (b == 0) return 0;
  wide quotient = (wide)a / b;
  if ((wide)a % b != 0 && (a < 0) != (b < 0)) quotient--;
  return (int64_t)quotient;
}

static double float_remainder(double a, double b) {
  double m = fmod(a, b);
  return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

typedef double (*unary_reference)(double v, const float *p);
typedef double (*binary_reference)(double a, double b);
typedef int64_t (*int_reference)(int64_t a, int64_t b);

#define X const double x = v
#define Y const double y = v
#define NOTHING (void)v
#define FNN_UNARY(name, params, y_, slope, reads)        \
  static double value_##name(double x, const float *p) { \
    (void)p;                                             \
    return y_;                                           \
  }                                                      \
  static double slope_##name(double v, const float *p) { \
    (void)p;                                             \
    reads;                                               \
    return slope;                                        \
  }
#include "../../csrc/kernels/unary.inc"
#undef FNN_UNARY
#undef X
#undef Y
#undef NOTHING

#define FNN_PREDICATE(name, condition) \
  static int holds_##name(double x) { return condition; }
#include "../../csrc/kernels/predicate.inc"
#undef FNN_PREDICATE

#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b)                                 \
  static double value2_##name(double a, double b) { return (void)a, (void)b, y; }           \
  static int64_t value_int_##name(int64_t a, int64_t b) { return (void)a, (void)b, int_y; } \
  static double slope_a_##name(double a, double b) { return (void)a, (void)b, slope_a; }    \
  static double slope_b_##name(double a, double b) { return (void)a, (void)b, slope_b; }
#include "../../csrc/kernels/binary.inc"
#undef FNN_BINARY

#define FNN_COMPARE(name, condition)                                 \
  static int holds2_##name(double a, double b) { return condition; } \
  static int int_holds_##name(int64_t a, int64_t b) { return condition; }
#include "../../csrc/kernels/compare.inc"
#undef FNN_COMPARE

static const struct {
  const char *name;
  unary_reference value, slope;
} unary[] = {
#define FNN_UNARY(name, params, y, slope, reads) {#name, value_##name, slope_##name},
#include "../../csrc/kernels/unary.inc"
#undef FNN_UNARY
};

static const struct {
  const char *name;
  binary_reference value, slope[2];
  int_reference integer;
} binary[] = {
#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) \
  {#name, value2_##name, {slope_a_##name, slope_b_##name}, value_int_##name},
#include "../../csrc/kernels/binary.inc"
#undef FNN_BINARY
};

static const struct {
  const char *name;
  int (*holds)(double a, double b);
  int (*int_holds)(int64_t a, int64_t b);
} compare[] = {
#define FNN_COMPARE(name, condition) {#name, holds2_##name, int_holds_##name},
#include "../../csrc/kernels/compare.inc"
#undef FNN_COMPARE
};

static const struct {
  const char *name;
  int (*holds)(double x);
} predicate[] = {
#define FNN_PREDICATE(name, condition) {#name, holds_##name},
#include "../../csrc/kernels/predicate.inc"
#undef FNN_PREDICATE
};

/* ---- inputs ---- */

static uint64_t state = 1;

/* Numbers whose quotients are the same integers in float and double, or far from integers; and what is special. */
static float any_float(void) {
  static const float special[] = {0.0f,  -0.0f, 1.0f,   -1.0f,    3.0f,      -3.0f, 6.0f,
                                  10.0f, 50.0f, -50.0f, INFINITY, -INFINITY, NAN,   -100.0f};
  if (random_below(&state, 4) == 0) return special[random_below(&state, sizeof special / sizeof special[0])];
  return random_float(&state);
}

/* The same, and tiny numbers. */
static float any_or_tiny_float(void) {
  static const float tiny[] = {1e-3f, -1e-3f, 1e-7f, -1e-20f, 1e-38f, 1e-40f, -1e-45f};
  if (random_below(&state, 12) == 0) return tiny[random_below(&state, sizeof tiny / sizeof tiny[0])];
  return any_float();
}

static int64_t any_int(void) {
  static const int64_t special[] = {0, 1, -1, 2, -2, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1};
  if (random_below(&state, 3) == 0) return special[random_below(&state, sizeof special / sizeof special[0])];
  return (int64_t)random_below(&state, 41) - 20;
}

static float *floats(size_t count) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = any_float();
  return x;
}

/* How many elements n of them span, at this stride. */
static size_t span(size_t n, size_t stride) { return n ? (n - 1) * stride + 1 : 0; }

static void *copy_of(const void *x, size_t bytes) {
  void *copy = exactly(bytes, 1);
  if (bytes) memcpy(copy, x, bytes);
  return copy;
}

/* Slopes are beyond float32's range where those of the kernels are. */
static double rounded(double x) { return (double)(float)x; }

/* ---- one operand ---- */

static void check_unary(const struct fnn_kernels *k, int f, size_t n, const float *p) {
  float *x = floats(n), *y = floats(n);
  for (size_t i = 0; i < n; i++) x[i] = any_or_tiny_float();
  float *over = copy_of(x, n * sizeof *x);
  k->elementwise->unary[f](n, x, y, p);
  k->elementwise->unary[f](n, over, over, p);
  for (size_t i = 0; i < n; i++) {
    double want = unary[f].value(x[i], p);
    expect(is_near(y[i], want, ABSOLUTE, RELATIVE) && is_near(over[i], want, ABSOLUTE, RELATIVE),
           "%s %s(%.9g) is %.9g (in place %.9g), expected %.9g", k->name, unary[f].name, (double)x[i], (double)y[i],
           (double)over[i], want);
  }
  free(x), free(y), free(over);
}

static void check_unary_slope(const struct fnn_kernels *k, int f, size_t n, const float *p) {
  float *saved = floats(n), *g = exactly(n, sizeof *g), *d = floats(n);
  for (size_t i = 0; i < n; i++) saved[i] = any_or_tiny_float(), g[i] = random_float(&state) / 4.0f;
  float *over_saved = copy_of(saved, n * sizeof *saved), *over_g = copy_of(g, n * sizeof *g);
  k->elementwise->unary_slope[f](n, saved, g, d, p);
  k->elementwise->unary_slope[f](n, over_saved, g, over_saved, p);
  k->elementwise->unary_slope[f](n, saved, over_g, over_g, p);
  for (size_t i = 0; i < n; i++) {
    double want = g[i] * rounded(unary[f].slope(saved[i], p));
    expect(is_near(d[i], want, ABSOLUTE, RELATIVE) && is_near(over_saved[i], want, ABSOLUTE, RELATIVE) &&
               is_near(over_g[i], want, ABSOLUTE, RELATIVE),
           "%s slope of %s at %.9g times %g is %.9g (in place %.9g, %.9g), expected %.9g", k->name, unary[f].name,
           (double)saved[i], (double)g[i], (double)d[i], (double)over_saved[i], (double)over_g[i], want);
  }
  free(saved), free(g), free(d), free(over_saved), free(over_g);
}

static void check_predicate(const struct fnn_kernels *k, int f, size_t n) {
  float *x = floats(n);
  uint8_t *y = exactly(n, 1);
  k->elementwise->predicate[f](n, x, y);
  for (size_t i = 0; i < n; i++)
    expect(y[i] == predicate[f].holds(x[i]), "%s %s(%g) is %d", k->name, predicate[f].name, (double)x[i], y[i]);
  free(x), free(y);
}

/* ---- two operands ---- */

static const size_t strides[][3] = {{1, 1, 1}, {1, 0, 1}, {0, 1, 1}, {0, 0, 1},
                                    {2, 3, 1}, {1, 1, 2}, {3, 0, 2}, {1, 2, 1}};
enum { STRIDES = sizeof strides / sizeof strides[0] };

/* Defines a test of a kernel (n, a, sa, b, sb, y, sy). What lies between the strided results must stay as it was. */
#define DEFINE_CHECK(function, in, out, any_in, reference_type, agrees)                                                \
  static void function(const char *isa, const char *name,                                                              \
                       void (*kernel)(size_t, const in *, size_t, const in *, size_t, out *, size_t),                  \
                       reference_type reference, size_t n, const size_t stride[3]) {                                   \
    size_t sa = stride[0], sb = stride[1], sy = stride[2], count = span(n, sy);                                        \
    in *a = exactly(span(n, sa), sizeof *a), *b = exactly(span(n, sb), sizeof *b);                                     \
    out *y = exactly(count, sizeof *y);                                                                                \
    for (size_t i = 0; i < span(n, sa); i++) a[i] = any_in();                                                          \
    for (size_t i = 0; i < span(n, sb); i++) b[i] = any_in();                                                          \
    for (size_t i = 0; i < count; i++) y[i] = (out)77;                                                                 \
    kernel(n, a, sa, b, sb, y, sy);                                                                                    \
    for (size_t i = 0; i < count; i++) {                                                                               \
      size_t at = i / sy;                                                                                              \
      if (i % sy)                                                                                                      \
        expect(y[i] == (out)77, "%s %s, n %zu, strides %zu %zu %zu: wrote between results", isa, name, n, sa, sb, sy); \
      else                                                                                                             \
        expect(agrees(y[i], reference(a[at * sa], b[at * sb])),                                                        \
               "%s %s, n %zu, strides %zu %zu %zu: element %zu of (%.9g, %.9g) is %.9g, expected %.9g", isa, name, n,  \
               sa, sb, sy, at, (double)a[at * sa], (double)b[at * sb], (double)y[i],                                   \
               (double)reference(a[at * sa], b[at * sb]));                                                             \
    }                                                                                                                  \
    free(a), free(b), free(y);                                                                                         \
  }

#define NEAR(got, want) is_near(got, want, ABSOLUTE, RELATIVE)
#define SAME(got, want) ((got) == (want))
DEFINE_CHECK(check_binary, float, float, any_float, binary_reference, NEAR)
DEFINE_CHECK(check_binary_int, int64_t, int64_t, any_int, int_reference, SAME)
typedef int (*holds_reference)(double, double);
typedef int (*int_holds_reference)(int64_t, int64_t);
DEFINE_CHECK(check_compare, float, uint8_t, any_float, holds_reference, SAME)
DEFINE_CHECK(check_compare_int, int64_t, uint8_t, any_int, int_holds_reference, SAME)

/* The result over the first operand, and over the second. */
static void check_binary_in_place(const struct fnn_kernels *k, int f, size_t n) {
  float *a = floats(n), *b = floats(n), *over_a = copy_of(a, n * sizeof *a), *over_b = copy_of(b, n * sizeof *b);
  k->elementwise->binary[f](n, over_a, 1, b, 1, over_a, 1);
  k->elementwise->binary[f](n, a, 1, over_b, 1, over_b, 1);
  for (size_t i = 0; i < n; i++) {
    double want = binary[f].value(a[i], b[i]);
    expect(NEAR(over_a[i], want) && NEAR(over_b[i], want),
           "%s %s in place, n %zu: (%g, %g) gives %.9g and %.9g, expected %.9g", k->name, binary[f].name, n,
           (double)a[i], (double)b[i], (double)over_a[i], (double)over_b[i], want);
  }
  free(a), free(b), free(over_a), free(over_b);
}

static void check_binary_slope(const struct fnn_kernels *k, int f, int operand, size_t n, const size_t stride[3]) {
  size_t sa = stride[0], sb = stride[1], sg = stride[2] - 1; /* 0: one gradient for all */
  float *a = floats(span(n, sa)), *b = floats(span(n, sb)), *g = exactly(span(n, sg), sizeof *g), *d = floats(n);
  for (size_t i = 0; i < span(n, sg); i++) g[i] = random_float(&state) / 4.0f;
  k->elementwise->binary_slope[f][operand](n, a, sa, b, sb, g, sg, d);
  for (size_t i = 0; i < n; i++) {
    double want = g[i * sg] * rounded(binary[f].slope[operand](a[i * sa], b[i * sb]));
    expect(NEAR(d[i], want),
           "%s slope %d of %s, n %zu, strides %zu %zu %zu: at (%g, %g) times %g is %.9g, expected %.9g", k->name,
           operand + 1, binary[f].name, n, sa, sb, sg, (double)a[i * sa], (double)b[i * sb], (double)g[i * sg],
           (double)d[i], want);
  }
  free(a), free(b), free(g), free(d);
}

static void check_dense_slope(const struct fnn_kernels *k, int f, int operand, size_t n) {
  float *a = floats(n), *b = floats(n), *g = exactly(n, sizeof *g);
  for (size_t i = 0; i < n; i++) g[i] = random_float(&state) / 4.0f;
  float *over = copy_of(g, n * sizeof *g);
  k->elementwise->binary_slope[f][operand](n, a, 1, b, 1, over, 1, over);
  for (size_t i = 0; i < n; i++) {
    double want = g[i] * rounded(binary[f].slope[operand](a[i], b[i]));
    expect(NEAR(over[i], want), "%s slope %d of %s in place, n %zu: at (%g, %g) times %g is %.9g, expected %.9g",
           k->name, operand + 1, binary[f].name, n, (double)a[i], (double)b[i], (double)g[i], (double)over[i], want);
  }
  free(a), free(b), free(g), free(over);
}

/* Remainders of quotients that float32 rounds to an integer, or that have more bits than it; m is what no rounding touched. */
static void check_remainder(const struct fnn_kernels *k) {
  static const struct {
    float a, b;
    double m;
  } cases[] = {
      {1.0f, 0.1f, 1.0 - 9 * (double)0.1f},
      {-1.0f, 0.1f, 10 * (double)0.1f - 1.0},
      {1.0f, -0.1f, 1.0 - 10 * (double)0.1f},
      {-1.0f, -0.1f, 9 * (double)0.1f - 1.0},
      {1e8f, 3.0f, 1.0},
      {-1e8f, 3.0f, 2.0},
      {16777215.0f, 0.5f, 0.0},
      {16777217.0f * 4, 3.0f, 1.0},
      {0x1p100f, 3.0f, 1.0},
      {0x1p101f, -3.0f, -1.0},
      {0x1p127f, 0x1p-149f, 0.0},
      {0x1.8p-148f, 0x1p-148f, 0x1p-149},
      {5.0f, INFINITY, 5.0},
      {-5.0f, -INFINITY, -5.0},
      {-5.0f, INFINITY, INFINITY},
      {5.0f, 0.0f, NAN},
      {INFINITY, 5.0f, NAN},
      {NAN, 5.0f, NAN},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    float y;
    k->elementwise->binary[FNN_BINARY_remainder](1, &cases[i].a, 1, &cases[i].b, 1, &y, 1);
    expect(is_near(y, cases[i].m, 0, RELATIVE), "%s remainder of %.9g and %.9g is %.9g, expected %.9g", k->name,
           (double)cases[i].a, (double)cases[i].b, (double)y, cases[i].m);
  }
}

/* ---- the rest ---- */

static void check_where(const struct fnn_kernels *k, size_t n, size_t sc, const size_t stride[3]) {
  size_t sa = stride[0], sb = stride[1], sy = stride[2], count = span(n, sy);
  uint8_t *c = exactly(span(n, sc), 1);
  float *a = floats(span(n, sa)), *b = floats(span(n, sb)), *y = exactly(count, sizeof *y);
  int64_t *ia = exactly(span(n, sa), sizeof *ia), *ib = exactly(span(n, sb), sizeof *ib),
          *iy = exactly(count, sizeof *iy);
  for (size_t i = 0; i < span(n, sc); i++) c[i] = (uint8_t)random_below(&state, 3);
  for (size_t i = 0; i < span(n, sa); i++) ia[i] = any_int();
  for (size_t i = 0; i < span(n, sb); i++) ib[i] = any_int();
  for (size_t i = 0; i < count; i++) y[i] = 77.0f, iy[i] = 77;
  k->elementwise->where(n, c, sc, a, sa, b, sb, y, sy);
  k->elementwise->where_int(n, c, sc, ia, sa, ib, sb, iy, sy);
  for (size_t i = 0; i < count; i++) {
    size_t at = i / sy;
    int chosen = i % sy == 0 && c[at * sc];
    float want = i % sy ? 77.0f : chosen ? a[at * sa] : b[at * sb];
    int64_t int_want = i % sy ? 77 : chosen ? ia[at * sa] : ib[at * sb];
    expect(is_near(y[i], want, 0, 0) && iy[i] == int_want, "%s where, n %zu, strides %zu %zu %zu %zu: element %zu",
           k->name, n, sc, sa, sb, sy, i);
  }
  free(c), free(a), free(b), free(y), free(ia), free(ib), free(iy);
}

static void check_scaling(const struct fnn_kernels *k, size_t n) {
  float *x = floats(n), *y = floats(n), *sum = copy_of(y, n * sizeof *y), *over = copy_of(x, n * sizeof *x);
  uint8_t *bytes = exactly(n, 1);
  for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)random_below(&state, 256);
  k->elementwise->accumulate(n, x, sum);
  k->elementwise->scale(n, over, 0.3f, over);
  for (size_t i = 0; i < n; i++) {
    expect(NEAR(sum[i], (double)x[i] + y[i]), "%s accumulate, n %zu: element %zu", k->name, n, i);
    expect(NEAR(over[i], (double)x[i] * 0.3f), "%s scale in place, n %zu: element %zu", k->name, n, i);
  }
  k->elementwise->scale(n, x, 0.3f, y);
  k->elementwise->scale_bytes(n, bytes, 1.0f / 255.0f, sum);
  for (size_t i = 0; i < n; i++) {
    expect(NEAR(y[i], (double)x[i] * 0.3f), "%s scale, n %zu: element %zu", k->name, n, i);
    expect(NEAR(sum[i], bytes[i] / 255.0), "%s scale_bytes, n %zu: element %zu", k->name, n, i);
  }
  free(x), free(y), free(sum), free(over), free(bytes);
}

static void check_all(const struct fnn_kernels *k, size_t n) {
  const float p[2] = {-0.5f, 1.25f};
  const struct fnn_elementwise_kernels *e = k->elementwise;
  for (int f = 0; f < FNN_UNARY_COUNT; f++) check_unary(k, f, n, p), check_unary_slope(k, f, n, p);
  for (int f = 0; f < FNN_PREDICATE_COUNT; f++) check_predicate(k, f, n);
  for (int f = 0; f < FNN_BINARY_COUNT; f++)
    check_binary_in_place(k, f, n), check_dense_slope(k, f, 0, n), check_dense_slope(k, f, 1, n);
  for (int s = 0; s < STRIDES; s++) {
    const size_t *stride = strides[s];
    for (int f = 0; f < FNN_BINARY_COUNT; f++) {
      check_binary(k->name, binary[f].name, e->binary[f], binary[f].value, n, stride);
      check_binary_int(k->name, binary[f].name, e->binary_int[f], binary[f].integer, n, stride);
      for (int operand = 0; operand < 2; operand++) check_binary_slope(k, f, operand, n, stride);
    }
    for (int f = 0; f < FNN_COMPARE_COUNT; f++) {
      check_compare(k->name, compare[f].name, e->compare[f], compare[f].holds, n, stride);
      check_compare_int(k->name, compare[f].name, e->compare_int[f], compare[f].int_holds, n, stride);
    }
    for (size_t sc = 0; sc < 3; sc++) check_where(k, n, sc, stride);
  }
  check_scaling(k, n);
}

int spec_elementwise(const struct fnn_kernels *kernels) {
  check_failures = 0;
  check_remainder(kernels);
  for (int i = 0; i < SPEC_COUNTS; i++) check_all(kernels, spec_counts[i]);
  return check_failures;
}
