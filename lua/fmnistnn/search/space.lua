--- Distributions: what values a hyperparameter may take.
--
--   {kind = "float", low = 1e-4, high = 0.1, log = true}
--   {kind = "float", low = 0, high = 0.8, log = false, step = 0.1}
--   {kind = "int", low = 8, high = 32, log = false, step = 8}
--   {kind = "categorical", choices = {"Adam", 3, true, space.null}, count = 4}
--
-- Tables that never change once made, by the functions below alone, which check them. Both ends belong to the range;
-- with a step, `high` is on the grid. Among choices and among a trial's values space.null stands for nil.
--
-- Samplers work on one of three scales:
--   value    what the objective sees
--   number   what Optuna stores: the value as a float, of a choice its index from 0
--   inner    a float on which the distribution is uniform: the logarithm where `log`; where there is a grid, the range
--            is half a step wider at both ends, so that every value has as much room; of a choice the index from 0,
--            the range being -0.5 .. count - 0.5
local json = require "fmnistnn.json"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local space = {}

--- Stands for nil among choices and values.
space.null = json.null

local Distribution = {__name = "fmnistnn.search.Distribution"}

local largest <const> = 2 ^ 53 -- integers up to here are exact as floats, which is how they are stored

-- ---- making ----

local function describe(value) return type(value) == "number" and tostring(value) or type(value) end

local function is_number(value) return type(value) == "number" and value - value == 0 end -- neither inf nor NaN

local function is_integer(value) return is_number(value) and math.tointeger(value) ~= nil end

local function check_range(who, low, high, test, expected)
  if not test(low) then refuse("%s: low: expected %s, got %s", who, expected, describe(low)) end
  if not test(high) then refuse("%s: high: expected %s, got %s", who, expected, describe(high)) end
  if low > high then refuse("%s: expected low <= high, got %s and %s", who, low, high) end
end

-- The decimal exponent of a number above 0.
local function exponent(x) return math.floor(math.log(x, 10)) end

-- low + distance, to 15 digits of the larger of these: 3 * 0.1 after 0 is 0.3, as it would be written, and not
-- 0.30000000000000004; after -0.3 it is 0, and not 5.6e-17.
local function after(low, distance)
  local x = low + distance
  local size = math.abs(x)
  if size == 0 or size == math.huge then return x end
  local digits = 15 - math.max(0, exponent(math.max(math.abs(low), math.abs(distance))) - exponent(size))
  return digits > 0 and tonumber(("%%.%dg"):format(digits):format(x)) + 0.0 or 0.0
end

--- A float of low..high. Options: log = true, uniform on a logarithmic scale (low > 0); or step, a grid from low on
-- (high is lowered to its last point). `who` begins an error's text.
function space.float(low, high, given, who)
  who = who or "float"
  local o = options.check(who, given, {{"log", "boolean", default = false}, {"step", "positive", optional = true}})
  check_range(who, low, high, is_number, "a number")
  if o.log and o.step then refuse("%s: expected either log or step", who) end
  if o.log and low <= 0 then refuse("%s: low: expected a number above 0 with log, got %s", who, low) end
  if o.step then
    local steps = (high - low) / o.step
    if o.step == math.huge or steps == math.huge then
      refuse("%s: step: expected a finite part of the range, got %s", who, o.step)
    end
    local whole = math.floor(steps + 1e-8)
    if math.abs(steps - whole) > 1e-8 then high = math.max(low, after(low, whole * o.step)) end
  end
  return setmetatable({
    kind = "float", low = low + 0.0, high = high + 0.0, log = o.log, step = o.step and o.step + 0.0,
  }, Distribution)
end

--- An integer of low..high. Options: log = true, uniform on a logarithmic scale (low >= 1); or step 1, a grid from low
-- on (high is lowered to its last point).
function space.int(low, high, given, who)
  who = who or "int"
  local o = options.check(who, given, {{"log", "boolean", default = false}, {"step", "count", default = 1}})
  check_range(who, low, high, is_integer, "an integer")
  low, high = math.tointeger(low), math.tointeger(high)
  if low < -largest or high > largest then
    refuse("%s: expected a range within -2^53..2^53, got %d and %d", who, low, high)
  end
  if o.log and o.step ~= 1 then refuse("%s: expected either log or step", who) end
  if o.log and low < 1 then refuse("%s: low: expected an integer of 1 or more with log, got %d", who, low) end
  return setmetatable({
    kind = "int", low = low, high = low + (high - low) // o.step * o.step, log = o.log, step = o.step,
  }, Distribution)
end

local function is_choice(value)
  if type(value) == "string" then return utf8.len(value) ~= nil end
  return is_number(value) or type(value) == "boolean" or value == space.null
end

-- How long a list is that may have holes: its n, or its largest index.
local function length(list, who)
  local count, n = 0, rawget(list, "n")
  for key in pairs(list) do
    if math.type(key) == "integer" and key >= 1 then
      count = math.max(count, key)
    elseif key ~= "n" then
      refuse("%s: expected a list of choices, got one with the key %s", who, tostring(key))
    end
  end
  if n == nil then return count end
  if math.type(n) ~= "integer" or n < count then
    refuse("%s: n: expected how many choices there are, %d or more, got %s", who, count, options.describe(n))
  end
  return n
end

--- One of a list: strings, numbers, booleans, nil (write space.null, or say how many there are, {"a", nil, n = 2}).
function space.categorical(choices, who)
  who = who or "categorical"
  if type(choices) ~= "table" then refuse("%s: expected a list of choices, got %s", who, describe(choices)) end
  local count, list, seen = length(choices, who), json.array(), {}
  if count == 0 then refuse("%s: expected at least one choice", who) end
  for i = 1, count do
    local choice = choices[i]
    if choice == nil then choice = space.null end
    if not is_choice(choice) then
      local expected = "%s: choice %d: expected a string of UTF-8, finite number, boolean or nil, got %s"
      refuse(expected, who, i, describe(choice))
    end
    if seen[choice] then refuse("%s: choice %d: %s is there already", who, i, tostring(choice)) end
    seen[choice], list[i] = true, choice
  end
  return setmetatable({kind = "categorical", choices = list, count = count}, Distribution)
end

--- Whether a value is a distribution.
function space.is_distribution(value) return getmetatable(value) == Distribution end

--- A declared space, {name = distribution or list of choices}: a new table of distributions.
function space.declare(given, who)
  if type(given) ~= "table" then
    refuse("%s: expected a table of distributions, got %s", who, describe(given))
  end
  local declared = {}
  for name, each in pairs(given) do
    if type(name) ~= "string" then refuse("%s: expected names, got the key %s", who, tostring(name)) end
    if type(each) ~= "table" then
      refuse("%s: %s: expected a distribution or a list of choices, got %s", who, name, describe(each))
    end
    declared[name] = space.is_distribution(each) and each or space.categorical(each, who .. ": " .. name)
  end
  return declared
end

-- ---- asking ----

--- Whether there is one value only.
function space.single(d)
  if d.kind == "categorical" then return d.count == 1 end
  return d.low == d.high
end

--- The index of a choice, from 1; nil when it is none.
function space.index(d, value)
  if value == nil then value = space.null end
  for i, choice in ipairs(d.choices) do
    if choice == value then return i end
  end
end

--- Whether the objective could be given this value.
function space.contains(d, value)
  if d.kind == "categorical" then return space.index(d, value) ~= nil end
  if not is_number(value) or value < d.low or value > d.high then return false end
  if d.kind == "int" and not math.tointeger(value) then return false end
  if not d.step then return true end
  local steps = (value - d.low) / d.step
  return math.abs(steps - math.floor(steps + 0.5)) < 1e-8
end

local function equal_choices(a, b)
  if a.count ~= b.count then return false end
  for i, choice in ipairs(a.choices) do
    if choice ~= b.choices[i] then return false end
  end
  return true
end

--- Whether two distributions are alike in everything.
function space.equal(a, b)
  if a == b then return true end
  if a.kind ~= b.kind then return false end
  if a.kind == "categorical" then return equal_choices(a, b) end
  return a.low == b.low and a.high == b.high and a.log == b.log and a.step == b.step
end

--- Whether a parameter may have both in one study, as Optuna sees it: the same kind and log; choices the same.
function space.compatible(a, b)
  if a.kind ~= b.kind then return false end
  if a.kind == "categorical" then return equal_choices(a, b) end
  return a.log == b.log
end

--- How many values there are; math.huge for a float without a step.
function space.size(d)
  if d.kind == "categorical" then return d.count end
  if d.low == d.high then return 1 end
  if not d.step then return math.huge end
  return math.floor((d.high - d.low) / d.step + 0.5) + 1
end

-- ---- scales ----

local function clip(x, low, high) return x < low and low or x > high and high or x end

-- The value on the grid that is nearest to x.
local function on_grid(d, x)
  local steps = math.floor((x - d.low) / d.step + 0.5)
  if d.kind == "int" then return clip(d.low + math.tointeger(steps) * d.step, d.low, d.high) end
  return clip(after(d.low, steps * d.step), d.low, d.high)
end

--- A value as a number; nil when it is no choice.
function space.to_number(d, value)
  if d.kind ~= "categorical" then return value + 0.0 end
  local index = space.index(d, value)
  return index and index - 1.0
end

--- The value of a number (raises when there is no such choice).
function space.from_number(d, number)
  if d.kind == "float" then return number end
  local integer = math.tointeger(number)
  if d.kind == "int" then return integer end
  local choice = d.choices[integer and integer + 1]
  if choice == nil then error("no such choice", 0) end
  return choice
end

--- The range of the inner scale: two floats.
function space.bounds(d)
  if d.kind == "categorical" then return -0.5, d.count - 0.5 end
  local half = d.step and d.step / 2 or 0
  if d.log then return math.log(d.low - half), math.log(d.high + half) end
  return d.low - half, d.high + half
end

--- A value on the inner scale.
function space.to_inner(d, value)
  if d.kind == "categorical" then return space.index(d, value) - 1.0 end
  return d.log and math.log(value) or value + 0.0
end

--- The value that is nearest to x on the inner scale.
function space.from_inner(d, x)
  if d.kind == "categorical" then return d.choices[clip(math.floor(x + 0.5), 0, d.count - 1) + 1] end
  if d.log then x = math.exp(x) end
  x = clip(x, d.low, d.high)
  return d.step and on_grid(d, x) or x + 0.0
end

--- A value as a float of 0..1 (0.5 when there is one value only).
function space.to_unit(d, value)
  local low, high = space.bounds(d)
  return low == high and 0.5 or clip((space.to_inner(d, value) - low) / (high - low), 0, 1)
end

--- The value of u in 0..1; uniform u make the distribution.
function space.from_unit(d, u)
  local low, high = space.bounds(d)
  return space.from_inner(d, low + u * (high - low))
end

--- All values in order, of a distribution that has finitely many.
function space.grid(d)
  if d.kind == "categorical" then return d.choices end
  if space.single(d) then return {d.low} end
  local list = {}
  for i = 1, space.size(d) do list[i] = on_grid(d, d.low + (i - 1) * d.step) end
  return list
end

-- ---- Optuna's JSON ----

local names = {float = "FloatDistribution", int = "IntDistribution", categorical = "CategoricalDistribution"}

--- The text that Optuna stores for a distribution.
function space.encode(d)
  local attributes
  if d.kind == "categorical" then
    attributes = {choices = d.choices}
  else
    attributes = {low = d.low, high = d.high, log = d.log, step = d.step or json.null}
  end
  return json.encode {name = names[d.kind], attributes = attributes}
end

local decoders = {
  FloatDistribution = function(a)
    return space.float(a.low, a.high, {log = a.log, step = a.step ~= json.null and a.step or nil})
  end,
  IntDistribution = function(a) return space.int(a.low, a.high, {log = a.log, step = a.step}) end,
  CategoricalDistribution = function(a) return space.categorical(a.choices) end,
}

--- The distribution of Optuna's text; nil and a message when it is none.
function space.decode(text)
  local found = json.decode(text)
  local decoder = type(found) == "table" and decoders[found.name]
  if not decoder or type(found.attributes) ~= "table" then
    return nil, "expected one of Optuna's distributions, got " .. tostring(text)
  end
  local sound, distribution = pcall(decoder, found.attributes)
  if not sound then return nil, ("%s in %s"):format(distribution, text) end
  return distribution
end

return space
