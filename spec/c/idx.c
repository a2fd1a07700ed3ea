/* Reading IDX files: good ones, every way to be bad that we could think of, and random damage. */
#define _GNU_SOURCE /* mkdtemp, mkfifo */
#include "../../csrc/data/idx.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../../csrc/base/context.h"
#include "check.h"

enum { MOST = 1 << 16 };

static uint64_t state = 1;
static char folder[] = "/tmp/fmnistnn-idx-XXXXXX", path[64];
static struct fnn_context *context;

/* A file's bytes. */
struct bytes {
  size_t count;
  unsigned char data[MOST];
};

static void add_byte(struct bytes *b, unsigned value) { b->data[b->count++] = (unsigned char)value; }

/* The head: two zeros, type, number of axes, the sizes, big-endian. */
static void add_head(struct bytes *b, unsigned type, unsigned axes, const uint32_t *size) {
  b->count = 0;
  add_byte(b, 0), add_byte(b, 0), add_byte(b, type), add_byte(b, axes);
  for (unsigned i = 0; i < axes; i++)
    for (int shift = 24; shift >= 0; shift -= 8) add_byte(b, size[i] >> shift & 255);
}

static void add_elements(struct bytes *b, size_t count) {
  for (size_t i = 0; i < count; i++) add_byte(b, (unsigned)(i * 7 + 3) & 255);
}

/* Write the file, plain or compressed; gzip takes the count first `cut` bytes of what it made (0: all). */
static void write_plain(const void *data, size_t count) {
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, 1, count, file) != count || fclose(file) != 0) expect(0, "cannot write %s", path);
}

static size_t compress_bytes(const struct bytes *b, unsigned char *to, size_t room) {
  z_stream z = {0};
  if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
  z.next_in = (unsigned char *)b->data, z.avail_in = (unsigned)b->count;
  z.next_out = to, z.avail_out = (unsigned)room;
  EXPECT(deflate(&z, Z_FINISH) == Z_STREAM_END);
  deflateEnd(&z);
  return z.total_out;
}

static void write_gzip(const struct bytes *b) {
  static unsigned char packed[MOST + 1000];
  write_plain(packed, compress_bytes(b, packed, sizeof packed));
}

static void write_file(const struct bytes *b, int gzip) {
  if (gzip)
    write_gzip(b);
  else
    write_plain(b->data, b->count);
}

/* Read the file. On an error the text begins with the path, and no tensor is left. */
static enum fnn_status read_file(int rank, struct fnn_tensor **tensor) {
  *tensor = NULL;
  context->error[0] = '\0';
  enum fnn_status status = fnn_idx_read(context, path, rank, tensor);
  if (status == FNN_OK) {
    EXPECT(*tensor && (*tensor)->dtype == FNN_UINT8 && (*tensor)->shape.rank == rank);
  } else {
    EXPECT(strncmp(context->error, path, strlen(path)) == 0);
    EXPECT(*tensor == NULL && context->memory.used == 0);
  }
  return status;
}

static void expect_refused(int rank, const char *words, const char *what) {
  struct fnn_tensor *tensor;
  enum fnn_status status = read_file(rank, &tensor);
  expect(status == FNN_IO, "%s: status %d", what, (int)status);
  expect(strstr(context->error, words) != NULL, "%s: expected '%s' in '%s'", what, words, context->error);
  if (status == FNN_OK) fnn_tensor_release(tensor);
}

/* ---- good files ---- */

static void check_good(unsigned rank, const uint32_t *size, int gzip) {
  static struct bytes b;
  struct fnn_tensor *tensor;
  size_t count = 1;
  add_head(&b, 8, rank, size);
  for (unsigned i = 0; i < rank; i++) count *= size[i];
  add_elements(&b, count);
  write_file(&b, gzip);
  EXPECT(read_file((int)rank, &tensor) == FNN_OK);
  if (!tensor) return;
  for (unsigned i = 0; i < rank; i++) EXPECT(tensor->shape.size[i] == size[i]);
  EXPECT(fnn_tensor_numel(tensor) == count && memcmp(fnn_bytes(tensor), b.data + 4 + 4 * (size_t)rank, count) == 0);
  fnn_tensor_release(tensor);
  EXPECT(context->memory.used == 0);
}

static void test_good(void) {
  static const uint32_t sizes[][4] = {{5, 3, 4, 2}, {1, 1, 1, 1}, {0, 3, 4, 2}, {7, 0, 4, 2}, {20, 28, 28, 2}};
  for (int gzip = 0; gzip < 2; gzip++)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
      for (unsigned rank = 1; rank <= 4; rank++) check_good(rank, sizes[i], gzip);
}

/* ---- bad files ---- */

static void test_missing(void) {
  unlink(path);
  expect_refused(1, "No such file", "a missing file");
  EXPECT(mkdir(path, 0700) == 0);
  expect_refused(1, "directory", "a directory");
  rmdir(path);
  write_plain("", 0);
  expect_refused(1, "not an IDX file", "an empty file");
}

static void test_heads(void) {
  static struct bytes b;
  const uint32_t size[] = {5, 3, 4, 2};
  for (int gzip = 0; gzip < 2; gzip++) {
    for (size_t length = 0; length < 16; length++) { /* ends within its head */
      add_head(&b, 8, 3, size);
      b.count = length;
      write_file(&b, gzip);
      expect_refused(3, length < 4 ? "not an IDX file" : "truncated", "a head cut short");
    }
    add_head(&b, 8, 3, size), add_elements(&b, 60), b.data[1] = 1;
    write_file(&b, gzip);
    expect_refused(3, "not an IDX file", "a file that begins with 0, 1");
    add_head(&b, 13, 3, size), add_elements(&b, 240);
    write_file(&b, gzip);
    expect_refused(3, "type", "a file of floats");
    add_head(&b, 8, 3, size), add_elements(&b, 60);
    write_file(&b, gzip);
    expect_refused(1, "1 axes", "images for labels");
    add_head(&b, 8, 1, size), add_elements(&b, 5);
    write_file(&b, gzip);
    expect_refused(3, "3 axes", "labels for images");
  }
}

static void test_lengths(void) {
  static struct bytes b;
  const uint32_t size[] = {5, 3, 4};
  for (int gzip = 0; gzip < 2; gzip++)
    for (size_t count = 0; count <= 62; count++) {
      if (count == 60) continue;
      add_head(&b, 8, 3, size), add_elements(&b, count);
      write_file(&b, gzip);
      expect_refused(3, count < 60 ? "truncated" : "oversized", "a wrong number of elements");
    }
}

/* A gzip file cut off anywhere, its last 8 bytes (checksum and length) among them. */
static void test_cut_gzip(void) {
  static struct bytes b;
  static unsigned char packed[MOST];
  const uint32_t size[] = {11, 3, 4};
  add_head(&b, 8, 3, size), add_elements(&b, 132);
  size_t length = compress_bytes(&b, packed, sizeof packed);
  for (size_t cut = 0; cut < length; cut++) {
    write_plain(packed, cut);
    expect_refused(3, path, "a gzip file cut off");
  }
  for (size_t at = length - 8; at < length; at++) {
    packed[at] ^= 1;
    write_plain(packed, length);
    expect_refused(3, "damaged", "a wrong checksum");
    packed[at] ^= 1;
  }
}

/* Heads that ask for more than any memory has: refused before anything is allocated. */
static void test_hostile(void) {
  static const uint32_t all = 0xFFFFFFFFu;
  const uint32_t sizes[][4] = {
      {all, all, all, all}, {all, 1, 1, 1},     {1, 1, all, 1},     {1u << 31, 1u << 31, 4, 1},
      {0, all, all, all},   {all, all, all, 0}, {all, 0, all, all}, {1u << 20, 1u << 20, 1u << 20, 1u << 20}};
  static struct bytes b;
  for (int gzip = 0; gzip < 2; gzip++)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
      for (unsigned rank = 1; rank <= 4; rank++) {
        struct fnn_tensor *tensor;
        uint64_t peak = context->memory.peak;
        add_head(&b, 8, rank, sizes[i]), add_elements(&b, 100);
        write_file(&b, gzip);
        expect(read_file((int)rank, &tensor) == FNN_IO, "hostile head %zu of %u axes: %s", i, rank, context->error);
        expect(context->memory.peak == peak, "hostile head %zu of %u axes was given memory", i, rank);
      }
}

/* ---- random damage ---- */

static void test_mutations(void) {
  enum { ROUNDS = 3000 };
  static struct bytes good, b;
  static unsigned char packed[MOST];
  const uint32_t size[] = {9, 6, 5};
  int accepted = 0;
  add_head(&good, 8, 3, size), add_elements(&good, 270);
  size_t length = compress_bytes(&good, packed, sizeof packed);
  for (int round = 0; round < ROUNDS; round++) {
    int gzip = round % 2;
    b.count = gzip ? length : good.count;
    memcpy(b.data, gzip ? packed : good.data, b.count);
    for (size_t changes = 1 + random_below(&state, 4); changes > 0; changes--) {
      size_t at = random_below(&state, round % 3 ? b.count : 24); /* the head more often */
      switch (random_below(&state, 4)) {
        case 0: b.data[at] = (unsigned char)random_bits(&state); break;
        case 1: b.data[at] ^= (unsigned char)(1u << random_below(&state, 8)); break;
        case 2: b.count = at + 1; break;
        default: add_byte(&b, (unsigned)random_below(&state, 256));
      }
      if (at >= b.count) break;
    }
    write_plain(b.data, b.count);
    struct fnn_tensor *tensor;
    enum fnn_status status = read_file(3, &tensor);
    expect(status == FNN_OK || status == FNN_IO, "round %d: status %d: %s", round, (int)status, context->error);
    accepted += status == FNN_OK;
    fnn_tensor_release(tensor);
  }
  EXPECT(accepted > 0 && accepted < ROUNDS);
}

/* The nth request of memory fails: an error that is not the file's, and nothing is left. */
static void test_no_memory(void) {
  static struct bytes b;
  const uint32_t size[] = {100};
  add_head(&b, 8, 1, size), add_elements(&b, 100);
  write_plain(b.data, b.count);
  for (uint64_t n = 1;; n++) {
    struct fnn_tensor *tensor = NULL;
    context->memory.fail_after = n;
    enum fnn_status status = fnn_idx_read(context, path, 1, &tensor);
    context->memory.fail_after = 0;
    EXPECT(status == FNN_OK || (status == FNN_NO_MEMORY && tensor == NULL));
    fnn_tensor_release(tensor);
    EXPECT(context->memory.used == 0);
    if (status == FNN_OK) break;
  }
}

int main(void) {
  if (!mkdtemp(folder)) {
    perror(folder);
    return EXIT_FAILURE;
  }
  snprintf(path, sizeof path, "%s/data", folder);
  context = fnn_context_new();
  test_good();
  test_missing();
  test_heads();
  test_lengths();
  test_cut_gzip();
  test_hostile();
  test_mutations();
  test_no_memory();
  fnn_context_release(context);
  unlink(path);
  rmdir(folder);
  return check_result("idx");
}
