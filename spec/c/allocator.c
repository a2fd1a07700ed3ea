/* Memory that fails. For every n, the nth request fails: of Lua's allocator once, so that Lua collects its garbage in the
 * middle of whatever was going on; of Lua's allocator from then on; and of the core's. Each time the script may fail, but
 * nothing crashes and nothing is left. */
#include <string.h>

#include "check.h"
#include "host.h"

enum mode { LUA_ONCE, LUA_ALWAYS, CORE };
static const char *const mode_names[] = {"one request of Lua", "all later requests of Lua", "requests of the core"};

/* A Lua allocator that fails at one call, or from that call on. */
struct allocator {
  enum mode mode;
  unsigned long calls, fail_at; /* 0: never */
  size_t bytes, blocks;
};

static void *allocate(void *user, void *old, size_t old_size, size_t size) {
  struct allocator *a = user;
  if (!old) old_size = 0; /* it is a type then */
  if (size == 0) {
    a->bytes -= old_size;
    a->blocks -= old != NULL;
    free(old);
    return NULL;
  }
  if (size > old_size) { /* Lua counts on smaller being possible */
    a->calls++;
    if (a->fail_at > 0 && (a->mode == LUA_ONCE ? a->calls == a->fail_at : a->calls >= a->fail_at)) return NULL;
  }
  void *block = realloc(old, size);
  if (!block) return NULL;
  a->bytes += size - old_size;
  a->blocks += old == NULL;
  return block;
}

static int run_script(lua_State *L) {
  host_open(L);
  if (luaL_loadfile(L, FNN_SPEC_DIR "/allocator.lua") != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

/* Whether the script came to its end. */
static int run_once(enum mode mode, unsigned long n, unsigned long *calls) {
  struct allocator a = {.mode = mode, .fail_at = mode == CORE ? 0 : n};
  int status = LUA_ERRMEM;
  char what[80];
  snprintf(what, sizeof what, "%s, number %lu", mode_names[mode], n);
  host_fail_after = mode == CORE ? n : 0;
  lua_State *L = lua_newstate(allocate, &a);
  if (L) {
    lua_pushcfunction(L, run_script);
    status = lua_pcall(L, 0, 1, 0);
    if (status != LUA_OK && n == 0) fprintf(stderr, "%s\n", lua_tostring(L, -1));
    a.fail_at = 0; /* the finalizers need a little */
    if (host_context) host_context->memory.fail_after = 0;
    *calls = a.calls;
    lua_close(L);
  }
  expect(a.bytes == 0 && a.blocks == 0, "%s: Lua left %zu bytes in %zu blocks", what, a.bytes, a.blocks);
  host_expect_clean(what);
  return status == LUA_OK;
}

static void test_every_request(enum mode mode) {
  unsigned long calls = 0, n = 1, failed = 0;
  EXPECT(run_once(mode, 0, &calls));
  unsigned long last = mode == CORE ? 1000000 : calls;
  for (int done = 0; n <= last && !(done && mode == CORE); n++) {
    done = run_once(mode, n, &calls);
    failed += !done;
  }
  printf("%s: failed at %lu places, of which the script survived %lu\n", mode_names[mode], n - 1, n - 1 - failed);
}

int main(void) {
  test_every_request(CORE);
  test_every_request(LUA_ONCE);
  test_every_request(LUA_ALWAYS);
  return check_result("allocator");
}
