--- CSV (RFC 4180).
local json = require "fmnistnn.json"

local csv = {}

local function cell(value, separator)
  if value == nil then return "" end
  local is_finite = math.type(value) == "float" and value - value == 0
  local text = is_finite and json.encode(value) or tostring(value) -- to the last digit
  if value ~= value then text = "nan" end -- which may have a sign
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

-- The cell that begins at a place of a text, and the place after it.
local function read_cell(text, at, separator)
  local pieces, piece, after = {}, text:match('^"([^"]*)"()', at)
  if not piece then return text:match("^([^\r\n" .. separator:gsub("%W", "%%%0") .. "]*)()", at) end
  repeat
    pieces[#pieces + 1], at = piece, after
    piece, after = text:match('^"([^"]*)"()', at)
  until not piece
  return table.concat(pieces, '"'), at
end

--- The cells of a text's first line as texts, without the quotes that csv.line gave them.
function csv.first(text, separator)
  local cells, at = {}, 0
  repeat
    cells[#cells + 1], at = read_cell(text, at + 1, separator)
  until text:sub(at, at) ~= separator
  return cells
end

return csv
