#include "augment.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../kernels/kernels.h"
#include "batch.h"

/* Four random numbers of an image; images use counters that the order of a batch with the same seed (batch.c) does not. */
enum block { PLACE, WARP, TONE, ERASE, TRY, TRIES = 10, MIX = TRY + TRIES, LAMBDA, BLOCKS };
#define FIRST_COUNTER ((uint64_t)1 << 63)

struct job {
  const struct fnn_kernels *kernels;
  const struct fnn_augment *how;
  const struct fnn_tensor *source;
  const int64_t *index;
  size_t n, channels, h, w, image; /* `image`: floats of one */
  float scale, white;
  int warps, tones, moves;    /* whether anything asks for it */
  struct fnn_scratch scratch; /* an image, its planes with the border that kernels->image->warp wants */
  size_t padded;              /* floats of such a plane */
  float *y;                   /* images */
  float *mixed, *share;       /* where they are mixed: the results of that */
  int64_t *partner;
};

static void draw(uint64_t seed, uint64_t position, enum block block, uint32_t bits[4]) {
  fnn_philox(seed, FIRST_COUNTER + position * BLOCKS + block, bits);
}

static double within(const struct fnn_interval *interval, uint32_t bits) {
  return interval->low + (interval->high - interval->low) * (bits * 0x1p-32);
}

/* 0 .. n-1 */
static size_t below(size_t n, uint32_t bits) { return (size_t)((uint64_t)bits * n >> 32); }

/* ---- where pixels come from ---- */

static int is_flipped(const struct job *j, uint64_t position, uint32_t bits) {
  uint32_t first[4];
  if (j->how->flip == FNN_FLIP_NONE) return 0;
  if (j->how->flip == FNN_FLIP_RANDOM) return (int)(bits >> 31);
  draw(j->how->flip_seed, position, PLACE, first);
  return (int)(first[0] >> 31 ^ (j->how->epoch & 1));
}

static struct fnn_image_shift draw_shift(const struct job *j, uint64_t position) {
  const size_t rows = (size_t)j->how->shift[0], columns = (size_t)j->how->shift[1];
  uint32_t bits[4];
  draw(j->how->seed, position, PLACE, bits);
  return (struct fnn_image_shift){.h = j->h,
                                  .w = j->w,
                                  .down = (ptrdiff_t)below(2 * rows + 1, bits[1]) - (ptrdiff_t)rows,
                                  .right = (ptrdiff_t)below(2 * columns + 1, bits[2]) - (ptrdiff_t)columns,
                                  .flip = is_flipped(j, position, bits[0]),
                                  .reflect = j->how->reflect};
}

/* The way back from a pixel of the result: unflip, unshift, and then, from the middle, with x to the right and y downwards,
 * (x, y) -> turn by -angle -> unshear -> unzoom. */
static struct fnn_image_warp draw_warp(const struct job *j, uint64_t position, const struct fnn_image_shift *shift) {
  const double radian = 3.14159265358979323846 / 180.0;
  uint32_t bits[4];
  draw(j->how->seed, position, WARP, bits);
  double angle = within(&j->how->rotation, bits[0]) * radian, zoom = within(&j->how->zoom, bits[1]);
  double slope = tan(within(&j->how->shear, bits[2]) * radian), c = cos(angle), s = sin(angle);
  double yy = c / zoom, yx = s / zoom, xy = (-s - slope * c) / zoom, xx = (c - slope * s) / zoom;
  double side = shift->flip ? -1.0 : 1.0; /* x is side * (q - middle) - right */
  double middle_y = ((double)j->h - 1.0) / 2.0, middle_x = ((double)j->w - 1.0) / 2.0;
  double y = -middle_y - (double)shift->down, x = -side * middle_x - (double)shift->right; /* of pixel (0, 0) */
  return (struct fnn_image_warp){.h = j->h,
                                 .w = j->w,
                                 .row = {yy, yx * side, yy * y + yx * x + middle_y},
                                 .column = {xy, xx * side, xy * y + xx * x + middle_x},
                                 .reflect = shift->reflect};
}

/* The image as it is, as floats. */
static void load(const struct job *j, uint64_t position, float *y) {
  const struct fnn_elementwise_kernels *kernels = j->kernels->elementwise;
  if (j->source->dtype == FNN_UINT8)
    kernels->scale_bytes(j->image, fnn_bytes(j->source) + position * j->image, j->scale, y);
  else
    kernels->scale(j->image, fnn_floats(j->source) + position * j->image, j->scale, y);
}

static void warp(const struct job *j, const struct fnn_image_warp *warp, float *scratch, float *y) {
  for (size_t c = 0; c < j->channels; c++) {
    float *plane = y + c * j->h * j->w, *inside = scratch + c * j->padded + (j->w + 3) + 1;
    for (size_t p = 0; p < j->h; p++) memcpy(inside + p * (j->w + 3), plane + p * j->w, j->w * sizeof *plane);
    j->kernels->image->warp(warp, scratch + c * j->padded, plane);
  }
}

static void move(const struct job *j, uint64_t position, float *scratch, float *y) {
  load(j, position, j->moves && !j->warps ? scratch : y);
  if (!j->moves) return;
  struct fnn_image_shift shift = draw_shift(j, position);
  if (j->warps) {
    struct fnn_image_warp map = draw_warp(j, position, &shift);
    warp(j, &map, scratch, y);
    return;
  }
  for (size_t c = 0; c < j->channels; c++)
    j->kernels->image->shift(&shift, scratch + c * j->h * j->w, y + c * j->h * j->w);
}

/* ---- tones ---- */

static void change_tones(const struct job *j, uint64_t position, float *y) {
  const size_t n = j->h * j->w;
  const int bytes = j->source->dtype == FNN_UINT8;
  const float low = bytes ? fminf(0.0f, j->white) : -INFINITY, high = bytes ? fmaxf(0.0f, j->white) : INFINITY;
  uint32_t bits[4];
  draw(j->how->seed, position, TONE, bits);
  double brightness = within(&j->how->brightness, bits[0]), contrast = within(&j->how->contrast, bits[1]);
  for (size_t c = 0; c < j->channels; c++, y += n) {
    double mean = brightness * j->kernels->reduce->sum(n, y) / (double)n;
    j->kernels->image->tone(n, (float)(brightness * contrast), (float)(mean * (1.0 - contrast)), low, high, y);
  }
}

/* ---- rectangles ---- */

struct box {
  size_t top, bottom, left, right; /* bottom and right are outside */
};

/* `side` pixels about a centre, of those there are. */
static void centre(size_t middle, size_t side, size_t size, size_t *first, size_t *last) {
  size_t before = side / 2, after = side - before;
  *first = middle > before ? middle - before : 0;
  *last = after < size - middle ? middle + after : size;
}

/* What is inside of a rectangle whose centre is any pixel. */
static struct box centred_box(const struct job *j, size_t h, size_t w, uint32_t row, uint32_t column) {
  struct box box;
  centre(below(j->h, row), h, j->h, &box.top, &box.bottom);
  centre(below(j->w, column), w, j->w, &box.left, &box.right);
  return box;
}

static void fill(const struct job *j, const struct box *box, float value, float *y) {
  for (size_t c = 0; c < j->channels; c++)
    for (size_t p = box->top; p < box->bottom; p++)
      for (size_t q = box->left; q < box->right; q++) y[(c * j->h + p) * j->w + q] = value;
}

static void fill_random(const struct job *j, const struct box *box, uint64_t seed, float *y) {
  const size_t n = box->right - box->left, counters = (n + 3) / 4;
  uint64_t counter = 0;
  for (size_t c = 0; c < j->channels; c++)
    for (size_t p = box->top; p < box->bottom; p++, counter += counters)
      j->kernels->random->uniform(n, seed, counter, 0.0f, j->white, y + (c * j->h + p) * j->w + box->left);
}

/* Whether a rectangle of the share and proportion drawn fits; it is then anywhere inside. */
static int try_box(const struct job *j, const uint32_t bits[4], struct box *box) {
  const struct fnn_interval *aspect = &j->how->erase_aspect;
  const struct fnn_interval log_aspect = {log(aspect->low), log(aspect->high)};
  double area = within(&j->how->erase_area, bits[0]) * (double)j->h * (double)j->w;
  double proportion = exp(within(&log_aspect, bits[1]));
  double h = floor(sqrt(area * proportion) + 0.5), w = floor(sqrt(area / proportion) + 0.5);
  if (!(h >= 1.0 && h <= (double)j->h && w >= 1.0 && w <= (double)j->w)) return 0;
  box->top = below(j->h - (size_t)h + 1, bits[2]), box->bottom = box->top + (size_t)h;
  box->left = below(j->w - (size_t)w + 1, bits[3]), box->right = box->left + (size_t)w;
  return 1;
}

static void erase(const struct job *j, uint64_t position, float *y) {
  uint32_t bits[4], tried[4];
  struct box box;
  draw(j->how->seed, position, ERASE, bits);
  if (!(bits[0] * 0x1p-32 < j->how->erase)) return;
  for (int i = 0; i < TRIES; i++) {
    draw(j->how->seed, position, (enum block)(TRY + i), tried);
    if (!try_box(j, tried, &box)) continue;
    if (j->how->erase_random)
      fill_random(j, &box, (uint64_t)bits[1] << 32 | bits[2], y);
    else
      fill(j, &box, (float)j->how->erase_value, y);
    return;
  }
}

static void cut_out(const struct job *j, uint64_t position, float *y) {
  const size_t side = (size_t)j->how->cutout;
  uint32_t bits[4];
  draw(j->how->seed, position, TONE, bits);
  struct box box = centred_box(j, side, side, bits[2], bits[3]);
  fill(j, &box, 0.0f, y);
}

static void change_images(void *user, size_t first, size_t last, int worker) {
  const struct job *j = user;
  float *scratch = fnn_scratch_of(&j->scratch, worker);
  for (size_t i = first; i < last; i++) {
    uint64_t position = (uint64_t)j->index[i];
    float *y = j->y + i * j->image;
    move(j, position, scratch, y);
    if (j->tones) change_tones(j, position, y);
    if (j->how->erase > 0.0) erase(j, position, y);
    if (j->how->cutout > 0.0) cut_out(j, position, y);
  }
}

/* ---- mixing ---- */

/* Beta(alpha, alpha) of two uniform numbers, of which the first is not 0: Devroye 1996, "Random variate generation in one
 * line of code", from Bailey's way to Student's t (1994). */
static double symmetric_beta(double alpha, double u, double v) {
  double side = cos(6.28318530717958647692 * v);
  double ratio = (pow(u, -1.0 / alpha) - 1.0) * side * side; /* t squared over its degrees of freedom */
  return 0.5 + copysign(0.5, side) / sqrt(1.0 + 1.0 / ratio);
}

/* A rectangle of b's in a; returns its share of the image. */
static double cut_mix(const struct job *j, double lambda, const uint32_t bits[4], const float *a, const float *b,
                      float *y) {
  double side = sqrt(1.0 - lambda);
  size_t h = (size_t)((double)j->h * side), w = (size_t)((double)j->w * side);
  struct box box = centred_box(j, h, w, bits[2], bits[3]);
  memcpy(y, a, j->image * sizeof *y);
  for (size_t c = 0; c < j->channels; c++)
    for (size_t p = box.top; p < box.bottom; p++) {
      size_t at = (c * j->h + p) * j->w + box.left;
      memcpy(y + at, b + at, (box.right - box.left) * sizeof *y);
    }
  return (double)(box.bottom - box.top) * (double)(box.right - box.left) / ((double)j->h * (double)j->w);
}

static void mix_image(const struct job *j, size_t i) {
  const double mixup = j->how->mixup, cutmix = j->how->cutmix;
  uint32_t bits[4], more[4];
  draw(j->how->seed, (uint64_t)j->index[i], MIX, bits);
  draw(j->how->seed, (uint64_t)j->index[i], LAMBDA, more);
  int cuts = mixup > 0.0 && cutmix > 0.0 ? (int)(bits[0] >> 31) : cutmix > 0.0;
  double lambda = symmetric_beta(cuts ? cutmix : mixup, (more[0] + 0.5) * 0x1p-32, more[1] * 0x1p-32);
  double share = 1.0 - lambda;
  size_t partner = below(j->n, bits[1]);
  const float *a = j->y + i * j->image, *b = j->y + partner * j->image;
  float *y = j->mixed + i * j->image;
  if (cuts)
    share = cut_mix(j, lambda, bits, a, b, y);
  else
    j->kernels->norm->affine_back(j->image, a, b, (float)lambda, (float)share, 0.0f, y);
  j->partner[i] = (int64_t)partner;
  j->share[i] = (float)share;
}

static void mix_images(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  for (size_t i = first; i < last; i++) mix_image(user, i);
}

/* ---- what is asked for ---- */

#define NUMBER(field, label, kind, least, most) \
  { label, offsetof(struct fnn_augment, field), FNN_AUGMENT_##kind, least, most }
const struct fnn_augment_number fnn_augment_numbers[] = {
    NUMBER(shift, "shift", PAIR, 0, 1 << 24),
    NUMBER(rotation, "rotation", INTERVAL, -360, 360),
    NUMBER(shear, "shear", INTERVAL, -80, 80),
    NUMBER(zoom, "zoom", INTERVAL, 0.01, 100),
    NUMBER(brightness, "brightness", INTERVAL, 0, 1e6),
    NUMBER(contrast, "contrast", INTERVAL, 0, 1e6),
    NUMBER(erase, "erase: probability", ONE, 0, 1),
    NUMBER(erase_area, "erase: area", INTERVAL, 0, 1),
    NUMBER(erase_aspect, "erase: aspect", INTERVAL, 1e-3, 1e3),
    NUMBER(erase_value, "erase: value", ONE, -1e30, 1e30),
    NUMBER(cutout, "cutout", ONE, 0, 1 << 24),
    NUMBER(mixup, "mixup", ONE, 0, 1e6),
    NUMBER(cutmix, "cutmix", ONE, 0, 1e6),
    {0},
};

static enum fnn_status check_numbers(struct fnn_context *context, const struct fnn_augment *how) {
  for (const struct fnn_augment_number *number = fnn_augment_numbers; number->name; number++) {
    const double *value = (const double *)((const char *)how + number->offset);
    int count = number->kind == FNN_AUGMENT_ONE ? 1 : 2;
    for (int i = 0; i < count; i++)
      if (!(value[i] >= number->least && value[i] <= number->most))
        return fnn_fail(context, FNN_INVALID, "augmented: %s: expected %g..%g, got %g", number->name, number->least,
                        number->most, value[i]);
    if (number->kind == FNN_AUGMENT_INTERVAL && value[0] > value[1])
      return fnn_fail(context, FNN_INVALID, "augmented: %s: expected {low, high}, got {%g, %g}", number->name, value[0],
                      value[1]);
  }
  return FNN_OK;
}

static enum fnn_status check_images(const struct fnn_tensor *source, const struct fnn_augment *how) {
  struct fnn_context *context = fnn_tensor_context(source);
  const struct fnn_shape *shape = &source->shape;
  const size_t *size = shape->size; /* N,C,H,W */
  size_t padded;
  char text[FNN_SHAPE_TEXT];
  if (source->dtype == FNN_INT64 || shape->rank != 4 || size[2] == 0 || size[3] == 0)
    return fnn_fail(context, FNN_INVALID, "augmented: expected images (N,C,H,W), uint8 or float32, got %s of %s",
                    fnn_shape_text(shape, text), fnn_dtype_name(source->dtype));
  if (!fnn_multiply(size[2] + 3, size[3] + 3, &padded) || padded > INT_MAX)
    return fnn_fail(context, FNN_INVALID, "augmented: images of %zu x %zu pixels are too large", size[2], size[3]);
  for (int i = 0; i < 2; i++)
    if (how->shift[i] > 0.0 && how->shift[i] >= (double)size[2 + i])
      return fnn_fail(context, FNN_INVALID, "augmented: shift: expected less than the images' (%zu,%zu), got (%g,%g)",
                      size[2], size[3], how->shift[0], how->shift[1]);
  return FNN_OK;
}

static int is_exactly(const struct fnn_interval *interval, double value) {
  return interval->low == value && interval->high == value;
}

static struct job job_for(const struct fnn_tensor *source, const struct fnn_tensor *index, double scale,
                          const struct fnn_augment *how) {
  const size_t *size = source->shape.size;
  struct job job = {.kernels = fnn_tensor_context(source)->kernels,
                    .how = how,
                    .source = source,
                    .index = fnn_ints(index),
                    .n = fnn_tensor_numel(index),
                    .channels = size[1],
                    .h = size[2],
                    .w = size[3],
                    .image = size[1] * size[2] * size[3],
                    .padded = (size[2] + 3) * (size[3] + 3),
                    .scale = (float)scale,
                    .white = (float)(source->dtype == FNN_UINT8 ? 255.0 * scale : scale)};
  job.warps = !is_exactly(&how->rotation, 0.0) || !is_exactly(&how->shear, 0.0) || !is_exactly(&how->zoom, 1.0);
  job.moves = job.warps || how->flip != FNN_FLIP_NONE || how->shift[0] > 0.0 || how->shift[1] > 0.0;
  job.tones = !is_exactly(&how->brightness, 1.0) || !is_exactly(&how->contrast, 1.0);
  return job;
}

/* ---- doing it ---- */

/* The images, changed but not mixed. */
static enum fnn_status change(struct fnn_context *context, struct job *job, const struct fnn_shape *shape,
                              struct fnn_tensor **out) {
  size_t floats;
  if (!fnn_multiply(job->padded, job->channels, &floats))
    return fnn_fail(context, FNN_NO_MEMORY, "out of memory: images are too large to address");
  FNN_TRY(fnn_scratch_take(context, floats, &job->scratch));
  for (int i = 0; i < context->threads.count; i++) memset(fnn_scratch_of(&job->scratch, i), 0, floats * sizeof(float));
  enum fnn_status status = fnn_tensor_new(context, FNN_FLOAT32, shape, out);
  if (status == FNN_OK) {
    job->y = fnn_floats(*out);
    fnn_parallel(context, job->n, 1 + 16384 / (job->image ? job->image : 1), change_images, job);
  }
  fnn_scratch_give(context, &job->scratch);
  return status;
}

/* The images of `plain` with partners. */
static enum fnn_status mix(struct fnn_context *context, struct job *job, const struct fnn_tensor *plain,
                           struct fnn_augmented *out) {
  const struct fnn_shape row = {1, {job->n}};
  enum fnn_status status = fnn_tensor_new(context, FNN_FLOAT32, &plain->shape, &out->images);
  if (status == FNN_OK) status = fnn_tensor_new(context, FNN_INT64, &row, &out->partner);
  if (status == FNN_OK) status = fnn_tensor_new(context, FNN_FLOAT32, &row, &out->share);
  if (status != FNN_OK) {
    fnn_tensor_release(out->images);
    fnn_tensor_release(out->partner);
    *out = (struct fnn_augmented){0};
    return status;
  }
  job->mixed = fnn_floats(out->images), job->partner = fnn_ints(out->partner), job->share = fnn_floats(out->share);
  fnn_parallel(context, job->n, 1 + 16384 / (job->image ? job->image : 1), mix_images, job);
  return FNN_OK;
}

enum fnn_status fnn_augment_gather(struct fnn_tensor *source, const struct fnn_tensor *index, double scale,
                                   const struct fnn_augment *how, struct fnn_augmented *out) {
  struct fnn_context *context = fnn_tensor_context(source);
  struct fnn_shape shape = source->shape;
  struct fnn_tensor *plain = NULL;
  *out = (struct fnn_augmented){0};
  FNN_TRY(check_numbers(context, how));
  FNN_TRY(check_images(source, how));
  FNN_TRY(fnn_batch_check(source, index));
  struct job job = job_for(source, index, scale, how);
  shape.size[0] = job.n;
  if (how->mixup == 0.0 && how->cutmix == 0.0) return change(context, &job, &shape, &out->images);
  FNN_TRY(change(context, &job, &shape, &plain));
  enum fnn_status status = mix(context, &job, plain, out);
  fnn_tensor_release(plain);
  return status;
}
