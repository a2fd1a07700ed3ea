--- Calls everything with anything: every op, method and creator with random arguments, right, nearly right and absurd ones.
-- An error is fine; a crash is not, nor a byte that stays in use.
local core = require "fmnistnn.core"
local create = require "fmnistnn.create"
require "fmnistnn.tensor"

local fuzz = {}

local random = math.random
local function pick(list) return list[random(#list)] end

-- ---- what is called ----

local function operator(f) return function(a, b) return f(a, b) end end

local extra = {
  ["t[k]"] = function(t, k) return t[k] end,
  ["t[k] = v"] = function(t, k, v) t[k] = v end,
  ["t.grad = v"] = function(t, v) t.grad = v end,
  ["t.requires_grad = v"] = function(t, v) t.requires_grad = v end,
  ["a + b"] = operator(function(a, b) return a + b end),
  ["a // b"] = operator(function(a, b) return a // b end),
  ["a % b"] = operator(function(a, b) return a % b end),
  ["a & b"] = operator(function(a, b) return a & b end),
  ["a == b"] = operator(function(a, b) return a == b end),
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
  add("data.", {gather = core.data.gather, shuffled = core.data.shuffled})
  add("optim.", core.optim)
  add("core.", {
    from_table = core.from_table, frombytes = core.frombytes, full = core.full, sequence = core.sequence, eye = core.eye,
    uniform = core.uniform, normal = core.normal, record = core.record, no_grad = core.no_grad, is_tensor = core.is_tensor,
    manual_seed = core.manual_seed, set_generator_state = core.set_generator_state,
  })
  table.sort(all, function(a, b) return a.name < b.name end)
  return all
end

-- ---- what it is called with ----

local NUMBERS = {0, 1, 2, 3, 4, -1, -2, 5, 8, 0.5, 1.0, -0.5, 1e-3, 0 / 0, 1 / 0, -1 / 0, 1 << 31, 1 << 40, 1 << 62, -(1 << 40),
  math.maxinteger, math.mininteger, 1e300, 2.0 ^ 63}
local STRINGS = {"same", "valid", "float32", "int64", "uint8", "mean", "sum", "none", "", "x", "1", "sgd", "adam", ("y"):rep(300), "%s%n"}
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
  function() return pick {print, error, io.stdout, coroutine.create(print), setmetatable({}, {__index = error}), {{}}, {{1}, {2}}} end,
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

local function close_all(results)
  for i = 1, results.n do
    if core.is_tensor(results[i]) and results[i] ~= results.kept then results[i]:close() end
  end
end

local function describe(value)
  if not core.is_tensor(value) then
    if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
    local parts = {}
    for k, v in pairs(value) do parts[#parts + 1] = (type(k) == "number" and "" or tostring(k) .. " = ") .. describe(v) end
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

local function call_once(targets, pool, report)
  local target = pick(targets)
  local arguments = random_arguments(pool, target.op)
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

--- One round: `calls` calls from a seed. Raises when bytes stay in use. `report` gets the text of each call before it is made.
function fuzz.round(seed, calls, report)
  math.randomseed(seed)
  core.manual_seed(seed)
  local used, blocks = in_use()
  local limit, targets = core.memory().limit, collect()
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
