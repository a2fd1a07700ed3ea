/* Elementwise functions of two tensors or of a tensor and a number, with broadcasting; the formulas
 * are in kernels/binary.inc. */
#include "../kernels/kernels.h"
#include "planes.h"

static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {.name = "other", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {0}};

struct job {
  const struct fnn_elementwise_kernels *kernels;
  enum fnn_binary id;
  int side; /* in backward: of which input */
};

static enum fnn_status refuse_zero_divisor(const struct fnn_call *call) {
  struct fnn_tensor b = *call->in[1];
  for (int i = 0; i < b.shape.rank; i++) /* what expand repeats need be looked at once */
    if (b.stride[i] == 0 && b.shape.size[i] > 1) b.shape.size[i] = 1;
  for (size_t i = 0, n = fnn_tensor_numel(&b); i < n; i++)
    if (fnn_ints(&b)[fnn_tensor_position(&b, i)] == 0) return fnn_refuse(call, "other", "integer division by zero");
  return FNN_OK;
}

static enum fnn_status infer(struct fnn_call *call, enum fnn_binary id) {
  struct fnn_shape shape;
  FNN_TRY(fnn_shape_broadcast(call->context, call->op->name, fnn_in_shape(call, 0), fnn_in_shape(call, 1), &shape));
  if (call->in_spec[1].dtype == FNN_INT64 && (id == FNN_BINARY_floor_divide || id == FNN_BINARY_remainder))
    FNN_TRY(refuse_zero_divisor(call));
  fnn_out(call, 0, call->in_spec[0].dtype, &shape);
  return FNN_OK;
}

/* Whether the second shape has one number for each channel's plane of pixels in the first: (N,C,1,1) for (N,C,H,W). */
static int is_of_planes(const struct fnn_shape *wide, const struct fnn_shape *narrow) {
  int rank = wide->rank;
  return rank > 2 && narrow->rank == rank && wide->size[0] == narrow->size[0] && wide->size[1] == narrow->size[1] &&
         fnn_shape_product(narrow, 2, rank) == 1 && fnn_shape_product(wide, 2, rank) > 0;
}

/* Whether it has one number for each channel of images (C,1,1), or one for all. */
static int is_of_channels(const struct fnn_shape *wide, const struct fnn_shape *narrow) {
  int rank = wide->rank, axis = narrow->rank - (rank - 1);
  size_t count = fnn_shape_product(narrow, 0, narrow->rank);
  if (rank <= 2 || narrow->rank == 0 || narrow->rank > rank || fnn_shape_product(wide, 0, rank) == 0) return 0;
  return count == 1 || (axis >= 0 && count == wide->size[1] && narrow->size[axis] == count);
}

/* Whether the numbers of the second shape can stand beside the first where this has such lanes. */
static int is_narrow(const struct fnn_shape *wide, const struct fnn_shape *narrow, struct fnn_lanes lanes) {
  return is_of_planes(wide, narrow) || (lanes.axis == FNN_IMAGES && is_of_channels(wide, narrow));
}

/* What lies in lanes stays there beside images of the same shape, numbers of its planes or channels, or a number that needs no
 * gradient. */
static struct fnn_lanes lanes(const struct fnn_call *call) {
  const struct fnn_tensor *a = call->in[0], *b = call->in[1];
  const struct fnn_lanes none = {0};
  if (b->shape.rank == 0) return b->requires_grad ? none : a->lanes;
  if (a->shape.rank == 0) return a->requires_grad ? none : b->lanes;
  if (a->dtype != FNN_FLOAT32 || b->dtype != FNN_FLOAT32) return none;
  if (fnn_shape_equal(&a->shape, &b->shape)) return a->lanes.count ? a->lanes : b->lanes;
  if (is_narrow(&a->shape, &b->shape, a->lanes)) return a->lanes;
  return is_narrow(&b->shape, &a->shape, b->lanes) ? b->lanes : none;
}

/* A loop over operands of the call's layout, the first of them the widest; `run` is told of each element that is stored. */
static void loop(struct fnn_call *call, int operands, struct fnn_tensor *const operand[], fnn_run run, void *user) {
  struct fnn_tensor flat[FNN_LOOP_OPERANDS], *each[FNN_LOOP_OPERANDS];
  for (int i = 0; i < operands; i++) {
    each[i] = operand[i];
    if (!operand[i]->lanes.count) continue;
    flat[i] = fnn_tensor_flat(operand[i]);
    each[i] = &flat[i];
  }
  fnn_loop(call->context, &each[0]->shape, operands, each, run, user);
}

/* Whether the slope is 1 everywhere. */
static int is_constant(enum fnn_binary id, int side) {
  return id == FNN_BINARY_add || (id == FNN_BINARY_sub && side == 0);
}

/* ---- numbers of planes or channels, in lanes ---- */

enum { CHUNK = 1024 }; /* floats at a time */

/* The floats of plane i begin at from + i % planes * step: all that it has, or fewer that go for all, a vector of lanes or one. */
struct operand {
  const float *from;
  size_t planes, step, count;
};

struct planes {
  const struct fnn_elementwise_kernels *kernels;
  const struct fnn_lane_kernels *lanes;
  const struct fnn_shape *shape;
  enum fnn_binary id;
  int side;    /* of the gradient */
  size_t size; /* floats of a plane */
  struct operand in[2];
  const float *grad;    /* NULL forward */
  float *wide, *narrow; /* where the result goes: to all pixels, or summed over each plane, */
  double *total;        /* and over its images */
};

/* A plane's floats of an operand; of fewer, as many copies as `spread` holds. */
static const float *begin_plane(const struct planes *j, const struct operand *in, size_t plane, float *spread) {
  const float *from = in->from + plane % in->planes * in->step;
  if (in->count == j->size) return from;
  fnn_fill_plane(in->count, from, j->size < CHUNK ? j->size : CHUNK, spread);
  return spread;
}

static void do_planes(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct planes *j = user;
  size_t width = j->lanes->width;
  float spread[CHUNK], product[CHUNK];
  for (size_t plane = first; plane < last; plane++) {
    double total[FNN_LANES_MAX] = {0};
    const float *a0 = begin_plane(j, &j->in[0], plane, spread), *b0 = begin_plane(j, &j->in[1], plane, spread);
    for (size_t at = 0; at < j->size; at += CHUNK) {
      size_t n = j->size - at < CHUNK ? j->size - at : CHUNK;
      float *to = j->wide ? j->wide + plane * j->size + at : product;
      const float *a = a0 == spread ? spread : a0 + at, *b = b0 == spread ? spread : b0 + at;
      if (j->grad)
        j->kernels->binary_slope[j->id][j->side](n, a, 1, b, 1, j->grad + plane * j->size + at, 1, to);
      else
        j->kernels->binary[j->id](n, a, 1, b, 1, to, 1);
      if (!j->wide) j->lanes->sum(n / width, to, total);
    }
    for (size_t l = 0; j->narrow && l < width; l++) j->narrow[plane * width + l] = (float)total[l];
    if (!j->total) continue;
    j->total[plane] = 0.0;
    size_t images = fnn_lane_images(j->shape, width, plane / j->shape->size[1]);
    for (size_t l = 0; l < images; l++) j->total[plane] += total[l];
  }
}

static int has_planes(const struct fnn_call *call) {
  const struct fnn_shape *a = fnn_in_shape(call, 0), *b = fnn_in_shape(call, 1);
  if (!call->lanes.count || fnn_shape_equal(a, b)) return 0;
  return is_narrow(a, b, call->lanes) || is_narrow(b, a, call->lanes);
}

/* Input i, whose elements lie `step` apart where it has one for each channel. What was not saved is not read either. */
static struct operand operand_of(const struct fnn_call *call, const struct planes *j, size_t i) {
  const struct fnn_shape *shape = fnn_in_shape(call, i);
  const struct fnn_tensor *in = call->in[i];
  size_t planes = fnn_lane_planes(j->shape, call->lanes), width = j->lanes->width;
  if (!in) return (struct operand){j->grad, planes, j->size, j->size};
  if (fnn_shape_equal(shape, j->shape)) return (struct operand){fnn_floats(in), planes, j->size, j->size};
  if (is_of_planes(j->shape, shape)) return (struct operand){fnn_floats(in), planes, width, width};
  if (fnn_shape_product(shape, 0, shape->rank) == 1) return (struct operand){fnn_floats(in), 1, 0, 1};
  return (struct operand){fnn_floats(in), j->shape->size[1], in->stride[shape->rank - (j->shape->rank - 1)], 1};
}

static void loop_over_planes(struct fnn_call *call, struct planes *j) {
  j->kernels = call->context->kernels->elementwise;
  j->lanes = fnn_call_kernels(call);
  j->shape = &call->out_spec[0].shape;
  j->size = fnn_shape_product(j->shape, 2, j->shape->rank) * j->lanes->width;
  for (size_t i = 0; i < 2; i++) j->in[i] = operand_of(call, j, i);
  fnn_parallel(call->context, fnn_lane_planes(j->shape, call->lanes), fnn_grain(j->size), do_planes, j);
}

/* The gradient of one number for each channel, or of one for all. */
static enum fnn_status channels_gradient(struct fnn_call *call, struct planes *j) {
  struct fnn_context *context = call->context;
  const struct fnn_shape *narrow = fnn_in_shape(call, (size_t)j->side), *wide = &call->grad->shape;
  size_t planes = fnn_lane_planes(wide, call->lanes), count = fnn_shape_product(narrow, 0, narrow->rank);
  FNN_TRY(fnn_tensor_new(context, FNN_FLOAT32, narrow, &call->grad_in[j->side]));
  j->total = fnn_alloc(context, planes * sizeof *j->total);
  if (!j->total) return FNN_NO_MEMORY;
  loop_over_planes(call, j);
  for (size_t c = 0; c < count; c++) {
    double total = 0.0;
    for (size_t plane = c; plane < planes; plane += count) total += j->total[plane];
    fnn_floats(call->grad_in[j->side])[c] = (float)total;
  }
  fnn_free(context, j->total);
  return FNN_OK;
}

static enum fnn_status planes_gradient(struct fnn_call *call, enum fnn_binary id, int side) {
  struct planes job = {.id = id, .side = side, .grad = fnn_floats(call->grad)};
  const struct fnn_shape *shape = fnn_in_shape(call, (size_t)side), *wide = &call->grad->shape;
  int is_wide = fnn_shape_equal(shape, wide);
  if (is_wide && is_constant(id, side)) {
    call->grad_in[side] = fnn_tensor_retain(call->grad);
    return FNN_OK;
  }
  if (!is_wide && !is_of_planes(wide, shape)) return channels_gradient(call, &job);
  FNN_TRY(fnn_new_grad(call, (size_t)side));
  *(is_wide ? &job.wide : &job.narrow) = fnn_floats(call->grad_in[side]);
  loop_over_planes(call, &job);
  return FNN_OK;
}

/* ---- forward and backward ---- */

static void run_floats(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->binary[job->id](n, (float *)at[1], stride[1], (float *)at[2], stride[2], (float *)at[0], stride[0]);
}

static void run_ints(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->binary_int[job->id](n, (int64_t *)at[1], stride[1], (int64_t *)at[2], stride[2], (int64_t *)at[0],
                                    stride[0]);
}

static enum fnn_status forward(struct fnn_call *call, enum fnn_binary id) {
  struct job job = {.kernels = call->context->kernels->elementwise, .id = id};
  if (has_planes(call)) {
    loop_over_planes(call, &(struct planes){.id = id, .wide = fnn_floats(call->out[0])});
    return FNN_OK;
  }
  struct fnn_tensor *operands[] = {call->out[0], call->in[0], call->in[1]};
  loop(call, 3, operands, call->out[0]->dtype == FNN_INT64 ? run_ints : run_floats, &job);
  return FNN_OK;
}

static void run_slope(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->binary_slope[job->id][job->side](n, (float *)at[1], stride[1], (float *)at[2], stride[2],
                                                 (float *)at[3], stride[3], (float *)at[0]);
}

/* grad * slope, over the broadcast shape; the kernels write it densely. */
static enum fnn_status wide_gradient(struct fnn_call *call, enum fnn_binary id, int side, struct fnn_tensor **out) {
  int constant = is_constant(id, side), laned = call->lanes.count > 0;
  if (constant && laned) *out = fnn_tensor_retain(call->grad);
  if (constant) return laned ? FNN_OK : fnn_tensor_dense(call->grad, FNN_FLOAT32, out);
  FNN_TRY(laned ? fnn_tensor_new_laned(call->context, &call->grad->shape, call->lanes, out)
                : fnn_tensor_new(call->context, FNN_FLOAT32, &call->grad->shape, out));
  struct job job = {.kernels = call->context->kernels->elementwise, .id = id, .side = side};
  /* what was not saved is not read either */
  struct fnn_tensor *a = call->in[0] ? call->in[0] : call->grad, *b = call->in[1] ? call->in[1] : call->grad;
  struct fnn_tensor *operands[] = {*out, a, b, call->grad};
  loop(call, 4, operands, run_slope, &job);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call, enum fnn_binary id) {
  for (int side = 0; side < 2; side++) {
    struct fnn_tensor *wide;
    if (!fnn_wants(call, (size_t)side)) continue;
    if (has_planes(call)) {
      FNN_TRY(planes_gradient(call, id, side));
      continue;
    }
    FNN_TRY(wide_gradient(call, id, side, &wide));
    if (call->lanes.count) {
      call->grad_in[side] = wide;
      continue;
    }
    enum fnn_status status = fnn_sum_to(wide, fnn_in_shape(call, (size_t)side), &call->grad_in[side]);
    fnn_tensor_release(wide);
    FNN_TRY(status);
  }
  return FNN_OK;
}

#define FNN_BINARY(name_, types_, y, int_y, slope_a, slope_b)                                                   \
  static enum fnn_status infer_##name_(struct fnn_call *call) { return infer(call, FNN_BINARY_##name_); }       \
  static enum fnn_status forward_##name_(struct fnn_call *call) { return forward(call, FNN_BINARY_##name_); }   \
  static enum fnn_status backward_##name_(struct fnn_call *call) { return backward(call, FNN_BINARY_##name_); } \
  const struct fnn_op fnn_op_##name_ = {                                                                        \
      .name = #name_,                                                                                           \
      .args = args,                                                                                             \
      .types = FNN_##types_,                                                                                    \
      .flags = FNN_METHOD | FNN_IN_PLACE | FNN_STRIDED,                                                         \
      .saves = FNN_BINARY_##name_ == FNN_BINARY_add || FNN_BINARY_##name_ == FNN_BINARY_sub                     \
                   ? 0                                                                                          \
                   : FNN_SAVE_IN(0) | FNN_SAVE_IN(1),                                                           \
      .outputs = 1,                                                                                             \
      .lanes = lanes,                                                                                           \
      .images = 3,                                                                                              \
      .infer = infer_##name_,                                                                                   \
      .forward = forward_##name_,                                                                               \
      .backward = backward_##name_,                                                                             \
  };
#include "../kernels/binary.inc"
