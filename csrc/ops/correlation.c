/* The direct way: for each row of output pixels all taps of all channels go by while tiles of sums stay in registers, but those
 * that meet nothing but zeros beside the image. Where rows of the input have to become something else, pairs of channels in
 * mixed precision or wide vectors with zeros at the edge, they are copied once into a ring of as many as the kernel covers. */
#include "correlation.h"

#include <string.h>

#include "sliding.h"
#include "winograd.h"

/* Columns of the output, from number q on, whose windows have the same taps inside of the rows. */
struct span {
  size_t q, count, tap, taps;
};
enum {
  MOST_SPANS = 8,
  FETCH_PIXELS = 4, /* so far ahead where there is one row */
  LEAST_FETCHED = 4 /* channels; fewer the CPU fetches by itself */
};

struct job {
  const struct fnn_correlation *correlation;
  const struct fnn_lane_kernels *kernels; /* that correlate: of `together` neighbouring pixels at a time */
  const struct fnn_elementwise_kernels *elementwise;
  size_t together;
  size_t depth;           /* channels, or pairs of them, that kernels see */
  struct fnn_amx_run run; /* for matrices */
  float *packed, *own;    /* weights, group after group; own: where nobody keeps them */
  struct span span[MOST_SPANS];
  size_t spans;
  int zeros[2]; /* of a row that slides: whether a pixel is missing before it, after it */
  int ringed;
  struct fnn_scratch ring; /* no memory where the image's own rows will do */
  /* Where sums go, as in the correlation; but to be pooled, to [block][filter][row of two][column] of `sums`. */
  size_t y_block, y_filter, y_row;
  struct fnn_scratch sums;
};

/* Of `count` pixels from number `first` on, those inside a row of `size`: how many there are, how many are before them. */
static size_t inside_row(size_t size, ptrdiff_t first, size_t count, size_t *before) {
  ptrdiff_t begin = first < 0 ? 0 : first, end = first + (ptrdiff_t)count;
  if (end > (ptrdiff_t)size) end = (ptrdiff_t)size;
  if (end < begin) begin = end = first < 0 ? 0 : first;
  *before = (size_t)(begin - first);
  if (*before <= count) return (size_t)(end - begin);
  *before = count;
  return 0;
}

/* Zeros before and after what is inside, pixels being `step` apart. */
static void surround(size_t lanes, size_t before, size_t inside, size_t count, float *to, size_t step) {
  for (size_t i = 0; i < before; i++) memset(to + i * step, 0, lanes * sizeof *to);
  for (size_t i = before + inside; i < count; i++) memset(to + i * step, 0, lanes * sizeof *to);
}

void fnn_copy_pixels(size_t lanes, const float *row, size_t size, ptrdiff_t first, size_t count, float *to) {
  size_t before, inside = inside_row(size, first, count, &before), from = first < 0 ? 0 : (size_t)first * lanes;
  surround(lanes, before, inside, count, to, lanes);
  if (inside) memcpy(to + before * lanes, row + from, inside * lanes * sizeof *to);
}

void fnn_copy_pairs(const struct fnn_lane_kernels *pairs, const float *a, const float *b, size_t size, ptrdiff_t first,
                    size_t count, float *to, size_t step) {
  size_t before, inside = inside_row(size, first, count, &before), lanes = pairs->width;
  size_t from = first < 0 ? 0 : (size_t)first * lanes;
  surround(lanes, before, inside, count, to, step);
  if (inside) pairs->pack_pairs(inside, a + from, b ? b + from : NULL, to + before * step, step);
}

/* The pixel of a row that column q of the output meets with that tap. */
static ptrdiff_t column_of(const struct fnn_correlation *j, size_t q, size_t tap) {
  return (ptrdiff_t)(q * j->stride[1] + tap * j->dilation[1]) - j->left;
}

static size_t columns(const struct fnn_correlation *j) {
  return (j->q - 1) * j->stride[1] + (j->s - 1) * j->dilation[1] + 1;
}
static size_t ring_rows(const struct fnn_correlation *j) { return (j->r - 1) * j->dilation[0] + 1; }

/* Floats from one pixel to the next in the ring, of which a row is [channel][column], but for matrices [column][pair]. Where runs
 * do not go on from pixel to pixel, these should not all fall into the same sets of the first cache. */
static size_t ring_pixel(const struct job *job) {
  size_t lanes = job->correlation->kernels->width;
  if (!fnn_has_matrices(job->correlation)) return lanes;
  return (job->run.taps > 1 ? job->depth : job->depth | 1) * lanes;
}
static size_t ring_row(const struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  return columns(j) * (fnn_has_matrices(j) ? ring_pixel(job) : job->depth * ring_pixel(job));
}

/* Divides the columns into spans; 0 where these would be too many. */
static int find_spans(struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  for (size_t q = 0; q < j->q; q++) {
    struct span *last = &job->span[job->spans], span = {q, 1, 0, j->s};
    while (span.taps > 0 && column_of(j, q, span.tap) < 0) span.tap++, span.taps--;
    while (span.taps > 0 && column_of(j, q, span.tap + span.taps - 1) >= (ptrdiff_t)j->w) span.taps--;
    if (job->spans > 0 && last[-1].tap == span.tap && last[-1].taps == span.taps) {
      last[-1].count++;
      continue;
    }
    if (job->spans == MOST_SPANS) return 0;
    *last = span;
    job->spans++;
  }
  return 1;
}

/* Rows of a single filter that kernels go over in one span, with no more than a pixel missing at either end. */
static int slides(struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  ptrdiff_t before = j->left, after = column_of(j, j->q - 1, j->s - 1) - (ptrdiff_t)j->w + 1;
  if (j->filters != 1 || j->s != FNN_SLIDING_TAPS || j->stride[1] != 1 || j->dilation[1] != 1) return 0;
  if (j->pairs || job->together > 1 || j->q < FNN_SLIDING_PIXELS || before < 0 || before > 1 || after > 1) return 0;
  job->zeros[0] = before == 1, job->zeros[1] = after == 1;
  return 1;
}

/* In a ring all windows are inside, and there is one span: for a single channel and filter, spans of single pixels would take
 * longer than to copy the row. */
static void choose_rows(struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  int sliding = slides(job);
  job->ringed = !sliding && (j->pairs || !find_spans(job) ||
                             (job->spans > 1 && (job->together > 1 || j->channels * j->filters == 1)));
  if (!job->ringed && !sliding) return;
  job->span[0] = (struct span){0, j->q, 0, j->s};
  job->spans = 1;
}

/* Rows `from` .. `to`-1 of the image into the ring, all channels; as many after them, wanted next, are fetched. */
static void fill_ring(const struct job *job, const float *x, float *ring, ptrdiff_t from, ptrdiff_t to) {
  const struct fnn_correlation *j = job->correlation;
  size_t lanes = j->kernels->width, count = columns(j), channel = j->h * j->w * lanes;
  size_t ahead = (size_t)(to - from) * j->w * lanes, pixel = ring_pixel(job);
  for (ptrdiff_t h = from < 0 ? 0 : from; h < to && h < (ptrdiff_t)j->h; h++) {
    float *slot = ring + (size_t)h % ring_rows(j) * ring_row(job), *beyond = slot + fnn_depth(j) * lanes;
    const float *row = x + (size_t)h * j->w * lanes;
    for (size_t c = 0; c < j->channels; c++, row += channel) {
      fnn_fetch(row + ahead, j->w * lanes);
      if (j->pairs && c % 2) continue;
      if (j->pairs)
        fnn_copy_pairs(j->pairs, row, c + 1 < j->channels ? row + channel : NULL, j->w, -j->left, count, slot, pixel);
      else
        fnn_copy_pixels(lanes, row, j->w, -j->left, count, slot);
      slot += fnn_has_matrices(j) ? lanes : count * lanes;
    }
    for (size_t i = 0; i < count && job->depth > fnn_depth(j); i++)
      memset(beyond + i * pixel, 0, (job->depth - fnn_depth(j)) * lanes * sizeof *slot);
  }
}

/* One row of the output of all filters of a group: plus the addend, and relu if that is wanted. */
static void add_to_row(const struct job *job, size_t row) {
  const struct fnn_correlation *j = job->correlation;
  size_t count = j->q * j->y_pixel;
  for (size_t k = 0; k < j->filters; k++, row += j->y_filter) {
    float *y = j->y + row;
    job->elementwise->accumulate(count, j->epilogue.addend + row, y);
    if (j->epilogue.relu) job->elementwise->unary[FNN_UNARY_relu](count, y, y, NULL);
  }
}

/* Floats of a group's weights in the kernels' order. */
static size_t packed_size(const struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  if (!fnn_has_matrices(j)) return j->filters * job->depth * j->r * j->s;
  return fnn_amx_count(j->filters) * j->r * (j->s / job->run.taps) * fnn_amx_matrices(job->run) * FNN_AMX_MATRIX;
}

/* What is the same for all rows of a group. Meanwhile those rows of the input are fetched that the next row of the output sees
 * first, or some pixels of the only row. */
static struct fnn_lane_row task_of(const struct job *job, size_t group) {
  const struct fnn_correlation *j = job->correlation;
  size_t lanes = j->kernels->width, pixel = ring_pixel(job);
  size_t channel = fnn_has_matrices(j) ? lanes : (job->ringed ? columns(j) : j->h * j->w) * lanes;
  return (struct fnn_lane_row){
      .filters = j->filters,
      .channels = job->depth,
      .run = job->run,
      .x_channel = channel,
      .x_pixel = j->stride[1] * pixel * job->together,
      .x_tap = j->dilation[1] * pixel,
      .fetch_ahead = j->p == 1 ? FETCH_PIXELS * lanes : j->stride[0] * j->w * lanes,
      .weight = job->packed + group * packed_size(job),
      .w_rows = j->r,
      .w_columns = j->s,
      .zeros = {job->zeros[0], job->zeros[1]},
      .bias = j->epilogue.bias ? j->epilogue.bias + group * j->filters : NULL,
      .relu = j->epilogue.relu && !j->epilogue.addend,
      .y_filter = job->y_filter,
      .y_pixel = j->y_pixel * job->together,
      .fetch_results = !j->epilogue.pool,
  };
}

/* A span of few pixels: what they are short of, the same pixel of several blocks makes up for. */
static void correlate_blocks(const struct job *job, struct fnn_lane_row task, size_t pixels, size_t blocks) {
  const struct fnn_correlation *j = job->correlation;
  const float *x[FNN_MOST_TAPS];
  memcpy(x, task.x, task.r * sizeof *x);
  size_t x_pixel = task.x_pixel, y_pixel = task.y_pixel;
  task.x = x;
  task.fetch_rows = 0;
  task.q = blocks;
  task.x_pixel = j->groups * j->channels * j->h * j->w * j->kernels->width;
  task.y_pixel = job->y_block;
  for (size_t q = 0; q < pixels; q++, task.y += y_pixel) {
    job->kernels->correlate(&task);
    for (size_t r = 0; r < task.r; r++) x[r] += x_pixel;
  }
}

/* One row of the output of some blocks from task.r rows of the input. */
static void correlate_row(const struct job *job, struct fnn_lane_row task, const float *const *rows, size_t blocks,
                          float *y) {
  const struct fnn_correlation *j = job->correlation;
  int fetched = !job->ringed && j->channels >= LEAST_FETCHED;
  task.fetch_rows = fetched ? fnn_fewer(j->stride[0], task.r) : 0;
  for (size_t i = 0; i < job->spans; i++) {
    const struct span *span = &job->span[i];
    ptrdiff_t at = job->ringed || job->zeros[0] || span->taps == 0 ? 0 : column_of(j, span->q, span->tap);
    const float *x[FNN_MOST_TAPS];
    for (size_t r = 0; r < task.r; r++) x[r] = rows[r] + at * (ptrdiff_t)j->kernels->width;
    task.x = x;
    task.q = span->count / job->together;
    task.s = span->taps;
    task.w_column = span->tap;
    task.y = y + span->q * j->y_pixel;
    if (blocks > 1)
      correlate_blocks(job, task, span->count, blocks);
    else
      job->kernels->correlate(&task);
  }
}

/* Two rows of sums, of all filters of a group, become row p of the result. */
static void pool_rows(const struct job *job, size_t block, size_t blocks, size_t group, size_t p, const float *sums) {
  const struct fnn_correlation *j = job->correlation;
  const struct fnn_window two_rows = fnn_pool_window(2, j->q);
  for (size_t b = 0; b < blocks; b++)
    for (size_t k = 0; k < j->filters; k++) {
      size_t to = (block + b) * j->y_block + (group * j->filters + k) * j->y_filter + j->y_origin + p * j->y_row;
      j->kernels->pool.max_of_four(&two_rows, 1, sums + b * job->y_block + k * job->y_filter, j->y + to,
                                   j->epilogue.winner ? j->epilogue.winner + to : NULL);
    }
}

/* Output rows first .. last-1 of one group of some blocks. */
static void correlate_rows(const struct job *job, size_t block, size_t blocks, size_t group, size_t first, size_t last,
                           float *ring, float *sums) {
  const struct fnn_correlation *j = job->correlation;
  size_t lanes = j->kernels->width;
  const float *x = j->x + (block * j->groups + group) * j->channels * j->h * j->w * lanes;
  ptrdiff_t filled = (ptrdiff_t)(first * j->stride[0]) - j->top;
  struct fnn_lane_row task = task_of(job, group);
  const float *rows[FNN_MOST_TAPS] = {0};
  for (size_t p = first; p < last; p++) {
    ptrdiff_t origin = (ptrdiff_t)(p * j->stride[0]) - j->top;
    size_t row = block * j->y_block + group * j->filters * j->y_filter + j->y_origin + p * j->y_row;
    float *y = sums ? sums + p % 2 * job->y_row : j->y + row;
    ptrdiff_t end = origin + (ptrdiff_t)ring_rows(j);
    if (ring) fill_ring(job, x, ring, filled > origin ? filled : origin, end);
    filled = end;
    task.r = task.w_row = 0;
    for (size_t r = 0; r < j->r; r++) {
      ptrdiff_t h = origin + (ptrdiff_t)(r * j->dilation[0]);
      if (h < 0) task.w_row = r + 1;
      if (h < 0 || h >= (ptrdiff_t)j->h) continue;
      rows[task.r++] = ring ? ring + (size_t)h % ring_rows(j) * ring_row(job) : x + (size_t)h * j->w * lanes;
    }
    correlate_row(job, task, rows, blocks, y);
    if (sums && p % 2) pool_rows(job, block, blocks, group, p / 2, sums);
    for (size_t i = 0; i < blocks && j->epilogue.addend; i++) add_to_row(job, row + i * j->y_block);
  }
}

/* Correlations that are done together, over the same blocks and groups. A piece of work is a chunk of the rows of each, of one
 * group of `batch` blocks. */
struct jobs {
  struct job job[FNN_MOST_CORRELATIONS];
  size_t count, blocks, batch, groups, chunks, pieces;
};

static void correlate_pieces(void *user, size_t first, size_t last, int worker) {
  const struct jobs *jobs = user;
  for (size_t i = first; i < last; i++) {
    size_t chunk = i % jobs->chunks, group = i / jobs->chunks % jobs->groups;
    size_t block = i / jobs->chunks / jobs->groups * jobs->batch;
    for (const struct job *job = jobs->job; job < jobs->job + jobs->count; job++) {
      const struct fnn_correlation *j = job->correlation;
      size_t rows = fnn_ceil_div(j->p, jobs->chunks);
      if (j->epilogue.pool) rows += rows % 2;
      size_t begin = chunk * rows, end = fnn_fewer(begin + rows, j->p);
      size_t blocks = fnn_fewer(jobs->batch, jobs->blocks - block);
      if (begin < end)
        correlate_rows(job, block, blocks, group, begin, end, fnn_scratch_of(&job->ring, worker),
                       fnn_scratch_of(&job->sums, worker));
    }
  }
}

enum fnn_status fnn_take_weights(struct fnn_context *context, const struct fnn_correlation *j, size_t count,
                                 const struct fnn_recipe *recipe, float **weights, float **own, int *known) {
  void *memory;
  *known = 0;
  if (j->keeper) {
    FNN_TRY(fnn_tensor_keep(j->keeper, count * sizeof **weights, recipe, &memory, known));
    *weights = memory;
    return FNN_OK;
  }
  *weights = *own = fnn_alloc(context, count * sizeof **own);
  return *own ? FNN_OK : FNN_NO_MEMORY;
}

static enum fnn_status pack(struct fnn_context *context, struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  size_t group = packed_size(job), order = job->run.taps > 1 ? FNN_RUN_ORDER : FNN_LANE_ORDER;
  int known;
  FNN_TRY(fnn_take_weights(context, j, j->groups * group,
                           &(struct fnn_recipe){{order, (size_t)job->kernels, j->groups, j->channels, j->filters}},
                           &job->packed, &job->own, &known));
  for (size_t i = 0; i < j->groups && !known; i++) {
    struct fnn_lane_weights weights = j->weights;
    weights.from += (ptrdiff_t)i * j->weights_group;
    weights.run = job->run;
    job->kernels->pack_weights(&weights, job->packed + i * group);
  }
  return FNN_OK;
}

static enum fnn_status take_memory(struct fnn_context *context, struct job *job, size_t batch) {
  const struct fnn_correlation *j = job->correlation;
  FNN_TRY(pack(context, job));
  if (j->epilogue.pool) FNN_TRY(fnn_scratch_take(context, batch * job->y_block, &job->sums));
  return job->ringed ? fnn_scratch_take(context, ring_rows(j) * ring_row(job), &job->ring) : FNN_OK;
}

/* How many neighbouring pixels make one wide vector, in the input and in the output. */
static size_t pixels_together(const struct fnn_correlation *j) {
  size_t lanes = j->kernels->width, ratio = j->wide->width / lanes;
  return j->stride[1] == 1 && j->y_pixel == lanes && j->q % ratio == 0 ? ratio : 1;
}

static struct job job_for(struct fnn_context *context, const struct fnn_correlation *j) {
  struct job job = {
      .correlation = j, .elementwise = context->kernels->elementwise, .together = pixels_together(j), .run = {1, 0, 1}};
  job.kernels = j->pairs ? j->pairs : job.together > 1 ? j->wide : j->kernels;
  if (fnn_has_matrices(j)) job.run = fnn_amx_run_of(j->channels, j->dilation[1] == 1 ? j->s : 1);
  job.depth = fnn_has_matrices(j) ? job.run.pairs : fnn_depth(j);
  job.y_row = j->epilogue.pool ? j->q * j->y_pixel : j->y_row;
  job.y_filter = j->epilogue.pool ? 2 * job.y_row : j->y_filter;
  job.y_block = j->epilogue.pool ? j->filters * job.y_filter : j->y_block;
  choose_rows(&job);
  return job;
}

/* How many blocks are done together: more than one where images are so small that all tiles would be of few pixels, but as few as
 * leave enough pieces of work. */
static size_t batch_of(const struct jobs *jobs) {
  const struct job *job = jobs->job;
  size_t most = job->kernels->row_pixels;
  if (jobs->count > 1 || job->ringed || job->zeros[0] || job->together > 1 || job->correlation->q > 2 * most) return 1;
  for (size_t i = 0; i < job->spans; i++)
    if (job->span[i].count >= most) return 1;
  size_t batches = fnn_ceil_div(jobs->blocks, most);
  size_t least = fnn_ceil_div(FNN_LANE_PIECES, jobs->groups * job->correlation->p);
  return fnn_ceil_div(jobs->blocks, batches < least ? fnn_fewer(least, jobs->blocks) : batches);
}

/* Of several, which write to each other's neighbours, a piece has so few rows that what one writes is in a cache for the next;
 * not with pairs, whose rings would be filled anew for each piece. */
static void cut(struct jobs *jobs) {
  enum { CACHE = 64 * 1024, LEAST_ROWS = 2 }; /* floats */
  const struct fnn_correlation *j = jobs->job[0].correlation;
  size_t p = 0, rows = CACHE / (j->filters * j->y_row);
  for (size_t i = 0; i < jobs->count; i++)
    if (jobs->job[i].correlation->p > p) p = jobs->job[i].correlation->p;
  if (rows < LEAST_ROWS) rows = LEAST_ROWS;
  jobs->batch = batch_of(jobs);
  size_t parts = fnn_ceil_div(jobs->blocks, jobs->batch) * jobs->groups;
  jobs->chunks = fnn_ceil_div(FNN_LANE_PIECES, parts);
  if (jobs->count > 1 && !j->pairs && jobs->chunks < fnn_ceil_div(p, rows)) jobs->chunks = fnn_ceil_div(p, rows);
  jobs->chunks = fnn_fewer(jobs->chunks, p);
  jobs->pieces = parts * jobs->chunks;
}

static enum fnn_status correlate_directly(struct fnn_context *context, struct jobs *jobs) {
  enum fnn_status status = FNN_OK;
  cut(jobs);
  for (size_t i = 0; i < jobs->count && status == FNN_OK; i++)
    status = take_memory(context, &jobs->job[i], jobs->batch);
  if (status == FNN_OK) fnn_parallel(context, jobs->pieces, 1, correlate_pieces, jobs);
  for (size_t i = 0; i < jobs->count; i++) {
    fnn_scratch_give(context, &jobs->job[i].ring);
    fnn_scratch_give(context, &jobs->job[i].sums);
    fnn_free(context, jobs->job[i].own);
  }
  return status;
}

/* Where each result looks at its own pixel alone, all rows are one, of which fewer tiles are small. Not where rows are to
 * become pieces of work, or pairs, for which the ring would be as large as a plane. */
static void join_rows(struct fnn_correlation *j) {
  int single = j->r == 1 && j->s == 1 && j->stride[0] == 1 && j->stride[1] == 1 && j->top == 0 && j->left == 0;
  if (!single || j->pairs || j->epilogue.pool || j->p != j->h || j->q != j->w || j->y_row != j->q * j->y_pixel) return;
  if (j->blocks * j->groups < FNN_LANE_PIECES) return;
  j->q = j->w = j->p * j->q;
  j->p = j->h = 1;
}

enum fnn_status fnn_correlate(struct fnn_context *context, struct fnn_correlation *correlations, size_t count) {
  struct jobs jobs = {.blocks = correlations->blocks, .groups = correlations->groups};
  if (jobs.blocks == 0) return FNN_OK;
  for (struct fnn_correlation *j = correlations; j < correlations + count; j++) {
    if (j->p == 0 || j->q == 0 || j->filters == 0) continue;
    j->weights.filters = j->filters, j->weights.channels = j->channels;
    j->weights.r = j->r, j->weights.s = j->s;
    if (count == 1) join_rows(j);
    if (fnn_winograd_pays(j))
      FNN_TRY(fnn_winograd(context, j));
    else
      jobs.job[jobs.count++] = job_for(context, j);
  }
  return jobs.count ? correlate_directly(context, &jobs) : FNN_OK;
}
