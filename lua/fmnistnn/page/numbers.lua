--- Numbers as people and SVG read them, with a decimal point in every locale.
local decimal = require "fmnistnn.decimal"
local json = require "fmnistnn.json"
local refuse = require "fmnistnn.refuse"

local numbers = {}

function numbers.is_finite(x) return type(x) == "number" and x == x and x ~= math.huge and x ~= -math.huge end

numbers.LARGEST = 1e250 -- that axes reach to, and its inverse where they are logarithmic: arithmetic needs room

--- Whether axes reach to a number.
function numbers.is_drawable(x) return type(x) == "number" and x >= -numbers.LARGEST and x <= numbers.LARGEST end

local function without_zeros(text) return text:find(".", 1, true) and text:gsub("0+$", ""):gsub("%.$", "") or text end

--- A coordinate, rounded to tenths.
function numbers.coordinate(x)
  assert(numbers.is_finite(x), "a coordinate must be finite")
  local text = without_zeros(decimal("%.1f", x))
  return text == "-0" and "0" or text
end

local function special(x)
  if x ~= x then return "NaN" end
  return x > 0 and "inf" or "-inf"
end

--- The shortest decimal that reads back as this number.
function numbers.exact(x)
  if not numbers.is_finite(x) then return special(x) end
  return (json.encode(x):gsub("%.0$", ""))
end

--- The same of what may be a name, or nothing.
function numbers.exact_or_text(x) return type(x) == "number" and numbers.exact(x) or x ~= nil and tostring(x) or "" end

local function with_thousands(text)
  local sign, whole, rest = text:match("^(-?)(%d+)(.*)$")
  if #whole < 5 then return text end
  return sign .. whole:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "") .. rest
end

--- With so many decimals; "12,345" from five digits on.
function numbers.fixed(x, decimals)
  if not numbers.is_finite(x) then return special(x) end
  local text = decimal("%." .. decimals .. "f", x)
  if text:find("^%-[0.]*$") then text = text:sub(2) end
  return with_thousands(text)
end

-- How many decimals four significant digits take.
local function decimals_of(x)
  local rounded = tonumber((decimal("%.3e", x)))
  for decimals = 0, 8 do
    if math.abs(tonumber((decimal("%." .. decimals .. "f", rounded))) - rounded) <= math.abs(rounded) * 1e-9 then
      return decimals
    end
  end
  return 8
end

-- With an exponent, and at most so many decimals before it.
local function exponential(x, decimals)
  local mantissa, sign, exponent = decimal("%." .. decimals .. "e", x):match("^(.-)e([+-])0*(%d+)$")
  return without_zeros(mantissa) .. "e" .. (sign == "-" and "-" or "") .. exponent
end

--- Four significant digits, whole numbers with all of theirs; with an exponent from 1e6 on and below 1e-4.
function numbers.short(x)
  if not numbers.is_finite(x) then return special(x) end
  local size = math.abs(x)
  if size ~= 0 and (size < 1e-4 or size >= 1e6 and (x % 1 ~= 0 or size >= 1e9)) then return exponential(x, 3) end
  return x % 1 == 0 and numbers.fixed(x, 0) or numbers.fixed(x, decimals_of(x))
end

--- A function that writes the numbers between low and high so that those a step apart differ.
function numbers.stepwise(low, high, step)
  local largest = math.max(math.abs(low), math.abs(high))
  local decimals = math.max(0, math.ceil(-math.log(step, 10) - 1e-9))
  if step >= 1e-5 and largest < 1e6 then return function(x) return numbers.fixed(x, decimals) end end
  if largest <= 1000 * step then return numbers.short end -- four digits are enough
  if largest >= 1e-4 and largest < 1e15 then return function(x) return numbers.fixed(x, decimals) end end
  local digits = math.ceil(math.log(largest / step, 10))
  return function(x) return x == 0 and "0" or exponential(x, digits) end
end

--- A function that writes two numbers so that they differ: short, where that is enough.
function numbers.between(low, high)
  if low == high or numbers.short(low) ~= numbers.short(high) then return numbers.short end
  return numbers.stepwise(low, high, (high - low) / 100)
end

--- A function that writes the numbers of a column alike: with as many decimals as any of them has of four significant
-- digits. Numbers of very different sizes are each written by itself.
function numbers.column(list)
  local smallest, largest, decimals = math.huge, 0, 0
  for _, x in ipairs(list) do
    if numbers.is_finite(x) and x ~= 0 then
      smallest, largest = math.min(smallest, math.abs(x)), math.max(largest, math.abs(x))
      decimals = math.max(decimals, x % 1 == 0 and 0 or decimals_of(x))
    end
  end
  if largest > smallest * 1e4 or largest >= 1e6 or largest > 0 and smallest < 1e-4 then return numbers.short end
  return function(x) return numbers.fixed(x, decimals) end
end

--- Refuses what is no format: `who` has it.
function numbers.check_format(who, format)
  if format == nil or type(format) == "function" then return end
  local has_number = type(format) == "string" and format:gsub("%%%%", ""):find("%", 1, true)
  if not has_number or not pcall(string.format, format, 1) then
    local got = type(format) == "string" and ("'%s'"):format(format) or type(format)
    refuse("%s: format: expected a format of one number, such as '%%.3f', or a function, got %s", who, got)
  end
end

--- A function that writes a number as `format` says: a format of string.format, a function, or nil for `default`.
function numbers.formatter(format, default)
  if format == nil then return default end
  if type(format) == "function" then
    return function(x)
      local text = format(x)
      if text == nil then refuse("format: expected a text from the function, got nil") end
      return tostring(text)
    end
  end
  return function(x)
    if not numbers.is_finite(x) then return special(x) end
    local ok, text = pcall(decimal, format, x) -- "%d" takes whole numbers only
    return ok and text or numbers.short(x)
  end
end

return numbers
