--- References of the ops that work element by element.
local array = require "spec.support.array"

local ref = {}

local exp, log, abs, sqrt, huge, pi = math.exp, math.log, math.abs, math.sqrt, math.huge, math.pi

-- ---- one operand ----

local function is_integer(a) return a.dtype ~= "float32" end

-- y = f(x, options), as float32.
local function define(name, f)
  ref[name] = function(x, options)
    return array.new(x.shape, function(i) return f(x[i] + 0.0, options or {}) end)
  end
end

-- The same, but integers stay integers.
local function define_for_numbers(name, f)
  ref[name] = function(x)
    return array.new(x.shape, function(i) return f(x[i]) end, is_integer(x) and "int64" or "float32")
  end
end

local function sign(x) return x > 0 and 1 or x < 0 and -1 or x end

define_for_numbers("neg", function(x) return -x end)
define_for_numbers("abs", function(x) return x < 0 and -x or x end)
define_for_numbers("sign", sign)
define_for_numbers("square", function(x) return x * x end)

define("reciprocal", function(x) return 1 / x end)
define("sqrt", sqrt)
define("rsqrt", function(x) return 1 / sqrt(x) end)
define("floor", math.floor)
define("ceil", math.ceil)
define("trunc", function(x) return x < 0 and math.ceil(x) or math.floor(x) end)
define("round", function(x)
  local down = math.floor(x)
  if x - down == 0.5 then return down % 2 == 0 and down or down + 1 end
  return x ~= x and x or math.floor(x + 0.5)
end)
define("clamp", function(x, options)
  if options.min and x < options.min then x = options.min end
  if options.max and x > options.max then x = options.max end
  return x
end)

-- e^x - 1 and log(1 + x) by their series where the plain formulas would lose digits
local function expm1(x)
  if abs(x) > 0.01 then return exp(x) - 1 end
  return x + x ^ 2 / 2 + x ^ 3 / 6 + x ^ 4 / 24 + x ^ 5 / 120 + x ^ 6 / 720
end

local function log1p(x)
  if abs(x) > 0.01 then return log(1 + x) end
  local total = 0
  for k = 1, 8 do total = total - (-x) ^ k / k end
  return total
end

-- e^-x^2 times a series of positive terms (Abramowitz and Stegun 1964, 7.1.6)
local function erf(x)
  if abs(x) > 6 then return sign(x) end
  local total, term, n = x, x, 0
  while abs(term) > 1e-18 * abs(total) do
    n = n + 1
    term = term * 2 * x * x / (2 * n + 1)
    total = total + term
  end
  return 2 / sqrt(pi) * exp(-x * x) * total
end

local function tanh(x)
  if abs(x) > 20 then return sign(x) end
  return (exp(x) - exp(-x)) / (exp(x) + exp(-x))
end

local function sigmoid(x) return 1 / (1 + exp(-x)) end
local function softplus(x) return x > 0 and x + log1p(exp(-x)) or log1p(exp(x)) end

define("exp", exp)
define("expm1", expm1)
define("log", function(x) return log(x) end)
define("log1p", log1p)
define("log2", function(x) return log(x) / log(2) end)
define("log10", function(x) return log(x) / log(10) end)
define("erf", erf)

define("sin", math.sin)
define("cos", math.cos)
define("tan", math.tan)
define("asin", math.asin)
define("acos", math.acos)
define("atan", function(x) return math.atan(x) end)
define("sinh", function(x) return (exp(x) - exp(-x)) / 2 end)
define("cosh", function(x) return (exp(x) + exp(-x)) / 2 end)
define("tanh", tanh)

local SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

define("relu", function(x) return x < 0 and 0 or x end)
define("relu6", function(x) return x < 0 and 0 or x > 6 and 6 or x end)
define("leaky_relu", function(x, options) return x < 0 and (options.negative_slope or 0.2) * x or x end)
define("elu", function(x, options) return x > 0 and x or (options.alpha or 1) * expm1(x) end)
define("selu", function(x) return SELU_SCALE * (x > 0 and x or SELU_ALPHA * expm1(x)) end)
define("gelu", function(x) return x / 2 * (1 + erf(x / sqrt(2))) end)
define("gelu_tanh", function(x) return x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ^ 3))) end)
define("silu", function(x) return x * sigmoid(x) end)
define("mish", function(x) return x * tanh(softplus(x)) end)
define("sigmoid", sigmoid)
define("log_sigmoid", function(x) return -softplus(-x) end)
define("softplus", softplus)
define("softsign", function(x) return x / (1 + abs(x)) end)
define("hard_sigmoid", function(x) return x <= -3 and 0 or x >= 3 and 1 or x / 6 + 0.5 end)
define("hard_swish", function(x) return x <= -3 and 0 or x >= 3 and x or x * (x + 3) / 6 end)
define("hard_tanh", function(x) return x < -1 and -1 or x > 1 and 1 or x end)

-- ---- questions ----

local function define_question(name, condition)
  ref[name] = function(x)
    return array.new(x.shape, function(i) return condition(x[i]) and 1 or 0 end, "uint8")
  end
end

define_question("logical_not", function(x) return x == 0 end)
define_question("isnan", function(x) return x ~= x end)
define_question("isinf", function(x) return abs(x) == huge end)
define_question("isfinite", function(x) return abs(x) < huge end)

-- ---- two operands ----

local function broadcast(a, b)
  a, b = array.wrap(a), array.wrap(b)
  local shape = array.broadcast_shape(a.shape, b.shape)
  return array.broadcast_to(a, shape), array.broadcast_to(b, shape), shape
end

-- y = f(a, b); f gets floats unless both are integers.
local function define_binary(name, f, always_float)
  ref[name] = function(a_, b_)
    local a, b, shape = broadcast(a_, b_)
    local whole = is_integer(a) and is_integer(b) and not always_float
    local float = whole and 0 or 0.0
    return array.new(shape, function(i) return f(a[i] + float, b[i] + float) end, whole and "int64" or "float32")
  end
end

define_binary("add", function(a, b) return a + b end)
define_binary("sub", function(a, b) return a - b end)
define_binary("mul", function(a, b) return a * b end)
define_binary("div", function(a, b) return a / b end, true)
define_binary("pow", function(a, b) return a ^ b end, true)
define_binary("floor_divide", function(a, b) return a // b end)
define_binary("remainder", function(a, b) return a % b end)
define_binary("maximum", function(a, b) return (a > b or a ~= a) and a or b end)
define_binary("minimum", function(a, b) return (a < b or a ~= a) and a or b end)
define_binary("atan2", function(a, b) return math.atan(a, b) end, true)

local function define_comparison(name, condition)
  ref[name] = function(a_, b_)
    local a, b, shape = broadcast(a_, b_)
    return array.new(shape, function(i) return condition(a[i], b[i]) and 1 or 0 end, "uint8")
  end
end

define_comparison("eq", function(a, b) return a == b end)
define_comparison("ne", function(a, b) return a ~= b end)
define_comparison("lt", function(a, b) return a < b end)
define_comparison("le", function(a, b) return a <= b end)
define_comparison("gt", function(a, b) return a > b end)
define_comparison("ge", function(a, b) return a >= b end)
define_comparison("logical_and", function(a, b) return a ~= 0 and b ~= 0 end)
define_comparison("logical_or", function(a, b) return a ~= 0 or b ~= 0 end)
define_comparison("logical_xor", function(a, b) return (a ~= 0) ~= (b ~= 0) end)

function ref.where(condition, a, b)
  local wide_a, wide_b = broadcast(a, b)
  local c, x, shape = broadcast(condition, wide_a)
  local y = array.broadcast_to(wide_b, shape)
  local dtype = is_integer(x) and is_integer(y) and "int64" or "float32"
  return array.new(shape, function(i)
    if c[i] ~= 0 then return x[i] end
    return y[i]
  end, dtype)
end

-- ---- conversions ----

local function float_to_integer(x)
  if x ~= x then return 0 end
  if x >= 2 ^ 63 then return math.maxinteger end
  if x < -2 ^ 63 then return math.mininteger end
  return math.tointeger(x < 0 and math.ceil(x) or math.floor(x))
end

local function float_to_byte(x) return x >= 255 and 255 or x > 0 and math.floor(x) or 0 end

local function convert(x, from, to)
  if to == "float32" then return x + 0.0 end
  if to == "int64" then return from == "float32" and float_to_integer(x) or x end
  return from == "float32" and float_to_byte(x) or x & 255
end

function ref.to(x, dtype)
  return array.new(x.shape, function(i) return convert(x[i], x.dtype, dtype) end, dtype)
end

function ref.clone(x) return array.copy(x) end

return ref
