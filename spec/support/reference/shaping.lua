--- References of the ops that choose and move elements.
local array = require "spec.support.array"

local ref = {}

local function copy_list(list) return table.move(list, 1, #list, 1, {}) end

-- ---- joining, padding, picking ----

local function widest(list)
  local type = "uint8"
  for _, x in ipairs(list) do
    if x.dtype == "float32" then return "float32" end
    if x.dtype == "int64" then type = "int64" end
  end
  return type
end

function ref.cat(list, axis)
  axis = array.axis(list[1], axis or 1)
  local shape = copy_list(list[1].shape)
  for i = 2, #list do shape[axis] = shape[axis] + list[i].shape[axis] end
  local y = array.new(shape, 0, widest(list))
  for index, i in array.each(shape) do
    local from = 1
    while index[axis] > list[from].shape[axis] do
      index[axis] = index[axis] - list[from].shape[axis]
      from = from + 1
    end
    y[i] = list[from][array.place(list[from].shape, index)]
  end
  return y
end

function ref.pad(x, margins, value)
  local rank, shape, before = #x.shape, copy_list(x.shape), {}
  for i, pair in ipairs(margins) do
    local axis = rank - #margins + i
    local first = type(pair) == "table" and pair[1] or pair
    local last = type(pair) == "table" and pair[2] or pair
    before[axis] = first
    shape[axis] = x.shape[axis] + first + last
  end
  local y = array.new(shape, value or 0, x.dtype)
  for index, i in array.each(x.shape) do
    for axis = 1, rank do index[axis] = index[axis] + (before[axis] or 0) end
    y[array.place(shape, index)] = x[i]
  end
  return y
end

local function as_list(value) return type(value) == "table" and value or {value} end

function ref.flip(x, axes)
  local reversed = {}
  for _, axis in ipairs(as_list(axes)) do reversed[array.axis(x, axis)] = true end
  return array.rearrange(x, x.shape, function(index)
    for axis in pairs(reversed) do index[axis] = x.shape[axis] + 1 - index[axis] end
    return index
  end)
end

function ref.gather(x, axis, index)
  axis = array.axis(x, axis)
  local y = array.new(index.shape, 0, x.dtype)
  for at, i in array.each(index.shape) do
    at[axis] = index[i]
    y[i] = x[array.place(x.shape, at)]
  end
  return y
end

function ref.index_select(x, axis, index)
  axis = array.axis(x, axis)
  local shape = copy_list(x.shape)
  shape[axis] = index.shape[1]
  return array.rearrange(x, shape, function(at)
    at[axis] = index[at[axis]]
    return at
  end)
end

function ref.one_hot(index, classes)
  local shape = copy_list(index.shape)
  shape[#shape + 1] = classes
  local y = array.new(shape, 0)
  for i = 1, #index do y[(i - 1) * classes + index[i]] = 1 end
  return y
end

function ref.nonzero(x)
  local rows, count = {}, 0
  for index, i in array.each(x.shape) do
    if x[i] ~= 0 then
      count = count + 1
      for _, position in ipairs(index) do rows[#rows + 1] = position end
    end
  end
  return array.from({count, #x.shape}, rows, "int64")
end

-- Insertion sort keeps the order of equals; NaN comes after everything.
local function goes_before(a, b, descending)
  if a ~= a or b ~= b then
    if descending then return a ~= a and b == b end
    return b ~= b and a == a
  end
  if descending then return a > b end
  return a < b
end

local function sorted_positions(line, descending)
  local positions = {}
  for k = 1, #line do
    local at = k
    while at > 1 and goes_before(line[k], line[positions[at - 1]], descending) do
      positions[at] = positions[at - 1]
      at = at - 1
    end
    positions[at] = k
  end
  return positions
end

function ref.sort(x, options)
  options = options or {}
  local axis, dtype = array.axis(x, options.dim or -1), x.dtype == "float32" and "float32" or "int64"
  local values, places = array.new(x.shape, 0, dtype), array.new(x.shape, 0, "int64")
  for index, i in array.each(x.shape) do
    if index[axis] == 1 then
      local line, step = {}, 1
      for k = axis + 1, #x.shape do step = step * x.shape[k] end
      for k = 1, x.shape[axis] do line[k] = x[i + (k - 1) * step] end
      for k, from in ipairs(sorted_positions(line, options.descending)) do
        values[i + (k - 1) * step], places[i + (k - 1) * step] = line[from], from
      end
    end
  end
  return values, places
end

-- ---- views ----

function ref.reshape(x, shape)
  shape = copy_list(shape)
  local known = 1
  for _, size in ipairs(shape) do known = size == -1 and known or known * size end
  for axis, size in ipairs(shape) do
    if size == -1 then shape[axis] = array.numel(x.shape) // known end
  end
  return array.from(shape, x, x.dtype)
end

function ref.flatten(x, first, last)
  if #x.shape == 0 then return ref.reshape(x, {1}) end
  first, last = array.axis(x, first or 1), array.axis(x, last or -1)
  local shape, product = {}, 1
  for axis = 1, first - 1 do shape[axis] = x.shape[axis] end
  for axis = first, last do product = product * x.shape[axis] end
  shape[first] = product
  for axis = last + 1, #x.shape do shape[#shape + 1] = x.shape[axis] end
  return ref.reshape(x, shape)
end

function ref.permute(x, axes)
  local shape = {}
  for i, axis in ipairs(axes) do shape[i] = x.shape[array.axis(x, axis)] end
  return array.rearrange(x, shape, function(index)
    local from = {}
    for i, axis in ipairs(axes) do from[array.axis(x, axis)] = index[i] end
    return from
  end)
end

function ref.transpose(x, a, b)
  local axes = {}
  for axis = 1, #x.shape do axes[axis] = axis end
  a, b = array.axis(x, a), array.axis(x, b)
  axes[a], axes[b] = axes[b], axes[a]
  return ref.permute(x, axes)
end

function ref.narrow(x, axis, start, length)
  axis = array.axis(x, axis)
  local shape = copy_list(x.shape)
  if start < 0 then start = x.shape[axis] + 1 + start end
  shape[axis] = length
  return array.rearrange(x, shape, function(index)
    index[axis] = index[axis] + start - 1
    return index
  end)
end

local function drop_axes(x, dropped)
  local shape = {}
  for axis, size in ipairs(x.shape) do
    if not dropped[axis] then shape[#shape + 1] = size end
  end
  return ref.reshape(x, shape)
end

function ref.select(x, axis, position)
  axis = array.axis(x, axis)
  return drop_axes(ref.narrow(x, axis, position, 1), {[axis] = true})
end

function ref.squeeze(x, axes)
  local dropped = {}
  for axis, size in ipairs(x.shape) do dropped[axis] = not axes and size == 1 end
  for _, axis in ipairs(as_list(axes)) do dropped[array.axis(x, axis)] = x.shape[array.axis(x, axis)] == 1 end
  return drop_axes(x, dropped)
end

function ref.unsqueeze(x, axis)
  local shape = copy_list(x.shape)
  table.insert(shape, axis > 0 and axis or #shape + 2 + axis, 1)
  return ref.reshape(x, shape)
end

function ref.expand(x, shape)
  shape = copy_list(shape)
  for axis, size in ipairs(shape) do
    if size == -1 then shape[axis] = x.shape[axis - #shape + #x.shape] end
  end
  return array.broadcast_to(x, shape)
end

return ref
