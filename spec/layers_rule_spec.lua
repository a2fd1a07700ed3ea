--- Who may know whom: the rooms of csrc by their #include lines, and the Lua modules by their require lines. The rule
-- is in docs/architecture.md.

-- Each room, and those below it that it may use beside itself.
local rooms = {
  base = {},
  kernels = {"base"},
  tensor = {"base", "kernels"},
  ops = {"base", "kernels", "tensor"},
  autograd = {"base", "kernels", "tensor", "ops"},
  optim = {"base", "kernels", "tensor", "ops", "autograd"},
  data = {"base", "kernels", "tensor"},
  bind = {"base", "kernels", "tensor", "ops", "autograd", "optim", "data"},
}

-- Headers from outside that one room has to itself.
local only_in = {
  ["lua.h"] = "bind",
  ["lauxlib.h"] = "bind",
  ["lualib.h"] = "bind",
  ["cblas.h"] = "kernels",
  ["zlib.h"] = "data",
  ["pthread.h"] = "base",
}

-- The files below a folder whose names end in one of the suffixes.
local function files(folder, ...)
  local found, pipe = {}, assert(io.popen(("find %s -type f | sort"):format(folder)))
  for path in pipe:lines() do
    for _, suffix in ipairs {...} do
      if path:sub(-#suffix) == suffix then found[#found + 1] = path end
    end
  end
  pipe:close()
  assert(#found > 0, "no files in " .. folder)
  return found
end

-- "csrc/ops/../base/cpu.h" without its dots.
local function resolved(path)
  local parts = {}
  for part in path:gmatch("[^/]+") do
    if part == ".." then
      assert(table.remove(parts), path)
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "/")
end

local function contains(list, value)
  for _, each in ipairs(list) do
    if each == value then return true end
  end
  return false
end

-- What is wrong with a file of a room including "header" or <header>; nil: nothing.
local function wrong_include(path, header, is_ours)
  local room = path:match("^csrc/(%w+)/")
  if not is_ours then
    local owner = only_in[header]
    if owner and owner ~= room then return ("only csrc/%s includes <%s>"):format(owner, header) end
    return nil
  end
  local target = resolved(path:match("^(.*/)") .. header)
  local to = target:match("^csrc/(%w+)/[^/]+$")
  if not to then return target .. " is in no room of csrc" end
  if to ~= room and not contains(rooms[room], to) then return ("%s does not know %s"):format(room, to) end
end

-- What judge(line) says of the lines of a text, as a list of "path:line: complaint".
local function complaints_of(path, text, judge)
  local complaints, number = {}, 0
  for line in text:gmatch "([^\n]*)\n?" do
    number = number + 1
    local complaint = judge(line)
    if complaint then complaints[#complaints + 1] = ("%s:%d: %s"):format(path, number, complaint) end
  end
  return table.concat(complaints, "\n")
end

local function includes_of(path, text)
  return complaints_of(path, text, function(line)
    local open, header = line:match('^%s*#%s*include%s*([<"])([^">]+)')
    return header and wrong_include(path, header, open == '"')
  end)
end

-- The library's Lua files use each other and the core; one loads clients of databases, when they are used.
local clients = {["lua/fmnistnn/search/storage/sql.lua"] = "luasql."}

local function requires_of(path, text)
  return complaints_of(path, text, function(line)
    for name in line:gsub("^%s*%-%-.*", ""):gmatch "require%s*[(,]?%s*[\"']([^\"']+)[\"']" do
      local is_ours = name == "fmnistnn" or name:find "^fmnistnn%."
      if not is_ours and name ~= clients[path] then return "requires " .. name end
    end
  end)
end

-- Misuse is raised in one place, which finds the script's line by itself.
local function raises_of(path, text)
  return complaints_of(path, text, function(line)
    if line:find "%f[%w_]error%(.*, [1-9]%)" then return "raises with a level: use refuse" end
    if line:find "luaL_error" then return "raises with luaL_error: use fnn_error" end
  end)
end

-- All complaints about these files; empty when there are none.
local function check_files(paths, check)
  local all = {}
  for _, path in ipairs(paths) do
    local file <close> = assert(io.open(path, "rb"))
    local complaints = check(path, file:read "a")
    if complaints ~= "" then all[#all + 1] = complaints end
  end
  return table.concat(all, "\n")
end

describe("the layer rule:", function()
  it("every file of csrc is in a room", function()
    for _, path in ipairs(files("csrc", ".c", ".h", ".inc")) do
      local room = path:match("^csrc/(%w+)/[^/]+$")
      assert(room and rooms[room], path .. " is in no room that this spec knows")
    end
  end)

  it("rooms include only what is below them", function()
    assert.are.equal("", check_files(files("csrc", ".c", ".h", ".inc"), includes_of))
  end)

  it("Lua files of the library require only each other and the core", function()
    assert.are.equal("", check_files(files("lua/fmnistnn", ".lua"), requires_of))
  end)

  it("errors of misuse are raised in one place", function()
    assert.are.equal("", check_files(files("lua/fmnistnn", ".lua"), raises_of))
    assert.are.equal("", check_files(files("csrc/bind", ".c"), raises_of))
    assert.are.equal("x.lua:2: raises with a level: use refuse", raises_of("x.lua", '\nerror("x: " .. f(1, 0), 2)'))
    assert.are.equal("x.c:1: raises with luaL_error: use fnn_error", raises_of("x.c", 'return luaL_error(L, "x");'))
    assert.are.equal("", raises_of("x.lua", "error(message, 0)"))
  end)

  it("a breach is seen, with its file and line", function()
    local function expect(complaint, path, text)
      assert.are.equal(complaint, (path:find "%.lua$" and requires_of or includes_of)(path, text))
    end
    expect("csrc/base/x.c:2: base does not know tensor", "csrc/base/x.c", '\n#include "../tensor/shape.h"\n')
    expect("csrc/data/x.c:1: data does not know ops", "csrc/data/x.c", '#  include "../ops/op.h"')
    expect("csrc/optim/x.h:1: optim does not know bind", "csrc/optim/x.h", '#include "../bind/bind.h"')
    expect("csrc/ops/x.c:3: only csrc/bind includes <lua.h>", "csrc/ops/x.c", "\n\n#include <lua.h>")
    expect("csrc/ops/x.c:1: spec/x.h is in no room of csrc", "csrc/ops/x.c", '#include "../../spec/x.h"')
    expect("", "csrc/bind/x.c", '#include <lua.h>\n#include "../ops/op.h"\n#include "bind.h"')
    expect("lua/x.lua:1: requires lfs", "lua/x.lua", 'local lfs = require "lfs"')
    expect("lua/x.lua:1: requires luasql.sqlite3", "lua/x.lua", 'pcall(require, "luasql.sqlite3")')
    expect("lua/x.lua:2: requires fmnistnnx", "lua/x.lua", "\nx(require('fmnistnnx'))")
    expect("", "lua/x.lua", 'local nn = require "fmnistnn.nn"\n-- local x = require "lfs"\nrequire("fmnistnn")')
  end)
end)
