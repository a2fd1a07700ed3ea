-- Files of results, as JSON, which has no number for what is not finite: null stands for it.
local fnn = require "fmnistnn"

local result_file = {}

local function replace(value, is_replaced, by)
  if is_replaced(value) then return by end
  if type(value) ~= "table" or value == fnn.json.null then return value end
  local list = (#value > 0 or fnn.json.is_array(value)) and fnn.json.array() or {}
  for key, each in pairs(value) do list[key] = replace(each, is_replaced, by) end
  return list
end

local function is_no_number(x) return type(x) == "number" and (x ~= x or math.abs(x) == math.huge) end

--- Writes a table of results; returns true, or nil and a message.
function result_file.write(path, value)
  return fnn.write_file(path, fnn.json.encode(replace(value, is_no_number, fnn.json.null), " ") .. "\n")
end

--- The results that a file has, with NaN for null; nil when there is no file. Raises when it cannot be read.
function result_file.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  local value, message = fnn.json.decode(text)
  if not value then error(("%s: %s"):format(path, message), 0) end
  return replace(value, function(each) return each == fnn.json.null end, 0 / 0)
end

--- In which of the `expected` settings those `found` with earlier results differ, as "epochs 5, not 3"; nil when in
--- none. Older versions did not keep all of them.
function result_file.difference(found, expected)
  for name, value in pairs(expected) do
    if found[name] ~= nil and found[name] ~= value then
      return ("%s %s, not %s"):format(name, tostring(found[name]), tostring(value))
    end
  end
end

return result_file
