/* A vector of as many floats as the instruction set has lanes, in GCC's vector extensions: one body of code serves
 * all instruction sets.
 *
 * Tiles are as large as the registers allow: at most FNN_ROW_K filters x FNN_ROW_Q pixels of a correlation, or of a single
 * filter FNN_SINGLE_Q pixels; FNN_GRADIENT_K filters x FNN_GRADIENT_T taps of a weight gradient; and where filters lie in lanes,
 * FNN_PRODUCT_V vectors of them x FNN_PRODUCT_T numbers that they meet, FNN_TURNED_T for gradients, whose vectors have FNN_TURNED_IMAGES images.
 * FNN_ROW_TILES(X), FNN_GRADIENT_TILES(X) and FNN_PRODUCTS(X) are X(k, n) for each size up to that, FNN_TURNED_TILES(X) for those that
 * FNN_LEAST_TURNED channels or more are cut into. */
#ifndef FNN_KERNELS_SIMD_H
#define FNN_KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define FNN_UP_TO_3(X, k) X(k, 1) X(k, 2) X(k, 3)
#define FNN_UP_TO_4(X, k) FNN_UP_TO_3(X, k) X(k, 4)
#define FNN_UP_TO_5(X, k) FNN_UP_TO_4(X, k) X(k, 5)
#define FNN_UP_TO_6(X, k) FNN_UP_TO_5(X, k) X(k, 6)
#define FNN_UP_TO_13(X, k) FNN_UP_TO_6(X, k) X(k, 7) X(k, 8) X(k, 9) X(k, 10) X(k, 11) X(k, 12) X(k, 13)

enum { FNN_SINGLE_Q = 6 };

#if defined(__AVX512F__) || defined(__aarch64__) /* 32 registers */
enum { FNN_ROW_K = 5, FNN_ROW_Q = 5, FNN_GRADIENT_K = 4, FNN_GRADIENT_T = 6 };
#define FNN_ROW_TILES(X) FNN_UP_TO_6(X, 1) FNN_UP_TO_5(X, 2) FNN_UP_TO_5(X, 3) FNN_UP_TO_5(X, 4) FNN_UP_TO_5(X, 5)
#define FNN_GRADIENT_TILES(X) FNN_UP_TO_6(X, 1) FNN_UP_TO_6(X, 2) FNN_UP_TO_6(X, 3) FNN_UP_TO_6(X, 4)
enum { FNN_PRODUCT_V = 2, FNN_PRODUCT_T = 13 };
#define FNN_PRODUCTS(X) FNN_UP_TO_13(X, 1) FNN_UP_TO_13(X, 2)
enum { FNN_TURNED_T = 13 };
#define FNN_7_TO_13(X, k) X(k, 7) X(k, 8) X(k, 9) X(k, 10) X(k, 11) X(k, 12) X(k, 13)
#if defined(__AVX512F__)
#define FNN_TURNED_TILES(X) FNN_7_TO_13(X, 2)
#else
#define FNN_TURNED_TILES(X) FNN_7_TO_13(X, 1) FNN_7_TO_13(X, 2)
#endif
#else /* 16 */
enum { FNN_ROW_K = 4, FNN_ROW_Q = 3, FNN_GRADIENT_K = 3, FNN_GRADIENT_T = 4 };
#define FNN_ROW_TILES(X) FNN_UP_TO_6(X, 1) FNN_UP_TO_3(X, 2) FNN_UP_TO_3(X, 3) FNN_UP_TO_3(X, 4)
#define FNN_GRADIENT_TILES(X) FNN_UP_TO_4(X, 1) FNN_UP_TO_4(X, 2) FNN_UP_TO_4(X, 3)
enum { FNN_PRODUCT_V = 2, FNN_PRODUCT_T = 6 };
#define FNN_PRODUCTS(X) FNN_UP_TO_6(X, 1) FNN_UP_TO_6(X, 2)
enum { FNN_TURNED_T = 6 };
#define FNN_3_TO_6(X, k) X(k, 3) X(k, 4) X(k, 5) X(k, 6)
#define FNN_TURNED_TILES(X) FNN_3_TO_6(X, 1) FNN_3_TO_6(X, 2)
#endif

#if defined(__AVX512F__)
#define FNN_TURNED_IMAGES 2
#else
#define FNN_TURNED_IMAGES 1
#endif

#if defined(__AVX512F__)
enum { FNN_WIDTH = 16 };
#elif defined(__AVX2__)
enum { FNN_WIDTH = 8 };
#else
enum { FNN_WIDTH = 4 };
#endif

enum { FNN_LINE = 16 }; /* floats of a cache's line */

/* The sizes of tiles that fetch what is wanted next while their sums go on (lane_conv.c). */
#if defined(__AVX512F__) && !defined(FNN_PAIRS)
#define FNN_FETCHING_TILES(X) X(4, 4) X(4, 5) X(5, 4) X(5, 5)
#else
#define FNN_FETCHING_TILES(X)
#endif

typedef float fnn_v __attribute__((vector_size(FNN_WIDTH * 4), may_alias));
typedef float fnn_v_anywhere __attribute__((vector_size(FNN_WIDTH * 4), aligned(4), may_alias));
typedef int32_t fnn_vi __attribute__((vector_size(FNN_WIDTH * 4), may_alias));
typedef uint32_t fnn_vu __attribute__((vector_size(FNN_WIDTH * 4), may_alias));
typedef uint64_t fnn_vw __attribute__((vector_size(FNN_WIDTH * 4), may_alias)); /* half as many, twice as wide */
typedef float fnn_v4 __attribute__((vector_size(16), aligned(4), may_alias));

#define FNN_INLINE static inline __attribute__((always_inline))
#define FNN_UNROLL _Pragma("GCC unroll 36")

FNN_INLINE fnn_v fnn_load(const float *x) { return *(const fnn_v_anywhere *)x; }
FNN_INLINE void fnn_store(float *y, fnn_v v) { *(fnn_v_anywhere *)y = v; }
/* x in every lane; {0} + x would be an addition, for the sake of -0 */
FNN_INLINE fnn_v fnn_splat(float x) {
#if defined(__AVX512F__)
  return (fnn_v){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif defined(__AVX2__)
  return (fnn_v){x, x, x, x, x, x, x, x};
#else
  return (fnn_v){x, x, x, x};
#endif
}
/* The elements of the first halves of a and b in turn, and of the second halves. */
#if defined(__AVX512F__)
#define FNN_ZIP(a, b, i)                                                                                              \
  __builtin_shufflevector(a, b, i, i + 16, i + 1, i + 17, i + 2, i + 18, i + 3, i + 19, i + 4, i + 20, i + 5, i + 21, \
                          i + 6, i + 22, i + 7, i + 23)
#elif defined(__AVX2__)
#define FNN_ZIP(a, b, i) __builtin_shufflevector(a, b, i, i + 8, i + 1, i + 9, i + 2, i + 10, i + 3, i + 11)
#else
#define FNN_ZIP(a, b, i) __builtin_shufflevector(a, b, i, i + 4, i + 1, i + 5)
#endif
FNN_INLINE fnn_v fnn_zip_first(fnn_v a, fnn_v b) { return FNN_ZIP(a, b, 0); }
FNN_INLINE fnn_v fnn_zip_second(fnn_v a, fnn_v b) { return FNN_ZIP(a, b, FNN_WIDTH / 2); }

#if defined(__AVX512F__)
/* Every second element of a and then of b; the same of two elements each. */
#define FNN_EVERY_SECOND(a, b, i)                                                                                      \
  __builtin_shufflevector(a, b, i, i + 2, i + 4, i + 6, i + 8, i + 10, i + 12, i + 14, i + 16, i + 18, i + 20, i + 22, \
                          i + 24, i + 26, i + 28, i + 30)
#define FNN_EVERY_SECOND_TWO(a, b, i) \
  (fnn_v) __builtin_shufflevector((fnn_vw)(a), (fnn_vw)(b), i, i + 2, i + 4, i + 6, i + 8, i + 10, i + 12, i + 14)
FNN_INLINE fnn_v fnn_evens(fnn_v a, fnn_v b) { return FNN_EVERY_SECOND(a, b, 0); }
FNN_INLINE fnn_v fnn_odds(fnn_v a, fnn_v b) { return FNN_EVERY_SECOND(a, b, 1); }
FNN_INLINE fnn_v fnn_even_twos(fnn_v a, fnn_v b) { return FNN_EVERY_SECOND_TWO(a, b, 0); }
FNN_INLINE fnn_v fnn_odd_twos(fnn_v a, fnn_v b) { return FNN_EVERY_SECOND_TWO(a, b, 1); }
#endif

/* Rows become columns: half of the rows are zipped with the other half until each has been with each. */
FNN_INLINE void fnn_transpose(fnn_v *r) {
  FNN_UNROLL for (int n = 1; n < FNN_WIDTH; n *= 2) {
    fnn_v zipped[FNN_WIDTH];
    FNN_UNROLL for (ptrdiff_t i = 0; i < FNN_WIDTH / 2; i++) {
      zipped[2 * i] = fnn_zip_first(r[i], r[i + FNN_WIDTH / 2]);
      zipped[2 * i + 1] = fnn_zip_second(r[i], r[i + FNN_WIDTH / 2]);
    }
    FNN_UNROLL for (int i = 0; i < FNN_WIDTH; i++) r[i] = zipped[i];
  }
}

#if defined(FNN_PAIRS)
enum { FNN_TOGETHER = 2 }; /* numbers that a multiply-add takes as one: floats, or pairs of bfloat16 */

/* The bfloat16 nearest to v, side by side: lanes 0 and 1 are a pair. */
FNN_INLINE void fnn_store_halves(float *y, fnn_v v) {
  _mm256_storeu_si256((__m256i *)y, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}

/* Those of a before those of b, rounded; or stored so, zeros for NULL. */
FNN_INLINE fnn_v fnn_halves(fnn_v a, fnn_v b) { return (fnn_v)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a); }
FNN_INLINE fnn_v fnn_load_halves(const float *a, const float *b) {
  const __m256i none = _mm256_setzero_si256();
  const __m256i first = a ? _mm256_loadu_si256((const __m256i *)a) : none;
  return (fnn_v)_mm512_inserti64x4(_mm512_castsi256_si512(first), b ? _mm256_loadu_si256((const __m256i *)b) : none, 1);
}

/* The pairs of bfloat16 (a[i], b[i]), rounded to nearest. */
FNN_INLINE fnn_v fnn_pair(fnn_v a, fnn_v b) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (fnn_v)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a));
}

/* Those of n pixels, a step apart; b may be NULL for zeros. */
static inline void fnn_pack_pairs(size_t n, const float *a, const float *b, float *y, size_t step) {
  for (size_t i = 0; i < n * FNN_WIDTH; i += FNN_WIDTH, y += step)
    fnn_store(y, fnn_pair(fnn_load(a + i), b ? fnn_load(b + i) : (fnn_v){0}));
}
#else
enum { FNN_TOGETHER = 1 };
#endif
/* sum + a b; where the floats are pairs of bfloat16 (FNN_PAIRS), sum + a[0] b[0] + a[1] b[1] */
FNN_INLINE fnn_v fnn_multiply_add(fnn_v sum, fnn_v a, fnn_v b) {
#if defined(FNN_PAIRS)
  return (fnn_v)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
  return sum + a * b;
#endif
}
/* a where the mask is set, else b */
FNN_INLINE fnn_v fnn_pick(fnn_vi mask, fnn_v a, fnn_v b) { return (fnn_v)((mask & (fnn_vi)a) | (~mask & (fnn_vi)b)); }

/* The whole products of every other lane: of the lower halves. */
FNN_INLINE fnn_vw fnn_multiply_wide(fnn_vw a, fnn_vw b) {
#if defined(__AVX512F__)
  return (fnn_vw)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (fnn_vw)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (fnn_vw)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

#endif
