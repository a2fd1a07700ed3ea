--- Minimizes a smooth function within bounds: L-BFGS (Nocedal 1980) with projected steps and backtracking.
local lbfgs = {}

local memory <const> = 8

local function dot(a, b)
  local sum = 0
  for i, x in ipairs(a) do sum = sum + x * b[i] end
  return sum
end

-- The gradient without the coordinates that are at a bound and would leave it.
local function free_part(x, g, lower, upper)
  local free = {}
  for i, each in ipairs(g) do
    local held = x[i] <= lower and each > 0 or x[i] >= upper and each < 0
    free[i] = held and 0.0 or each
  end
  return free
end

-- The direction that the last steps s and changes y of the gradient suggest (two-loop recursion).
local function direction_of(g, pairs_of_steps)
  local d, a = {}, {}
  for i, each in ipairs(g) do d[i] = -each end
  for k = #pairs_of_steps, 1, -1 do
    local p = pairs_of_steps[k]
    a[k] = dot(p.s, d) / p.sy
    for i, y in ipairs(p.y) do d[i] = d[i] - a[k] * y end
  end
  local last = pairs_of_steps[#pairs_of_steps]
  local scale = last and last.sy / dot(last.y, last.y) or 1 / math.max(1, math.sqrt(dot(g, g)))
  for i, each in ipairs(d) do d[i] = scale * each end
  for k, p in ipairs(pairs_of_steps) do
    local b = dot(p.y, d) / p.sy
    for i, s in ipairs(p.s) do d[i] = d[i] + (a[k] - b) * s end
  end
  return d
end

-- A point along d that is better by enough, its value and gradient; nil when there is none.
local function search(f, x, fx, g, d, lower, upper)
  local step = 1
  for _ = 1, 20 do
    local there, slope = {}, 0
    for i, each in ipairs(x) do
      there[i] = math.min(math.max(each + step * d[i], lower), upper)
      slope = slope + g[i] * (there[i] - each)
    end
    local value, gradient = f(there)
    if value == value and value <= fx + 1e-4 * slope and slope < 0 then return there, value, gradient end
    step = step / 3
  end
end

local function remember(steps, x, there, g, gradient)
  local s, y = {}, {}
  for i, each in ipairs(there) do s[i], y[i] = each - x[i], gradient[i] - g[i] end
  local sy = dot(s, y)
  if sy > 1e-12 * dot(y, y) then steps[#steps + 1] = {s = s, y = y, sy = sy} end
  if #steps > memory then table.remove(steps, 1) end
end

--- From x, each coordinate in lower..upper, in at most so many steps: the point and its value. f(x) gives a value and
-- its gradient.
function lbfgs.minimize(f, x, lower, upper, most)
  local fx, g = f(x)
  local steps = {}
  for _ = 1, most do
    local free = free_part(x, g, lower, upper)
    local d = direction_of(free, steps)
    for i, each in ipairs(free) do d[i] = each == 0 and 0.0 or d[i] end
    local there, value, gradient = search(f, x, fx, g, d, lower, upper)
    if not there then return x, fx end
    remember(steps, x, there, g, gradient)
    local gain = fx - value
    x, fx, g = there, value, gradient
    if gain < 1e-9 * math.max(1, math.abs(fx)) then break end
  end
  return x, fx
end

return lbfgs
