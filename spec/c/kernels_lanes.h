/* What the tests of the kernels for images in lanes share. */
#ifndef FNN_SPEC_KERNELS_LANES_H
#define FNN_SPEC_KERNELS_LANES_H

#include "../../csrc/kernels/kernels.h"
#include "check.h"

/* Numbers that bfloat16 has to round. */
static inline float *floats(uint64_t *state, size_t count) {
  float *x = exactly(count, sizeof *x);
  for (size_t i = 0; i < count; i++) x[i] = random_float(state) * 0.37f;
  return x;
}

/* An expected number, and the size of its terms, by which errors of rounding are measured. */
struct sum {
  double value, size;
};

static inline void add(struct sum *sum, double term) {
  sum->value += term;
  sum->size += fabs(term);
}

static inline struct sum relu(struct sum sum) { return sum.value < 0.0 ? (struct sum){0.0, sum.size} : sum; }

/* Results before there are any, and what is expected of those that are never written: exactly that. */
enum { UNTOUCHED = 77 };

static inline float *untouched(size_t count) {
  float *y = exactly(count, sizeof *y);
  for (size_t i = 0; i < count; i++) y[i] = UNTOUCHED;
  return y;
}

static inline struct sum *expected(size_t count) {
  struct sum *want = exactly(count, sizeof *want);
  for (size_t i = 0; i < count; i++) want[i] = (struct sum){UNTOUCHED, 0.0};
  return want;
}

static inline int is_sum(float got, struct sum want) {
  if (isnan(want.value) || isnan(got)) return isnan(want.value) && isnan(got);
  return (double)got == want.value || fabs((double)got - want.value) <= 1e-6 * want.size;
}

/* Count one failure, at the first number that is not as expected; the text says which case it is. */
__attribute__((format(printf, 4, 5))) static inline void expect_sums(size_t n, const float *got, const struct sum *want,
                                                                     const char *format, ...) {
  char text[240];
  size_t i = 0;
  while (i < n && is_sum(got[i], want[i])) i++;
  if (i == n) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  expect(0, "%s: number %zu is %.9g, expected %.9g", text, i, (double)got[i], want[i].value);
}

#endif
