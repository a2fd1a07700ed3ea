/* Winograd's transforms and products, against products of matrices that are made from their points, in double precision.
 *
 * By Toom and Cook's method with points p[i], the last of which is infinity, sums of products of n - r + 1 results,
 * y[k] = the sum over j < r of w[j] d[k + j], come from n products: y = A ((G w) * (B d)), where A has the points' powers,
 * and so has G, each row divided by p[i]'s distances from the other points, whose product of (x - p[j]) is row i of B.
 * The divisors may as well be A's, and a sign too goes to any of the three. */
#include <string.h>

#include "kernels_lanes.h"
#include "kernels_parts.h"

static uint64_t state = 11;

/* ---- the matrices ---- */

enum { MOST = 6 };
typedef double matrix[MOST][MOST];

struct method {
  size_t size, taps, results; /* places, weights and sums: size = taps + (results - 1) stride */
  size_t stride;
  matrix a, b, g; /* results x size, size x size, size x taps */
};

/* p^k */
static double power(double p, size_t k) {
  double value = 1.0;
  while (k-- > 0) value *= p;
  return value;
}

/* The coefficients of the product of (x - point) over all points but number `without`. */
static void product_of(size_t points, const double *point, size_t without, double *coefficient) {
  for (size_t k = 0; k < MOST; k++) coefficient[k] = k == 0;
  for (size_t i = 0; i < points; i++)
    for (size_t k = MOST; i != without && k-- > 0;)
      coefficient[k] = (k > 0 ? coefficient[k - 1] : 0.0) - point[i] * coefficient[k];
}

static double divisor(size_t points, const double *point, size_t i) {
  double distances = 1.0;
  for (size_t j = 0; j < points; j++)
    if (j != i) distances *= point[i] - point[j];
  return distances;
}

/* The powers of the points, and of infinity, in rows of `count`. */
static void powers_of(size_t size, const double *point, size_t count, matrix m) {
  for (size_t i = 0; i < size; i++)
    for (size_t k = 0; k < count; k++) m[i][k] = i + 1 < size ? power(point[i], k) : k + 1 == count;
}

/* With `late`, the divisors are A's, for gradients of weights. */
static struct method method_of(size_t size, size_t taps, int late) {
  const double a = sqrt(0.5), b = sqrt(2.0), few[] = {0, 1, -1}, six[] = {0, a, -a, b, -b};
  const double *point = size < 6 ? few : six;
  struct method method = {.size = size, .taps = taps, .results = size - taps + 1, .stride = 1};
  matrix powers;
  powers_of(size, point, taps, method.g);
  powers_of(size, point, method.results, powers);
  for (size_t i = 0; i < size; i++) {
    product_of(size - 1, point, i + 1 < size ? i : size, method.b[i]);
    for (size_t k = 0; k < method.results; k++) method.a[k][i] = powers[i][k];
    if (i + 1 == size) continue;
    for (size_t k = 0; k < taps && !late; k++) method.g[i][k] /= divisor(size - 1, point, i);
    for (size_t k = 0; k < method.results && late; k++) method.a[k][i] /= divisor(size - 1, point, i);
  }
  for (size_t k = 0; k < MOST && size == 4; k++) /* as Lavin and Gray have the signs */
    method.b[3][k] = -method.b[3][k], method.a[k][3] = -method.a[k][3];
  for (size_t k = 0; k < MOST && size < 6; k++) method.b[0][k] = -method.b[0][k], method.g[0][k] = -method.g[0][k];
  return method;
}

/* Of a stride of 2: F(2, 2) for every second pixel and tap, and between them products of their own. Without `spread`, each result is
 * the sum of both; with it they are neighbours. */
static struct method method_of_stride(int spread) {
  const struct method two = method_of(3, 2, 0);
  struct method method = {.size = 5, .taps = 3, .results = spread ? 4 : 2, .stride = 2};
  for (size_t i = 0; i < 3; i++)
    for (size_t k = 0; k < 3; k++) {
      method.b[2 * i][2 * k] = two.b[i][k];
      if (k < 2) method.g[2 * i][2 * k] = two.g[i][k], method.a[spread ? 2 * k : k][2 * i] = two.a[k][i];
    }
  for (size_t i = 0; i < 2; i++)
    method.b[2 * i + 1][2 * i + 1] = method.g[2 * i + 1][1] = method.a[spread ? 2 * i + 1 : i][2 * i + 1] = 1.0;
  return method;
}

/* The matrices themselves: that A ((G w) * (B d)) is what it should be, for each single w[j] and d[i]. */
static void check_method(const struct method *m) {
  for (size_t k = 0; k < m->results; k++)
    for (size_t j = 0; j < m->taps; j++)
      for (size_t i = 0; i < m->size; i++) {
        double y = 0.0;
        for (size_t place = 0; place < m->size; place++) y += m->a[k][place] * m->g[place][j] * m->b[place][i];
        expect(fabs(y - (i == k * m->stride + j)) < 1e-12,
               "matrices of %zu places, %zu taps: y[%zu] of w[%zu] d[%zu] is %g", m->size, m->taps, k, j, i, y);
      }
}

/* One element of m x m', from two rows of m: x has `count` rows of as many numbers. */
static struct sum transformed(const double *row, const double *column, size_t count, const double *x) {
  struct sum sum = {0};
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < count; k++) add(&sum, row[i] * column[k] * x[i * count + k]);
  return sum;
}

/* ---- tiles ---- */

enum { ROWS = 7, COLUMNS = 9, PIXELS = ROWS * COLUMNS, TILES = 5 };

/* Pixels that are `step` apart, begun anywhere in or beside a plane, whose pixel 0 is NaN and counts as outside of it. */
static void any_tile(size_t width, size_t size, size_t first, struct fnn_winograd_tile *tile) {
  const long row = (long)random_below(&state, ROWS + 4) - 4, column = (long)random_below(&state, COLUMNS + 4) - 4;
  const long step = 1 + (long)random_below(&state, 2);
  for (size_t i = 0; i < size; i++) {
    const long r = row + step * (long)i, c = column + step * (long)i;
    tile->row[i] = first + (r >= 0 && r < ROWS ? (size_t)(r * COLUMNS) * width : 0);
    tile->column[i] = c >= 0 && c < COLUMNS ? (size_t)c * width : 0;
  }
  for (size_t i = 0; i < size * size; i++) {
    const long r = row + step * (long)(i / size), c = column + step * (long)(i % size);
    tile->inside[i] = r >= 0 && r < ROWS && c >= 0 && c < COLUMNS && r + c > 0 ? -1 : 0;
  }
}

/* The pixels of one lane of a tile. */
static void pixels_of(const struct fnn_winograd_tile *tile, size_t size, const float *x, double *pixels) {
  for (size_t i = 0; i < size * size; i++)
    pixels[i] = tile->inside[i] ? (double)x[tile->row[i / size] + tile->column[i % size]] : 0.0;
}

/* Tiles of `channels` channels of two images: a job of winograd_input and winograd_rows, with exactly its memory. */
struct tiles {
  struct fnn_winograd_tile tile[TILES];
  struct fnn_winograd_input job;
  float *x, *v;
  size_t count; /* of v */
  struct sum *want;
};

static void make_tiles(struct tiles *j, size_t width, size_t size, size_t places, size_t channels, size_t tiles) {
  const size_t x_channel = PIXELS * width, image = (channels ? channels : 1) * x_channel;
  const size_t v_channel = (tiles + 1) * width, v_place = channels * v_channel + width;
  j->x = floats(&state, 2 * image);
  for (size_t i = 0; i < 2 * image; i++)
    if (i % x_channel < width) j->x[i] = NAN;
  for (size_t t = 0; t < tiles; t++) any_tile(width, size, t % 2 * image, &j->tile[t]);
  j->count = channels && tiles ? (places - 1) * v_place + (channels - 1) * v_channel + tiles * width : 0;
  j->v = untouched(j->count);
  j->want = expected(j->count);
  j->job = (struct fnn_winograd_input){.size = size,
                                       .channels = channels,
                                       .tiles = tiles,
                                       .tile = j->tile,
                                       .x = j->x,
                                       .x_channel = x_channel,
                                       .v = j->v,
                                       .v_place = v_place,
                                       .v_channel = v_channel};
}

static void free_tiles(struct tiles *j) { free(j->x), free(j->v), free(j->want); }

/* Places (r, 0), (r, 1), ... of the tiles, which are number `first` and following of v, by m x m'. */
static void expect_row(struct tiles *j, size_t width, const double (*m)[MOST], size_t places, size_t r, size_t first) {
  const struct fnn_winograd_input *job = &j->job;
  for (size_t at = 0; at < job->channels * job->tiles * width; at++) {
    const size_t c = at / width / job->tiles, t = at / width % job->tiles, l = at % width;
    double pixels[MOST * MOST] = {0};
    pixels_of(&j->tile[t], job->size, j->x + c * job->x_channel + l, pixels);
    for (size_t i = 0; i < places; i++)
      j->want[(first + i) * job->v_place + c * job->v_channel + t * width + l] =
          transformed(m[r], m[i], job->size, pixels);
  }
}

static void check_input(const struct fnn_kernels *k, const struct method *m, size_t channels, size_t tiles) {
  struct tiles j;
  make_tiles(&j, k->lanes->width, m->size, m->size * m->size, channels, tiles);
  for (size_t r = 0; r < m->size; r++) expect_row(&j, k->lanes->width, m->b, m->size, r, r * m->size);
  k->lanes->winograd_input(&j.job);
  expect_sums(j.count, j.v, j.want, "%s winograd_input of %zu channels, %zu tiles of %zu", k->name, channels, tiles,
              m->size);
  free_tiles(&j);
}

static const size_t rows_of_pairs[3][2] = {{0, 5}, {1, 2}, {3, 4}};

/* Of the input's tiles (`pixels` is 6) or the gradient's, which is the kernel of that method. */
static void check_rows(const struct fnn_kernels *k, const struct method *m, size_t pixels, size_t channels,
                       size_t tiles) {
  for (size_t pair = 0; pair < 3; pair++) {
    struct tiles j;
    make_tiles(&j, k->lanes->width, pixels, 12, channels, tiles);
    for (size_t i = 0; i < 2; i++)
      expect_row(&j, k->lanes->width, pixels == 6 ? m->b : m->g, 6, rows_of_pairs[pair][i], 6 * i);
    k->lanes->winograd_rows(&j.job, pair);
    expect_sums(j.count, j.v, j.want, "%s winograd_rows %zu of %zu channels, %zu tiles of %zu", k->name, pair, channels,
                tiles, pixels);
    free_tiles(&j);
  }
}

/* ---- pairs of bfloat16 ---- */

static int is_half(uint32_t bits, struct sum want) {
  float got;
  memcpy(&got, &bits, sizeof got);
  return fabs((double)got - want.value) <= ldexp(fabs(want.value), -8) + 1e-6 * want.size;
}

/* Places (r, 0), (r, 1), ... as in expect_row: pairs of channels 2c and 2c + 1, or with `images` of neighbouring lanes. What is as
 * expected counts as untouched after that. */
static void expect_pairs(struct tiles *j, size_t width, const double (*m)[MOST], size_t places, size_t r, size_t first,
                         int images) {
  const struct fnn_winograd_input *job = &j->job;
  const size_t channels = images ? 1 : 2, lanes = images ? width / 2 : width; /* channels of a pair; pairs of a place */
  for (size_t at = 0; at < (job->channels + channels - 1) / channels * job->tiles * lanes; at++) {
    const size_t c = at / lanes / job->tiles, t = at / lanes % job->tiles, l = at % lanes;
    const float *x = j->x + channels * c * job->x_channel + (images ? 2 * l : l);
    double low[MOST * MOST] = {0}, high[MOST * MOST] = {0};
    pixels_of(&j->tile[t], job->size, x, low);
    if (images || 2 * c + 1 < job->channels) pixels_of(&j->tile[t], job->size, x + (images ? 1 : job->x_channel), high);
    for (size_t i = 0; i < places; i++) {
      float *got = &j->v[(first + i) * job->v_place + c * job->v_channel + t * lanes + l];
      uint32_t bits;
      memcpy(&bits, got, sizeof bits);
      if (is_half(bits << 16, transformed(m[r], m[i], job->size, low)) &&
          is_half(bits & 0xFFFF0000u, transformed(m[r], m[i], job->size, high)))
        *got = UNTOUCHED;
    }
  }
}

static void check_pairs(const struct fnn_lane_kernels *pairs, const struct method *m, size_t channels, size_t tiles) {
  struct tiles j;
  if (!pairs || m->size != 4) return; /* nobody asks for others */
  make_tiles(&j, pairs->width, m->size, m->size * m->size, channels, tiles);
  pairs->winograd_input(&j.job);
  for (size_t r = 0; r < m->size; r++) expect_pairs(&j, pairs->width, m->b, m->size, r, r * m->size, 0);
  expect_sums(j.count, j.v, j.want, "bfloat16 winograd_input of %zu channels, %zu tiles of %zu", channels, tiles,
              m->size);
  free_tiles(&j);
}

static void check_rows_of_pairs(const struct fnn_lane_kernels *pairs, const struct method *m, size_t pixels,
                                size_t channels, size_t tiles) {
  for (size_t pair = 0; pairs && pair < 3; pair++) {
    struct tiles j;
    make_tiles(&j, pairs->width, pixels, 12, channels, tiles);
    pairs->winograd_rows(&j.job, pair);
    for (size_t i = 0; i < 2; i++)
      expect_pairs(&j, pairs->width, pixels == 6 ? m->b : m->g, 6, rows_of_pairs[pair][i], 6 * i, 1);
    expect_sums(j.count, j.v, j.want, "bfloat16 winograd_rows %zu of %zu channels, %zu tiles of %zu", pair, channels,
                tiles, pixels);
    free_tiles(&j);
  }
}

/* ---- output ---- */

/* Row i of A, or that of its neighbour. */
static const double *row_of(const struct method *m, size_t i, int swapped) { return m->a[swapped ? i ^ 1 : i]; }

/* Tiles lie beside each other, and have fewer pixels than they could, or none. With `swapped`, each two neighbours of a row (1) and
 * of a column (2) have changed places. */
static void check_output(const struct fnn_kernels *k, const struct method *m, size_t filters, size_t tiles, int options,
                         int swapped) {
  const size_t width = k->lanes->width, pixels = m->results, places = m->size * m->size;
  const size_t y_row = tiles * pixels * width, y_filter = pixels * y_row + width;
  const size_t m_filter = (tiles + 1) * width, m_place = filters * m_filter + width;
  const size_t count = filters && tiles ? (filters - 1) * y_filter + pixels * y_row : 0;
  const size_t products = filters && tiles ? (places - 1) * m_place + (filters - 1) * m_filter + tiles * width : 0;
  const int relu_after = options & 1, with_bias = options & 2, with_addend = options & 4;
  const int in_lanes = options & 8; /* the filters, so that each lane has a bias */
  float *x = floats(&state, products), *bias = floats(&state, filters * (in_lanes ? width : 1)),
        *addend = floats(&state, count);
  float *y = untouched(count);
  struct sum *want = expected(count);
  struct fnn_winograd_tile tile[TILES];
  for (size_t t = 0; t < tiles; t++) {
    tile[t].to = t * pixels * width;
    tile[t].p = pixels - random_below(&state, t ? pixels + 1 : 1);
    tile[t].q = pixels - random_below(&state, t ? pixels + 1 : 1);
  }
  for (size_t at = 0; at < filters * tiles * width; at++) {
    const size_t f = at / width / tiles, t = at / width % tiles, l = at % width;
    double from[MOST * MOST] = {0};
    for (size_t i = 0; i < places; i++) from[i] = (double)x[i * m_place + f * m_filter + t * width + l];
    for (size_t i = 0; i < tile[t].p * tile[t].q; i++) {
      const size_t p = i / tile[t].q, q = i % tile[t].q, to = f * y_filter + tile[t].to + p * y_row + q * width + l;
      struct sum sum = transformed(row_of(m, p, swapped & 2), row_of(m, q, swapped & 1), m->size, from);
      if (with_bias) add(&sum, (double)bias[in_lanes ? f * width + l : f]);
      if (with_addend) add(&sum, (double)addend[to]);
      want[to] = relu_after ? relu(sum) : sum;
    }
  }
  k->lanes->winograd_output(&(struct fnn_winograd_output){.size = m->size,
                                                          .pixels = pixels,
                                                          .swapped = {(swapped & 2) != 0, swapped & 1},
                                                          .filters = filters,
                                                          .tiles = tiles,
                                                          .tile = tile,
                                                          .m = x,
                                                          .m_place = m_place,
                                                          .m_filter = m_filter,
                                                          .bias = with_bias && !in_lanes ? bias : NULL,
                                                          .biases = with_bias && in_lanes ? bias : NULL,
                                                          .addend = with_addend ? addend : NULL,
                                                          .relu = relu_after,
                                                          .y = y,
                                                          .y_filter = y_filter,
                                                          .y_row = y_row,
                                                          .y_pixel = width});
  expect_sums(count, y, want, "%s winograd_output of %zu filters, %zu tiles of %zu, %zu pixels, options %d", k->name,
              filters, tiles, m->size, pixels, options);
  free(x), free(bias), free(addend), free(y), free(want);
}

/* Pooled results are what becomes of those that are not, each four of them. */
static void check_pooled_output(const struct fnn_kernels *k, const struct method *m, size_t filters, size_t tiles,
                                int with_winners) {
  const size_t width = k->lanes->width, pixels = m->results, places = m->size * m->size;
  const size_t y_row = tiles * pixels * width, y_filter = pixels * y_row, m_filter = tiles * width;
  const size_t m_place = filters * m_filter, count = filters * y_filter;
  float *x = floats(&state, places * m_place), *bias = floats(&state, filters), *plain = untouched(count);
  float *y = untouched(count / 4), *want = untouched(count / 4);
  uint8_t *winner = exactly(count / 4, sizeof *winner), *winners = exactly(count / 4, sizeof *winners);
  struct fnn_winograd_tile tile[TILES], pooled[TILES];
  memset(winner, 9, count / 4), memset(winners, 9, count / 4);
  for (size_t t = 0; t < tiles; t++) {
    tile[t].to = t * pixels * width;
    tile[t].p = pixels - 2 * random_below(&state, pixels / 2);
    tile[t].q = pixels - 2 * random_below(&state, t ? pixels / 2 + 1 : 1);
    pooled[t] = tile[t];
    pooled[t].to = tile[t].to / 2;
  }
  struct fnn_winograd_output job = {.size = m->size,
                                    .pixels = pixels,
                                    .filters = filters,
                                    .tiles = tiles,
                                    .tile = tile,
                                    .m = x,
                                    .m_place = m_place,
                                    .m_filter = m_filter,
                                    .bias = bias,
                                    .y = plain,
                                    .y_filter = y_filter,
                                    .y_row = y_row,
                                    .y_pixel = width};
  k->lanes->winograd_output(&job);
  for (size_t f = 0; f < filters; f++)
    for (size_t t = 0; t < tiles; t++)
      for (size_t p = 0; p < tile[t].p / 2; p++) {
        const struct fnn_window w = {.h = 2, .w = tile[t].q, .p = 1, .q = tile[t].q / 2};
        const size_t to = f * y_filter / 4 + pooled[t].to + p * y_row / 2;
        float four[2 * MOST * 16], *second = four + tile[t].q * width; /* two rows, at most 16 lanes */
        const float *from = plain + f * y_filter + tile[t].to + 2 * p * y_row;
        memcpy(four, from, tile[t].q * width * sizeof *four);
        memcpy(second, from + y_row, tile[t].q * width * sizeof *four);
        k->lanes->pool.max_of_four(&w, 1, four, want + to, with_winners ? winners + to : NULL);
      }
  job.tile = pooled, job.y = y, job.winner = with_winners ? winner : NULL, job.pool = 1;
  job.y_filter = y_filter / 4, job.y_row = y_row / 2;
  k->lanes->winograd_output(&job);
  expect(memcmp(y, want, count / 4 * sizeof *y) == 0, "%s winograd_output, pooled, of %zu filters, %zu tiles of %zu",
         k->name, filters, tiles, m->size);
  expect(memcmp(winner, winners, count / 4) == 0, "%s winograd_output's winners of %zu filters, %zu tiles of %zu",
         k->name, filters, tiles, m->size);
  free(x), free(bias), free(plain), free(y), free(want), free(winner), free(winners);
}

static void check_pooled_outputs(const struct fnn_kernels *k, const struct method *m, int with_winners) {
  for (size_t filters = 1; filters <= 3; filters++)
    for (size_t tiles = 1; tiles <= TILES; tiles++) check_pooled_output(k, m, filters, tiles, with_winners);
}

/* ---- weights ---- */

/* Of four filters, those in the middle; `reversed` reads each kernel from its end. */
static void check_weights(const struct fnn_kernels *k, const struct method *m, size_t channels, int reversed) {
  enum { FILTERS = 4, FIRST = 1, LAST = 3 };
  const size_t taps = m->taps * m->taps, places = m->size * m->size;
  const size_t count = (places - 1) * (FILTERS * channels + 1) + FILTERS * channels;
  const ptrdiff_t sign = reversed ? -1 : 1;
  float *weight = floats(&state, FILTERS * channels * taps), *u = untouched(count);
  struct sum *want = expected(count);
  const struct fnn_lane_weights weights = {.filters = FILTERS,
                                           .channels = channels,
                                           .r = m->taps,
                                           .s = m->taps,
                                           .from = reversed && channels ? weight + taps - 1 : weight,
                                           .filter = (ptrdiff_t)(channels * taps),
                                           .channel = (ptrdiff_t)taps,
                                           .row = sign * (ptrdiff_t)m->taps,
                                           .column = sign};
  for (size_t f = FIRST; f < LAST; f++)
    for (size_t c = 0; c < channels; c++) {
      double kernel[MOST * MOST] = {0};
      for (size_t i = 0; i < taps; i++)
        kernel[i] = (double)weight[(f * channels + c) * taps + (reversed ? taps - 1 - i : i)];
      for (size_t i = 0; i < places; i++)
        want[i * (FILTERS * channels + 1) + f * channels + c] =
            transformed(m->g[i / m->size], m->g[i % m->size], m->taps, kernel);
    }
  k->lanes->winograd_weights(&weights, m->size, FIRST, LAST, u, FILTERS * channels + 1);
  expect_sums(count, u, want, "%s winograd_weights of %zu channels, %zux%zu taps, tiles of %zu, reversed %d", k->name,
              channels, m->taps, m->taps, m->size, reversed);
  free(weight), free(u), free(want);
}

static void check_taps(const struct fnn_kernels *k, const struct method *m, size_t count) {
  const size_t r = m->results, step = count + 1, places = m->size * m->size;
  float *x = floats(&state, (places - 1) * step + count), *dw = untouched(count * r * r);
  struct sum *want = expected(count * r * r);
  for (size_t i = 0; i < count; i++) {
    double sums[MOST * MOST] = {0};
    for (size_t place = 0; place < places; place++) sums[place] = (double)x[place * step + i];
    for (size_t tap = 0; tap < r * r; tap++)
      want[i * r * r + tap] = transformed(m->a[tap / r], m->a[tap % r], m->size, sums);
  }
  k->lanes->winograd_taps(r, count, step, x, dw);
  expect_sums(count * r * r, dw, want, "%s winograd_taps of %zu, %zux%zu taps", k->name, count, r, r);
  free(x), free(dw), free(want);
}

/* ---- all ---- */

int spec_winograd(const struct fnn_kernels *kernels, const struct fnn_lane_kernels *pairs) {
  struct method forward[] = {method_of(4, 3, 0), method_of(6, 3, 0), method_of(6, 5, 0), method_of_stride(0)};
  const struct method spread = method_of_stride(1);
  struct method gradient[] = {method_of(6, 4, 1), method_of(6, 2, 1)}; /* for 3 x 3 and 5 x 5 taps */
  const size_t width = kernels->lanes->width, around[] = {0, 1, width - 1, width, width + 1, 2 * width + 3};
  enum { AROUND = sizeof around / sizeof around[0] };
  check_failures = 0;
  state = 11;
  for (int i = 0; i < 4; i++) {
    check_method(&forward[i]);
    for (size_t channels = 0; channels <= 3; channels++)
      for (size_t tiles = 0; tiles <= TILES; tiles++) {
        check_input(kernels, &forward[i], channels, tiles);
        check_pairs(pairs, &forward[i], channels, tiles);
        for (int options = 0; options < 16; options++) check_output(kernels, &forward[i], channels, tiles, options, 0);
      }
    for (int with_winners = 0; with_winners < 2; with_winners++)
      check_pooled_outputs(kernels, &forward[i], with_winners);
    for (int n = 0; n < AROUND; n++)
      for (int reversed = 0; reversed < 2; reversed++) check_weights(kernels, &forward[i], around[n], reversed);
  }
  for (size_t channels = 0; channels <= 3; channels++)
    for (size_t tiles = 0; tiles <= TILES; tiles++)
      for (int swapped = 0; swapped < 4; swapped++) check_output(kernels, &spread, channels, tiles, 0, swapped);
  for (int i = 0; i < 2; i++) {
    check_method(&gradient[i]);
    for (size_t channels = 0; channels <= 3; channels++)
      for (size_t tiles = 0; tiles <= TILES; tiles++) {
        check_rows(kernels, &gradient[i], 6, channels, tiles);
        check_rows(kernels, &gradient[i], gradient[i].taps, channels, tiles);
        check_rows_of_pairs(pairs, &gradient[i], 6, channels, tiles);
        check_rows_of_pairs(pairs, &gradient[i], gradient[i].taps, channels, tiles);
      }
    for (int n = 0; n < AROUND; n++) check_taps(kernels, &gradient[i], around[n]);
  }
  return check_failures;
}
