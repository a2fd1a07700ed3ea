--- References of the ops that reduce axes or work along one.
local array = require "spec.support.array"

local ref = {}

local function reduced_axes(x, dim)
  local reduced = {}
  for axis = 1, #x.shape do reduced[axis] = dim == nil end
  for _, axis in ipairs(type(dim) == "table" and dim or {dim}) do reduced[array.axis(x, axis)] = true end
  return reduced
end

-- y = f(list of the elements that come together, options, is_integer) for each element of the result.
local function reduce(x, options, f, dtype)
  options = options or {}
  local reduced, kept_shape, shape = reduced_axes(x, options.dim), {}, {}
  for axis, size in ipairs(x.shape) do
    kept_shape[axis] = reduced[axis] and 1 or size
    if not reduced[axis] or options.keepdim then shape[#shape + 1] = kept_shape[axis] end
  end
  local lines = array.new(kept_shape, function() return {} end)
  for index, i in array.each(x.shape) do
    for axis in ipairs(x.shape) do index[axis] = reduced[axis] and 1 or index[axis] end
    local line = lines[array.place(kept_shape, index)]
    line[#line + 1] = x[i]
  end
  return array.new(shape, function(i) return f(lines[i], options, x.dtype ~= "float32") end, dtype)
end

local function number_type(x) return x.dtype == "float32" and "float32" or "int64" end

local function total(line, whole)
  local sum = whole and 0 or 0.0
  for _, x in ipairs(line) do sum = sum + x end
  return sum
end

function ref.sum(x, options)
  return reduce(x, options, function(line, _, whole) return total(line, whole) end, number_type(x))
end

function ref.mean(x, options)
  return reduce(x, options, function(line) return total(line) / #line end)
end

function ref.var(x, options)
  return reduce(x, options, function(line, o)
    local mean, squares = total(line) / #line, 0
    for _, v in ipairs(line) do squares = squares + (v - mean) ^ 2 end
    return squares / math.max(0, #line - (o.correction or 1))
  end)
end

function ref.prod(x, options)
  return reduce(x, options, function(line, _, whole)
    local product = whole and 1 or 1.0
    for _, v in ipairs(line) do product = product * v end
    return product
  end, number_type(x))
end

function ref.any(x, options)
  return reduce(x, options, function(line)
    for _, v in ipairs(line) do
      if v ~= 0 then return 1 end
    end
    return 0
  end, "uint8")
end

function ref.all(x, options)
  return reduce(x, options, function(line)
    for _, v in ipairs(line) do
      if v == 0 then return 0 end
    end
    return 1
  end, "uint8")
end

-- The first of the largest; NaN counts as the largest.
local function largest(line)
  local best = 1
  for k, v in ipairs(line) do
    if v > line[best] or (v ~= v and line[best] == line[best]) then best = k end
  end
  return best
end

local function smallest(line)
  local best = 1
  for k, v in ipairs(line) do
    if v < line[best] or (v ~= v and line[best] == line[best]) then best = k end
  end
  return best
end

function ref.max(x, options)
  return reduce(x, options, function(line) return line[largest(line)] end, number_type(x))
end
function ref.min(x, options)
  return reduce(x, options, function(line) return line[smallest(line)] end, number_type(x))
end
function ref.argmax(x, options) return reduce(x, options, largest, "int64") end
function ref.argmin(x, options) return reduce(x, options, smallest, "int64") end

-- Shifted by the largest, so that doubles do not overflow either.
local function logsumexp(line)
  local top = #line > 0 and line[largest(line)] or -math.huge
  if top == math.huge or top == -math.huge then return top end
  local sum = 0
  for _, v in ipairs(line) do sum = sum + math.exp(v - top) end
  return top + math.log(sum)
end

function ref.logsumexp(x, options) return reduce(x, options, logsumexp) end

-- ---- along one axis ----

-- Each line along an axis becomes the line f(line).
local function along(x, dim, f, dtype)
  local axis, y = array.axis(x, dim or -1), array.new(x.shape, 0, dtype)
  local step, size = 1, x.shape[axis] or 1
  for k = axis + 1, #x.shape do step = step * x.shape[k] end
  for index, i in array.each(x.shape) do
    if (index[axis] or 1) == 1 then
      local line = {}
      for k = 1, size do line[k] = x[i + (k - 1) * step] end
      for k, v in ipairs(f(line)) do y[i + (k - 1) * step] = v end
    end
  end
  return y
end

function ref.cumsum(x, options)
  return along(x, options and options.dim, function(line)
    local sums, sum = {}, x.dtype == "float32" and 0.0 or 0
    for k, v in ipairs(line) do
      sum = sum + v
      sums[k] = sum
    end
    return sums
  end, number_type(x))
end

function ref.log_softmax(x, options)
  return along(x, options and options.dim, function(line)
    local shift, y = logsumexp(line), {}
    for k, v in ipairs(line) do y[k] = v - shift end
    return y
  end)
end

function ref.softmax(x, options)
  local y = ref.log_softmax(x, options)
  for i, v in ipairs(y) do y[i] = math.exp(v) end
  return y
end

return ref
