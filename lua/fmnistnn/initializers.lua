--- Initial values of parameters. Each is a function (shape, fan_in, fan_out, settings) that returns a tensor; layers
-- take the name, a table {"normal", deviation = 0.01}, or a function. Definitions and defaults are Keras's.
--
-- fan_in and fan_out count what one output is made of and what one input goes to: for a convolution, channels times the
-- kernel's taps and filters times taps.
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local initializers = {}

local function check_shape(name, shape)
  local is_list = type(shape) == "table"
  for i = 1, is_list and #shape or 0 do is_list = is_list and math.type(shape[i]) == "integer" and shape[i] >= 0 end
  if not is_list then refuse("%s: shape: expected a list of sizes, got %s", name, type(shape)) end
end

local function check_fan(name, which, fan)
  if type(fan) ~= "number" or fan ~= fan or fan < 0 then
    local got = type(fan) == "number" and fan or type(fan)
    refuse("%s: %s: expected a number of 0 or more, got %s", name, which, got)
  end
end

-- An initializer f(shape, fan_in, fan_out, settings) whose settings are checked and have their defaults.
local defined = {}
local function define(name, spec, f)
  defined[name] = function(shape, fan_in, fan_out, settings)
    check_shape(name, shape)
    return f(shape, fan_in, fan_out, options.check(name, settings, spec))
  end
  initializers[name] = defined[name]
end

define("zeros", {}, function(shape) return core.full(shape, 0) end)
define("ones", {}, function(shape) return core.full(shape, 1) end)

define("constant", {{"value", "number", default = 0}}, function(shape, _, _, s) return core.full(shape, s.value) end)

--- Uniform in [low, high).
define("uniform", {{"low", "number", default = -0.05}, {"high", "number", default = 0.05}}, function(shape, _, _, s)
  return core.uniform(shape, s.low, s.high)
end)

local mean_and_deviation = {{"mean", "number", default = 0}, {"deviation", "number", default = 0.05}}

define("normal", mean_and_deviation, function(shape, _, _, s) return core.normal(shape, s.mean, s.deviation) end)

-- Standard normal without what lies beyond two deviations: drawn anew until it lies within.
local function truncated(shape)
  local x = core.normal(shape, 0, 1)
  local outside = x:abs():gt(2)
  while outside:any():item() == 1 do
    x = core.ops.where(outside, core.normal(shape, 0, 1), x)
    outside = x:abs():gt(2)
  end
  return x
end

--- Normal within two deviations.
define("truncated_normal", mean_and_deviation, function(shape, _, _, s)
  return truncated(shape) * s.deviation + s.mean
end)

-- The variance of each family: scale / fan.
local families = {
  glorot = function(fan_in, fan_out) return 2 / (fan_in + fan_out) end, -- Glorot and Bengio 2010
  he = function(fan_in) return 2 / fan_in end, -- He et al. 2015
  lecun = function(fan_in) return 1 / fan_in end, -- LeCun et al. 1998
}
local TRUNCATED_DEVIATION = 0.87962566103423978 -- of a standard normal within two deviations

for family, variance_of in pairs(families) do
  local function variance(name, fan_in, fan_out)
    check_fan(name, "fan_in", fan_in)
    if family == "glorot" then check_fan(name, "fan_out", fan_out) end
    return variance_of(fan_in, fan_out)
  end
  define(family .. "_uniform", {}, function(shape, fan_in, fan_out)
    local limit = math.sqrt(3 * variance(family .. "_uniform", fan_in, fan_out))
    return core.uniform(shape, -limit, limit)
  end)
  define(family .. "_normal", {}, function(shape, fan_in, fan_out)
    return truncated(shape) * (math.sqrt(variance(family .. "_normal", fan_in, fan_out)) / TRUNCATED_DEVIATION)
  end)
end

-- Rows made orthonormal one after the other (modified Gram and Schmidt, twice for accuracy).
local function orthonormal_rows(m)
  for i = 1, #m do
    local row = m:select(1, i)
    for _ = 1, 2 do
      if i > 1 then
        local before = m:narrow(1, 1, i - 1)
        row:sub_(before:t():matmul(before:matmul(row)))
      end
      row:div_(row:norm())
    end
  end
  return m
end

--- Orthogonal rows or columns of the matrix (first axis, the rest), times gain (Saxe et al. 2013).
define("orthogonal", {{"gain", "number", default = 1}}, function(shape, _, _, s)
  if #shape == 0 then refuse("orthogonal: shape: expected at least one size, got none") end
  local rows, columns = shape[1], 1
  for i = 2, #shape do columns = columns * shape[i] end
  local flat = core.normal({math.min(rows, columns), math.max(rows, columns)}, 0, 1)
  local matrix = orthonormal_rows(flat)
  if rows > columns then matrix = matrix:t() end
  return (matrix * s.gain):reshape(shape)
end)

-- Puts a 1 into the middle of the kernel of a filter and a channel.
local function pass_on(weight, filter, channel)
  local place, line = {filter, channel}, weight
  for axis = 3, weight:dim() do place[axis] = (weight:size(axis) + 1) // 2 end
  local last = table.remove(place)
  for _, position in ipairs(place) do line = line:select(1, position) end
  line[last] = 1
end

--- A convolution (filters, channels, rows, columns) that passes channel i on as filter i, by a single 1 in the kernel's
-- middle; for a matrix, the identity (Zagoruyko and Komodakis 2017). groups 1: those of the convolution, in each of
-- which channel i becomes filter i.
define("dirac", {{"groups", "count", default = 1}}, function(shape, _, _, s)
  if #shape < 2 then refuse("dirac: expected a weight of two axes or more, got %s", #shape) end
  if shape[1] % s.groups ~= 0 then
    refuse("dirac: groups: expected a divisor of %d filters, got %d", shape[1], s.groups)
  end
  local weight, filters = core.full(shape, 0), shape[1] // s.groups
  for filter = 1, shape[1] do
    local channel = (filter - 1) % filters + 1
    if channel <= shape[2] then pass_on(weight, filter, channel) end
  end
  return weight
end)

-- ---- for layers ----

-- The function that a name, a table that begins with one, or a function stands for; nil when there is none.
local function find(given)
  local name = type(given) == "table" and given[1] or given
  return type(name) == "function" and name or defined[name]
end

--- Whether a layer may be given this as an initializer.
function initializers.exists(given) return find(given) ~= nil end

local function draw(given, shape, fan_in, fan_out)
  local _, settings = options.take_apart(given)
  local tensor = core.no_grad(find(given), shape, fan_in, fan_out, settings)
  if not core.is_tensor(tensor) or table.concat(tensor.shape, ",") ~= table.concat(shape, ",") then
    refuse("initializer: expected a tensor of shape (%s)", table.concat(shape, ","))
  end
  return tensor:contiguous()
end

--- A parameter.
function initializers.make(given, shape, fan_in, fan_out)
  return draw(given, shape, fan_in, fan_out):requires_grad_()
end

--- A buffer: the same, not trained.
function initializers.buffer(given, shape) return draw(given, shape) end

return initializers
