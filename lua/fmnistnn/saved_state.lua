--- The state of what changes from step to step (optimizers, averages of weights) as plain tables that can be written
-- to a file: {numbers = a number by name, tensors = a tensor by name}.
--
-- Whose state it is says what it consists of: own.numbers[name] = {table, key}, where the number stands, with
-- "integer" as a third element where it must be one and optional = true where there may be none, and own.tensors[name]
-- = tensor.
local core = require "fmnistnn.core"
local refuse = require "fmnistnn.refuse"

local saved_state = {}

local function sorted_names(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

-- Raises unless a table has exactly the names of another.
local function check_names(who, what, given, own)
  if type(given) ~= "table" then
    refuse("%s: %s: expected a table by name, got %s", who, what, type(given))
  end
  for _, name in ipairs(sorted_names(own)) do
    local optional = what == "numbers" and own[name].optional
    if given[name] == nil and not optional then
      local there = sorted_names(given)
      local list = #there == 0 and "none" or table.concat(there, ", ", 1, math.min(#there, 8))
      refuse("%s: %s: expected %s, which is missing; there are %s", who, what, name, list)
    end
  end
  for _, name in ipairs(sorted_names(given)) do
    if own[name] == nil then refuse("%s: %s: there is no place for %s", who, what, name) end
  end
end

-- A number as its place takes it, or nil: integers may come back from a file as floats.
local function as_kind(value, kind)
  if type(value) ~= "number" then return nil end
  if kind == "integer" then return math.tointeger(value) end
  return value
end

local function check_number(who, name, value, kind)
  if as_kind(value, kind) == nil then
    local expected = kind == "integer" and "an integer" or "a number"
    refuse("%s: numbers: %s: expected %s, got %s", who, name, expected, tostring(value))
  end
end

local function describe(tensor) return ("%s (%s)"):format(tensor.dtype, table.concat(tensor.shape, ",")) end

local function check_tensor(who, name, value, own)
  local got = core.is_tensor(value) and describe(value) or type(value)
  if got ~= describe(own) then refuse("%s: tensors: %s: expected %s, got %s", who, name, describe(own), got) end
end

--- A copy of the state, which later steps do not change.
function saved_state.copy(own)
  local numbers, tensors = {}, {}
  for name, place in pairs(own.numbers) do numbers[name] = place[1][place[2]] end
  for name, tensor in pairs(own.tensors) do tensors[name] = core.no_grad(tensor.clone, tensor) end
  return {numbers = numbers, tensors = tensors}
end

--- Raises, with `who` in the message, when names, shapes or types of a state do not fit.
function saved_state.check(who, given, own)
  if type(given) ~= "table" then refuse("%s: expected a table, got %s", who, type(given)) end
  check_names(who, "numbers", given.numbers, own.numbers)
  check_names(who, "tensors", given.tensors, own.tensors)
  for name, place in pairs(own.numbers) do
    local number = given.numbers[name]
    if number ~= nil or not place.optional then check_number(who, name, number, place[3]) end
  end
  for name, tensor in pairs(own.tensors) do check_tensor(who, name, given.tensors[name], tensor) end
end

--- Puts a state back, after that check: all is as it was when it raises.
function saved_state.restore(who, given, own)
  saved_state.check(who, given, own)
  for name, place in pairs(own.numbers) do place[1][place[2]] = as_kind(given.numbers[name], place[3]) end
  for name, tensor in pairs(own.tensors) do core.no_grad(tensor.copy_, tensor, given.tensors[name]) end
end

return saved_state
