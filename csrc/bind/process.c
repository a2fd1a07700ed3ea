/* Processes and signals: what a search needs to keep several workers on this machine (lua/fmnistnn/search/workers.lua), and
 * Ctrl-C.
 *
 * Signals are held (blocked) and asked for, rather than handled. The one handler, for a first Ctrl-C, writes a line: none runs
 * Lua. It is the process's, so who defers Ctrl-C, in whatever Lua state and thread, is counted in a static. */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "bind.h"

static const char *const signal_names[] = {"INT", "TERM", "HUP", "CHLD", "KILL", NULL};
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGKILL};
enum { HELD = 4 }; /* the first so many can be held */

static int push_errno(lua_State *L) {
  int code = errno; /* pushing may change it */
  lua_pushnil(L);
  lua_pushstring(L, strerror(code));
  return 2;
}

static int signal_at(lua_State *L, int at, const char *who) {
  return signals[fnn_check_choice(L, at, who, "signal", signal_names)];
}

/* fork(signal): 0 in the new process, its id in this one, which sends it the signal when it ends; or nil and a message. Threads are
 * stopped before and start again when they are needed, in both. */
static int process_fork(lua_State *L) {
  int signal = signal_at(L, 1, "fork");
  pid_t parent = getpid();
  fflush(NULL); /* or both would write what is in the buffers */
  fnn_threads_stop(&fnn_bind_of(L)->context->threads);
  pid_t id = fork();
  if (id < 0) return push_errno(L);
#ifdef __linux__
  if (id == 0) {
    prctl(PR_SET_PDEATHSIG, signal);
    if (getppid() != parent) raise(signal);
  }
#endif
  lua_pushinteger(L, id);
  return 1;
}

/* wait(id): nothing while the child runs; then "exit" and its code, or "signal" and its number */
static int process_wait(lua_State *L) {
  int status;
  pid_t id = (pid_t)fnn_check_integer(L, 1, "wait", "id"), found;
  do found = waitpid(id, &status, WNOHANG);
  while (found < 0 && errno == EINTR);
  if (found == 0) return 0;
  if (found < 0) return fnn_error(L, "wait: %s", strerror(errno));
  int killed = WIFSIGNALED(status);
  lua_pushstring(L, killed ? "signal" : "exit");
  lua_pushinteger(L, killed ? WTERMSIG(status) : WEXITSTATUS(status));
  return 2;
}

/* kill(id, signal): whether there was such a process */
static int process_kill(lua_State *L) {
  pid_t id = (pid_t)fnn_check_integer(L, 1, "kill", "id");
  if (id <= 0) return fnn_error(L, "kill: id: expected 1 or more, got %d", (int)id);
  lua_pushboolean(L, kill(id, signal_at(L, 2, "kill")) == 0);
  return 1;
}

/* leave(code): end a forked process without finalizers, which are its parent's business */
static int process_leave(lua_State *L) {
  int code = (int)fnn_check_integer(L, 1, "leave", "code");
  fflush(NULL);
  _exit(code);
}

/* process_id(): of this process, also for the names of temporary files */
static int process_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

static int parent_id(lua_State *L) {
  lua_pushinteger(L, getppid());
  return 1;
}

/* No time below 0, and of longer ones so much that nobody sees it end: infinity is none that the system takes. */
static struct timespec time_at(lua_State *L, int at) {
  const double longest = 1e9;
  double seconds = luaL_checknumber(L, at);
  seconds = seconds > 0.0 ? (seconds < longest ? seconds : longest) : 0.0;
  struct timespec time = {.tv_sec = (time_t)seconds};
  time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
  return time;
}

/* sleep(seconds): or shorter, when a signal is handled meanwhile */
static int process_sleep(lua_State *L) {
  struct timespec time = time_at(L, 1);
  nanosleep(&time, NULL);
  return 0;
}

/* All arguments. */
static sigset_t signal_set(lua_State *L, const char *who) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 1, last = lua_gettop(L); i <= last; i++) sigaddset(&set, signal_at(L, i, who));
  return set;
}

/* The signals that hold_signals holds and that were not held before; a userdata that lets them go when it is closed. */
struct held {
  sigset_t signals;
};

static int held_close(lua_State *L) {
  struct held *held = luaL_checkudata(L, 1, "fmnistnn.held");
  pthread_sigmask(SIG_UNBLOCK, &held->signals, NULL);
  return 0;
}

/* hold_signals(name ...): from now on they wait for next_signal. Returns a value that is to be closed, in the same thread: from
 * then on they are as they were before, held or not. */
static int hold_signals(lua_State *L) {
  sigset_t set = signal_set(L, "hold_signals"), before;
  struct held *held = lua_newuserdatauv(L, sizeof *held, 0);
  if (luaL_newmetatable(L, "fmnistnn.held")) {
    static const luaL_Reg methods[] = {{"__close", held_close}, {NULL, NULL}};
    luaL_setfuncs(L, methods, 0);
  }
  lua_setmetatable(L, -2);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  sigemptyset(&held->signals);
  for (int i = 0; i < HELD; i++)
    if (sigismember(&set, signals[i]) && !sigismember(&before, signals[i])) sigaddset(&held->signals, signals[i]);
  return 1;
}

/* release_signals(name ...): in a process of one's own, from now on they do what they do where nobody holds them */
static int release_signals(lua_State *L) {
  sigset_t set = signal_set(L, "release_signals");
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  return 0;
}

/* next_signal(seconds): the name of the next held signal that arrives within that time, or nil. One that this process was told to
 * ignore before it began, as a shell does for jobs in the background, is passed over. */
static int next_signal(lua_State *L) {
  struct timespec time = time_at(L, 1);
  sigset_t held, wanted;
  pthread_sigmask(SIG_BLOCK, NULL, &held);
  sigemptyset(&wanted);
  for (int i = 0; i < HELD; i++)
    if (sigismember(&held, signals[i])) sigaddset(&wanted, signals[i]);
  int found = sigtimedwait(&wanted, NULL, &time);
  struct sigaction action;
  for (int i = 0; i < HELD; i++) {
    if (found != signals[i]) continue;
    if (sigaction(found, NULL, &action) == 0 && action.sa_handler == SIG_IGN) return 0;
    lua_pushstring(L, signal_names[i]);
    return 1;
  }
  return 0;
}

/* ---- Ctrl-C ---- */

/* interrupted(forget): whether the standalone lua has been told to stop (Ctrl-C) and could not yet, because a coroutine
 * is running: its handler sets this very hook on the main thread. `forget`: lua then goes on there as if it had not. */
static int interrupted(lua_State *L) {
  enum { ALL = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT };
  lua_settop(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  int told = lua_gethook(main) && lua_gethookmask(main) == ALL && lua_gethookcount(main) == 1;
  if (told && lua_toboolean(L, 1)) lua_sethook(main, NULL, 0, 0);
  lua_pushboolean(L, told);
  return 1;
}

/* How many defer it, and what SIGINT did before the first of them. Who looks at them has `taken` set, for some microseconds. */
static struct {
  atomic_flag taken;
  int count;
  struct sigaction before;
} deferring = {.taken = ATOMIC_FLAG_INIT};

static void take_deferring(void) {
  while (atomic_flag_test_and_set(&deferring.taken)) {
  }
}

static void leave_deferring(void) { atomic_flag_clear(&deferring.taken); }

/* One of them; a userdata. When the last is closed, SIGINT does again what it did. */
struct deferred {
  int active;
};

static void on_interrupt(int signal) {
  static const char text[] = "\nstopping when the work at hand is done; Ctrl-C again stops now\n";
  int before = errno;
  (void)signal;
  ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  (void)written;
  errno = before;
}

/* SA_RESETHAND: the system itself notes that the signal has come, by making the next one end the process. */
static int was_pressed(const struct deferred *deferred) {
  struct sigaction now;
  return deferred->active && sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

static int deferred_call(lua_State *L) {
  lua_pushboolean(L, was_pressed(luaL_checkudata(L, 1, "fmnistnn.deferred")));
  return 1;
}

static int deferred_close(lua_State *L) {
  struct deferred *deferred = luaL_checkudata(L, 1, "fmnistnn.deferred");
  if (!deferred->active) return 0;
  deferred->active = 0;
  take_deferring();
  if (--deferring.count == 0) sigaction(SIGINT, &deferring.before, NULL);
  leave_deferring();
  return 0;
}

/* Whether SIGINT is deferred for one more: not where it is ignored. */
static int begin_deferring(void) {
  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
  sigemptyset(&action.sa_mask);
  take_deferring();
  int active = deferring.count > 0;
  if (!active) {
    sigaction(SIGINT, NULL, &deferring.before);
    active = deferring.before.sa_handler != SIG_IGN && sigaction(SIGINT, &action, NULL) == 0;
  }
  deferring.count += active;
  leave_deferring();
  return active;
}

/* defer_interrupt(): a value that is to be closed. Until then the first Ctrl-C only makes a call of it, and of all others that there
 * are, return true, and the second ends the process. */
static int defer_interrupt(lua_State *L) {
  struct deferred *deferred = lua_newuserdatauv(L, sizeof *deferred, 0);
  deferred->active = 0;
  if (luaL_newmetatable(L, "fmnistnn.deferred")) {
    static const luaL_Reg methods[] = {
        {"__call", deferred_call}, {"__close", deferred_close}, {"__gc", deferred_close}, {NULL, NULL}};
    luaL_setfuncs(L, methods, 0);
  }
  lua_setmetatable(L, -2);
  deferred->active = begin_deferring();
  return 1;
}

void fnn_open_process(lua_State *L) {
  static const luaL_Reg functions[] = {{"fork", process_fork},
                                       {"wait", process_wait},
                                       {"kill", process_kill},
                                       {"leave", process_leave},
                                       {"process_id", process_id},
                                       {"parent_id", parent_id},
                                       {"sleep", process_sleep},
                                       {"hold_signals", hold_signals},
                                       {"release_signals", release_signals},
                                       {"next_signal", next_signal},
                                       {"interrupted", interrupted},
                                       {"defer_interrupt", defer_interrupt},
                                       {NULL, NULL}};
  fnn_register(L, functions);
}
