/* What goes into Winograd's minimal filtering (Lavin and Gray 2016, "Fast algorithms for convolutional neural networks",
 * section 4), for images or channels in lanes: tiles of the input, transformed, and for weight gradients those of the
 * output's gradient; winograd.c has what weights go in as, and what comes out.
 *
 * With FNN_PAIRS, once more for mixed precision: what is transformed becomes pairs of bfloat16, of two channels or, for weight
 * gradients, of two images. */
#include "winograd.h"

/* ---- the matrices: one column of 4, 5 or 6, a step apart, in place ---- */

FNN_INLINE void input4(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  d[0] = d0 - d2;
  d[step] = d1 + d2;
  d[2 * step] = d2 - d1;
  d[3 * step] = d1 - d3;
}

/* With a stride of 2: every second pixel goes F(2, 2)'s way, and those between, which meet one tap each, stay as they are. */
FNN_INLINE void input5(fnn_v *d, const ptrdiff_t step) {
  d[0] -= d[2 * step];
  d[4 * step] -= d[2 * step];
}

/* Place i of six. */
FNN_INLINE fnn_v input6_place(const int i, const fnn_v *d) {
  switch (i) {
    case 0: return d[0] - 2.5f * d[2] + d[4];
    case 1: return (d[4] - 2.0f * d[2]) + fnn_point_a * (d[3] - 2.0f * d[1]);
    case 2: return (d[4] - 2.0f * d[2]) - fnn_point_a * (d[3] - 2.0f * d[1]);
    case 3: return (d[4] - 0.5f * d[2]) + fnn_point_b * (d[3] - 0.5f * d[1]);
    case 4: return (d[4] - 0.5f * d[2]) - fnn_point_b * (d[3] - 0.5f * d[1]);
    default: return d[1] - 2.5f * d[3] + d[5];
  }
}

FNN_INLINE void input6(fnn_v *d, const ptrdiff_t step) {
  fnn_v column[6];
  FNN_UNROLL for (int i = 0; i < 6; i++) column[i] = d[i * step];
  FNN_UNROLL for (int i = 0; i < 6; i++) d[i * step] = input6_place(i, column);
}

FNN_INLINE void input(const ptrdiff_t A, fnn_v *d, const ptrdiff_t step) {
  A == 4 ? input4(d, step) : A == 5 ? input5(d, step) : input6(d, step);
}

/* ---- tiles ---- */

/* Column c of the pixels of a tile of A x A, 0 outside of the image. */
FNN_INLINE void load_column(const struct fnn_winograd_tile *tile, const ptrdiff_t A, const float *x, const ptrdiff_t c,
                            fnn_v *d, const ptrdiff_t step) {
  const float *from = x + tile->column[c];
  FNN_UNROLL for (ptrdiff_t r = 0; r < A; r++) {
    d[r * step] = (fnn_v)((fnn_vi)fnn_load(from + tile->row[r]) & tile->inside[r * A + c]);
  }
}

/* Has column c of the next channel, `next` floats farther, fetched: where tiles overlap, all but what a neighbour will. A line
 * may have two pixels. */
FNN_INLINE void fetch_column(const struct fnn_winograd_tile *tile, const ptrdiff_t A, const int overlap, const float *x,
                             size_t next, const ptrdiff_t c) {
  const float *from = x + next + tile->column[c];
  if ((c - overlap) % (FNN_LINE / FNN_WIDTH) != 0 || c < overlap || c >= A - overlap) return;
  FNN_UNROLL for (ptrdiff_t r = overlap; r < A - overlap; r++) __builtin_prefetch(from + tile->row[r]);
}

enum { TOGETHER = FNN_TOGETHER }; /* channels whose places become one vector */

/* The vector of a place of as many channels. */
FNN_INLINE fnn_v together(const fnn_v *d) {
#if defined(FNN_PAIRS)
  return fnn_pair(d[0], d[1]);
#else
  return d[0];
#endif
}

/* A place of one channel, whose neighbouring images are pairs. */
enum { PLACE = FNN_WIDTH / TOGETHER };
FNN_INLINE void store_place(float *v, fnn_v place) {
#if defined(FNN_PAIRS)
  fnn_store_halves(v, place);
#else
  fnn_store(v, place);
#endif
}

/* The tile's pixels, its columns transformed. */
FNN_INLINE void columns_of_places(const ptrdiff_t A, const struct fnn_winograd_tile *tile, const float *x, size_t next,
                                  fnn_v *d) {
  FNN_UNROLL for (ptrdiff_t c = 0; c < A; c++) {
    load_column(tile, A, x, c, d + c, A);
    fetch_column(tile, A, 1, x, next, c);
    input(A, d + c, A);
  }
}

/* The second channel of a pair lies `second` floats farther; with 0 it has zeros. */
FNN_INLINE void input_tile(const ptrdiff_t A, const struct fnn_winograd_tile *tile, const float *x, size_t second,
                           float *v, size_t v_place, size_t next) {
  fnn_v d[TOGETHER][36] = {0};
  columns_of_places(A, tile, x, next, d[0]);
  if (second) columns_of_places(A, tile, x + second, next, d[TOGETHER - 1]);
  FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++) {
    FNN_UNROLL for (ptrdiff_t n = 0; n < TOGETHER; n++) input(A, d[n] + i * A, 1);
    FNN_UNROLL for (ptrdiff_t k = i * A; k < (i + 1) * A; k++, v += v_place) {
      const fnn_v place[] = {d[0][k], d[TOGETHER - 1][k]};
      fnn_store(v, together(place));
    }
  }
}

FNN_INLINE void input_tiles(const ptrdiff_t A, const struct fnn_winograd_input *j) {
  for (size_t c = 0; c < j->channels; c += TOGETHER) {
    const size_t second = TOGETHER == 2 && c + 1 < j->channels ? j->x_channel : 0;
    for (size_t t = 0; t < j->tiles; t++)
      input_tile(A, &j->tile[t], j->x + c * j->x_channel, second, j->v + c / TOGETHER * j->v_channel + t * FNN_WIDTH,
                 j->v_place, TOGETHER * j->x_channel);
  }
}

void FNN_VARIANT(fnn_winograd_input)(const struct fnn_winograd_input *j) {
  if (j->size == 4)
    input_tiles(4, j);
  else if (TOGETHER == 1) /* pairs of channels are of tiles of 4 x 4 alone */
    j->size == 5 ? input_tiles(5, j) : input_tiles(6, j);
}

/* ---- weight gradients: F(3x3, 4x4) and F(5x5, 2x2), in which the output's gradient is the kernel, the taps the output ----
 *
 * With the points of F(4, 3) and F(2, 5) the input's matrix is the same. Those of the gradients lack the divisors of their
 * rows, which the matrices of the taps have instead. */

/* Place i of six, from M gradients. */
FNN_INLINE fnn_v gradient_place(const ptrdiff_t M, const int i, const fnn_v *d) {
  const fnn_v none = {0}, d2 = M == 4 ? d[2] : none, d3 = M == 4 ? d[3] : none;
  switch (i) {
    case 0: return d[0];
    case 1: return (d[0] + 0.5f * d2) + fnn_point_a * (d[1] + 0.5f * d3);
    case 2: return (d[0] + 0.5f * d2) - fnn_point_a * (d[1] + 0.5f * d3);
    case 3: return (d[0] + 2.0f * d2) + fnn_point_b * (d[1] + 2.0f * d3);
    case 4: return (d[0] + 2.0f * d2) - fnn_point_b * (d[1] + 2.0f * d3);
    default: return d[M - 1];
  }
}

/* Columns of a tile of A x A pixels, of the input's 6 x 6 or of the gradient's, transformed to rows i and k of places. Rows 0 and 5
 * come first, and find no pixels in the cache. */
FNN_INLINE void columns_of_rows(const ptrdiff_t A, const int i, const int k, const struct fnn_winograd_tile *tile,
                                const float *x, size_t next, fnn_v (*d)[6]) {
  FNN_UNROLL for (ptrdiff_t c = 0; c < A; c++) {
    fnn_v column[6];
    load_column(tile, A, x, c, column, 1);
    if (i == 0) fetch_column(tile, A, A == 6, x, next, c);
    d[0][c] = A == 6 ? input6_place(i, column) : gradient_place(A, i, column);
    d[1][c] = A == 6 ? input6_place(k, column) : gradient_place(A, k, column);
  }
}

FNN_INLINE void rows_of_tile(const ptrdiff_t A, const int i, const int k, const struct fnn_winograd_tile *tile,
                             const float *x, float *v, size_t v_place, size_t next) {
  fnn_v d[2][6];
  columns_of_rows(A, i, k, tile, x, next, d);
  FNN_UNROLL for (int p = 0; p < 12; p++) {
    store_place(v + (size_t)p * v_place, A == 6 ? input6_place(p % 6, d[p / 6]) : gradient_place(A, p % 6, d[p / 6]));
  }
}

FNN_INLINE void rows_of_places(const ptrdiff_t A, const int i, const int k, const struct fnn_winograd_input *j) {
  for (size_t c = 0; c < j->channels; c++)
    for (size_t t = 0; t < j->tiles; t++)
      rows_of_tile(A, i, k, &j->tile[t], j->x + c * j->x_channel, j->v + c * j->v_channel + t * PLACE, j->v_place,
                   j->x_channel);
}

#define ROWS_OF_PLACES(i, k)                                       \
  static void rows_##i##_##k(const struct fnn_winograd_input *j) { \
    if (j->size == 6)                                              \
      rows_of_places(6, i, k, j);                                  \
    else if (j->size == 4)                                         \
      rows_of_places(4, i, k, j);                                  \
    else                                                           \
      rows_of_places(2, i, k, j);                                  \
  }
ROWS_OF_PLACES(0, 5)
ROWS_OF_PLACES(1, 2)
ROWS_OF_PLACES(3, 4)

void FNN_VARIANT(fnn_winograd_rows)(const struct fnn_winograd_input *j, size_t pair) {
  static void (*const rows[])(const struct fnn_winograd_input *j) = {rows_0_5, rows_1_2, rows_3_4};
  rows[pair](j);
}
