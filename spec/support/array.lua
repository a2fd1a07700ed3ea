--- Arrays for the references: {shape = {2, 3}, dtype = "float32", x1 ... x6}, the last axis fastest. Floats are Lua's
-- doubles. Nothing of the library is used but to go from arrays to tensors and back.
local core = require "fmnistnn.core"

local array = {}

function array.numel(shape)
  local product = 1
  for _, size in ipairs(shape) do product = product * size end
  return product
end

--- An array whose elements are a number, or what a function gives for the positions 1 .. numel.
function array.new(shape, value, dtype)
  local a = {shape = table.move(shape, 1, #shape, 1, {}), dtype = dtype or "float32"}
  for i = 1, array.numel(shape) do
    if type(value) == "function" then a[i] = value(i) else a[i] = value end
  end
  return a
end

--- An array of the elements of a list.
function array.from(shape, list, dtype)
  return array.new(shape, function(i) return list[i] end, dtype)
end

function array.copy(a)
  return array.new(a.shape, function(i) return a[i] end, a.dtype)
end

function array.is_array(value) return type(value) == "table" and value.shape ~= nil end

--- A number as an array without axes; arrays as they are.
function array.wrap(value)
  if array.is_array(value) then return value end
  return array.from({}, {value}, math.type(value) == "integer" and "int64" or "float32")
end

--- Where the element at an index (1-based, one number an axis) stands.
function array.place(shape, index)
  local place = 0
  for axis, size in ipairs(shape) do place = place * size + index[axis] - 1 end
  return place + 1
end

--- All indices of a shape in order, with their places: for index, i in array.each(shape). The index is one table,
-- written anew each time.
function array.each(shape)
  local count, i, index = array.numel(shape), 0, {}
  return function()
    if i == count then return nil end
    local rest = i
    for axis = #shape, 1, -1 do
      index[axis] = rest % shape[axis] + 1
      rest = rest // shape[axis]
    end
    i = i + 1
    return index, i
  end
end

--- The array of shape `shape` whose element at an index is a[from(index)].
function array.rearrange(a, shape, from)
  local y = array.new(shape, 0, a.dtype)
  for index, i in array.each(shape) do y[i] = a[array.place(a.shape, from(index))] end
  return y
end

--- An axis counted from 1 or from the end (-1), as a number from 1.
function array.axis(a, axis) return axis > 0 and axis or #a.shape + 1 + axis end

--- The shape that two shapes broadcast to.
function array.broadcast_shape(a, b)
  local shape, rank = {}, math.max(#a, #b)
  for axis = 1, rank do
    local size_a, size_b = a[axis - rank + #a] or 1, b[axis - rank + #b] or 1
    shape[axis] = size_a == 1 and size_b or size_a
  end
  return shape
end

--- The array repeated to a shape that it broadcasts to.
function array.broadcast_to(a, shape)
  local added = #shape - #a.shape
  return array.rearrange(a, shape, function(index)
    local own = {}
    for axis, size in ipairs(a.shape) do own[axis] = size == 1 and 1 or index[axis + added] end
    return own
  end)
end

-- ---- tensors ----

local formats = {float32 = "<f", int64 = "<i8", uint8 = "<B"}

function array.to_tensor(a)
  local bytes = {}
  for i = 1, array.numel(a.shape) do bytes[i] = string.pack(formats[a.dtype], a[i]) end
  return core.frombytes(table.concat(bytes), a.shape, a.dtype)
end

function array.of(tensor)
  local bytes, format, at = tensor:tobytes(), formats[tensor.dtype], 1
  return array.new(tensor.shape, function()
    local value
    value, at = string.unpack(format, bytes, at)
    return value
  end, tensor.dtype)
end

return array
