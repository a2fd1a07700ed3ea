/* Data sets from Lua: files, batches, shuffling. */
#include "../data/augment.h"
#include "../data/batch.h"
#include "../data/checksum.h"
#include "../data/idx.h"
#include "../tensor/indices.h"
#include "bind.h"

/* idx(path, axes): the uint8 tensor in an IDX file, or nil and what is wrong with it */
static int idx(lua_State *L) {
  lua_settop(L, 2);
  const char *path = luaL_checkstring(L, 1);
  lua_Integer rank = fnn_check_integer(L, 2, "idx", "axes");
  if (rank < 1 || rank > 4) return fnn_error(L, "idx: axes: expected 1..4, got %I", (LUAI_UACINT)rank);
  struct fnn_bind *bind = fnn_bind_of(L);
  struct fnn_tensor *made = NULL;
  enum fnn_status status;
  int tried = 0;
  fnn_relieve_memory(L);
  struct fnn_box *box = fnn_push_box(L);
  do status = fnn_idx_read(bind->context, path, (int)rank, &made);
  while (fnn_try_again(L, status, &tried));
  int failed = fnn_failure(L, status);
  if (failed) return failed;
  fnn_fill_box(bind, box, made);
  return 1;
}

/* The 1-based positions at a stack place. */
static struct fnn_tensor *check_index(lua_State *L, int at, const char *who) {
  struct fnn_tensor *index = fnn_check_elements(L, at, who);
  if (index->dtype != FNN_INT64) fnn_error(L, "%s: index: expected int64, got %s", who, fnn_dtype_name(index->dtype));
  return index;
}

/* gather(source, index, scale): the rows of a data set that the 1-based index names, as floats times `scale` */
static int gather(lua_State *L) {
  struct fnn_tensor *made = NULL;
  enum fnn_status status;
  int tried = 0;
  lua_settop(L, 3);
  fnn_relieve_memory(L);
  struct fnn_box *box = fnn_push_box(L);
  double scale = luaL_optnumber(L, 3, 1.0);
  do {
    struct fnn_tensor *source = fnn_check_elements(L, 1, "gather"), *given = check_index(L, 2, "gather"), *index = NULL;
    status = fnn_indices_shifted(given, -1, &index);
    if (status == FNN_OK) status = fnn_batch_gather(source, index, scale, &made);
    fnn_tensor_release(index);
  } while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  fnn_fill_box(fnn_bind_of(L), box, made);
  return 1;
}

/* Numbers of a table's field: one, or a list of two. */
static void read_numbers(lua_State *L, int table, const struct fnn_augment_number *number, struct fnn_augment *how) {
  double *to = (double *)((char *)how + number->offset);
  int pair = number->kind != FNN_AUGMENT_ONE;
  lua_getfield(L, table, number->name);
  for (int i = 0; i <= pair; i++) {
    if (pair && lua_type(L, -1) == LUA_TTABLE)
      lua_rawgeti(L, -1, i + 1);
    else
      lua_pushvalue(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER)
      fnn_error(L, "augmented: %s: expected %s, got %s", number->name, pair ? "two numbers" : "a number",
                fnn_describe(L, -1));
    to[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static int read_choice(lua_State *L, int table, const char *name, const char *const *choices) {
  lua_getfield(L, table, name);
  int choice = fnn_check_choice(L, lua_gettop(L), "augmented", name, choices);
  lua_pop(L, 1);
  return choice;
}

/* Arguments 4..7 of augment. */
static struct fnn_augment read_how(lua_State *L) {
  static const char *const flips[] = {"none", "random", "alternating", NULL};
  static const char *const paddings[] = {"zeros", "reflect", NULL};
  luaL_checktype(L, 4, LUA_TTABLE);
  struct fnn_augment how = {.seed = (uint64_t)fnn_check_integer(L, 5, "augmented", "seed"),
                            .flip_seed = (uint64_t)fnn_check_integer(L, 6, "augmented", "flip_seed"),
                            .epoch = (uint64_t)fnn_check_integer(L, 7, "augmented", "epoch")};
  how.flip = (enum fnn_flip)read_choice(L, 4, "flip", flips);
  how.reflect = read_choice(L, 4, "padding_mode", paddings);
  for (const struct fnn_augment_number *number = fnn_augment_numbers; number->name; number++)
    read_numbers(L, 4, number, &how);
  lua_getfield(L, 4, "erase: random");
  how.erase_random = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return how;
}

/* augment(source, index, scale, how, seed, flip_seed, epoch): gather's images, augmented. `how` has the numbers of
 * fnn_augment_numbers by name, flip, padding_mode and "erase: random". Where images are mixed, also with which of the batch
 * each was, counted from 1, and how much of it there is. */
static int augment(lua_State *L) {
  struct fnn_augmented made = {0};
  struct fnn_box *box[3];
  enum fnn_status status;
  int tried = 0;
  lua_settop(L, 7);
  fnn_relieve_memory(L);
  for (int i = 0; i < 3; i++) box[i] = fnn_push_box(L);
  double scale = luaL_checknumber(L, 3);
  struct fnn_augment how = read_how(L);
  do {
    struct fnn_tensor *source = fnn_check_elements(L, 1, "augmented"), *given = check_index(L, 2, "augmented"),
                      *index = NULL;
    status = fnn_indices_shifted(given, -1, &index);
    if (status == FNN_OK) status = fnn_augment_gather(source, index, scale, &how, &made);
    fnn_tensor_release(index);
  } while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  fnn_fill_box(fnn_bind_of(L), box[0], made.images);
  fnn_fill_box(fnn_bind_of(L), box[1], made.partner);
  fnn_fill_box(fnn_bind_of(L), box[2], made.share);
  for (size_t i = 0, n = made.partner ? fnn_tensor_numel(made.partner) : 0; i < n; i++) fnn_ints(made.partner)[i] += 1;
  int count = made.partner ? 3 : 1;
  lua_settop(L, 7 + count);
  return count;
}

/* seed(): an integer that depends on the generator */
static int seed(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)fnn_generator_draw_seed(&fnn_bind_of(L)->context->generator));
  return 1;
}

/* shuffled(n, seed, who): 1 .. n in an order that depends on both alone; without a seed, on the generator */
static int shuffled(lua_State *L) {
  struct fnn_context *context = fnn_bind_of(L)->context;
  struct fnn_tensor *made = NULL;
  enum fnn_status status;
  int tried = 0;
  lua_settop(L, 3);
  const char *who = luaL_optstring(L, 3, "shuffled");
  fnn_check_no_trace(L, who, "its order would be the same at each run");
  fnn_relieve_memory(L);
  struct fnn_box *box = fnn_push_box(L);
  size_t n = fnn_check_size(L, 1, who, "n");
  uint64_t by =
      lua_isnil(L, 2) ? fnn_generator_draw_seed(&context->generator) : (uint64_t)fnn_check_integer(L, 2, who, "seed");
  do status = fnn_batch_shuffle(context, n, by, &made);
  while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  for (size_t i = 0; i < n; i++) fnn_ints(made)[i] += 1;
  fnn_fill_box(fnn_bind_of(L), box, made);
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
  static const luaL_Reg functions[] = {{"idx", idx},   {"gather", gather},     {"augment", augment},
                                       {"seed", seed}, {"shuffled", shuffled}, {"crc32", crc32_of},
                                       {NULL, NULL}};
  lua_newtable(L);
  fnn_register(L, functions);
  lua_setfield(L, -2, "data");
}
