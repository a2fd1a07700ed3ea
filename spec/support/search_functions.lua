--- Functions to be minimized whose minima are known (Dixon and Szegoe 1978; Surjanovic and Bingham's library).
local space = require "fmnistnn.search.space"

local functions = {}

-- A function of `count` variables x1, x2, ... in low..high, each suggested to it.
local function of_box(count, low, high, minimum, f)
  local box = space.float(low, high)
  return {
    minimum = minimum,
    objective = function(suggest)
      local x = {}
      for i = 1, count do x[i] = suggest("x" .. i, box) end
      return f(x)
    end,
  }
end

local first, second = space.float(-5, 10), space.float(0, 15)

functions.branin = {
  minimum = 0.39788735772973816,
  objective = function(suggest)
    local x, y = suggest("x1", first), suggest("x2", second)
    local part = y - 5.1 / (4 * math.pi ^ 2) * x ^ 2 + 5 / math.pi * x - 6
    return part ^ 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
  end,
}

local alpha = {1.0, 1.2, 3.0, 3.2}
local A = {
  {10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14},
}
local P = {
  {0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886}, {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
  {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650}, {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381},
}

functions.hartmann6 = of_box(6, 0, 1, -3.322368011415515, function(x)
  local sum = 0
  for i = 1, 4 do
    local inner = 0
    for j = 1, 6 do inner = inner + A[i][j] * (x[j] - P[i][j]) ^ 2 end
    sum = sum - alpha[i] * math.exp(-inner)
  end
  return sum
end)

functions.ackley5 = of_box(5, -32.768, 32.768, 0, function(x)
  local squares, cosines = 0, 0
  for _, each in ipairs(x) do
    squares = squares + each ^ 2
    cosines = cosines + math.cos(2 * math.pi * each)
  end
  return -20 * math.exp(-0.2 * math.sqrt(squares / #x)) - math.exp(cosines / #x) + 20 + math.exp(1)
end)

-- Two objectives of 30 variables in 0..1 (Zitzler, Deb and Thiele 2000); `shape` of f1 / g, volume of the whole front.
local function zdt(shape, volume)
  local unit = space.float(0, 1)
  return {
    reference = {1.1, 1.1}, volume = volume,
    objective = function(suggest)
      local x, sum = {}, 0
      for i = 1, 30 do x[i] = suggest(("x%02d"):format(i), unit) end
      for i = 2, 30 do sum = sum + x[i] end
      local g = 1 + 9 * sum / 29
      return x[1], g * shape(x[1] / g)
    end,
  }
end

functions.zdt1 = zdt(function(ratio) return 1 - math.sqrt(ratio) end, 0.8766666666666667)
functions.zdt2 = zdt(function(ratio) return 1 - ratio ^ 2 end, 0.5433333333333333)

return functions
