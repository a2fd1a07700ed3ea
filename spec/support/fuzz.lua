--- Calls everything with anything: every op, method and creator with random arguments, and the cases of all ops with a
-- random change or two. An error is fine; a crash is not, nor a byte that stays in use.
local core = require "fmnistnn.core"
local create = require "fmnistnn.create"
require "fmnistnn.tensor"
local cases = require "spec.support.cases"
local check = require "spec.support.check"

local fuzz = {}

local random = math.random
local function pick(list) return list[random(#list)] end

-- ---- what is called ----

local extra = {
  ["t[k]"] = function(t, k) return t[k] end,
  ["t[k] = v"] = function(t, k, v) t[k] = v end,
  ["t.grad = v"] = function(t, v) t.grad = v end,
  ["t.requires_grad = v"] = function(t, v) t.requires_grad = v end,
  ["a + b"] = function(a, b) return a + b end,
  ["a // b"] = function(a, b) return a // b end,
  ["a % b"] = function(a, b) return a % b end,
  ["a & b"] = function(a, b) return a & b end,
  ["a == b"] = function(a, b) return a == b end,
  ["-a"] = function(a) return -a end,
  ["~a"] = function(a) return ~a end,
  ["#a"] = function(a) return #a end,
}

-- Functions by name, in an order that does not change.
local function collect()
  local all = {}
  local function add(prefix, functions)
    for name, f in pairs(functions) do
      if type(f) == "function" then all[#all + 1] = {name = prefix .. name, f = f, op = name} end
    end
  end
  add("ops.", core.ops)
  add("methods.", core.methods)
  add("create.", create)
  add("", extra)
  add("data.", {gather = core.data.gather, shuffled = core.data.shuffled, augment = core.data.augment})
  add("optim.", core.optim)
  add("core.", {
    from_table = core.from_table, frombytes = core.frombytes, full = core.full, sequence = core.sequence,
      eye = core.eye,
    uniform = core.uniform, normal = core.normal, record = core.record, no_grad = core.no_grad,
      is_tensor = core.is_tensor,
    manual_seed = core.manual_seed, set_generator_state = core.set_generator_state,
  })
  table.sort(all, function(a, b) return a.name < b.name end)
  return all
end

-- ---- what it is called with ----

local NUMBERS = {0, 1, 2, 3, 4, -1, -2, 5, 8, 0.5, 1.0, -0.5, 1e-3, 0 / 0, 1 / 0, -1 / 0, 1 << 31, 1 << 40, 1 << 62,
  -(1 << 40),
  math.maxinteger, math.mininteger, 1e300, 2.0 ^ 63}
local STRINGS = {"same", "valid", "float32", "int64", "uint8", "mean", "sum", "none", "", "x", "1", "sgd", "adam",
  ("y"):rep(300), "%s%n"}
local SIZES = {0, 1, 1, 2, 2, 3, 3, 4, 5, 7}
local TYPES = {"float32", "float32", "float32", "int64", "uint8"}

local function random_shape(rank)
  local shape = {}
  for i = 1, rank or pick {0, 1, 1, 2, 2, 2, 3, 4, 4, 4, 8} do shape[i] = pick(SIZES) end
  if #shape == 8 then
    for i = 1, 8 do shape[i] = math.min(shape[i], 2) end
  end
  return shape
end

local function new_tensor()
  local dtype = pick(TYPES)
  local t = core.uniform(random_shape(), -1, 4):to(dtype)
  local rank, layout = t:dim(), random(6)
  if layout == 1 and rank > 1 then t = t:transpose(random(rank), random(rank)) end
  if layout == 2 and rank > 0 and t:size(1) > 1 then t = t:narrow(1, 2, t:size(1) - 1) end
  if layout == 3 and rank < 8 then t = t:unsqueeze(1):expand(2, table.unpack(t.shape)) end
  if dtype == "float32" and random(3) == 1 then t.requires_grad = true end
  return t
end

local function new_pool()
  local pool = {}
  for i = 1, 40 do pool[i] = new_tensor() end
  pool.closed = core.full({2}, 1)
  pool.closed:close()
  return pool
end

local function random_list(f, most)
  local list = {}
  for i = 1, random(0, most) do list[i] = f() end
  return list
end

local any -- below

-- Options of the op, some by names that it has.
local function random_options(pool, op)
  local names, options = core.arguments[op] or {"dtype", "requires_grad", "largest", "retain_graph"}, {}
  for _ = 1, random(0, 2) do options[pick(names)] = any(pool, op) end
  if random(10) == 1 then options[pick {"foo", 7, true}] = any(pool, op) end
  return options
end

local function tensor(pool) return pick(pool) end

local function nothing() end

local ODDITIES = {
  function() return nothing end, function() return error end, function() return io.stdout end,
  function() return coroutine.create(nothing) end, function() return setmetatable({}, {__index = error}) end,
  function() return {{}} end, function() return {{1, 2}, {3, 4}} end, function() return {{1}, {2, 3}} end,
}

local kinds = {
  tensor, tensor, tensor, tensor, tensor,
  function() return pick(NUMBERS) end,
  function() return random(-2, 5) end,
  function() return random(-2, 5) end,
  function() return random_list(function() return random(-1, 4) end, 5) end,
  function() return random_list(function() return {random(0, 3), random(0, 3)} end, 4) end,
  function() return random_list(function() return pick(NUMBERS) end, 4) end,
  function(pool) return random_list(function() return pick(pool) end, 8) end,
  function() return pick(STRINGS) end,
  function() return random(2) == 1 end,
  function() return nil end,
  random_options, random_options,
  function(pool) return pool.closed end,
  function() return pick(ODDITIES)() end,
}

function any(pool, op) return pick(kinds)(pool, op) end

-- Arguments of which the first is mostly a tensor, and later ones more and more seldom there.
local function random_arguments(pool, op)
  local arguments = {n = 0}
  repeat
    local i = arguments.n + 1
    arguments[i] = i == 1 and random(8) > 1 and tensor(pool) or any(pool, op)
    arguments.n = i
  until i == 7 or random(10) > 8 - i // 2
  return arguments
end

-- ---- cases with changes ----

local LAYOUTS = {"dense", "transposed", "spaced", "expanded"}

-- Every case that is small, right or wrong, as {name of the op, args}.
local function collect_cases()
  local all, names = {}, {}
  for name in pairs(cases) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    for _, case in ipairs(cases[name]) do
      if not case.large then all[#all + 1] = {name, case[2]} end
    end
    for _, case in ipairs(cases[name].wrong) do all[#all + 1] = {name, case[2]} end
  end
  return all
end

-- The list or table of options with one value changed.
local function with_change(value, pool, op)
  local keys, copy = {}, {}
  for key, each in pairs(value) do keys[#keys + 1], copy[key] = key, each end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  if #keys > 0 then copy[pick(keys)] = any(pool, op) end
  return copy
end

local function change(arguments, pool, op)
  local i = random(arguments.n)
  if type(arguments[i]) == "table" and random(2) == 1 then
    arguments[i] = with_change(arguments[i], pool, op)
  else
    arguments[i] = any(pool, op)
  end
end

-- A case's op (or its in-place form) and arguments.
local function changed_case(all, pool)
  local case = pick(all)
  local arguments = check.build(case[2], pick(LAYOUTS), random(2) == 1)
  for _ = 1, random(0, 2) do change(arguments, pool, case[1]) end
  local in_place = core.methods[case[1] .. "_"]
  if in_place and random(4) == 1 then return {name = case[1] .. "_", f = in_place}, arguments end
  return {name = case[1], f = core.ops[case[1]]}, arguments
end

-- ---- calling ----

-- Look at a result as a user would, and go back through it.
local function look_at(result)
  if not core.is_tensor(result) then return end
  tostring(result)
  if result:numel() < 10000 then
    assert(#result:tobytes() >= result:numel())
    if result.requires_grad then result:backward(core.full(result.shape, 1)) end
  end
end

local function describe(value)
  if not core.is_tensor(value) then
    if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
    local parts = {}
    for k,
      v in pairs(value) do parts[#parts + 1] = (type(k) == "number" and "" or tostring(k) .. " = ") .. describe(v) end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  local ok, text = pcall(function()
    return ("%s(%s)%s"):format(value.dtype, table.concat(value.shape, ","), value:is_contiguous() and "" or "*")
  end)
  return ok and text or "closed"
end

local function call_text(target, arguments)
  local parts = {}
  for i = 1, arguments.n do parts[i] = describe(arguments[i]) end
  return target.name .. "(" .. table.concat(parts, ", ") .. ")"
end

-- Arguments may be closed or changed by a call, so those of the pool are replaced now and then.
local function refresh(pool)
  local i = random(#pool)
  pool[i] = new_tensor()
end

local function is_of(pool, value)
  for _, t in ipairs(pool) do
    if rawequal(t, value) then return true end
  end
  return rawequal(value, pool.closed)
end

local function random_call(targets, pool)
  if random(2) == 1 then return changed_case(targets.cases, pool) end
  local target = pick(targets)
  return target, random_arguments(pool, target.op)
end

local function call_once(targets, pool, report)
  local target, arguments = random_call(targets, pool)
  if report then report(call_text(target, arguments)) end
  local results = table.pack(pcall(target.f, table.unpack(arguments, 1, arguments.n)))
  if results[1] then
    for i = 2, results.n do pcall(look_at, results[i]) end
  elseif report then
    report("  " .. tostring(results[2]))
  end
  for i = 2, results.n do
    if core.is_tensor(results[i]) and not is_of(pool, results[i]) then results[i]:close() end
  end
  if random(20) == 1 then refresh(pool) end
end

local function in_use()
  collectgarbage()
  collectgarbage()
  local memory = core.memory()
  return memory.used, memory.blocks
end

--- One round: `calls` calls from a seed. Raises when bytes stay in use. `report` gets the text of each call before
-- it is made.
function fuzz.round(seed, calls, report)
  math.randomseed(seed)
  core.manual_seed(seed)
  local used, blocks = in_use()
  local limit, targets = core.memory().limit, collect()
  targets.cases = collect_cases()
  core.set_memory {limit = used + (16 << 20)} -- absurd sizes shall fail, and fast
  local pool = new_pool()
  for _ = 1, calls do call_once(targets, pool, report) end
  core.set_memory {limit = limit}
  for i, t in ipairs(pool) do
    t:close()
    pool[i] = nil
  end
  local used_now, blocks_now = in_use()
  if used_now ~= used or blocks_now ~= blocks then
    error(("seed %d: %d bytes in %d blocks leaked"):format(seed, used_now - used, blocks_now - blocks), 2)
  end
end

return fuzz
