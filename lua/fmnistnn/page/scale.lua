--- Scales: where a value stands between the two ends of an axis, as 0..1, and which values get a tick.
--
--   local scale = Scale.linear(0.83, 0.957, {nice = true}) -- from 0.82 to 0.96
--   scale:at(0.89)     --> 0.5
--   scale:ticks(5)     --> {{value = 0.82, text = "0.82"}, ...}
local numbers = require "fmnistnn.page.numbers"

local Scale = {}
Scale.__index = Scale

-- ---- linear ----

-- The step of 1, 2 or 5 times a power of ten that gives about so many ticks.
local function step_of(low, high, count)
  local rough = (high - low) / math.max(count, 1)
  local power = 10.0 ^ math.floor(math.log(rough, 10))
  local error_ = rough / power
  return power * (error_ >= math.sqrt(50) and 10 or error_ >= math.sqrt(10) and 5 or error_ >= math.sqrt(2) and 2 or 1)
end

-- Ends that are apart, around those that are not, as floats: differences of integers may overflow.
local function apart(low, high)
  low, high = low + 0.0, high + 0.0
  if high - low > 1 / numbers.LARGEST then return low, high end
  local margin = math.abs(low) < 1 / numbers.LARGEST and 1 or math.abs(low) * 0.1
  return low - margin, high + margin
end

local Linear = setmetatable({}, {__index = Scale})
Linear.__index = Linear

--- From low to high. `nice` moves the ends outwards to ticks, `low_fixed` and `high_fixed` keep one where it is;
-- `whole` gives no ticks between whole numbers.
function Scale.linear(low, high, o)
  o = o or {}
  low, high = apart(low, high)
  if o.nice then
    local step = step_of(low, high, 5)
    if not o.low_fixed then low = math.floor(low / step + 1e-9) * step end
    if not o.high_fixed then high = math.ceil(high / step - 1e-9) * step end
  end
  return setmetatable({low = low, high = high, whole = o.whole}, Linear)
end

-- A place, unless it is none or out of all proportion.
local function checked(place) return place > -1e4 and place < 1e4 and place or nil end

function Linear:at(value)
  if not numbers.is_finite(value) then return nil end
  return checked((value - self.low) / (self.high - self.low))
end

function Linear:ticks(count, format)
  local step = step_of(self.low, self.high, count)
  if self.whole then step = math.max(1, step) end
  local write = numbers.formatter(format, numbers.stepwise(self.low, self.high, step))
  local list = {}
  for i = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) do
    list[#list + 1] = {value = i * step, text = write(i * step)}
  end
  return list
end

-- ---- logarithmic ----

local Log = setmetatable({}, {__index = Scale})
Log.__index = Log

--- From low to high, both above 0. `nice` leaves a little room beyond ends that are not fixed.
function Scale.log(low, high, o)
  low, high = low + 0.0, high + 0.0
  if math.log(high) - math.log(low) < 1e-9 then low, high = low / 2, high * 2 end
  if o and o.nice then
    local room = high ^ 0.03 / low ^ 0.03 -- high / low may be infinite
    low, high = o.low_fixed or low / room, o.high_fixed or high * room
  end
  return setmetatable({low = low, high = high}, Log)
end

function Log:at(value)
  if not numbers.is_finite(value) or value <= 0 then return nil end
  return checked((math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low)))
end

-- The values 1, 2, 5 ... times powers of ten that lie on the scale.
local function log_values(self, digits, every)
  local values = {}
  for exponent = math.floor(math.log(self.low, 10)), math.ceil(math.log(self.high, 10)) do
    for _, digit in ipairs(digits) do
      local value = tonumber(("%de%d"):format(digit, exponent))
      local inside = value >= self.low * (1 - 1e-9) and value <= self.high * (1 + 1e-9)
      if inside and exponent % every == 0 then values[#values + 1] = value end
    end
  end
  return values
end

function Log:ticks(count, format)
  local write = numbers.formatter(format, numbers.short)
  local decades = math.log(self.high, 10) - math.log(self.low, 10)
  local values = log_values(self, {1}, math.max(1, math.ceil(decades / count)))
  for _, digits in ipairs {{1, 3}, {1, 2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9}} do
    local more = log_values(self, digits, 1)
    if #values >= 2 and #more > count then break end
    if #values < 2 or #more > #values then values = more end
  end
  local list = {}
  if #values < 2 then
    values = {self.low, self.high}
    write = numbers.formatter(format, numbers.between(self.low, self.high))
  end
  for i, value in ipairs(values) do list[i] = {value = value, text = write(value)} end
  return list
end

-- ---- categories ----

local Categories = setmetatable({}, {__index = Scale})
Categories.__index = Categories

--- Names side by side, each in the middle of its part.
function Scale.categories(names)
  local places = {}
  for i, name in ipairs(names) do places[name] = (i - 0.5) / #names end
  return setmetatable({names = names, places = places, band = 1 / math.max(1, #names)}, Categories)
end

function Categories:at(value) return self.places[tostring(value)] end

function Categories:ticks()
  local list = {}
  for i, name in ipairs(self.names) do list[i] = {value = name, text = name} end
  return list
end

return Scale
