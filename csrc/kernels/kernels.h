/* The loops over memory. They cannot fail, allocate nothing and know no tensor: all they see is
 * pointers, counts and strides (in elements). Every .c file of this folder but choose.c, gemm.c and
 * mixed_gemm.c is compiled once per instruction set that has use for it (FNN_VARIANT adds its name), and a context picks one
 * table of them by its CPU. Arrays do not overlap unless a comment says so.
 *
 * Shape letters: N images, C channels, H x W pixels, K output channels, R x S kernel, P x Q
 * output pixels. A "row" is `n` neighbouring floats. */
#ifndef FNN_KERNELS_KERNELS_H
#define FNN_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "../base/cpu.h"

enum fnn_unary {
#define FNN_UNARY(name, params, y, slope, reads) FNN_UNARY_##name,
#include "unary.inc"
#undef FNN_UNARY
  FNN_UNARY_COUNT
};

enum fnn_binary {
#define FNN_BINARY(name, types, y, int_y, slope_a, slope_b) FNN_BINARY_##name,
#include "binary.inc"
#undef FNN_BINARY
  FNN_BINARY_COUNT
};

enum fnn_compare {
#define FNN_COMPARE(name, condition) FNN_COMPARE_##name,
#include "compare.inc"
#undef FNN_COMPARE
  FNN_COMPARE_COUNT
};

enum fnn_predicate {
#define FNN_PREDICATE(name, condition) FNN_PREDICATE_##name,
#include "predicate.inc"
#undef FNN_PREDICATE
  FNN_PREDICATE_COUNT
};

/* elementwise.c. Output and input may be the same array. */
struct fnn_elementwise_kernels {
  /* y[i] = f(x[i]; p) */
  void (*unary[FNN_UNARY_COUNT])(size_t n, const float *x, float *y, const float *p);
  /* d[i] = g[i] * f'(i); `saved` is x or y, as unary.inc says, or not looked at */
  void (*unary_slope[FNN_UNARY_COUNT])(size_t n, const float *saved, const float *g, float *d, const float *p);
  /* y[i*sy] = f(a[i*sa], b[i*sb]) */
  void (*binary[FNN_BINARY_COUNT])(size_t n, const float *a, size_t sa, const float *b, size_t sb, float *y, size_t sy);
  /* the same on integers, wrapping around */
  void (*binary_int[FNN_BINARY_COUNT])(size_t n, const int64_t *a, size_t sa, const int64_t *b, size_t sb, int64_t *y,
                                       size_t sy);
  /* d[i] = g[i*sg] * df/da, and df/db */
  void (*binary_slope[FNN_BINARY_COUNT][2])(size_t n, const float *a, size_t sa, const float *b, size_t sb,
                                            const float *g, size_t sg, float *d);
  void (*compare[FNN_COMPARE_COUNT])(size_t n, const float *a, size_t sa, const float *b, size_t sb, uint8_t *y,
                                     size_t sy);
  void (*compare_int[FNN_COMPARE_COUNT])(size_t n, const int64_t *a, size_t sa, const int64_t *b, size_t sb, uint8_t *y,
                                         size_t sy);
  void (*predicate[FNN_PREDICATE_COUNT])(size_t n, const float *x, uint8_t *y);
  /* y[i*sy] = c[i*sc] ? a[i*sa] : b[i*sb] */
  void (*where)(size_t n, const uint8_t *c, size_t sc, const float *a, size_t sa, const float *b, size_t sb, float *y,
                size_t sy);
  void (*where_int)(size_t n, const uint8_t *c, size_t sc, const int64_t *a, size_t sa, const int64_t *b, size_t sb,
                    int64_t *y, size_t sy);
  /* y[i] += x[i] */
  void (*accumulate)(size_t n, const float *x, float *y);
  /* y[i] = x[i] * factor */
  void (*scale)(size_t n, const float *x, float factor, float *y);
  /* y[i] = x[i] * factor, from bytes */
  void (*scale_bytes)(size_t n, const uint8_t *x, float factor, float *y);
};

/* reduce.c. Sums run in sixteen lanes that are added up in double precision. */
struct fnn_reduce_kernels {
  double (*sum)(size_t n, const float *x);
  double (*sum_squares)(size_t n, const float *x, float center); /* sum of (x - center)^2 */
  double (*dot)(size_t n, const float *x, const float *y);
  double (*dot_centered)(size_t n, const float *x, float center, const float *y);
  double (*dot_weighted)(size_t n, const float *x, float center, const float *y,
                         const float *weight); /* of all three */
  /* index of the first largest (smallest) value; the first NaN wins over all */
  size_t (*argmax)(size_t n, const float *x, size_t stride);
  size_t (*argmin)(size_t n, const float *x, size_t stride);
  /* y[j] += x[i][j] over i < rows: sum over the first axis of a (rows, n) block */
  void (*sum_rows)(size_t rows, size_t n, const float *x, double *y);
  /* softmax of one row of n values with a stride; in place is fine */
  void (*softmax)(size_t n, size_t stride, const float *x, float *y);
  void (*log_softmax)(size_t n, size_t stride, const float *x, float *y);
  double (*logsumexp)(size_t n, size_t stride, const float *x);
};

/* A window that slides over an image of H x W pixels. */
struct fnn_window {
  size_t h, w;      /* input pixels */
  size_t r, s;      /* kernel */
  size_t p, q;      /* output pixels */
  size_t stride[2]; /* rows, columns */
  size_t dilation[2];
  size_t top, left; /* zeros before the first row and column */
};

enum { FNN_NO_WINNER = 4 };

/* Pooling of one plane of pixels: of an image, or of images in lanes. */
struct fnn_pool_kernels {
  /* y[p][q] = the largest of the window's pixels inside the image */
  void (*max)(const struct fnn_window *w, const float *x, float *y);
  /* d[h][w] = the sum of g[p][q] over the windows whose first largest pixel it is; written in full */
  void (*max_back)(const struct fnn_window *w, const float *x, const float *g, float *d);
  /* Of windows of 2 x 2 side by side: y[p][q] = the largest of x, and winner[p][q] which of the four pixels that is, 0 .. 3 by
   * rows; with `relu` the largest of relu(x), and FNN_NO_WINNER where none is above 0. winner may be NULL. */
  void (*max_of_four)(const struct fnn_window *w, int relu, const float *x, float *y, uint8_t *winner);
  /* d[h][w] = g[p][q] for the winners, 0 for others; written in full. Returns the sum of d. */
  double (*back_to_winners)(const struct fnn_window *w, const uint8_t *winner, const float *g, float *d);
  /* y[p][q] = the mean over the window; `whole` divides by R * S, else by the pixels inside the image */
  void (*avg)(const struct fnn_window *w, int whole, const float *x, float *y);
  /* d[h][w] = the sum of its shares of g[p][q]; written in full */
  void (*avg_back)(const struct fnn_window *w, int whole, const float *g, float *d);
};

/* window.c: convolution's two rearrangements, and pooling, on one image or one plane of it. */
struct fnn_window_kernels {
  /* col[c][r][s][p][q] = x[c][h][w], zero outside the image */
  void (*im2col)(const struct fnn_window *w, size_t channels, const float *x, float *col);
  /* x[c][h][w] += col[c][r][s][p][q] */
  void (*col2im)(const struct fnn_window *w, size_t channels, const float *col, float *x);
  struct fnn_pool_kernels pool;
};

/* What becomes of a channel in batch normalization: x scale + shift; and its mean. */
struct fnn_affine {
  float scale, shift, center;
};

/* norm.c */
struct fnn_norm_kernels {
  /* y[i] = x[i] * scale + shift */
  void (*affine)(size_t n, const float *x, float scale, float shift, float *y);
  /* y[i] = relu(x[i] * scale + shift + addend[i]); addend may be NULL */
  void (*affine_relu)(size_t n, const float *x, float scale, float shift, const float *addend, float *y);
  /* d[i] = g[i] * a + x[i] * b + c; d may be g */
  void (*affine_back)(size_t n, const float *g, const float *x, float a, float b, float c, float *d);
  /* Where each value has its own weight and bias: y[i] = (x[i] - mean) * rstd * weight[i] + bias[i]; without weight it
   * is 1, without bias 0 */
  void (*normalize)(size_t n, const float *x, float mean, float rstd, const float *weight, const float *bias, float *y);
  /* d[i] = g[i] * weight[i] * a + x[i] * b + c */
  void (*normalize_back)(size_t n, const float *g, const float *x, const float *weight, float a, float b, float c,
                         float *d);
  /* sum_gh[i] += g[i] * (x[i] - mean) * rstd and sum_g[i] += g[i] */
  void (*normalize_sums)(size_t n, const float *g, const float *x, float mean, float rstd, double *sum_gh,
                         double *sum_g);
};

/* random.c. Number i is made from counter first + i / 4. */
struct fnn_random_kernels {
  /* y[i] uniform in [low, high) */
  void (*uniform)(size_t n, uint64_t seed, uint64_t first, float low, float high, float *y);
  /* y[2j] and y[2j + 1] normal, by Box and Muller's method (1958), from counter first + j */
  void (*normal)(size_t n, uint64_t seed, uint64_t first, float mean, float deviation, float *y);
  /* y[i] = x[i] * scale where number start + i is not below `drop`, else 0; in place is fine */
  void (*dropout)(size_t n, uint64_t seed, uint64_t first, uint64_t start, float drop, float scale, const float *x,
                  float *y);
};

/* image.c: one plane of an image of H x W pixels, moved. What comes in from outside is 0 or, with `reflect`, the image
 * mirrored at its first and last pixels. */

/* Down by less than h and right by less than w pixels (or by 0), then flipped left to right. */
struct fnn_image_shift {
  size_t h, w;
  ptrdiff_t down, right;
  int flip, reflect;
};

/* Pixel (p, q) is what lies at row row[0] p + row[1] q + row[2] of the old plane, and column likewise, by linear
 * interpolation. */
struct fnn_image_warp {
  size_t h, w; /* (h + 3)(w + 3) fits an int */
  double row[3], column[3];
  int reflect;
};

struct fnn_image_kernels {
  void (*shift)(const struct fnn_image_shift *shift, const float *x, float *y);
  /* x is (h + 3, w + 3): the plane with one line of zeros before its first rows and columns, and two after its last */
  void (*warp)(const struct fnn_image_warp *warp, const float *x, float *y);
  /* y[i] = y[i] * scale + offset, cut to low..high */
  void (*tone)(size_t n, float scale, float offset, float low, float high, float *y);
};

/* update.c: one step of each optimizer over a parameter w with gradient g, in one pass. What the states
 * s and the numbers h are, optim/optim.c says; h[0] scales the gradient and h[1] bounds its magnitude. */
typedef void (*fnn_update)(size_t n, float *w, const float *g, float *const *s, const float *h);

enum fnn_rule {
  FNN_RULE_SGD,
  FNN_RULE_MOMENTUM,
  FNN_RULE_ADAM,
  FNN_RULE_ADAMAX,
  FNN_RULE_NADAM,
  FNN_RULE_RMSPROP,
  FNN_RULE_RMSPROP_FULL,
  FNN_RULE_ADAGRAD,
  FNN_RULE_ADADELTA,
  FNN_RULE_LION,
  FNN_RULE_LAMB,
  FNN_RULE_AVERAGE,
  FNN_RULE_COUNT
};

struct fnn_update_kernels {
  fnn_update rule[FNN_RULE_COUNT];
};

/* ---- images in lanes: lanes.c, lane_conv.c and winograd.c; channels in lanes: channel_conv.c ----
 *
 * A laned array keeps `width` images side by side in the lanes of vectors: (N / width, C, H, W, width), aligned to 64
 * bytes. A "pixel" is then `width` floats, one of each image; steps below are in floats all the same. Where images do not
 * fill the last block, its other lanes hold zeros. */

enum { FNN_LANES_MAX = 16 }; /* no instruction set has more lanes */

/* Matrices: kernels of amx_conv.c multiply FNN_AMX_SIDE x FNN_AMX_SIDE pairs at a time. What there is `count` of, filters, channels
 * or pairs of channels, is in matrices of fnn_amx_size(count) each, and the last is filled up with zeros. */
enum { FNN_AMX_SIDE = 16, FNN_AMX_MATRIX = FNN_AMX_SIDE * FNN_AMX_SIDE };
static inline size_t fnn_amx_count(size_t count) { return (count + FNN_AMX_SIDE - 1) / FNN_AMX_SIDE; }
static inline size_t fnn_amx_size(size_t count) {
  return count ? (count + fnn_amx_count(count) - 1) / fnn_amx_count(count) : 0;
}
static inline size_t fnn_amx_filled(size_t count) { return fnn_amx_count(count) * fnn_amx_size(count); }

/* What a correlation by matrices adds up in one go: the pairs of channels of a pixel, or those of neighbouring pixels that a row
 * of as many taps meets, which then follow upon each other. A run is cut into matrices of as many lines each; that they come
 * out even, a pixel has more pairs than its channels make, of zeros. */
struct fnn_amx_run {
  size_t taps, pairs, lines;
};
static inline size_t fnn_amx_matrices(struct fnn_amx_run run) { return run.taps * run.pairs / run.lines; }

/* Of `taps` neighbours, where that makes fewer matrices than one by one. */
static inline struct fnn_amx_run fnn_amx_run_of(size_t channels, size_t taps) {
  const size_t least = (channels + 1) / 2, filled = fnn_amx_filled(least);
  struct fnn_amx_run best = {1, filled, filled ? fnn_amx_size(least) : 1};
  size_t fewest = taps * fnn_amx_matrices(best);
  for (size_t pairs = least; pairs <= fnn_amx_count(least) * FNN_AMX_SIDE; pairs++) {
    struct fnn_amx_run run = {taps, pairs, FNN_AMX_SIDE};
    while (taps * pairs % run.lines) run.lines--;
    if (fnn_amx_matrices(run) >= fewest) continue;
    best = run;
    fewest = fnn_amx_matrices(run);
  }
  return best;
}

/* The weights of a correlation; steps may be negative, to read a kernel from its end. */
struct fnn_lane_weights {
  size_t filters, channels, r, s;
  const float *from;
  ptrdiff_t filter, channel, row, column; /* steps */
  struct fnn_amx_run run;                 /* for matrices */
};

/* One row of output pixels of a correlation, or any others that lie alike: for all filters k and pixels q < this.q,
 * y[k][q] = bias[k] + sum over channels c, rows i < r, columns j < s of weight[k][c][i][j] x[i][c][q * x_pixel + j * x_tap] */
struct fnn_lane_row {
  size_t filters, channels, q, r, s;
  const float *const *x; /* for each row of the kernel, the image's row of channel 0 */
  size_t x_channel, x_pixel, x_tap;
  size_t fetch_rows, fetch_ahead; /* of the last so many rows, what lies so many floats ahead is fetched meanwhile */
  const float *weight; /* from pack_weights: of w_rows x w_columns taps, these r x s begin at (w_row, w_column) */
  size_t w_rows, w_columns, w_row, w_column;
  int zeros[2];      /* for sliding rows: x lacks a pixel of zeros before the first, after the last */
  const float *bias; /* or NULL */
  int relu;          /* negative results become 0 */
  float *y;
  size_t y_filter, y_pixel;
  int fetch_results;      /* lines of y are fetched before they are written: they lie in no near cache */
  struct fnn_amx_run run; /* for matrices; s and w_column are multiples of its taps */
};

/* Where a row is of one filter, and of so many taps that are neighbouring pixels, each pixel is read once for all of them, for so
 * many results at a time, the fewest that there may be. */
enum { FNN_SLIDING_TAPS = 3, FNN_SLIDING_PIXELS = 6 };

/* Part of a weight gradient: for all filters k and taps t,
 * dw[k * dw_filter + t] += sum over blocks b, rows p, columns q and lanes of
 * g[b * g_block + k * g_filter + p * g_row + q * width] x[b * x_block + p * x_row + q * x_pixel + tap[t]]
 *
 * With matrices a filter is a matrix of them, as pack_columns makes it, a tap one of `rows` channels, and there are FNN_AMX_MATRIX
 * sums for both, channel by filter. */
struct fnn_lane_gradient {
  size_t filters, taps, blocks, p, q;
  size_t rows, x_channel; /* for matrices: channels of one, at most FNN_AMX_SIDE, and from one to the next in x */
  const float *g, *x;
  size_t g_block, g_filter, g_row, x_block, x_row, x_pixel;
  const size_t *tap;
  float *dw;
  size_t dw_filter;
};

/* The same where g is turned: a pixel of `width` filters (a vector of them) has for each lane of the images a vector in which the
 * filters are the lanes; or, where the width is 16, for lanes 2 i and 2 i + 1 two vectors, in which each filter has both, one after the
 * other. For all channels c (at least FNN_LEAST_TURNED) and filters k of the vectors, dw[c * dw_channel + k] += sum over blocks b, rows
 * p, columns q and lanes l of what g + k / width * g_vector + b * g_block + p * g_row + q * width * width has for k and l, times
 * x[b * x_block + c * x_channel + p * x_row + q * x_pixel + l]
 *
 * In mixed precision two neighbouring lanes are one number, a pair, and what a pixel has is half as long. */
enum { FNN_LEAST_TURNED = 7 };

struct fnn_turned_gradient {
  size_t vectors, channels, blocks, p, q;
  const float *g, *x;
  size_t g_vector, g_block, g_row, x_channel, x_block, x_row, x_pixel;
  float *dw;
  size_t dw_channel;
};

/* The weight gradient of a single channel and filter of FNN_SLIDING_TAPS x FNN_SLIDING_TAPS taps that are neighbouring pixels:
 * dw[i * FNN_SLIDING_TAPS + s] += sum over blocks b, rows p, columns q and lanes of
 * g[b * g_block + (p * this.q + q) * width] x[b * x_block + ((p + i - top) * w + q + s - left) * width], without what is beside x */
struct fnn_sliding_gradient {
  size_t blocks, h, w, p, q, top, left;
  const float *x, *g;
  size_t x_block, g_block;
  float *dw;
};

/* A tile of size x size pixels (at most 6 x 6): where they lie in a channel of the input, which of them are inside it (the
 * others are 0); and where its p x q pixels (at most 4 x 4) go in a channel of the output. */
struct fnn_winograd_tile {
  size_t row[6], column[6]; /* pixel (r, c) is `row[r] + column[c]` floats from the channel's beginning */
  int32_t inside[36];       /* -1 or 0 */
  size_t to, p, q;
};

/* Tiles of every channel, or in mixed precision of every pair of channels, transformed: place i of tile t of number c goes to
 * v[i * v_place + c * v_channel + t * width], or where images are the pairs, t * width / 2. */
struct fnn_winograd_input {
  size_t size, channels, tiles;
  const struct fnn_winograd_tile *tile;
  const float *x;
  size_t x_channel;
  float *v;
  size_t v_place, v_channel;
};

/* Rows of 6 x 6 places of which two are made of nearly the same: 0 and 5, 1 and 2, 3 and 4. The first (0) or second (1) of a pair. */
static inline size_t fnn_winograd_row(size_t pair, size_t i) { return pair == 0 ? 5 * i : 2 * pair - 1 + i; }

/* The way back, for each filter: from m[i * m_place + k * m_filter + t * width] to the output, plus bias and addend,
 * with or without relu. */
struct fnn_winograd_output {
  size_t size, pixels, filters, tiles; /* 4, 5 or 6 places a side, 2 or 4 pixels */
  int swapped[2]; /* for spread tiles: of each two rows, and columns, F(2, 2) gives the second (0 or 1) */
  const struct fnn_winograd_tile *tile;
  const float *m;
  size_t m_place, m_filter;
  const float *bias;   /* a number of each filter, or NULL */
  const float *biases; /* instead, where filters lie in lanes: a vector */
  const float *addend; /* which lies like y, or NULL */
  int relu;
  int pool; /* y is max_of_four (above) of the pixels, with relu; there is no addend */
  float *y;
  uint8_t *winner; /* which lies like y, or NULL */
  size_t y_filter, y_row, y_pixel;
};

/* channel_conv.c: channels in lanes, (N, C / width, H, W, width), and filters. There are two ways for vectors of up to
 * `width` of them; where there are fewer, vectors of weights reach over the next ones, and the other lanes of results mean
 * nothing. */

/* For each place i of some transformed tiles, and each vector k of filters: m[i * m_place + k * m_vector + t * width] = the sum
 * over channels c of the vector u[i * u_place + k * u_vector + c * filters] times the number
 * v[i * v_place + c / width * v_block + t * width + c % width]. */
struct fnn_channel_product {
  size_t places, tiles, channels, vectors, filters;
  const float *v, *u;
  size_t v_place, v_block, u_place, u_vector;
  float *m;
  size_t m_place, m_vector;
};

/* For output pixels number first .. last-1 of an image, and each vector k of filters: y[k * y_vector + i * width] = the sum over
 * taps t and channels c of the vector weight[k * weight_vector + (t * channels + c) * filters] times channel c of the pixel under
 * the tap, plus bias and addend, with or without relu. */
struct fnn_channel_correlation {
  const struct fnn_window *window;
  size_t channels, vectors, filters, first, last;
  const float *x, *weight;
  size_t weight_vector;
  const float *bias;   /* the vectors one after the other */
  const float *addend; /* which lies like y, but not in the same place, or NULL */
  int relu;
  float *y;
  size_t y_vector;
};

struct fnn_lane_kernels {
  size_t width;
  size_t row_pixels; /* that correlate does at a time */
  int matrices;      /* pairs are multiplied as matrices */
  /* pairs of bfloat16, rounded to nearest: y = the pairs (a[i], b[i]) of n pixels, `step` from pixel to pixel; b may be NULL for
   * zeros. And those of neighbouring lanes: y = the pairs (x[2 i], x[2 i + 1]) of n pixels. */
  void (*pack_pairs)(size_t n, const float *a, const float *b, float *y, size_t step);
  void (*pack_halves)(size_t n, const float *x, float *y);
  /* for matrices: y[i * FNN_AMX_MATRIX + lane * FNN_AMX_SIDE + k] = the pair of lane `lane` of pixel i of filters a + k * step and
   * b + k * step, 0 for k >= filters */
  void (*pack_columns)(size_t n, size_t filters, const float *a, const float *b, size_t step, float *y);
  /* n floats of each of `images` images, which are `step` apart, into the lanes of one block, and back; lanes without an
   * image become 0 */
  void (*pack)(size_t images, size_t n, const float *x, size_t step, float *y);
  void (*unpack)(size_t images, size_t n, const float *x, float *y, size_t step);
  /* lanes from number `images` on become 0, in n pixels */
  void (*clear)(size_t images, size_t n, float *y);

  void (*pack_weights)(const struct fnn_lane_weights *weights, float *packed);
  void (*correlate)(const struct fnn_lane_row *row);
  void (*weight_gradient)(const struct fnn_lane_gradient *gradient);
  /* n numbers, those of whole pixels, of each of `filters` (up to the width), which are `step` apart, turned for turned_gradient; filters
   * that are none become 0. In mixed precision images are paired, or have been by pack_halves. */
  void (*turn)(size_t filters, size_t n, const float *x, size_t step, float *y);
  void (*turn_halves)(size_t filters, size_t n, const float *x, size_t step, float *y);
  void (*turned_gradient)(const struct fnn_turned_gradient *gradient);
  void (*sliding_gradient)(const struct fnn_sliding_gradient *gradient);

  /* winograd.c and winograd_input.c. Tiles of 5 are for 3 x 3 taps with a stride of 2, of which they give 2 x 2 pixels, or 4 x 4
   * of the gradient of its input ("spread": without bias, relu and addend). The weights (3 x 3 or 5 x 5) of filters
   * first .. last-1, for tiles of `size`: u[place * step + filter * channels + channel] */
  void (*winograd_weights)(const struct fnn_lane_weights *weights, size_t size, size_t first, size_t last, float *u,
                           size_t step);
  void (*winograd_input)(const struct fnn_winograd_input *input);
  void (*winograd_output)(const struct fnn_winograd_output *output);
  /* For weight gradients: a pair of rows of the 6 x 6 places (fnn_winograd_row) of tiles of the input (size 6) or of the output's
   * gradient (size 4 for 3 x 3 taps, 2 for 5 x 5); place i of the first row goes to v[i * v_place + ...], of the second to
   * v[(6 + i) * v_place + ...]. */
  void (*winograd_rows)(const struct fnn_winograd_input *input, size_t pair);
  /* dw[i * r * r + tap], for r x r taps, from the 36 sums m[place * step + i], for i < count */
  void (*winograd_taps)(size_t r, size_t count, size_t step, const float *m, float *dw);

  size_t product_vectors; /* of filters that channel_product and channel_correlate do at a time */
  void (*channel_product)(const struct fnn_channel_product *product);
  void (*channel_correlate)(const struct fnn_channel_correlation *correlation);

  struct fnn_pool_kernels pool;

  /* sums over n pixels, added to the `width` totals, one of each lane, which has a center of its own */
  void (*sum)(size_t n, const float *x, double *total);
  void (*sum_squares)(size_t n, const float *x, const float *center, double *total);
  void (*dot_centered)(size_t n, const float *x, const float *center, const float *g, double *sum_g, double *sum_gx);
  /* The same of d[i] = g[i] where relu's result y[i], or x[i] * scale + shift where y is NULL, is above 0, else 0; d may be g. The
   * numbers are those of all lanes. */
  void (*relu_dot_centered)(size_t n, const struct fnn_affine *affine, const float *x, const float *y, const float *g,
                            float *d, double *sum_g, double *sum_gx);
  /* y = x scale + shift, and d = g a + x b + c, over n pixels, with numbers of each lane */
  void (*affine)(size_t n, const float *x, const float *scale, const float *shift, float *y);
  void (*affine_back)(size_t n, const float *g, const float *x, const float *a, const float *b, const float *c,
                      float *d);
  /* d[i] = g[i] where y[i] > 0, else 0, over n pixels; d may be g. Returns the sum of d. */
  double (*relu_back)(size_t n, const float *y, const float *g, float *d);
  /* random.c's dropout of one block: pixel i of lane l has number start + l * stride + i; starts are multiples of 4 */
  void (*dropout)(size_t n, uint64_t seed, uint64_t first, uint64_t start, uint64_t stride, float drop, float scale,
                  const float *x, float *y);
};

/* ---- products of matrices in mixed precision: panels.c, amx_gemm.c ----
 *
 * A factor is brought into panels of FNN_AMX_SIDE lines each, rows of the left factor and columns of the right one: FNN_AMX_MATRIX
 * floats for each FNN_PANEL_DEPTH numbers of the axis that is summed over, zeros where there are none. */
enum { FNN_PANEL_LINES = FNN_AMX_SIDE, FNN_PANEL_DEPTH = 2 * FNN_AMX_SIDE };

/* Up to FNN_PANEL_LINES lines of `depth` numbers: number d of line i is from[i * line + d * step], and one of both steps is 1. */
struct fnn_panel {
  const float *from;
  size_t lines, depth, line, step;
  int right; /* of the right factor */
};

/* c[i * ldc + j] = the product of row i < rows of the left factor and column j < columns of the right one, at most two panels of
 * it; or is added to. */
struct fnn_panel_product {
  size_t rows, columns;
  size_t panel; /* floats from a panel to the next */
  const float *a, *b;
  int adds;
  float *c;
  size_t ldc;
};

struct fnn_panel_kernels {
  void (*pack)(const struct fnn_panel *panel, float *to);
  void (*multiply)(const struct fnn_panel_product *product);
};

struct fnn_kernels {
  const char *name; /* "base", "avx2", "avx512" */
  const struct fnn_elementwise_kernels *elementwise;
  const struct fnn_reduce_kernels *reduce;
  const struct fnn_window_kernels *window;
  const struct fnn_norm_kernels *norm;
  const struct fnn_random_kernels *random;
  const struct fnn_update_kernels *update;
  const struct fnn_image_kernels *image;
  const struct fnn_lane_kernels *lanes;
};

/* The kernels for one instruction set, or for the best below it that this build has. */
const struct fnn_kernels *fnn_kernels_for(enum fnn_isa isa);

/* How many lanes serve a batch of so many images best on that instruction set; 0 where lanes would be mostly empty. */
size_t fnn_lanes_for(enum fnn_isa isa, size_t images);

/* The kernels for laned arrays of that width, which fnn_lanes_for named. */
const struct fnn_lane_kernels *fnn_lane_kernels_for(enum fnn_isa isa, size_t width);

/* The same for mixed precision, or NULL where the CPU has no such instructions: pack_pairs, pack_weights, correlate and more on
 * arrays whose "floats" are pairs of bfloat16, in which multiply-adds become dot products of two pairs, added to a float. In a
 * correlation a pair is two channels (`channels` counts pairs, but where pairs are made, in pack_weights and winograd_input,
 * channels: without a last one there is a zero), in a weight gradient two images. There are pack_halves, turn, turn_halves,
 * turned_gradient, winograd_input (of tiles of 4 x 4 alone) and winograd_rows, or with `matrices` pack_columns and weight_gradient,
 * whose pairs are of the images of two blocks. */
const struct fnn_lane_kernels *fnn_pair_kernels_for(enum fnn_isa isa, size_t width);

/* The kernels for products of matrices in mixed precision, or NULL where the CPU does not multiply bfloat16. */
const struct fnn_panel_kernels *fnn_panel_kernels_for(enum fnn_isa isa);

#endif
