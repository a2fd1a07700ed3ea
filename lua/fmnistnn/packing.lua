--- Plain values with tensors among them, as JSON and a list of tensors, exactly: what JSON does not know (NaN,
-- infinity, tensors, tables that are both list and record) is written as an object.
--
--   {list = {...}, fields = {...}, numbered = {["7"] = ...}}   a table: its list, and what else it has
--   {tensor = "name"}                a tensor, under that name in the list
--   {number = "nan"}                 also "inf", "-inf"
local core = require "fmnistnn.core"
local json = require "fmnistnn.json"

local packing = {}

local function pack_number(value)
  if value ~= value then return {number = "nan"} end
  if value == math.huge then return {number = "inf"} end
  if value == -math.huge then return {number = "-inf"} end
  return value
end

local pack

local function pack_table(value, where, tensors, outer)
  if outer[value] then error(where .. ": a table that contains itself cannot be saved", 0) end
  outer[value] = true
  local list, others, count = json.array(), {string = {}, integer = {}}, #value
  for i = 1, count do list[i] = pack(value[i], where .. "." .. i, tensors, outer) end
  for key, element in pairs(value) do
    local kind = math.type(key) or type(key)
    if not others[kind] then error(("%s: a table with the key %s cannot be saved"):format(where, tostring(key)), 0) end
    if kind == "string" or key < 1 or key > count then
      others[kind][tostring(key)] = pack(element, where .. "." .. key, tensors, outer)
    end
  end
  outer[value] = nil
  return {list = list, fields = others.string, numbered = others.integer}
end

function pack(value, where, tensors, outer)
  local kind = type(value)
  if kind == "string" or kind == "boolean" then return value end
  if kind == "number" then return pack_number(value) end
  if kind == "table" then return pack_table(value, where, tensors, outer) end
  if not core.is_tensor(value) then error(("%s: a %s cannot be saved"):format(where, kind), 0) end
  tensors[#tensors + 1] = {where, value}
  return {tensor = where}
end

--- What json.encode takes for a value; its tensors come to the end of the list `tensors`, as {name, tensor}. `where`
-- names the value in errors and begins the tensors' names. Raises for what cannot be saved.
function packing.pack(value, where, tensors) return pack(value, where, tensors, {}) end

local numbers = {nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge}

local DAMAGED = "its state is damaged"

-- Puts the elements of a table into another, with the keys that key_of(key) gives. Returns true, or nil and a message.
local function unpack_all(elements, into, key_of, tensors)
  if type(elements) ~= "table" then return nil, DAMAGED end
  for key, element in pairs(elements) do
    local own, ok, value = key_of(key), packing.unpack(element, tensors)
    if not ok then return nil, value end
    if own == nil then return nil, DAMAGED end
    into[own] = value
  end
  return true
end

local function itself(key) return key end

--- true and the value again, or nil and what is wrong with it. `tensors` are the tensors by name.
function packing.unpack(value, tensors)
  if type(value) ~= "table" then return true, value end
  if value.tensor ~= nil then
    local tensor = tensors[value.tensor]
    if tensor then return true, tensor end
    return nil, ("the tensor %s is missing"):format(tostring(value.tensor))
  end
  if value.number ~= nil then
    local number = numbers[value.number]
    return number and true, number or DAMAGED
  end
  local result = {}
  for _, part in ipairs {{value.list, itself}, {value.fields, itself}, {value.numbered, math.tointeger}} do
    local ok, message = unpack_all(part[1], result, part[2], tensors)
    if not ok then return nil, message end
  end
  return true, result
end

return packing
