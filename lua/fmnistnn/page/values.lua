--- The numbers and names that charts are given: lists, in which nil is a gap, or tensors of one axis.
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local values = {}

-- The largest position in a list that may have gaps; refuses other keys.
local function length_of(who, given)
  local count = 0
  for key in pairs(given) do
    if math.type(key) ~= "integer" or key < 1 then
      refuse("%s: expected a list, got the key %s", who, tostring(key))
    end
    count = math.max(count, key)
  end
  return count
end

local function refuse_kind(who, expected, value)
  refuse("%s: expected %s, got %s", who, expected, type(value) == "string" and ("string '%s'"):format(value)
    or type(value))
end

-- The list, and its length; `allowed` says by type what may be in it.
local function list(who, given, expected, allowed)
  if core.is_tensor(given) then
    options.input(who, given, "a tensor of one axis", 1, 1)
    return given:totable(), #given
  end
  if type(given) ~= "table" then refuse_kind(who, "a list of " .. expected, given) end
  local count = length_of(who, given)
  for i = 1, count do
    local each = given[i]
    if each ~= nil and not allowed[type(each)] then refuse_kind(("%s: %d"):format(who, i), expected, each) end
  end
  return given, count
end

--- A list without gaps of whatever `who` checks next.
function values.items(who, given)
  if type(given) ~= "table" then refuse_kind(who, "a list", given) end
  local count = length_of(who, given)
  for i = 1, count do
    if given[i] == nil then refuse("%s: there is no %d", who, i) end
  end
  return given, count
end

--- A list of numbers and its length.
function values.numbers(who, given) return list(who, given, "numbers", {number = true}) end

--- A list of numbers, or of names on an axis of categories.
function values.places(who, given)
  return list(who, given, "numbers or names", {number = true, string = true, boolean = true})
end

--- A list of texts; numbers among them become texts. There are none where `given` is nil.
function values.texts(who, given)
  local texts, items, count = {}, list(who, given or {}, "texts", {number = true, string = true})
  for i = 1, count do texts[i] = items[i] ~= nil and tostring(items[i]) or "" end
  return texts, count
end

--- Refuses lists of different lengths: `counts` has {name, length} pairs, the first of which the others must equal.
function values.same_length(who, first, ...)
  for _, other in ipairs {...} do
    if other[2] ~= first[2] then
      refuse("%s: %s: expected %d, one for each of %s, got %d", who, other[1], first[2], first[1], other[2])
    end
  end
end

return values
