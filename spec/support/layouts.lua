--- Ways for the same elements to lie in memory: layouts[name](array) is a tensor.
local array = require "spec.support.array"

local layouts = {}

function layouts.dense(a) return array.to_tensor(a) end

local function reversed(list)
  local result = {}
  for i = 1, #list do result[i] = list[#list + 1 - i] end
  return result
end

--- The first axis fastest.
function layouts.transposed(a)
  if #a.shape < 2 then return layouts.spaced(a) end
  local order = {}
  for axis = 1, #a.shape do order[axis] = #a.shape + 1 - axis end
  local memory = array.rearrange(a, reversed(a.shape), function(index) return reversed(index) end)
  return array.to_tensor(memory):permute(order)
end

local junk = {float32 = 0 / 0, int64 = math.mininteger, uint8 = 255}

--- Every second element of a longer memory, and not from its beginning. What lies between must not be read.
function layouts.spaced(a)
  if #a.shape == 8 then return layouts.dense(a) end -- there is no ninth axis
  local shape = {(a.shape[1] or 1) + 1, table.unpack(a.shape, 2)}
  shape[#shape + 1] = 2
  local skipped = array.numel(shape) - 2 * array.numel(a.shape)
  local memory = array.new(shape, junk[a.dtype], a.dtype)
  for i = 1, array.numel(a.shape) do memory[skipped + 2 * i] = a[i] end
  local tensor = array.to_tensor(memory):select(-1, 2)
  if #a.shape == 0 then return tensor:select(1, 2) end
  return tensor:narrow(1, 2, a.shape[1])
end

--- The first axis longer than 1 repeated by a stride of 0: only for arrays that are the same all along it (see flat).
function layouts.expanded(a)
  local axis = layouts.first_long_axis(a)
  if not axis then return array.to_tensor(a) end
  return array.to_tensor(a):narrow(axis, 1, 1):expand(a.shape)
end

--- nil where no axis is longer than 1 or there are no elements.
function layouts.first_long_axis(a)
  if array.numel(a.shape) == 0 then return nil end
  for axis, size in ipairs(a.shape) do
    if size > 1 then return axis end
  end
end

--- The array made the same along its first axis longer than 1.
function layouts.flat(a)
  local axis = layouts.first_long_axis(a)
  if not axis then return a end
  local flat = array.rearrange(a, a.shape, function(index)
    index[axis] = 1
    return index
  end)
  flat.constant = a.constant
  return flat
end

return layouts
