/* Several Lua states in one process, each in a thread of its own: they share nothing, so each computes the same bits as it
 * does alone. And the deaths of states: with tensors alive, in the middle of a pass, one after the other. */
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "host.h"

enum { STATES = 4, NETWORKS = 3 };

static void die(lua_State *L, const char *what) {
  fprintf(stderr, "FAILED: %s: %s\n", what, lua_tostring(L, -1));
  exit(EXIT_FAILURE);
}

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  if (!L) exit(EXIT_FAILURE);
  lua_pushcfunction(L, host_open);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) die(L, "opening a state");
  return L;
}

/* What one state is to do, and what came of it. */
struct run {
  int seed, networks, threads;
  size_t length;
  char *bytes;
};

static void *run_script(void *argument) {
  struct run *run = argument;
  lua_State *L = open_state();
  if (luaL_loadfile(L, FNN_SPEC_DIR "/states.lua") != LUA_OK) die(L, "loading the script");
  lua_pushinteger(L, run->seed);
  lua_pushinteger(L, run->networks);
  lua_pushinteger(L, run->threads);
  if (lua_pcall(L, 3, 1, 0) != LUA_OK) die(L, "running the script");
  const char *bytes = lua_tolstring(L, -1, &run->length);
  run->bytes = exactly(run->length, 1);
  memcpy(run->bytes, bytes, run->length);
  lua_close(L);
  host_expect_clean("a state that ran the script");
  return NULL;
}

static int same(const struct run *a, const struct run *b) {
  return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static void test_side_by_side(void) {
  struct run alone[STATES], together[STATES];
  pthread_t threads[STATES];
  for (int i = 0; i < STATES; i++) {
    alone[i] = (struct run){.seed = 100 * i, .networks = NETWORKS, .threads = 1};
    run_script(&alone[i]);
  }
  for (int i = 0; i < STATES; i++) {
    together[i] = (struct run){.seed = 100 * i, .networks = NETWORKS, .threads = 1 + i % 3};
    EXPECT(pthread_create(&threads[i], NULL, run_script, &together[i]) == 0);
  }
  for (int i = 0; i < STATES; i++) EXPECT(pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < STATES; i++) {
    expect(same(&alone[i], &together[i]), "state %d computed other bits than alone", i);
    for (int k = 0; k < i; k++) EXPECT(!same(&alone[i], &alone[k])); /* other seeds, other bits */
  }
  for (int i = 0; i < STATES; i++) free(alone[i].bytes), free(together[i].bytes);
}

/* The first of the networks that train in turns gets what it gets alone. */
static void test_coroutines(void) {
  struct run one = {.seed = 7, .networks = 1, .threads = 2}, three = {.seed = 7, .networks = 3, .threads = 2};
  run_script(&one);
  run_script(&three);
  EXPECT(one.length > 1000 && three.length == 3 * one.length && memcmp(one.bytes, three.bytes, one.length) == 0);
  free(one.bytes), free(three.bytes);
}

static void *open_and_close(void *argument) {
  (void)argument;
  for (int i = 0; i < 100; i++) {
    lua_State *L = open_state();
    if (luaL_dostring(L,
                      "local core = require 'fmnistnn.core'\n"
                      "t = core.uniform({40, 1000}, 0, 1)\n"
                      "assert((t + t):numel() == 40000)") != LUA_OK)
      die(L, "using a state");
    lua_close(L);
    host_expect_clean("one state of many");
  }
  return NULL;
}

static void test_many_states(void) {
  pthread_t threads[2];
  open_and_close(NULL);
  for (int i = 0; i < 2; i++) EXPECT(pthread_create(&threads[i], NULL, open_and_close, NULL) == 0);
  for (int i = 0; i < 2; i++) EXPECT(pthread_join(threads[i], NULL) == 0);
}

/* Run a script, and close the state however it ended. */
static void check_death(const char *what, const char *script) {
  lua_State *L = open_state();
  if (luaL_dostring(L, script) != LUA_OK) die(L, what);
  lua_close(L);
  host_expect_clean(what);
}

static void test_deaths(void) {
  check_death("tensors alive",
              "local core = require 'fmnistnn.core'\n"
              "kept = {}\n"
              "for i = 1, 100 do kept[i] = core.full({i, 7}, i) end\n"
              "view = kept[50]:narrow(1, 2, 3)\n"
              "kept[50]:close()");
  check_death("a graph alive",
              "local core = require 'fmnistnn.core'\n"
              "x = core.full({3}, 2)\n"
              "x.requires_grad = true\n"
              "y = x\n"
              "for i = 1, 100000 do y = y * 1.0 end");
  check_death("gradients alive",
              "local core = require 'fmnistnn.core'\n"
              "x = core.full({3}, 2)\n"
              "x.requires_grad = true\n"
              "y = (x * x):sum()\n"
              "y:backward({retain_graph = true})\n"
              "g = x.grad");
  check_death(
      "in the middle of backward",
      "local core = require 'fmnistnn.core'\n"
      "x = core.full({3}, 2)\n"
      "x.requires_grad = true\n"
      "y = core.record('custom', core.no_grad(core.ops.mul, x, x), {x}, function(g) coroutine.yield() return g end)\n"
      "sum = (y * x):sum()\n"
      "task = coroutine.create(function() sum:backward() end)\n"
      "assert(coroutine.resume(task))\n"
      "assert(coroutine.status(task) == 'suspended')");
  check_death("inside no_grad",
              "local core = require 'fmnistnn.core'\n"
              "task = coroutine.create(function() core.no_grad(coroutine.yield) end)\n"
              "assert(coroutine.resume(task))");
  check_death("a custom op that failed",
              "local core = require 'fmnistnn.core'\n"
              "x = core.full({3}, 2)\n"
              "x.requires_grad = true\n"
              "y = core.record('custom', core.no_grad(core.ops.mul, x, x), {x}, function(g) error('no') end)\n"
              "assert(not pcall(y.backward, y, core.full({3}, 1)))");
  check_death("a cycle through a custom op",
              "local core = require 'fmnistnn.core'\n"
              "local x = core.full({3}, 2)\n"
              "x.requires_grad = true\n"
              "local y\n"
              "y = core.record('custom', core.no_grad(core.ops.mul, x, x), {x}, function(g) return y end)");
  check_death(
      "finalizers that come after ours",
      "late = setmetatable({}, {__gc = function() pcall(late_use) end})\n"
      "local core = require 'fmnistnn.core'\n"
      "t = core.full({3}, 2)\n"
      "function late_use()\n"
      "  for name, f in pairs(core) do if type(f) == 'function' then pcall(f, {3}, 1, 2) pcall(f, t, t) end end\n"
      "  for name, f in pairs(core.ops) do pcall(f, t, t) pcall(f, 1, 2) end\n"
      "  for name, f in pairs(core.methods) do pcall(f, t, 1) end\n"
      "  pcall(tostring, t) pcall(function() return #t, t[1], -t, t + t end)\n"
      "end");
  check_death("finalizers that come before ours",
              "local core = require 'fmnistnn.core'\n"
              "local t = core.full({3}, 2)\n"
              "early = setmetatable({}, {__gc = function() t:close() t = nil end})");
  check_death("finalizers that make tensors",
              "local core = require 'fmnistnn.core'\n"
              "core.set_threads(2)\n"
              "local t = core.full({100000}, 2)\n"
              "early = setmetatable({}, {__gc = function() local u = t + 1 made = {u, u:exp(), u * 2} end})");
  check_death("the module required twice",
              "local core = require 'fmnistnn.core'\n"
              "package.loaded['fmnistnn.core'] = nil\n"
              "local again = require 'fmnistnn.core'\n"
              "a, b = core.full({3}, 1), again.full({3}, 2)\n"
              "assert(core ~= again and not pcall(function() return a + b end))");
}

/* A host that forks has no threads of ours in the new process, which starts its own. */
static void test_fork(void) {
#if !defined(__SANITIZE_THREAD__) /* which does not allow it */
  lua_State *L = open_state();
  const char *script =
      "local core = require 'fmnistnn.core'\n"
      "core.set_threads(3)\n"
      "x = core.full({100000}, 1)\n"
      "assert(core.ops.sum(x:exp()):item() > 271827)";
  if (luaL_dostring(L, script) != LUA_OK) die(L, "before a fork");
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    if (luaL_dostring(L, script) != LUA_OK) die(L, "after a fork");
    lua_close(L);
    _exit(0);
  }
  int status = -1;
  EXPECT(waitpid(child, &status, 0) == child);
  expect(status == 0, "a forked process computes and closes its state: status %d", status);
  if (luaL_dostring(L, script) != LUA_OK) die(L, "in the process that forked");
  lua_close(L);
  host_expect_clean("a state in a process that forked");
#endif
}

int main(void) {
  test_fork();
  test_coroutines();
  test_side_by_side();
  test_many_states();
  test_deaths();
  return check_result("states");
}
