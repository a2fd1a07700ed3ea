--- tostring of a tensor, as NumPy 2.4 prints an array (numpy/_core/arrayprint.py, str()): columns aligned, up to eight
-- digits, long tensors with their middle left out.
local decimal = require "fmnistnn.decimal"

local EDGE, THRESHOLD, WIDTH, PRECISION = 3, 1000, 75, 8
local LARGE, SMALL = 1e6, 1e-4 -- numbers of this size and above, or below, get an exponent

local function to_float32(x) return (string.unpack("f", string.pack("f", x))) end

-- The shortest decimal that reads back as this float32: 1.25 is "1.25e+00".
local function shortest(x)
  for digits = 1, 9 do
    local text = decimal("%." .. digits - 1 .. "e", x)
    if to_float32(tonumber(text)) == x then return text end
  end
  return decimal("%.8e", x)
end

local function special(x)
  if x ~= x then return "nan" end
  return x > 0 and "inf" or "-inf"
end

local function is_finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

-- The number of decimals that the shortest decimal has when it is written without an exponent.
local function decimals_of(x)
  local mantissa, exponent = shortest(x):match("^(.-)e(.+)$")
  local digits = #mantissa:gsub("[^%d]", "")
  return math.max(0, digits - 1 - tonumber(exponent))
end

-- 1.5 as "1.5", 2 as "2.": at most `most` digits after the point, no zeros at the end.
local function positional(x, most)
  local text = decimal("%." .. math.min(most, decimals_of(x)) .. "f", x)
  if not text:find(".", 1, true) then return text .. "." end
  return (text:gsub("0+$", ""))
end

-- The parts of 1.5e+00; with these many decimals, or as many as the shortest decimal has.
local function scientific(x, decimals)
  local text = decimals and decimal("%." .. decimals .. "e", x) or shortest(x)
  return text:match("^(-?%d+)%.?(%d*)(e.+)$")
end

local function widest(list)
  local width = 0
  for _, text in ipairs(list) do width = math.max(width, #text) end
  return width
end

local function pad(text, width) return (" "):rep(width - #text) .. text end

local function needs_exponent(values)
  local largest, smallest = 0, math.huge
  for _, x in ipairs(values) do
    if is_finite(x) and x ~= 0 then
      largest, smallest = math.max(largest, math.abs(x)), math.min(smallest, math.abs(x))
    end
  end
  -- NumPy compares in float32
  return largest >= LARGE or (largest > 0 and (smallest < to_float32(SMALL) or to_float32(largest / smallest) > 1000))
end

-- A function that writes each of these floats at one width.
local function float_writer(values)
  local whole, fraction = {""}, {""}
  local exponential = needs_exponent(values)
  for _, x in ipairs(values) do
    if is_finite(x) then
      if exponential then
        whole[#whole + 1], fraction[#fraction + 1] = scientific(x)
      else
        whole[#whole + 1], fraction[#fraction + 1] = positional(x, PRECISION):match("^(.-)%.(.*)$")
      end
    end
  end
  local left, right = widest(whole), widest(fraction)
  local tail = exponential and right + 5 or right + 1 -- the point, and the exponent
  for _, x in ipairs(values) do
    if not is_finite(x) then left = math.max(left, #special(x) - tail) end
  end
  return function(x)
    if not is_finite(x) then return pad(special(x), left + tail) end
    if exponential then
      local w, f, e = scientific(x, right)
      return pad(w, left) .. "." .. f .. e
    end
    local w, f = positional(x, PRECISION):match("^(.-)%.(.*)$")
    return pad(w, left) .. "." .. f .. (" "):rep(right - #f)
  end
end

local function integer_writer(values)
  local texts = {}
  for i, x in ipairs(values) do texts[i] = ("%d"):format(x) end
  local width = widest(texts)
  return function(x) return pad(("%d"):format(x), width) end
end

-- The elements that will be printed, as nested tables; a gap is marked by false.
local function visible(tensor, summarize, collected)
  if tensor:dim() == 0 then
    local x = tensor:item()
    collected[#collected + 1] = x
    return x
  end
  local rows, size = {}, #tensor
  local gap = summarize and size > 2 * EDGE
  local i = 1
  while i <= size do
    if gap and i == EDGE + 1 then
      rows[#rows + 1] = false
      i = size - EDGE + 1
    end
    rows[#rows + 1] = visible(tensor:select(1, i), summarize, collected)
    i = i + 1
  end
  return rows
end

local function write_row(row, write, indent, width)
  local lines, line = {}, indent
  for i, x in ipairs(row) do
    local word = x == false and "..." or write(x)
    if #line + #word > width and #line > #indent then
      lines[#lines + 1] = line:gsub("%s+$", "")
      line = indent
    end
    line = line .. word .. (i < #row and " " or "")
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n"):sub(#indent + 1)
end

local function write_nested(rows, depth, write, indent, width)
  if depth == 1 then return "[" .. write_row(rows, write, indent, width - 1) .. "]" end
  local parts = {}
  for i, row in ipairs(rows) do
    parts[i] = (i > 1 and indent or "")
      .. (row == false and "..." or write_nested(row, depth - 1, write, indent .. " ", width - 1))
  end
  return "[" .. table.concat(parts, ("\n"):rep(depth - 1)) .. "]"
end

-- A single number, by itself: all its digits.
local function write_number(x)
  if math.type(x) == "integer" then return ("%d"):format(x) end
  if not is_finite(x) then return special(x) end
  if x ~= 0 and (math.abs(x) >= LARGE or math.abs(x) < SMALL) then return shortest(x) end
  return (positional(x, math.huge):gsub("%.$", ".0"))
end

return function(tensor)
  local values = {}
  local plain = tensor:detach()
  if tensor:numel() == 0 then return "[]" end -- however many rows of nothing there are
  local rows = visible(plain, tensor:numel() > THRESHOLD, values)
  if tensor:dim() == 0 then return write_number(rows) end
  local write = tensor.dtype == "float32" and float_writer(values) or integer_writer(values)
  return write_nested(rows, tensor:dim(), write, " ", WIDTH)
end
