/* What is around the tensors: memory, threads, the generator, the clock and the profile, the terminal, what this build is. */
#define _XOPEN_SOURCE 700
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../kernels/gemm.h"
#include "../kernels/kernels.h"
#include "bind.h"

static struct fnn_context *context_of(lua_State *L) { return fnn_bind_of(L)->context; }

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* memory(): a table of bytes */
static int memory(lua_State *L) {
  const struct fnn_memory *m = &context_of(L)->memory;
  fnn_bury_custom(L, fnn_bind_of(L));
  lua_createtable(L, 0, 8);
  set_integer(L, "used", m->used);
  set_integer(L, "cached", m->cached);
  set_integer(L, "peak", m->peak);
  set_integer(L, "limit", m->limit);
  set_integer(L, "blocks", m->blocks);
  set_integer(L, "system_calls", m->system);
  set_integer(L, "boxed", fnn_bind_of(L)->boxed);
  set_integer(L, "slack", fnn_bind_of(L)->slack);
  return 1;
}

static size_t bytes_at(lua_State *L, const char *name, size_t otherwise) {
  lua_getfield(L, 1, name);
  size_t bytes = lua_isnil(L, -1) ? otherwise : fnn_check_size(L, -1, "set_memory", name);
  lua_pop(L, 1);
  return bytes;
}

static void check_names(lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "limit") != 0 && strcmp(name, "slack") != 0)
      fnn_error(L, "set_memory: unknown option: %s", fnn_describe(L, -2));
    lua_pop(L, 1);
  }
}

/* set_memory{limit = bytes, slack = bytes} */
static int set_memory(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  if (lua_type(L, 1) != LUA_TTABLE)
    return fnn_error(L, "set_memory: expected a table of options, got %s", fnn_describe(L, 1));
  check_names(L);
  size_t limit = bytes_at(L, "limit", bind->context->memory.limit), slack = bytes_at(L, "slack", bind->slack);
  bind->context->memory.limit = limit;
  bind->slack = slack;
  return 0;
}

/* empty_cache(): give the free blocks back to the system, and forget the peak */
static int empty_cache(lua_State *L) {
  struct fnn_memory *m = &context_of(L)->memory;
  fnn_memory_trim(m, 0);
  m->peak = m->used;
  return 0;
}

/* fail_allocation(n): for tests: the nth request of memory from now on fails, and all after it; 0 ends that */
static int fail_allocation(lua_State *L) {
  context_of(L)->memory.fail_after = (uint64_t)fnn_check_size(L, 1, "fail_allocation", "n");
  return 0;
}

static int threads(lua_State *L) {
  lua_pushinteger(L, context_of(L)->threads.count);
  return 1;
}

static int set_threads(lua_State *L) {
  lua_Integer count = fnn_check_integer(L, 1, "set_threads", "count");
  if (count < 1 || count > FNN_THREADS_MAX)
    return fnn_error(L, "set_threads: count: expected 1..%d, got %I", FNN_THREADS_MAX, (LUAI_UACINT)count);
  fnn_threads_set(&context_of(L)->threads, (int)count);
  return 0;
}

static int manual_seed(lua_State *L) {
  fnn_generator_seed(&context_of(L)->generator, (uint64_t)fnn_check_integer(L, 1, "manual_seed", "seed"));
  return 0;
}

/* generator_state(): the seed and the place in its stream */
static int generator_state(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)context_of(L)->generator.seed);
  lua_pushinteger(L, (lua_Integer)context_of(L)->generator.offset);
  return 2;
}

static int set_generator_state(lua_State *L) {
  uint64_t seed = (uint64_t)fnn_check_integer(L, 1, "set_generator_state", "seed");
  uint64_t offset = (uint64_t)fnn_check_integer(L, 2, "set_generator_state", "offset");
  context_of(L)->generator = (struct fnn_generator){seed, offset};
  return 0;
}

/* multiply_adds(): how many convolutions and matrix products have done so far */
static int multiply_adds(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)context_of(L)->multiply_adds);
  return 1;
}

static int now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)fnn_clock());
  return 1;
}

/* profile_begin(): from now on, ops note what they take */
static int profile_begin(lua_State *L) {
  fnn_raise(L, fnn_profile_begin(context_of(L)));
  return 0;
}

/* profile_end(): a list of {name, phase, calls, seconds, multiply_adds, bytes}, in the order of the first calls */
static int profile_end(lua_State *L) {
  struct fnn_context *context = context_of(L);
  lua_newtable(L);
  for (size_t i = 0; context->profile && i < context->profile->count; i++) {
    const struct fnn_profile_line line = context->profile->line[i]; /* a finalizer may end the profile */
    lua_createtable(L, 0, 6);
    lua_pushstring(L, line.name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, line.phase);
    lua_setfield(L, -2, "phase");
    set_integer(L, "calls", line.calls);
    lua_pushnumber(L, line.seconds);
    lua_setfield(L, -2, "seconds");
    lua_pushnumber(L, line.multiply_adds);
    lua_setfield(L, -2, "multiply_adds");
    lua_pushnumber(L, line.bytes);
    lua_setfield(L, -2, "bytes");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  fnn_profile_end(context);
  return 1;
}

/* terminal(): the width of the terminal that standard error writes to, or nil */
static int terminal(lua_State *L) {
  struct winsize size;
  if (!isatty(STDERR_FILENO)) return 0;
  int known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  lua_pushinteger(L, known ? size.ws_col : 80);
  return 1;
}

static int info(lua_State *L) {
  lua_createtable(L, 0, 4);
  lua_pushliteral(L, FNN_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushstring(L, context_of(L)->kernels->name);
  lua_setfield(L, -2, "isa");
  lua_pushboolean(L, context_of(L)->isa >= FNN_ISA_AVX512_BF16);
  lua_setfield(L, -2, "bf16");
  lua_pushstring(L, fnn_gemm_library());
  lua_setfield(L, -2, "blas");
  return 1;
}

void fnn_open_system(lua_State *L) {
  static const luaL_Reg functions[] = {{"memory", memory},
                                       {"set_memory", set_memory},
                                       {"empty_cache", empty_cache},
                                       {"fail_allocation", fail_allocation},
                                       {"threads", threads},
                                       {"set_threads", set_threads},
                                       {"manual_seed", manual_seed},
                                       {"generator_state", generator_state},
                                       {"set_generator_state", set_generator_state},
                                       {"multiply_adds", multiply_adds},
                                       {"now", now},
                                       {"profile_begin", profile_begin},
                                       {"profile_end", profile_end},
                                       {"terminal", terminal},
                                       {"info", info},
                                       {NULL, NULL}};
  fnn_register(L, functions);
}
