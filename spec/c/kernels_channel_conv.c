/* Channels in lanes (channel_conv.c): each sum is checked, also those of vectors of weights that reach over the next ones. */
#include "kernels_lanes.h"
#include "kernels_parts.h"
#include "windows.h"

static uint64_t state = 23;

static void check_product(const struct fnn_kernels *k, size_t tiles, size_t channels, size_t vectors, size_t filters) {
  const size_t width = k->lanes->width, blocks = (channels + width - 1) / width, places = 3;
  const size_t v_block = (tiles + 1) * width, u_vector = channels * filters + 5, m_vector = tiles * width + 3;
  const size_t v_place = blocks * v_block + 1, u_place = vectors * u_vector + 2, m_place = vectors * m_vector + 4;
  const size_t results = places * m_place;
  float *v = floats(&state, places * v_place), *u = floats(&state, places * u_place + width), *m = untouched(results);
  struct sum *want = expected(results);
  for (size_t at = 0; at < places * vectors * tiles * width; at++) {
    const size_t i = at / width / tiles / vectors, n = at / width / tiles % vectors, t = at / width % tiles,
                 l = at % width;
    struct sum sum = {0.0, 0.0};
    for (size_t c = 0; c < channels; c++)
      add(&sum, (double)u[i * u_place + n * u_vector + c * filters + l] *
                    (double)v[i * v_place + c / width * v_block + t * width + c % width]);
    want[i * m_place + n * m_vector + t * width + l] = sum;
  }
  k->lanes->channel_product(&(struct fnn_channel_product){.places = places,
                                                          .tiles = tiles,
                                                          .channels = channels,
                                                          .vectors = vectors,
                                                          .filters = filters,
                                                          .v = v,
                                                          .u = u,
                                                          .v_place = v_place,
                                                          .v_block = v_block,
                                                          .u_place = u_place,
                                                          .u_vector = u_vector,
                                                          .m = m,
                                                          .m_place = m_place,
                                                          .m_vector = m_vector});
  expect_sums(results, m, want, "%s channel_product of %zu tiles, %zu channels, %zu vectors of %zu filters", k->name,
              tiles, channels, vectors, filters);
  free(v), free(u), free(m), free(want);
}

/* Some of the pixels of a window's results. */
static void check_correlate(const struct fnn_kernels *k, const struct fnn_window *w, size_t channels, size_t vectors,
                            size_t filters, int options) {
  const size_t width = k->lanes->width, pixels = w->p * w->q, first = random_below(&state, pixels + 1);
  const size_t last = first + random_below(&state, pixels - first + 1), rows = w->r * w->s * channels;
  const size_t stored = (channels + width - 1) / width * w->h * w->w * width;
  const size_t weight_vector = rows * filters + 1, y_vector = pixels * width + 2, results = vectors * y_vector;
  const int relu_after = options & 1, with_addend = options & 2;
  float *x = floats(&state, stored), *weight = floats(&state, vectors * weight_vector + width);
  float *bias = floats(&state, vectors * width), *addend = floats(&state, results), *y = untouched(results);
  struct sum *want = expected(results);
  for (size_t n = 0; n < vectors; n++)
    for (size_t i = first; i < last; i++)
      for (size_t l = 0; l < width; l++) {
        const size_t to = n * y_vector + i * width + l;
        const double start = (double)bias[n * width + l];
        struct sum sum = {start, fabs(start)};
        EACH_TAP(r, s) {
          const long at = pixel(w, i / w->q, i % w->q, r, s);
          for (size_t c = 0; at >= 0 && c < channels; c++)
            add(&sum, (double)weight[n * weight_vector + ((r * w->s + s) * channels + c) * filters + l] *
                          (double)x[(c / width * w->h * w->w + (size_t)at) * width + c % width]);
        }
        if (with_addend) add(&sum, (double)addend[to]);
        want[to] = relu_after ? relu(sum) : sum;
      }
  k->lanes->channel_correlate(&(struct fnn_channel_correlation){.window = w,
                                                                .channels = channels,
                                                                .vectors = vectors,
                                                                .filters = filters,
                                                                .first = first,
                                                                .last = last,
                                                                .x = x,
                                                                .weight = weight,
                                                                .weight_vector = weight_vector,
                                                                .bias = bias,
                                                                .addend = with_addend ? addend : NULL,
                                                                .relu = relu_after,
                                                                .y = y,
                                                                .y_vector = y_vector});
  expect_sums(results, y, want,
              "%s channel_correlate of pixels %zu to %zu, %zu channels, %zu vectors of %zu filters, options %d",
              k->name, first, last, channels, vectors, filters, options);
  free(x), free(weight), free(bias), free(addend), free(y), free(want);
}

int spec_channel_conv(const struct fnn_kernels *kernels) {
  const size_t width = kernels->lanes->width, around[] = {0, 1, width - 1, width, width + 1, 2 * width + 3};
  enum { AROUND = sizeof around / sizeof around[0] };
  check_failures = 0;
  state = 23;
  for (size_t n = 0; n < AROUND; n++) {
    for (size_t tiles = 0; tiles <= 27; tiles++)
      for (size_t vectors = 1; vectors <= 3; vectors++) {
        check_product(kernels, tiles, around[n], vectors, width);
        check_product(kernels, tiles, around[n], vectors, 3);
      }
    for (int i = 0; i < 60; i++) {
      const struct fnn_window w = random_window(&state);
      check_correlate(kernels, &w, around[n], 1 + (size_t)i % 3, i % 2 ? width : 3, i % 4);
    }
  }
  return check_failures;
}
