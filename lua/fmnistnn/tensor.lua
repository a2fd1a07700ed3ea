--- Methods of tensors that are made of others. The ops themselves are in csrc/ops.
local core = require "fmnistnn.core"
local refuse = require "fmnistnn.refuse"

core.set_library(debug.getinfo(1, "S").source:match("^(.*/)[^/]*$")) -- whose lines no error of misuse names

local Tensor = {} -- the methods of this file; the end of it adds them to those of the core

-- ---- fields and types ----

--- The sizes as a table, or one of them.
function Tensor:size(dim)
  if dim == nil then return self.shape end
  local rank = self:dim()
  if math.type(dim) ~= "integer" or dim == 0 or dim > rank or dim < -rank then
    refuse("size: dim: expected 1..%d or -%d..-1, got %s", rank, rank, tostring(dim))
  end
  return self.shape[dim > 0 and dim or dim + rank + 1]
end

function Tensor:float() return self.dtype == "float32" and self or self:to("float32") end
function Tensor:long() return self.dtype == "int64" and self or self:to("int64") end
function Tensor:byte() return self.dtype == "uint8" and self or self:to("uint8") end

--- Itself where its elements lie densely in memory, else a copy that does.
function Tensor:contiguous() return self:is_contiguous() and self or self:clone() end

--- Sets requires_grad (true unless told otherwise) and returns the tensor.
function Tensor:requires_grad_(value)
  self.requires_grad = value == nil or value
  return self
end

function Tensor:zero_() return self:fill_(0) end

-- ---- indexing ----

local function is_tensor(value) return core.is_tensor(value) end

-- One entry of an index list: an integer selects, {first, last} narrows (both included), {} takes all.
local function step_into(tensor, dim, entry)
  if math.type(entry) == "integer" then return tensor:select(dim, entry), dim end
  if type(entry) == "table" and #entry == 0 then return tensor, dim + 1 end
  if type(entry) == "table" and #entry == 2 then
    local first, last, size = entry[1], entry[2], tensor:size(dim)
    if math.type(first) == "integer" and math.type(last) == "integer" then
      local from, to = first < 0 and first + size + 1 or first, last < 0 and last + size + 1 or last
      if from >= 1 and to <= size and from <= to + 1 then return tensor:narrow(dim, from, to - from + 1), dim + 1 end
      refuse("index: axis %d has %d elements, got {%d, %d}", dim, size, first, last)
    end
  end
  refuse("index: axis %d: expected an integer, {first, last} or {}", dim)
end

-- The part of a tensor that an index list names: a view.
local function part(tensor, list)
  local dim = 1
  if #list > tensor:dim() then refuse("index: %d entries for a tensor of %d axes", #list, tensor:dim()) end
  for _, entry in ipairs(list) do tensor, dim = step_into(tensor, dim, entry) end
  return tensor
end

--- t[{2, {1, 3}, {}}], t[mask] and t[positions]. A list of integers, ranges and {} gives a view, or the number
-- when it names one element; a uint8 mask of the tensor's shape gives the elements where it is not 0; an
-- int64 vector gives these rows.
function Tensor:index(key)
  if is_tensor(key) then
    if key.dtype == "uint8" then return self:masked_select(key) end
    return self:index_select(1, key)
  end
  if type(key) ~= "table" then refuse("index: expected an integer, a list or a tensor, got %s", type(key)) end
  local view = part(self, key)
  if view:dim() == 0 and #key > 0 then return view:item() end
  return view
end

-- The elements that a mask names become those of a tensor, which broadcasts; the others stay as they are.
local function assign_masked(self, mask, value)
  if mask.dtype ~= "uint8" then
    refuse("assign: expected an integer, a list or a mask, got a tensor of %s", mask.dtype)
  end
  return self:copy_(core.ops.where(mask, value:to(self.dtype), self))
end

--- t[key] = value, for the same keys as index and for integers; the value is a number, a table or a tensor, and
-- broadcasts. A number or a table must be what the tensor's type can hold; a tensor is converted.
function Tensor:assign(key, value)
  local is_mask = is_tensor(key)
  local place = not is_mask and (type(key) == "table" and part(self, key) or self:select(1, key))
  if type(value) == "number" or type(value) == "boolean" then
    if not is_mask then return place:fill_(value) end
    value = core.full({}, 0, self.dtype):fill_(value)
  elseif type(value) == "table" then
    value = core.from_table(value, self.dtype)
  end
  if not is_tensor(value) then refuse("assign: expected a number, a table or a tensor, got %s", type(value)) end
  if is_mask then return assign_masked(self, key, value) end
  return place:copy_(value)
end

--- The elements where a mask of the same shape is not 0, as a vector.
function Tensor:masked_select(mask)
  if not is_tensor(mask) then refuse("masked_select: mask: expected a tensor, got %s", type(mask)) end
  local same = #mask.shape == #self.shape
  for i, size in ipairs(self.shape) do same = same and mask.shape[i] == size end
  if not same then
    refuse("masked_select: mask: expected shape (%s), got (%s)", table.concat(self.shape, ","),
      table.concat(mask.shape, ","))
  end
  local positions = mask:flatten():nonzero()
  return self:flatten():index_select(1, positions:flatten())
end

--- A copy with `value` where the mask is not 0.
function Tensor:masked_fill(mask, value) return core.ops.where(mask, value, self) end

-- ---- joining and taking apart ----

--- stack(tensors, dim): tensors of one shape along a new axis.
function Tensor.stack(tensors, dim)
  if type(tensors) ~= "table" or #tensors == 0 then refuse("stack: expected a list of tensors") end
  local raised = {}
  for i, tensor in ipairs(tensors) do
    if not is_tensor(tensor) then refuse("stack: number %d: expected a tensor, got %s", i, type(tensor)) end
    raised[i] = tensor:unsqueeze(dim or 1)
  end
  return core.ops.cat(raised, dim or 1)
end

--- split(length, dim): views of this length along an axis, the last one maybe shorter; split({2, 3}, dim): of these
-- lengths.
function Tensor:split(length, dim)
  dim = dim or 1
  local size, parts, start = self:size(dim), {}, 1
  local lengths = length
  if math.type(length) == "integer" and length > 0 then
    lengths = {}
    for first = 1, size, length do lengths[#lengths + 1] = math.min(length, size - first + 1) end
  elseif type(length) ~= "table" then
    refuse("split: expected a length of 1 or more or a list of lengths, got %s", tostring(length))
  end
  for i, each in ipairs(lengths) do
    parts[i] = self:narrow(dim, start, each)
    start = start + each
  end
  if start ~= size + 1 then refuse("split: the lengths add up to %d, the axis has %d", start - 1, size) end
  return parts
end

--- chunk(count, dim): about `count` equal parts.
function Tensor:chunk(count, dim)
  if math.type(count) ~= "integer" or count < 1 then refuse("chunk: count: expected an integer of 1 or more") end
  return self:split(math.max(1, -(-self:size(dim or 1) // count)), dim)
end

-- The tensor repeated along one axis: (outer, inner) becomes (outer, times, inner).
local function repeat_along(tensor, dim, times)
  local shape, outer, inner = tensor.shape, 1, 1
  for i, size in ipairs(shape) do
    if i < dim then outer = outer * size else inner = inner * size end
  end
  shape[dim] = shape[dim] * times
  return tensor:reshape(outer, 1, inner):expand(outer, times, inner):reshape(shape)
end

--- tile(2, 3): the tensor repeated along its axes; more numbers than axes add axes in front.
function Tensor:tile(...)
  local times = type((...)) == "table" and (...) or {...}
  local shape, result = self.shape, self
  for _, each in ipairs(times) do
    if math.type(each) ~= "integer" or each < 0 then
      refuse("tile: times: expected integers of 0 or more, got %s", tostring(each))
    end
  end
  if #times > #shape then
    for _ = #shape + 1, #times do table.insert(shape, 1, 1) end
    result = self:reshape(shape)
  end
  for i, each in ipairs(times) do
    if each ~= 1 then result = repeat_along(result, #shape - #times + i, each) end
  end
  return result
end

-- ---- mathematics ----

--- The exchange of the last two axes of a matrix (or stack of them).
function Tensor:t() return self:transpose(-1, -2) end

-- The square root, with the gradient 0 where x is 0: where all that x is made of is, no direction is the steepest.
local function root(x)
  local zero = x:eq(0)
  return core.ops.where(zero, 0, core.ops.where(zero, 1, x):sqrt())
end

--- Standard deviation: the square root of var, with the same arguments. Its gradient is 0 where it is 0.
function Tensor:std(...) return root(self:var(...)) end

--- topk(k, dim, {largest = true}): the k largest (smallest) elements along an axis in order, and their positions.
function Tensor:topk(k, dim, options)
  dim = dim or -1
  local size = self:size(dim)
  if math.type(k) ~= "integer" or k < 0 or k > size then
    refuse("topk: k: expected an integer of 0..%d, got %s", size, tostring(k))
  end
  local o = require "fmnistnn.options".check("topk", options, {{"largest", "boolean", default = true}})
  local values, positions = self:sort(dim, o.largest)
  return values:narrow(dim, 1, k), positions:narrow(dim, 1, k)
end

--- The Euclidean norm: the square root of the sum of the squares, with the arguments of sum. Its gradient is 0 where it
-- is 0.
function Tensor:norm(...) return root(self:square():sum(...)) end

function Tensor:tostring() return require "fmnistnn.format"(self) end

-- As functions of the module (fnn.tile) they may be given anything.
local function checked(name, method)
  return function(self, ...)
    if not is_tensor(self) then refuse("%s: expected a tensor, got %s", name, type(self)) end
    return method(self, ...)
  end
end

for name, method in pairs(Tensor) do
  core.methods[name] = name == "stack" and method or checked(name, method)
end

return core.methods
