/* Convolution of images in lanes, in float32 and with pairs of bfloat16, against loops over every product. */
#include <string.h>

#include "kernels_lanes.h"
#include "kernels_parts.h"
#include "windows.h"

static uint64_t state = 10;

/* The kernels under test, and what makes them two sets: with pairs, numbers are rounded to bfloat16. */
struct set {
  const char *name;
  const struct fnn_lane_kernels *kernels;
  size_t together; /* numbers in a "float" */
};

/* Rounded to the nearest bfloat16, to the even one of two; not for infinities and NaN. */
static float bfloat16(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  const uint32_t down = bits & 0xFFFF0000u, rest = bits & 0xFFFFu, odd = bits >> 16 & 1u;
  bits = rest > 0x8000u || (rest == 0x8000u && odd) ? down + 0x10000u : down;
  memcpy(&v, &bits, sizeof v);
  return v;
}

static double seen(const struct set *set, float v) { return (double)(set->together == 2 ? bfloat16(v) : v); }

/* How many arrays `count` of them become: themselves, or pairs of neighbours. */
static size_t depth_of(const struct set *set, size_t count) { return (count + set->together - 1) / set->together; }

/* `count` arrays of n pixels as the kernels want them. */
static float *brought_in(const struct set *set, size_t count, size_t n, const float *x) {
  const size_t width = set->kernels->width, size = n * width, depth = depth_of(set, count);
  float *y = untouched(depth * size);
  if (set->together == 1 && count * size > 0) memcpy(y, x, count * size * sizeof *y);
  for (size_t i = 0; set->together == 2 && i < depth; i++)
    set->kernels->pack_pairs(n, x + 2 * i * size, 2 * i + 1 < count ? x + (2 * i + 1) * size : NULL, y + i * size,
                             width);
  return y;
}

/* For matrices, so that the pairs of a pixel lie beside each other, filled up with zeros. */
static float *brought_together(const struct set *set, struct fnn_amx_run run, size_t count, size_t n, const float *x) {
  const size_t width = set->kernels->width, size = n * width;
  float *y = untouched(run.pairs * size);
  for (size_t i = 0; i < run.pairs; i++)
    if (2 * i < count)
      set->kernels->pack_pairs(n, x + 2 * i * size, 2 * i + 1 < count ? x + (2 * i + 1) * size : NULL, y + i * width,
                               run.pairs * width);
    else
      for (size_t p = 0; p < n; p++) memset(y + (p * run.pairs + i) * width, 0, width * sizeof *y);
  return y;
}

/* ---- pairs ---- */

static uint32_t pair_of(float low, float high) {
  uint32_t bits[2];
  const float rounded[2] = {bfloat16(low), bfloat16(high)};
  memcpy(bits, rounded, sizeof bits);
  return bits[0] >> 16 | (bits[1] & 0xFFFF0000u);
}

static void check_pairs(const struct set *set, size_t n, int alone) {
  static const float odd[] = {0.0f, -0.0f, 0x1.01p0f, 0x1.03p0f, 0x1.010002p0f, -0x1.fffffep3f, 0x1p-120f};
  enum { ODD = sizeof odd / sizeof odd[0] }; /* zeros, halfway to an even and an odd number, nearly the next power */
  const size_t count = n * set->kernels->width;
  float *a = floats(&state, count), *b = floats(&state, count), *y = untouched(count);
  for (size_t i = 0; i < count; i++) {
    if (i % 3 == 0) a[i] = odd[i / 3 % ODD];
    if (i % 3 == 1) b[i] = odd[i / 3 % ODD];
  }
  set->kernels->pack_pairs(n, a, alone ? NULL : b, y, set->kernels->width);
  for (size_t i = 0; i < count; i++) {
    const uint32_t want = pair_of(a[i], alone ? 0.0f : b[i]);
    uint32_t got;
    memcpy(&got, &y[i], sizeof got);
    expect(got == want, "%s pack_pairs of %zu pixels: the pair of %a and %a", set->name, n, (double)a[i],
           alone ? 0.0 : (double)b[i]);
  }
  free(a), free(b), free(y);
}

/* ---- correlation ---- */

/* Kernel rows `first` .. first + r - 1 of `rows`, and columns likewise (0 columns are as many
 * as s); steps between pixels and taps, in pixels. */
struct shape {
  size_t channels, r, s, first, rows, first_column, columns, stride, dilation;
  int relu, bias, reversed, zeros[2]; /* zeros: for one filter and FNN_SLIDING_PIXELS and more */
};

static const struct shape shapes[] = {
    {.channels = 1, .r = 1, .s = 1, .rows = 1, .stride = 1, .dilation = 1},
    {.channels = 4, .r = 1, .s = 1, .rows = 1, .stride = 2, .dilation = 1, .bias = 1},
    {.channels = 3, .r = 3, .s = 3, .rows = 3, .stride = 1, .dilation = 1, .bias = 1, .relu = 1},
    {.channels = 2, .r = 2, .s = 3, .first = 1, .rows = 3, .stride = 1, .dilation = 2, .reversed = 1},
    {.channels = 5, .r = 1, .s = 2, .first = 0, .rows = 4, .stride = 3, .dilation = 1, .relu = 1},
    {.channels = 3, .r = 2, .s = 1, .first = 1, .rows = 3, .first_column = 2, .columns = 4, .stride = 2, .dilation = 1},
    {.channels = 2, .r = 1, .s = 0, .rows = 1, .first_column = 1, .columns = 3, .stride = 1, .dilation = 1, .bias = 1},
    {.channels = 2, .r = 0, .s = 3, .rows = 3, .stride = 1, .dilation = 1, .bias = 1}, /* no row inside the image */
    {.channels = 0, .r = 2, .s = 2, .rows = 2, .stride = 1, .dilation = 1, .bias = 1},
    {.channels = 1, .r = 3, .s = 3, .rows = 3, .stride = 1, .dilation = 1, .zeros = {1, 1}},
    {.channels = 1, .r = 2, .s = 3, .first = 1, .rows = 3, .stride = 2, .dilation = 2, .zeros = {1, 0}, .relu = 1},
    {.channels = 1, .r = 1, .s = 3, .rows = 3, .stride = 1, .dilation = 1, .zeros = {0, 1}, .bias = 1, .reversed = 1},
    {.channels = 1, .r = 3, .s = 3, .rows = 3, .stride = 1, .dilation = 1},
    {.channels = 3, .r = 2, .s = 3, .rows = 3, .stride = 1, .dilation = 1, .zeros = {1, 1}},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], MOST_ROWS = 4 };

static size_t columns_of(const struct shape *shape) { return shape->columns ? shape->columns : shape->s; }

/* Weight (filter, channel, row, column) as they lie in memory, or from the end of each kernel. */
static size_t weight_place(const struct shape *shape, size_t k, size_t c, size_t i, size_t j) {
  const size_t taps = shape->rows * columns_of(shape), tap = i * columns_of(shape) + j;
  return (k * shape->channels + c) * taps + (shape->reversed ? taps - 1 - tap : tap);
}

static struct fnn_lane_weights weights_of(const struct shape *shape, size_t filters, const float *weight) {
  const ptrdiff_t taps = (ptrdiff_t)(shape->rows * columns_of(shape)), sign = shape->reversed ? -1 : 1;
  return (struct fnn_lane_weights){.filters = filters,
                                   .channels = shape->channels,
                                   .r = shape->rows,
                                   .s = columns_of(shape),
                                   .from = shape->reversed && shape->channels && filters ? weight + taps - 1 : weight,
                                   .filter = (ptrdiff_t)shape->channels * taps,
                                   .channel = taps,
                                   .row = sign * (ptrdiff_t)columns_of(shape),
                                   .column = sign};
}

/* A pixel of each channel of x is zeros, and the kernel's copy has what is not to be read. */
static void leave_out(size_t width, size_t channels, size_t row, float *x, float *copy) {
  for (size_t i = 0; i < channels * width; i++) {
    const size_t at = i / width * row + i % width;
    x[at] = 0.0f, copy[at] = NAN;
  }
}

/* How the kernels want what they correlate: x with channels so far apart, and pixels; and so many floats of weights. */
struct layout {
  struct fnn_amx_run run;
  size_t channels, x_channel, x_pixel, weights;
};

static struct layout layout_of(const struct set *set, const struct shape *shape, size_t filters, size_t row) {
  const size_t width = set->kernels->width, columns = columns_of(shape), depth = depth_of(set, shape->channels);
  const int whole = shape->s > 0 && shape->s == columns && shape->dilation == 1;
  const struct fnn_amx_run run = fnn_amx_run_of(shape->channels, whole ? shape->s : 1);
  const size_t matrices = fnn_amx_count(filters) * shape->rows * (columns / run.taps) * fnn_amx_matrices(run);
  if (set->kernels->matrices)
    return (struct layout){run, run.pairs, width, run.pairs * width, matrices * FNN_AMX_MATRIX};
  return (struct layout){run, depth, row, width, filters * depth * shape->rows * columns};
}

/* What comes to pixel p of filter k in lane l. */
static struct sum correlated(const struct set *set, const struct shape *shape, const float *weight, float *const *x,
                             size_t row, size_t k, size_t p, size_t l) {
  struct sum sum = {0};
  for (size_t c = 0; c < shape->channels; c++)
    for (size_t i = 0; i < shape->r; i++)
      for (size_t j = 0; j < shape->s; j++)
        add(&sum, seen(set, weight[weight_place(shape, k, c, shape->first + i, shape->first_column + j)]) *
                      seen(set, x[i][c * row + (p * shape->stride + j * shape->dilation) * set->kernels->width + l]));
  return sum;
}

static void check_correlate(const struct set *set, const struct shape *shape, size_t filters, size_t q) {
  const size_t width = set->kernels->width, channels = shape->channels, r = shape->r;
  const size_t pixels = q ? (q - 1) * shape->stride + (shape->s ? shape->s - 1 : 0) * shape->dilation + 1 : 0,
               row = pixels * width;
  const size_t y_pixel = 2 * width, y_filter = q * y_pixel + width;
  const size_t outputs = filters && q ? (filters - 1) * y_filter + (q - 1) * y_pixel + width : 0;
  const struct layout layout = layout_of(set, shape, filters, row);
  const int sliding = filters == 1 && q >= FNN_SLIDING_PIXELS && set->together == 1;
  const int zeros[2] = {sliding && shape->zeros[0], sliding && shape->zeros[1]};
  float *weight = floats(&state, filters * channels * shape->rows * columns_of(shape)), *bias = floats(&state, filters);
  float *packed = untouched(layout.weights), *y = untouched(outputs);
  float *x[MOST_ROWS] = {0}, *rows[MOST_ROWS] = {0}, *begin[MOST_ROWS] = {0};
  struct sum *want = expected(outputs);
  struct fnn_lane_weights weights = weights_of(shape, filters, weight);
  weights.run = layout.run;
  for (size_t i = 0; i < r; i++) {
    x[i] = floats(&state, channels * row);
    rows[i] = set->kernels->matrices ? brought_together(set, layout.run, channels, pixels, x[i])
                                     : brought_in(set, channels, pixels, x[i]);
    if (zeros[0]) leave_out(width, channels, row, x[i], rows[i]);
    if (zeros[1]) leave_out(width, channels, row, x[i] + row - width, rows[i] + row - width);
    begin[i] = rows[i] + (zeros[0] ? shape->stride * width : 0);
  }
  for (size_t at = 0; at < filters * q * width; at++) {
    const size_t k = at / width / q, p = at / width % q, l = at % width;
    struct sum sum = correlated(set, shape, weight, x, row, k, p, l);
    if (shape->bias) add(&sum, (double)bias[k]);
    want[k * y_filter + p * y_pixel + l] = shape->relu ? relu(sum) : sum;
  }
  set->kernels->pack_weights(&weights, packed);
  set->kernels->correlate(&(struct fnn_lane_row){.filters = filters,
                                                 .channels = layout.channels,
                                                 .q = q,
                                                 .r = r,
                                                 .s = shape->s,
                                                 .x = (const float *const *)begin,
                                                 .run = layout.run,
                                                 .x_channel = layout.x_channel,
                                                 .x_pixel = shape->stride * layout.x_pixel,
                                                 .x_tap = shape->dilation * layout.x_pixel,
                                                 .weight = packed,
                                                 .w_rows = shape->rows,
                                                 .w_columns = columns_of(shape),
                                                 .w_row = shape->first,
                                                 .w_column = shape->first_column,
                                                 .zeros = {zeros[0], zeros[1]},
                                                 .bias = shape->bias ? bias : NULL,
                                                 .relu = shape->relu,
                                                 .y = y,
                                                 .y_filter = y_filter,
                                                 .y_pixel = y_pixel});
  expect_sums(outputs, y, want, "%s correlate: %zu channels, %zu filters, %zu pixels, %zux%zu taps, stride %zu",
              set->name, channels, filters, q, r, shape->s, shape->stride);
  for (size_t i = 0; i < r; i++) free(x[i]), free(rows[i]);
  free(weight), free(bias), free(packed), free(y), free(want);
}

/* ---- weight gradient ---- */

/* Blocks of images, rows and columns of output pixels; the step between columns of x, in pixels. */
static const struct planes {
  size_t blocks, p, q, stride;
} planes[] = {{1, 1, 1, 1}, {2, 1, 3, 2}, {3, 2, 5, 1}, {1, 3, 2, 3}, {0, 2, 2, 1}, {2, 0, 2, 1}, {2, 2, 0, 1}};
enum { PLANES = sizeof planes / sizeof planes[0], MOST_TAPS = 16, REACH = 6 };

static void check_gradient(const struct set *set, const struct planes *j, size_t filters, size_t taps) {
  const size_t width = set->kernels->width, blocks = j->blocks, pixels = j->p * j->q;
  const size_t g_filter = pixels * width, g_pixels = filters * pixels, x_pixel = j->stride * width;
  const size_t x_row = j->q * x_pixel + width;
  const size_t x_pixels = pixels ? ((j->p - 1) * x_row + (j->q - 1) * x_pixel) / width + REACH + 1 : 0;
  const size_t dw_filter = taps + 2, weights = filters && taps ? (filters - 1) * dw_filter + taps : 0;
  float *g = floats(&state, blocks * g_pixels * width), *x = floats(&state, blocks * x_pixels * width);
  float *dw = untouched(weights);
  struct sum *want = expected(weights);
  size_t tap[MOST_TAPS];
  for (size_t t = 0; t < taps; t++) tap[t] = (t == 0 ? REACH : random_below(&state, REACH + 1)) * width;
  for (size_t k = 0; k < filters; k++)
    for (size_t t = 0; t < taps; t++) {
      struct sum *sum = &want[k * dw_filter + t];
      sum->size = fabs(sum->value);
      for (size_t at = 0; at < blocks * pixels * width; at++) {
        const size_t b = at / width / pixels, p = at / width % pixels / j->q, q = at / width % j->q, l = at % width;
        add(sum, (double)g[b * g_pixels * width + k * g_filter + (p * j->q + q) * width + l] *
                     (double)x[b * x_pixels * width + p * x_row + q * x_pixel + tap[t] + l]);
      }
    }
  set->kernels->weight_gradient(&(struct fnn_lane_gradient){.filters = filters,
                                                            .taps = taps,
                                                            .blocks = blocks,
                                                            .p = j->p,
                                                            .q = j->q,
                                                            .g = g,
                                                            .x = x,
                                                            .g_block = g_pixels * width,
                                                            .g_filter = g_filter,
                                                            .g_row = j->q * width,
                                                            .x_block = x_pixels * width,
                                                            .x_row = x_row,
                                                            .x_pixel = x_pixel,
                                                            .tap = tap,
                                                            .dw = dw,
                                                            .dw_filter = dw_filter});
  expect_sums(weights, dw, want, "%s weight_gradient: %zu filters, %zu taps, %zu blocks of %zux%zu, stride %zu",
              set->name, filters, taps, blocks, j->p, j->q, j->stride);
  free(g), free(x), free(dw), free(want);
}

/* ---- turned ---- */

/* Where what filter k and lane l have of a turned pixel lies, in floats or pairs: vectors of sixteen have two numbers of each of
 * half the filters. */
static size_t turned_to(const struct set *set, size_t k, size_t l) {
  const size_t number = l / set->together, width = set->kernels->width;
  return width == 16 ? number / 2 * 2 * width + k * 2 + number % 2 : number * width + k;
}

/* Filters that are beside each other have more between them than their pixels. */
static void check_turn(const struct set *set, size_t filters, size_t n) {
  const size_t width = set->kernels->width, step = (n + 1) * width, pixel = width * width / set->together;
  float *x = floats(&state, filters * step), *y = untouched(n * pixel), *halves = untouched(n * pixel);
  set->kernels->turn(filters, n * width, x, step, y);
  for (size_t at = 0; at < n * width * width; at += set->together) {
    const size_t i = at / width / width, k = at / width % width, l = at % width;
    const float *from = x + k * step + i * width + l, *got = y + i * pixel + turned_to(set, k, l);
    uint32_t bits, want;
    memcpy(&bits, got, sizeof bits);
    const float one = k < filters ? *from : 0.0f;
    want = set->together == 2 ? pair_of(one, k < filters ? from[1] : 0.0f) : bits;
    expect(bits == want && (set->together == 2 || *got == one), "%s turn: filter %zu of %zu, lane %zu of pixel %zu",
           set->name, k, filters, l, i);
  }
  if (set->together == 2) {
    float *paired = untouched(filters * step / 2);
    set->kernels->pack_halves(filters * step / width, x, paired);
    set->kernels->turn_halves(filters, n * width, paired, step / 2, halves);
    expect(memcmp(y, halves, n * pixel * sizeof *y) == 0, "turn_halves of %zu filters, %zu pixels", filters, n);
    free(paired);
  }
  free(x), free(y), free(halves);
}

/* Between rows, blocks and vectors of g there is more, and between those of x and its channels; the last vector is not full. */
static void check_turned_gradient(const struct set *set, const struct planes *j, size_t vectors, size_t channels) {
  const size_t width = set->kernels->width, together = set->together, pixel = width * width / together;
  const size_t filters = vectors * width - 1, plane = j->blocks * j->p * j->q * width;
  const size_t g_row = (j->q + 1) * pixel, g_block = j->p * g_row + pixel, g_vector = j->blocks * g_block + pixel;
  const size_t x_pixel = j->stride * width, x_row = j->q * x_pixel + width, x_channel = j->p * x_row + width;
  const size_t x_block = channels * x_channel + width, dw_channel = vectors * width + 3;
  const size_t weights = channels * dw_channel;
  float *g = floats(&state, filters * plane), *turned = untouched(vectors * g_vector);
  float *x = floats(&state, j->blocks * x_block), *x_in = x, *dw = untouched(weights);
  struct sum *want = expected(weights);
  for (size_t at = 0; at < vectors * j->blocks * j->p; at++) {
    const size_t p = at % j->p, b = at / j->p % j->blocks, v = at / j->p / j->blocks, k = v * width;
    set->kernels->turn(filters - k < width ? filters - k : width, j->q * width,
                       g + k * plane + (b * j->p + p) * j->q * width, plane,
                       turned + v * g_vector + b * g_block + p * g_row);
  }
  if (together == 2) {
    x_in = untouched(j->blocks * x_block / 2);
    set->kernels->pack_halves(j->blocks * x_block / width, x, x_in);
  }
  for (size_t c = 0; c < channels; c++)
    for (size_t k = 0; k < filters; k++) {
      struct sum *sum = &want[c * dw_channel + k];
      sum->size = fabs(sum->value);
      for (size_t at = 0; at < plane; at++) {
        const size_t l = at % width, q = at / width % j->q, p = at / width / j->q % j->p, b = at / width / j->q / j->p;
        add(sum,
            seen(set, g[k * plane + at]) * seen(set, x[b * x_block + c * x_channel + p * x_row + q * x_pixel + l]));
      }
    }
  set->kernels->turned_gradient(&(struct fnn_turned_gradient){.vectors = vectors,
                                                              .channels = channels,
                                                              .blocks = j->blocks,
                                                              .p = j->p,
                                                              .q = j->q,
                                                              .g = turned,
                                                              .x = x_in,
                                                              .g_vector = g_vector,
                                                              .g_block = g_block,
                                                              .g_row = g_row,
                                                              .x_channel = x_channel / together,
                                                              .x_block = x_block / together,
                                                              .x_row = x_row / together,
                                                              .x_pixel = x_pixel / together,
                                                              .dw = dw,
                                                              .dw_channel = dw_channel});
  expect_sums(weights, dw, want, "%s turned_gradient: %zu vectors, %zu channels, %zu blocks of %zux%zu, stride %zu",
              set->name, vectors, channels, j->blocks, j->p, j->q, j->stride);
  if (x_in != x) free(x_in);
  free(g), free(turned), free(x), free(dw), free(want);
}

/* Tiles have at most 13 or 6 channels: around one and two of them. */
static void check_turned_gradients(const struct set *set) {
  static const size_t channels[] = {FNN_LEAST_TURNED, 8, 11, 12, 13, 14, 18, 19, 27};
  for (size_t filters = 0; filters <= set->kernels->width; filters++)
    for (size_t n = 0; n <= 3; n++) check_turn(set, filters, n);
  for (size_t vectors = 1; vectors <= 3; vectors++)
    for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
      for (int i = 0; i < PLANES; i++) check_turned_gradient(set, &planes[i], vectors, channels[c]);
}

/* Of a single channel and filter, over two blocks. */
static void check_sliding_gradient(const struct set *set, const struct fnn_window *w) {
  enum { BLOCKS = 2, TAPS = FNN_SLIDING_TAPS * FNN_SLIDING_TAPS };
  const size_t width = set->kernels->width, x_block = w->h * w->w * width, g_block = w->p * w->q * width + width;
  float *x = floats(&state, BLOCKS * x_block), *g = floats(&state, BLOCKS * g_block), *dw = untouched(TAPS);
  struct sum *want = expected(TAPS);
  EACH_TAP(r, s) {
    struct sum *sum = &want[r * w->s + s];
    sum->size = fabs(sum->value);
    EACH_OUTPUT(p, q) {
      const long at = pixel(w, p, q, r, s);
      for (size_t i = 0; i < BLOCKS * width && at >= 0; i++)
        add(sum, (double)x[i / width * x_block + (size_t)at * width + i % width] *
                     (double)g[i / width * g_block + (p * w->q + q) * width + i % width]);
    }
  }
  set->kernels->sliding_gradient(&(struct fnn_sliding_gradient){.blocks = BLOCKS,
                                                                .h = w->h,
                                                                .w = w->w,
                                                                .p = w->p,
                                                                .q = w->q,
                                                                .top = w->top,
                                                                .left = w->left,
                                                                .x = x,
                                                                .g = g,
                                                                .x_block = x_block,
                                                                .g_block = g_block,
                                                                .dw = dw});
  expect_sums(TAPS, dw, want, "%s sliding_gradient: %zux%zu pixels of %zux%zu, %zu above, %zu before", set->name, w->p,
              w->q, w->h, w->w, w->top, w->left);
  free(x), free(g), free(dw), free(want);
}

static void check_sliding_gradients(const struct set *set) {
  for (int i = 0; i < 300; i++) {
    struct fnn_window w = {.h = between(&state, 1, 6),
                           .w = between(&state, 1, 20),
                           .r = FNN_SLIDING_TAPS,
                           .s = FNN_SLIDING_TAPS,
                           .stride = {1, 1},
                           .dilation = {1, 1},
                           .top = between(&state, 0, 3),
                           .left = between(&state, 0, 5)};
    w.p = window_outputs(w.h, w.r, 1, 1, w.top, between(&state, 0, 3));
    w.q = window_outputs(w.w, w.s, 1, 1, w.left, between(&state, 0, 5));
    check_sliding_gradient(set, &w);
  }
}

/* ---- matrices ---- */

static void check_columns(const struct set *set, size_t n, size_t filters, int alone) {
  const size_t lanes = set->kernels->width, step = (n + 1) * lanes;
  float *a = floats(&state, filters * step), *b = floats(&state, filters * step), *y = untouched(n * FNN_AMX_MATRIX);
  set->kernels->pack_columns(n, filters, a, alone ? NULL : b, step, y);
  for (size_t at = 0; at < n * FNN_AMX_MATRIX; at++) {
    const size_t k = at % FNN_AMX_SIDE, from = k * step + at / FNN_AMX_SIDE;
    const uint32_t want = k < filters ? pair_of(a[from], alone ? 0.0f : b[from]) : 0;
    uint32_t got;
    memcpy(&got, &y[at], sizeof got);
    expect(got == want, "%s pack_columns of %zu pixels of %zu filters: number %zu", set->name, n, filters, at);
  }
  free(a), free(b), free(y);
}

/* The products of a filter's pixels and a channel's under a tap. */
static void add_plane(const struct set *set, const struct planes *j, const float *g, const float *x, size_t x_row,
                      struct sum *sum) {
  const size_t width = set->kernels->width;
  for (size_t p = 0; p < j->p; p++)
    for (size_t q = 0; q < j->q; q++)
      for (size_t l = 0; l < width; l++)
        add(sum, seen(set, g[(p * j->q + q) * width + l]) * seen(set, x[p * x_row + q * j->stride * width + l]));
}

/* One matrix of `channels` meets two of filters, at some taps, in pairs of blocks. */
static void check_matrix_gradient(const struct set *set, const struct planes *j, size_t channels, size_t taps) {
  enum { MATRICES = 2, FILTERS = MATRICES * FNN_AMX_SIDE - 3 };
  const size_t width = set->kernels->width, blocks = 2 * j->blocks, pixels = j->p * j->q, g_plane = pixels * width;
  const size_t x_pixel = j->stride * width, x_row = j->q * x_pixel + width;
  const size_t plane = j->p * x_row + (REACH + 1) * width, sums = MATRICES * taps * FNN_AMX_MATRIX;
  float *g = floats(&state, blocks * FILTERS * g_plane), *x = floats(&state, blocks * channels * plane);
  float *g_in = untouched(j->blocks * MATRICES * pixels * FNN_AMX_MATRIX),
        *x_in = untouched(j->blocks * channels * plane);
  float *dw = untouched(sums);
  struct sum *want = expected(sums);
  size_t tap[MOST_TAPS];
  for (size_t t = 0; t < taps; t++) tap[t] = (t == 0 ? REACH : random_below(&state, REACH + 1)) * width;
  for (size_t b = 0; b < j->blocks; b++) {
    for (size_t m = 0; m < MATRICES; m++) {
      const float *from = g + (2 * b * FILTERS + m * FNN_AMX_SIDE) * g_plane;
      const size_t filters = m == 0 ? FNN_AMX_SIDE : FILTERS - FNN_AMX_SIDE;
      set->kernels->pack_columns(pixels, filters, from, from + FILTERS * g_plane, g_plane,
                                 g_in + (b * MATRICES + m) * pixels * FNN_AMX_MATRIX);
    }
    const float *from = x + 2 * b * channels * plane;
    set->kernels->pack_pairs(channels * plane / width, from, from + channels * plane, x_in + b * channels * plane,
                             width);
  }
  for (size_t k = 0; k < (size_t)MATRICES * FNN_AMX_SIDE; k++)
    for (size_t t = 0; t < taps; t++)
      for (size_t c = 0; c < channels; c++) {
        const size_t matrix = k / FNN_AMX_SIDE * taps + t;
        struct sum *sum = &want[matrix * FNN_AMX_MATRIX + c * FNN_AMX_SIDE + k % FNN_AMX_SIDE];
        sum->size = fabs(sum->value);
        for (size_t b = 0; b < blocks && k < FILTERS; b++)
          add_plane(set, j, g + (b * FILTERS + k) * g_plane, x + (b * channels + c) * plane + tap[t], x_row, sum);
      }
  set->kernels->weight_gradient(&(struct fnn_lane_gradient){.filters = MATRICES,
                                                            .taps = taps,
                                                            .blocks = j->blocks,
                                                            .p = j->p,
                                                            .q = j->q,
                                                            .rows = channels,
                                                            .x_channel = plane,
                                                            .g = g_in,
                                                            .x = x_in,
                                                            .g_block = MATRICES * pixels * FNN_AMX_MATRIX,
                                                            .g_filter = pixels * FNN_AMX_MATRIX,
                                                            .g_row = j->q * FNN_AMX_MATRIX,
                                                            .x_block = channels * plane,
                                                            .x_row = x_row,
                                                            .x_pixel = x_pixel,
                                                            .tap = tap,
                                                            .dw = dw,
                                                            .dw_filter = taps * FNN_AMX_MATRIX});
  expect_sums(sums, dw, want, "%s weight_gradient: %zu channels, %zu taps, %zu blocks of %zux%zu, stride %zu",
              set->name, channels, taps, blocks, j->p, j->q, j->stride);
  free(g), free(x), free(g_in), free(x_in), free(dw), free(want);
}

/* Around one matrix and two of filters and of pairs of channels, with runs of one tap and of several; sums of up to 4 pixels, or taps, at a time. */
static void check_matrices(const struct set *set) {
  /* {channels, taps, matrices of one row of taps} */
  static const size_t runs[][3] = {{16, 3, 2}, {35, 3, 4}, {50, 3, 5}, {32, 3, 3}, {64, 5, 10}, {2, 7, 1}, {31, 1, 1}};
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    const struct fnn_amx_run run = fnn_amx_run_of(runs[i][0], runs[i][1]);
    const size_t count = runs[i][1] / run.taps * fnn_amx_matrices(run);
    expect(count == runs[i][2], "%zu channels, %zu taps: %zu matrices", runs[i][0], runs[i][1], count);
  }
  static const size_t filters[] = {1, 7, 16, 17, 33}, channels[] = {2, 3, 16, 31, 32, 33, 35, 66}, rows[] = {1, 9, 16};
  for (size_t k = 0; k < sizeof filters / sizeof *filters; k++)
    for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
      for (int i = 0; i < SHAPES; i++) {
        struct shape shape = shapes[i];
        shape.channels = channels[c];
        for (size_t q = 1; q <= 9; q++) check_correlate(set, &shape, filters[k], q);
      }
  for (size_t c = 0; c < sizeof rows / sizeof *rows; c++)
    for (size_t taps = 1; taps <= 9; taps++)
      for (int i = 0; i < PLANES; i++) check_matrix_gradient(set, &planes[i], rows[c], taps);
  for (size_t k = 1; k <= FNN_AMX_SIDE; k += 5)
    for (size_t n = 0; n < 3; n++)
      for (int alone = 0; alone < 2; alone++) check_columns(set, n, k, alone);
}

/* ---- all ---- */

/* Tiles have at most 5 filters x 5 pixels or 1 x 6, and 4 filters x 6 taps: around one and two of them. */
static void check_set(const struct set *set) {
  for (size_t filters = 0; filters <= 11; filters++) {
    for (size_t q = 0; q <= 11; q++)
      for (int i = 0; i < SHAPES; i++) check_correlate(set, &shapes[i], filters, q);
    for (size_t taps = 0; set->kernels->weight_gradient && taps <= 13; taps++)
      for (int i = 0; i < PLANES; i++) check_gradient(set, &planes[i], filters, taps);
  }
}

int spec_lane_conv(const struct fnn_kernels *kernels, const struct fnn_lane_kernels *pairs) {
  const struct set plain = {kernels->name, kernels->lanes, 1}, paired = {"bfloat16", pairs, 2};
  check_failures = 0;
  state = 10;
  check_set(&plain);
  check_turned_gradients(&plain);
  check_sliding_gradients(&plain);
  if (!pairs) return check_failures;
  if (pairs->matrices)
    check_matrices(&paired);
  else
    check_set(&paired), check_turned_gradients(&paired);
  for (int i = 0; i < SPEC_COUNTS; i++)
    for (int alone = 0; alone < 2; alone++) check_pairs(&paired, spec_counts[i], alone);
  return check_failures;
}
