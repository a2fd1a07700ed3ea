--- Arrays of test data. Each call gives other values, the same in every run.
--
-- Floats lie in the middle between multiples of 1/32: exact in float32, and at least 1/64 away from any place where
-- the ops have a kink.
local array = require "spec.support.array"

local values = {}

-- The linear congruential generator of Lewis, Goodman and Miller (1969): independent of the library and of Lua's.
local state = 20

local function below(n)
  state = state * 16807 % 2147483647
  return state % n
end

--- Floats of low .. high (-2 .. 2 unless given; both multiples of 1/32).
function values.random(shape, low, high)
  low, high = low or -2, high or 2
  local steps = math.tointeger((high - low) * 32)
  return array.new(shape, function() return low + (below(steps) + 0.5) / 32 end)
end

--- Floats around 0, no two the same, 1/16 or more apart.
function values.distinct(shape)
  local count, order = array.numel(shape), {}
  for i = 1, count do
    local k = below(i) + 1
    order[i] = order[k]
    order[k] = i
  end
  return array.new(shape, function(i) return (order[i] - count // 2 - 0.5) / 16 end)
end

--- Integers of low .. high, both included.
function values.integers(shape, low, high, dtype)
  return array.new(shape, function() return low + below(high - low + 1) end, dtype or "int64")
end

--- Zeros and ones, as comparisons give them.
function values.mask(shape) return values.integers(shape, 0, 1, "uint8") end

--- The same array, for an input that gets no gradient by definition.
function values.constant(a)
  a.constant = true
  return a
end

return values
