--- Cases of the ops that reduce axes or work along one.
local array = require "spec.support.array"
local values = require "spec.support.values"

local cases = {}
local pack, random, integers, distinct = table.pack, values.random, values.integers, values.distinct
local nan, inf = 0 / 0, math.huge

-- Cases that all reductions have.
local function reductions(make, flags)
  local list = {
    {"all axes", pack(make{3, 5})},
    {"the last axis", pack(make{3, 5}, {dim = -1})},
    {"the first axis", pack(make{3, 5}, {dim = 1})},
    {"a middle axis, kept", pack(make{2, 3, 2}, {dim = 2, keepdim = true})},
    {"two axes that lie together", pack(make{2, 3, 2}, {dim = {1, 2}})},
    {"two axes that do not", pack(make{2, 3, 2}, {dim = {1, 3}})},
    {"two axes that do not, kept", pack(make{2, 3, 2, 2}, {dim = {-1, 2}, keepdim = true})},
    {"all axes, kept", pack(make{2, 3}, {keepdim = true})},
    {"a single number", pack(make{})},
    {"one row", pack(make{1, 7}, {dim = 1})},
    {"a row of more than sixteen", pack(make{2, 37}, {dim = 2})},
    {"no rows", pack(make{0, 3}, {dim = 2})},
    {"no columns", pack(make{2, 0}, {dim = 1})},
    {"no columns, axes apart", pack(make{2, 3, 2, 0}, {dim = {1, 3}})},
    wrong = {
      {"an axis out of range", pack(random{2, 3}, {dim = 3}), "dim", "1..2", "got 3"},
      {"an axis twice", pack(random{2, 3}, {dim = {1, -2}}), "dim", "axis 1", "twice"},
      {"no axes", pack(random{2, 3}, {dim = {}}), "dim", "at least one axis"},
      {"an unknown option", pack(random{2, 3}, {axis = 1}), "unknown option", "axis"},
      {"a number for keepdim", pack(random{2, 3}, {keepdim = 1}), "keepdim", "true or false", "number 1"},
    },
  }
  for _, case in ipairs(list) do
    for flag, value in pairs(flags or {}) do case[flag] = value end
  end
  return list
end

local function add_case(name, ...)
  local case = {...}
  table.insert(cases[name], case)
  return case
end

local function ints(shape) return integers(shape, -9, 9) end

local function add_large(name, make, length)
  add_case(name, "a long row", function() return pack(make{length}) end).large = true
  add_case(name, "many columns", function() return pack(make{40, 1001}, {dim = 1}) end).large = true
  add_case(name, "many rows", function() return pack(make{2000, 21}, {dim = 2}) end).large = true
end

cases.sum, cases.mean = reductions(random), reductions(random)
cases.var = reductions(random)
for _, name in ipairs {"sum", "mean", "var"} do add_large(name, random, 70001) end
add_case("sum", "integers", pack(ints{2, 3}, {dim = 1}))
add_case("sum", "integers over axes apart", pack(ints{2, 3, 2}, {dim = {1, 3}}))
add_case("sum", "bytes", pack(integers({300}, 0, 255, "uint8")))
add_case("sum", "of nothing", pack(random{3, 0}, {dim = 2}))
add_case("mean", "integers", pack(ints{2, 3}, {dim = 1}))
add_case("mean", "of nothing", pack(random{3, 0}, {dim = 2}))
add_case("var", "without correction", pack(random{3, 5}, {dim = 2, correction = 0}))
add_case("var", "far from zero", pack(random({5}, 1000, 1001))).ulps = 64 -- of squares of differences that end at 2^-14
add_case("var", "of one element", pack(random{1, 3}, {dim = 1})).gradient = false
add_case("var", "bytes", pack(integers({5}, 0, 255, "uint8")))

cases.prod = reductions(function(shape) return random(shape, 0.5, 1.5) end)
add_case("prod", "negative numbers", pack(random{2, 3}, {dim = 2}))
add_case("prod", "with one zero", pack(array.from({4}, {2, 0, 3, 0.5})))
add_case("prod", "with two zeros", pack(array.from({4}, {0, 2, 0, 0.5})))
add_case("prod", "integers", pack(ints{2, 3}, {dim = 1}))
add_case("prod", "of nothing", pack(random{0, 3}, {dim = 1}))

local function zeros_and_ones(shape) return integers(shape, 0, 1, "float32") end
cases.any = reductions(zeros_and_ones)
cases.all = reductions(zeros_and_ones)
for _, name in ipairs {"any", "all"} do
  cases[name].gradient = false
  add_case(name, "a mask", pack(values.mask{3, 4}, {dim = 2}))
  add_case(name, "integers", pack(integers({3, 4}, 0, 1), {dim = 1}))
  add_case(name, "of nothing", pack(random{3, 0}, {dim = 2}))
  add_case(name, "NaN is not zero", pack(array.from({2}, {nan, 0})))
end

cases.logsumexp = reductions(random)
add_large("logsumexp", random, 20000)
add_case("logsumexp", "large numbers", pack(random({2, 3}, 200, 202), {dim = 2}))
add_case("logsumexp", "infinities", pack(array.from({3, 2}, {inf, 0, -inf, -inf, -inf, 1}), {dim = 2})).gradient = false
add_case("logsumexp", "of nothing", pack(random{3, 0}, {dim = 2}))

for _, name in ipairs {"max", "min", "argmax", "argmin"} do
  cases[name] = reductions(distinct, {distinct = true})
  cases[name].gradient = name:sub(1, 3) == "arg" and false or nil
  add_case(name, "equal elements", pack(integers({3, 9}, 0, 2, "float32"), {dim = 2})).gradient = false
  add_case(name, "NaN wins", pack(array.from({2, 4}, {1, nan, 3, nan, inf, 2, -inf, 0}), {dim = 2})).gradient = false
  add_case(name, "integers", pack(ints{3, 5}, {dim = 2}))
  add_case(name, "integers over axes apart", pack(ints{2, 3, 2}, {dim = {1, 3}}))
  add_case(name, "large integers", pack(array.from({2}, {1 << 53, (1 << 53) + 1}, "int64")))
  add_case(name, "bytes", pack(integers({5}, 0, 255, "uint8")))
  add_case(name, "a long row", function() return pack(distinct{20000}) end).large = true
  table.insert(cases[name].wrong, {"of nothing", pack(random{3, 0}, {dim = 2}), "input", "(3,0)"})
  table.insert(cases[name].wrong, {"of nothing at all", pack(random{0}), "input", "(0)"})
end
cases.max[#cases.max].distinct, cases.min[#cases.min].distinct = true, true

-- ---- along one axis ----

local function along_an_axis()
  return {
    {"the last axis", pack(random{3, 5})},
    {"the first axis", pack(random{3, 5}, {dim = 1})},
    {"a middle axis", pack(random{2, 3, 2}, {dim = 2})},
    {"a vector", pack(random{7})},
    {"a long vector", pack(random{37})},
    {"a single number", pack(random{})},
    {"one element", pack(random{3, 1})},
    {"no elements", pack(random{3, 0})},
    {"no rows", pack(random{0, 3})},
    {"bytes", pack(integers({2, 4}, 0, 9, "uint8"))},
    {"many rows", function() return pack(random{2000, 11}) end, large = true},
    {"many columns", function() return pack(random{11, 2000}, {dim = 1}) end, large = true},
    wrong = {
      {"an axis out of range", pack(random{2, 3}, {dim = -3}), "dim", "-2..-1", "got -3"},
      {"two axes", pack(random{2, 3}, {dim = {1, 2}}), "dim", "integer", "table"},
    },
  }
end

cases.cumsum = along_an_axis()
add_case("cumsum", "integers", pack(ints{2, 5}, {dim = 2}))

for _, name in ipairs {"softmax", "log_softmax"} do
  cases[name] = along_an_axis()
  add_case(name, "large numbers", pack(random({2, 5}, 500, 510)))
  add_case(name, "very large numbers", pack(random({2, 5}, 30000, 30002)))
  add_case(name, "one infinity below", pack(array.from({3}, {0, -inf, 1}))).gradient = false
  add_case(name, "NaN", pack(array.from({2, 2}, {0, nan, 1, 2}))).gradient = false
end

return cases
