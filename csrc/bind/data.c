/* Data sets from Lua: files, batches, shuffling. */
#include "../data/batch.h"
#include "../data/checksum.h"
#include "../data/idx.h"
#include "bind.h"

/* idx(path, axes): the uint8 tensor in an IDX file, or nil and what is wrong with it */
static int idx(lua_State *L) {
  lua_settop(L, 2);
  const char *path = luaL_checkstring(L, 1);
  lua_Integer rank = fnn_check_integer(L, 2, "idx", "axes");
  if (rank < 1 || rank > 4) return luaL_error(L, "idx: axes: expected 1..4, got %I", (LUAI_UACINT)rank);
  struct fnn_box *box = fnn_push_box(L);
  int failed = fnn_failure(L, fnn_idx_read(fnn_bind_of(L)->context, path, (int)rank, &box->tensor));
  return failed ? failed : 1;
}

/* gather(source, index, scale): the rows of a data set that the 1-based index names, as floats times `scale` */
static int gather(lua_State *L) {
  lua_settop(L, 3);
  fnn_relieve_memory(L);
  struct fnn_box *out = fnn_push_box(L), *zero_based = fnn_push_box(L);
  double scale = luaL_optnumber(L, 3, 1.0);
  struct fnn_tensor *source = fnn_check_elements(L, 1, "gather"), *index = fnn_check_elements(L, 2, "gather");
  if (index->dtype != FNN_INT64)
    return luaL_error(L, "gather: index: expected int64, got %s", fnn_dtype_name(index->dtype));
  fnn_raise(L, fnn_tensor_new(fnn_tensor_context(index), FNN_INT64, &index->shape, &zero_based->tensor));
  fnn_tensor_copy(zero_based->tensor, index);
  for (size_t i = 0, n = fnn_tensor_numel(index); i < n; i++) fnn_ints(zero_based->tensor)[i] -= 1;
  enum fnn_status status = fnn_batch_gather(source, zero_based->tensor, scale, &out->tensor);
  fnn_tensor_release(zero_based->tensor);
  zero_based->tensor = NULL;
  fnn_raise(L, status);
  fnn_count_box(fnn_bind_of(L), out);
  lua_settop(L, 4);
  return 1;
}

/* shuffled(n, seed, who): 1 .. n in an order that depends on both alone; without a seed, on the generator */
static int shuffled(lua_State *L) {
  struct fnn_context *context = fnn_bind_of(L)->context;
  lua_settop(L, 3);
  const char *who = luaL_optstring(L, 3, "shuffled");
  struct fnn_box *box = fnn_push_box(L);
  size_t n = fnn_check_size(L, 1, who, "n");
  uint32_t bits[4];
  uint64_t seed;
  if (lua_isnil(L, 2)) {
    fnn_philox(context->generator.seed, fnn_generator_take(&context->generator, 4), bits);
    seed = (uint64_t)bits[0] << 32 | bits[1];
  } else {
    seed = (uint64_t)fnn_check_integer(L, 2, who, "seed");
  }
  fnn_raise(L, fnn_batch_shuffle(context, n, seed, &box->tensor));
  for (size_t i = 0; i < n; i++) fnn_ints(box->tensor)[i] += 1;
  return 1;
}

/* crc32(text, before): the CRC-32 of the text, or of what came before (whose CRC-32 that is) and the text */
static int crc32_of(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  lua_Integer before = luaL_optinteger(L, 2, 0);
  lua_pushinteger(L, (lua_Integer)fnn_crc32((uint32_t)before, text, size));
  return 1;
}

void fnn_open_data(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"idx", idx}, {"gather", gather}, {"shuffled", shuffled}, {"crc32", crc32_of}, {NULL, NULL}};
  lua_newtable(L);
  fnn_register(L, functions);
  lua_setfield(L, -2, "data");
}
