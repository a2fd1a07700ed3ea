/* The gradient of a convolution's weight over images in lanes, where those of the output's gradient were exchanged for its filters:
 * a number of the input meets vectors of filters. A tile of channels and two vectors of filters stays in registers while the images
 * go by, and no lanes have to be added up at its end. */
#include "simd.h"
#include "variant.h"

enum { TOGETHER = 3, BASES = (FNN_PRODUCT_T + TOGETHER - 1) / TOGETHER }; /* channels that are found from one address */

/* What one image gives to V vectors of filters and T channels. */
FNN_INLINE void add_image(const int V, const int T, const float *g, size_t g_vector, const float *const *x,
                          size_t x_channel, size_t image, fnn_v (*sum)[FNN_PRODUCT_T]) {
  fnn_v filters[FNN_PRODUCT_V];
  FNN_UNROLL for (int n = 0; n < V; n++) filters[n] = fnn_load(g + (size_t)n * g_vector + image * FNN_WIDTH);
  FNN_UNROLL for (int t = 0; t < T; t++) {
    const fnn_v one = fnn_splat(x[t / TOGETHER][(size_t)(t % TOGETHER) * x_channel + image]);
    FNN_UNROLL for (int n = 0; n < V; n++) sum[n][t] += one * filters[n];
  }
}

/* V vectors of filters from number k on, T channels from number c on. */
FNN_INLINE void turned_tile(const struct fnn_turned_gradient *j, const int V, const int T, size_t k, size_t c) {
  enum { IMAGES = 2 }; /* at a time */
  const size_t x_channel = j->x_channel, g_vector = j->g_vector;
  fnn_v sum[FNN_PRODUCT_V][FNN_PRODUCT_T];
  FNN_UNROLL for (int n = 0; n < V; n++) FNN_UNROLL for (int t = 0; t < T; t++) sum[n][t] = (fnn_v){0};
  for (size_t b = 0; b < j->blocks; b++)
    for (size_t p = 0; p < j->p; p++) {
      const float *g = j->g + k * g_vector + b * j->g_block + p * j->g_row, *x[BASES];
      FNN_UNROLL for (int m = 0; m < BASES; m++) {
        x[m] = j->x + b * j->x_block + p * j->x_row + (c + (size_t)(m * TOGETHER)) * x_channel;
      }
      for (size_t q = 0; q < j->q; q++) {
        for (size_t i = 0; i < FNN_WIDTH; i += IMAGES, g += (size_t)IMAGES * FNN_WIDTH) {
          FNN_UNROLL for (size_t n = 0; n < IMAGES; n++) add_image(V, T, g, g_vector, x, x_channel, n, sum);
          FNN_UNROLL for (int m = 0; m < BASES; m++) x[m] += IMAGES;
        }
        FNN_UNROLL for (int m = 0; m < BASES; m++) x[m] += j->x_pixel - FNN_WIDTH;
      }
    }
  float *dw = j->dw + c * j->dw_channel + k * FNN_WIDTH;
  FNN_UNROLL for (int t = 0; t < T; t++, dw += j->dw_channel) FNN_UNROLL for (int n = 0; n < V; n++) {
    fnn_store(dw + (size_t)n * FNN_WIDTH, fnn_load(dw + (size_t)n * FNN_WIDTH) + sum[n][t]);
  }
}

typedef void (*turned_function)(const struct fnn_turned_gradient *j, size_t k, size_t c);

#define TURNED(V, T) \
  static void turned_##V##x##T(const struct fnn_turned_gradient *j, size_t k, size_t c) { turned_tile(j, V, T, k, c); }
FNN_TURNED_TILES(TURNED)
#define TURNED_ENTRY(V, T) [V][T] = turned_##V##x##T,
static const turned_function turned_functions[FNN_PRODUCT_V + 1][FNN_PRODUCT_T + 1] = {FNN_TURNED_TILES(TURNED_ENTRY)};

/* Channels in as few tiles as there must be, of nearly equal size; the first `more` have one more than the others. */
void FNN_VARIANT(fnn_lane_turned_gradient)(const struct fnn_turned_gradient *j) {
  const size_t tiles = (j->channels + FNN_PRODUCT_T - 1) / FNN_PRODUCT_T, T = j->channels / tiles,
               more = j->channels % tiles;
  for (size_t k = 0; k < j->vectors; k += FNN_PRODUCT_V) {
    const size_t V = j->vectors - k < FNN_PRODUCT_V ? j->vectors - k : FNN_PRODUCT_V;
    for (size_t c = 0, i = 0; i < tiles; i++) {
      turned_functions[V][T + (i < more)](j, k, c);
      c += T + (i < more);
    }
  }
}
