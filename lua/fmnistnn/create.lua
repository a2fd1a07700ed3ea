--- Functions that make tensors. Sizes come as a list or one by one; the last argument may be a table of
-- options: {dtype = "float32" | "int64" | "uint8", requires_grad = true}.
local core = require "fmnistnn.core"
local refuse = require "fmnistnn.refuse"

local create = {}

local function finish(tensor, options)
  if options and options.requires_grad then tensor.requires_grad = true end
  return tensor
end

local function check_options(who, options)
  if options == nil then return {} end
  if type(options) ~= "table" then
    refuse("%s: options: expected a table, got %s", who, type(options))
  end
  for name in pairs(options) do
    if name ~= "dtype" and name ~= "requires_grad" then refuse("%s: unknown option: %s", who, tostring(name)) end
  end
  if options.requires_grad ~= nil and type(options.requires_grad) ~= "boolean" then
    refuse("%s: requires_grad: expected true or false, got %s", who, type(options.requires_grad))
  end
  return options
end

local function check_numbers(who, names, ...)
  for i, name in ipairs(names) do
    local value = select(i, ...)
    if type(value) ~= "number" then
      refuse("%s: %s: expected a number, got %s", who, name, type(value))
    end
  end
end

-- (2, 3), ({2, 3}), either with options after them: the list of sizes and the options.
local function sizes_and_options(who, ...)
  local given = {...}
  local count = select("#", ...)
  local last, options = given[count], {}
  if type(last) == "table" and #last == 0 and (count > 1 or next(last) ~= nil) then
    options = check_options(who, last)
    count = count - 1
  end
  if count == 1 and type(given[1]) == "table" then return given[1], options end
  return table.move(given, 1, count, 1, {}), options
end

--- A tensor of a number or of nested tables of numbers.
function create.tensor(value, options)
  options = check_options("tensor", options)
  return finish(core.from_table(value, options.dtype), options)
end

--- A tensor of the elements that lie in a string as they do in memory (little-endian).
function create.frombytes(bytes, shape, dtype) return core.frombytes(bytes, shape, dtype) end

function create.zeros(...)
  local shape, options = sizes_and_options("zeros", ...)
  return finish(core.full(shape, 0, options.dtype, "zeros"), options)
end

function create.ones(...)
  local shape, options = sizes_and_options("ones", ...)
  return finish(core.full(shape, 1, options.dtype, "ones"), options)
end

--- full({2, 3}, 0.5)
function create.full(shape, value, options)
  options = check_options("full", options)
  return finish(core.full(shape, value, options.dtype), options)
end

local function like(who, value)
  create[who] = function(tensor, options)
    options = check_options(who, options)
    if not core.is_tensor(tensor) then refuse("%s: expected a tensor, got %s", who, type(tensor)) end
    return finish(core.full(tensor.shape, value, options.dtype or tensor.dtype, who), options)
  end
end
like("zeros_like", 0)
like("ones_like", 1)

-- How many of first, first + step ... come before last; whole numbers are counted without rounding.
local function count_steps(first, last, step, whole)
  if step > 0 and first >= last or step < 0 and first <= last then return 0 end
  local span = last - first
  if whole and (span > 0) == (step > 0) then return span // step + (span % step == 0 and 0 or 1) end
  local count = math.ceil((last + 0.0 - first) / step)
  if math.type(count) ~= "integer" then refuse("arange: expected finite bounds") end
  return count
end

--- arange(n): 0 .. n-1; arange(first, last, step): first, first + step ... below last, as in NumPy.
-- Integers where all arguments are (dtype int64), else float32.
function create.arange(...)
  local given, options = sizes_and_options("arange", ...)
  local first, last, step = given[1], given[2], given[3] or 1
  if last == nil then first, last = 0, first end
  check_numbers("arange", {"first", "last", "step"}, first, last, step)
  if step == 0 or step ~= step then refuse("arange: step: expected a number other than 0, got %s", step) end
  local whole = math.type(first) == "integer" and math.type(last) == "integer" and math.type(step) == "integer"
  local count = count_steps(first, last, step, whole)
  return finish(core.sequence(first, step, count, options.dtype or (whole and "int64" or "float32")), options)
end

--- linspace(first, last, count): count numbers from first to last, both included.
function create.linspace(first, last, count, options)
  options = check_options("linspace", options)
  check_numbers("linspace", {"first", "last"}, first, last)
  if math.type(count) ~= "integer" or count < 1 then refuse("linspace: count: expected an integer of 1 or more") end
  local step = count > 1 and (last - first) / (count - 1) or 0
  return finish(core.sequence(first, step, count, options.dtype, "linspace"), options)
end

--- eye(n) or eye(rows, columns): ones on the diagonal.
function create.eye(...)
  local size, options = sizes_and_options("eye", ...)
  return finish(core.eye(size[1], size[2] or size[1], options.dtype), options)
end

local function check_float(who, options)
  if options.dtype ~= nil and options.dtype ~= "float32" then
    refuse("%s: dtype: expected float32, got %s", who, tostring(options.dtype))
  end
  return options
end

--- Uniform in [0, 1).
function create.rand(...)
  local shape, options = sizes_and_options("rand", ...)
  return finish(core.uniform(shape, 0, 1, "rand"), check_float("rand", options))
end

--- Standard normal.
function create.randn(...)
  local shape, options = sizes_and_options("randn", ...)
  return finish(core.normal(shape, 0, 1, "randn"), check_float("randn", options))
end

--- uniform(shape, low, high): in [low, high).
function create.uniform(shape, low, high, options)
  options = check_float("uniform", check_options("uniform", options))
  return finish(core.uniform(shape, low or 0, high or 1), options)
end

--- normal(shape, mean, deviation)
function create.normal(shape, mean, deviation, options)
  options = check_float("normal", check_options("normal", options))
  return finish(core.normal(shape, mean or 0, deviation or 1), options)
end

--- randint(low, high, shape): integers of low..high, both included, as math.random gives. At most 2^24 different ones.
function create.randint(low, high, shape)
  if math.type(low) ~= "integer" or math.type(high) ~= "integer" or high < low or high - low >= 2 ^ 24 then
    refuse("randint: expected integers low <= high, less than 2^24 apart")
  end
  return (core.uniform(shape, 0, high - low + 1, "randint"):to("int64"):minimum(high - low)) + low
end

--- randperm(n): 1..n in random order.
function create.randperm(n) return core.data.shuffled(n, nil, "randperm") end

return create
