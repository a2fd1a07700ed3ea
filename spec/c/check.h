/* What every C test stands on: counted failures, tolerances, reproducible numbers, and memory of exactly
 * the size asked for, so that the address sanitizer sees a read or write one element too far. */
#ifndef FNN_SPEC_CHECK_H
#define FNN_SPEC_CHECK_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int check_failures;

/* Count a failure unless `ok`, and say what it is. */
__attribute__((format(printf, 2, 3), unused)) static void expect(int ok, const char *format, ...) {
  enum { SHOWN = 25 };
  va_list arguments;
  if (ok || check_failures++ >= SHOWN) return;
  fputs("FAILED: ", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

#define EXPECT(condition) expect((condition) != 0, "%s:%d: %s", __FILE__, __LINE__, #condition)

/* The exit status of a test program. */
__attribute__((unused)) static int check_result(const char *name) {
  if (check_failures) fprintf(stderr, "%s: %d failures\n", name, check_failures);
  return check_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* |got - want| <= absolute + relative * |want|, in float32's range; NaN agrees with NaN. */
__attribute__((unused)) static int is_near(float got, double want, double absolute, double relative) {
  const float rounded = (float)want;
  if (isnan(rounded) || isnan(got)) return isnan(rounded) && isnan(got);
  if (isinf(rounded) || isinf(got)) return rounded == got;
  return fabs((double)got - want) <= absolute + relative * fabs(want);
}

/* Numbers that are the same in each run (splitmix64: Steele et al. 2014). */
__attribute__((unused)) static uint64_t random_bits(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/* 0 .. n-1 */
__attribute__((unused)) static size_t random_below(uint64_t *state, size_t n) {
  return n ? (size_t)(random_bits(state) % n) : 0;
}

/* k / 16 in [-4, 4]: products and quotients of such numbers round the same way in float and double. */
__attribute__((unused)) static float random_float(uint64_t *state) {
  return (float)((int)random_below(state, 129) - 64) / 16.0f;
}

/* calloc that cannot fail, of `count` elements and not a byte more (a byte for none of them). */
__attribute__((unused)) static void *exactly(size_t count, size_t size) {
  void *memory = count ? calloc(count, size) : calloc(1, 1);
  if (!memory) {
    fputs("out of memory in a test\n", stderr);
    exit(EXIT_FAILURE);
  }
  return memory;
}

#endif
