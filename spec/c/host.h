/* Hosts that embed Lua with the core linked in. */
#ifndef FNN_SPEC_HOST_H
#define FNN_SPEC_HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "../../csrc/base/context.h"

int luaopen_fmnistnn_core(lua_State *L);

/* In protected mode: open the standard libraries, make require find the core in this program and the Lua modules in lua/. */
int host_open(lua_State *L);

/* The context that this thread created last, with a reference of our own: it outlives its Lua state, so that what is left in
 * it can be seen. The programs are linked with --wrap=fnn_context_new. */
extern _Thread_local struct fnn_context *host_context;

/* Above 0: that request of memory in each new context fails, and all after it. */
extern _Thread_local uint64_t host_fail_after;

/* Count as failures what a closed Lua state has left in its context, and let go of it. `what` names the case. */
void host_expect_clean(const char *what);

#endif
