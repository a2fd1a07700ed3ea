--- CSV (RFC 4180).
local json = require "fmnistnn.json"

local csv = {}

local function cell(value, separator)
  if value == nil then return "" end
  if math.type(value) == "float" and value - value == 0 then return json.encode(value) end -- to the last digit
  local text = tostring(value)
  if text:find('["\r\n]') or text:find(separator, 1, true) then text = '"' .. text:gsub('"', '""') .. '"' end
  return text
end

--- A line, without its end, of the first `count` elements of a list: texts, numbers, booleans, and nil for nothing.
-- separator ",".
function csv.line(list, count, separator)
  local cells = {}
  separator = separator or ","
  for i = 1, count do cells[i] = cell(list[i], separator) end
  return table.concat(cells, separator)
end

return csv
