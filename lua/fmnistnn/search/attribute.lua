--- What users keep with a study or a trial: values of JSON under names.
local json = require "fmnistnn.json"
local refuse = require "fmnistnn.refuse"

local attribute = {}

--- Nothing when every storage can keep a string as a name; else what was expected and what it is.
function attribute.name_fault(text)
  if text == "" then return "expected a text, got an empty one" end
  if utf8.len(text) and not text:find("\0", 1, true) then return nil end
  return ("expected a text of UTF-8 without zero bytes, got %q"):format(text)
end

--- Raises, at the line that called `who`, unless a name and a value can be kept in every storage.
function attribute.check(who, name, value)
  if type(name) ~= "string" then refuse("%s: name: expected a string, got %s", who, type(name)) end
  local fault = attribute.name_fault(name)
  if fault then refuse("%s: name: %s", who, fault) end
  local ok, text = pcall(json.encode, value)
  if not ok then refuse("%s: %s", who, text) end
  if not utf8.len(text) then refuse("%s: expected texts of UTF-8", who) end
end

--- A copy of a value, with all tables in it: what is kept does not change with what its maker or reader does later.
function attribute.copy(value)
  if type(value) ~= "table" or value == json.null then return value end
  local copy = setmetatable({}, getmetatable(value))
  for key, each in pairs(value) do copy[key] = attribute.copy(each) end
  return copy
end

return attribute
