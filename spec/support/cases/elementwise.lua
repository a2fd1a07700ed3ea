--- Cases of the ops that work element by element.
local array = require "spec.support.array"
local values = require "spec.support.values"

local cases = {}
local pack, random, integers, mask = table.pack, values.random, values.integers, values.mask
local nan, inf = 0 / 0, math.huge

-- ---- one operand ----

local EXTREMES = {nan, inf, -inf, 0, 2 ^ -20, -2 ^ -20, 50, -50, 2 ^ 100, -2 ^ 100, 0.5, 1.5, 2.5, -0.5, -1.5, 3, -3, 6}

-- Where to look, for functions that are not defined (or too steep for a difference quotient) everywhere.
local domains = {
  reciprocal = {0.5, 3}, sqrt = {0.5, 3}, rsqrt = {0.5, 3}, log = {0.5, 3}, log2 = {0.5, 3}, log10 = {0.5, 3},
  log1p = {-0.5, 3}, tan = {-1.25, 1.25}, asin = {-0.75, 0.75}, acos = {-0.75, 0.75}, relu6 = {-2, 9},
  hard_sigmoid = {-5, 5}, hard_swish = {-5, 5}, gelu = {-4, 4}, gelu_tanh = {-4, 4}, mish = {-5, 5}, silu = {-5, 5},
}

local options = {
  clamp = {{min = -1}, {max = 0.5}, {min = -1, max = 1}, {min = 1, max = -1}},
  leaky_relu = {{negative_slope = 0.01}, {negative_slope = 0}},
  elu = {{alpha = 0.5}},
}

local unary = {"neg", "abs", "sign", "square", "reciprocal", "sqrt", "rsqrt", "floor", "ceil", "round", "trunc",
  "clamp", "exp", "expm1", "log", "log1p", "log2", "log10", "erf", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
  "cosh", "tanh", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "mish", "sigmoid",
  "log_sigmoid", "softplus", "softsign", "hard_sigmoid", "hard_swish", "hard_tanh"}

for _, name in ipairs(unary) do
  local low, high = table.unpack(domains[name] or {-2, 2})
  local list = {
    {"three axes of odd sizes", pack(random({3, 1, 7}, low, high)), pointwise = true},
    {"extremes", pack(array.from({#EXTREMES}, EXTREMES)), pointwise = true, gradient = false},
    {"integers", pack(integers({2, 3}, 1, 5)), pointwise = true},
    wrong = {{"a string", pack("x"), "input", "expected a tensor", "string 'x'"}},
  }
  for _, each in ipairs(options[name] or {}) do
    list[#list + 1] = {"options", pack(random({3, 5}, low, high), each), pointwise = true}
  end
  cases[name] = list
end

local function add_case(name, what, args, flags)
  local case = {what, args}
  for flag, value in pairs(flags or {}) do case[flag] = value end
  table.insert(cases[name], case)
end

-- All go through the same loops: one for each of what a slope can read is enough.
for _, name in ipairs {"neg", "exp", "relu", "gelu"} do
  add_case(name, "a single number", pack(random{}))
  add_case(name, "no elements", pack(random{2, 0, 3}))
  add_case(name, "bytes", pack(integers({4}, 0, 5, "uint8")))
  add_case(name, "several pieces of work", function() return pack(random{20001}) end, {pointwise = true, large = true})
end

local ZEROS = {0, 1, -2, nan, inf, -inf, 0, 2 ^ -20}

for _, name in ipairs {"logical_not", "isnan", "isinf", "isfinite"} do
  cases[name] = {
    gradient = false,
    {"a matrix", pack(random({3, 5}))},
    {"special numbers", pack(array.from({4, 2}, ZEROS))},
    {"integers", pack(integers({2, 3}, -1, 1))},
    {"no elements", pack(random({0, 3}))},
    {"several pieces of work", function() return pack(random({20001})) end, large = true},
    wrong = {{"a table", pack({}), "input", "expected a tensor", "table"}},
  }
end

-- ---- two operands ----

-- Cases that all of these have; a(shape) and b(shape) make operands, i(shape) integers that suit both sides.
local function two_operands(a, b, i)
  return {
    {"one shape", pack(a{3, 5}, b{3, 5})},
    {"a row below a matrix", pack(a{3, 5}, b{5})},
    {"a column and a row", pack(a{3, 1}, b{1, 4})},
    {"a tensor and a number", pack(a{2, 3}, 1.75)},
    {"a number and a tensor", pack(1.765625, b{2, 3})},
    {"integers", pack(i{2, 3}, i{3})},
    {"integers and floats", pack(i{2, 3}, random({2, 1}, 0.5, 2))},
    wrong = {
      {"shapes that differ", pack(a{2, 3}, b{2, 4}), "(2,3)", "(2,4)"},
      {"ranks that do not line up", pack(a{2, 3}, b{2}), "(2,3)", "(2)"},
      {"a third argument", pack(a{2, 3}, b{2, 3}, 1), "at most 2 arguments"},
      {"a string", pack(a{2}, "1"), "other", "expected a tensor or a number", "string '1'"},
      {"nothing", pack(a{2}), "other", "expected a tensor or a number"},
    },
  }
end

-- What only the way in decides, for some of them.
local function add_kinds_of_operands(name)
  local make, other = random, integers
  add_case(name, "three axes against one", pack(make{1}, make{2, 3, 2}))
  add_case(name, "a tensor and a whole number", pack(make{2, 3}, 2))
  add_case(name, "two numbers", pack(2.5, 1.25))
  add_case(name, "single elements", pack(make{}, make{}))
  add_case(name, "no elements", pack(make{0, 3}, make{1, 3}))
  add_case(name, "integers and a whole number", pack(other({2, 3}, 1, 9), 3))
  add_case(name, "a whole number and bytes", pack(300, other({4}, 1, 9, "uint8")))
  add_case(name, "integers and a number", pack(other({2, 3}, 1, 9), 2.5))
  add_case(name, "bytes", pack(other({4}, 1, 255, "uint8"), other({4}, 1, 5, "uint8")))
  add_case(name, "several pieces of work", function() return pack(make{33, 1000}, make{33, 1000}) end, {large = true})
  add_case(name, "several pieces of a broadcast", function() return pack(make{33, 1}, make{1000}) end, {large = true})
end

local function small_integers(shape) return integers(shape, 1, 9) end
local function whole(shape) return integers(shape, -2, 2, "float32") end
local function positive(shape) return random(shape, 0.5, 2) end

-- Odd and even multiples of 1/64: their quotient is never whole, where floor has a step.
local function even(shape)
  return array.new(shape, function() return (integers({}, 8, 60)[1]) * (integers({}, 0, 1)[1] * 2 - 1) / 32 end)
end

for _, name in ipairs {"add", "sub", "mul", "maximum", "minimum", "atan2"} do
  cases[name] = two_operands(random, random, small_integers)
end
cases.pow = two_operands(positive, random, small_integers)
for _, name in ipairs {"div", "floor_divide", "remainder"} do
  cases[name] = two_operands(random, even, small_integers)
end

add_kinds_of_operands("add")
add_kinds_of_operands("mul")
add_case("add", "integers that wrap around", pack(array.from({1}, {math.maxinteger}, "int64"), 1))
add_case("div", "by zero", pack(array.from({3}, {1, -1, 0}), array.new({3}, 0)), {gradient = false})
add_case("pow", "bases below and at zero",
  pack(array.from({5}, {-2, -2, 0, 0, -0.5}), array.from({5}, {3, 2, 0, 2, -2})), {gradient = false})
add_case("pow", "a squared number", pack(random{4}, 2))
add_case("pow", "a whole power of negative bases", pack(random({4}, -3, -1), 3))
for _, name in ipairs {"floor_divide", "remainder"} do
  add_case(name, "integers of both signs",
    pack(array.from({4}, {7, -7, 7, -7}, "int64"), array.from({4}, {2, 2, -2, -2}, "int64")))
  table.insert(cases[name].wrong, {"integers by zero", pack(small_integers{2, 2}, array.from({2}, {1, 0}, "int64")),
    "other", "division by zero"})
end
local tenth = 13421773 / 2^27 -- as float32; a little more than 0.1
add_case("remainder", "quotients that float32 rounds to an integer",
  pack(array.from({4}, {1, -1, 1, -1}), array.from({4}, {tenth, tenth, -tenth, -tenth})), {gradient = false})
add_case("remainder", "quotients of more digits than float32 has",
  pack(array.from({4}, {1e8, -1e8, 2^40, 2^100}), array.from({4}, {3, 3, -3, 0.75})), {gradient = false})
add_case("remainder", "by infinity", pack(array.from({4}, {5, -5, 5, -5}), array.from({4}, {inf, -inf, -inf, inf})),
  {gradient = false})
add_case("floor_divide", "the smallest integer by -1", pack(array.from({1}, {math.mininteger}, "int64"), -1))
for _, name in ipairs {"maximum", "minimum"} do
  add_case(name, "NaN wins", pack(array.from({4}, {nan, 1, nan, inf}), array.from({4}, {1, nan, nan, -inf})),
    {gradient = false})
end

-- Equal elements occur; NaN is equal to nothing.
local function with_nan(shape)
  local a = whole(shape)
  if #a > 2 then a[1] = nan end
  return a
end

for _, name in ipairs {"eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"} do
  cases[name] = two_operands(with_nan, whole, small_integers)
  cases[name].gradient = false
end

add_kinds_of_operands("lt")
for _, case in ipairs(cases.lt) do case.gradient = false end

cases.where = {
  {"one shape", pack(mask{3, 5}, random{3, 5}, random{3, 5})},
  {"broadcasting of all three", pack(mask{3, 1}, random{1, 4}, random{2, 1, 1})},
  {"a mask that broadcasts", pack(mask{4}, random{3, 4}, random{3, 4})},
  {"a number on the left", pack(mask{2, 3}, 1.5, random{2, 3})},
  {"a number on the right", pack(mask{2, 3}, random{3}, -1)},
  {"two whole numbers", pack(mask{2, 3}, 1, 0)},
  {"integers", pack(mask{2, 3}, integers({2, 3}, -9, 9), integers({3}, 10, 20))},
  {"integers and floats", pack(mask{2, 3}, integers({2, 3}, -9, 9), random{3})},
  {"bytes", pack(mask{3}, integers({3}, 0, 255, "uint8"), integers({3}, 0, 255, "uint8"))},
  {"no elements", pack(mask{0, 3}, random{1, 3}, random{3})},
  {"NaN on the side that is not taken", pack(array.from({2}, {1, 0}, "uint8"), random{2}, array.new({2}, nan)),
    gradient = false},
  wrong = {
    {"a mask of floats", pack(random{3}, random{3}, random{3}), "condition", "uint8", "float32"},
    {"values that do not broadcast", pack(mask{3}, random{2, 3}, random{2, 4}), "(2,3)", "(2,4)"},
    {"a mask that does not broadcast", pack(mask{4}, random{2, 3}, random{2, 3}), "(4)", "(2,3)"},
  },
}

-- ---- conversions ----

cases.clone = {
  {"a matrix", pack(random{3, 5})},
  {"integers", pack(integers({2, 3}, -9, 9))},
  {"bytes", pack(integers({2, 3}, 0, 255, "uint8"))},
  {"a single number", pack(random{})},
  {"no elements", pack(random{3, 0})},
  {"several pieces of work", function() return pack(random{5, 20001}) end, large = true},
  wrong = {{"a number", pack(1), "input", "expected a tensor"}},
}

local OUT_OF_RANGE = {nan, inf, -inf, 2 ^ 63, -2 ^ 63, 2 ^ 100, -1, 255, 256, 2.75, -2.75, 0}

cases.to = {
  {"floats to floats", pack(random{3, 5}, "float32")},
  {"floats to integers", pack(random({3, 5}, -20, 20), "int64")},
  {"floats to bytes", pack(random({3, 5}, -20, 300), "uint8")},
  {"floats that no integer holds", pack(array.from({12}, OUT_OF_RANGE), "int64")},
  {"floats that no byte holds", pack(array.from({12}, OUT_OF_RANGE), "uint8")},
  {"integers to floats", pack(integers({3, 5}, -1000, 1000), "float32")},
  {"integers to bytes", pack(integers({3, 5}, -1000, 1000), "uint8")},
  {"integers to integers", pack(integers({3, 5}, -1000, 1000), "int64")},
  {"bytes to floats", pack(integers({3, 5}, 0, 255, "uint8"), "float32")},
  {"bytes to integers", pack(integers({3, 5}, 0, 255, "uint8"), "int64")},
  {"bytes to bytes", pack(integers({3, 5}, 0, 255, "uint8"), "uint8")},
  {"no elements", pack(random{3, 0}, "int64")},
  wrong = {
    {"an unknown type", pack(random{2}, "float64"), "dtype", "float32, uint8, int64", "string 'float64'"},
    {"no type", pack(random{2}), "dtype"},
  },
}

return cases
