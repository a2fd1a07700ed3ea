--- What an axis is given as, and the scale that follows from it and the data.
--
-- An axis is a title, or {title =, log =, min =, max =, format =}, with categories = where names may stand, and
-- reverse = where colours show values.
local Scale = require "fmnistnn.page.scale"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"

local Axis = {}
Axis.__index = Axis

local GAP = 8 -- between the texts of ticks beside one another

local spec = {
  {"title", "string", default = ""},
  {"log", "boolean", default = false},
  {"min", "number", optional = true},
  {"max", "number", optional = true},
  {"format", "any", optional = true},
}
local more = {
  places = {{"categories", "table", optional = true}}, -- for numbers or names
  colors = {{"reverse", "boolean", default = false}}, -- for values that are shown by colours
}
more.parallel = {more.places[1], more.colors[1]}

local function spec_of(kind)
  local all = table.move(spec, 1, #spec, 1, {})
  return table.move(more[kind] or {}, 1, 2, #all + 1, all)
end

--- Checks what was given as the axis `who`. kind: "places", "colors" or "parallel" (both), else an axis of values.
function Axis.new(who, given, kind)
  if type(given) == "string" then given = {title = given} end
  local self = setmetatable(options.check(who, given, spec_of(kind)), Axis)
  numbers.check_format(who, self.format)
  for _, name in ipairs {"min", "max"} do
    local value = self[name]
    if value and not numbers.is_drawable(value) then
      refuse("%s: %s: expected a number of at most %g, got %s", who, name, numbers.LARGEST, value)
    elseif value and self.log and value <= 0 then
      refuse("%s: %s: expected a number above 0 on a logarithmic axis, got %s", who, name, value)
    end
  end
  if self.min and self.max and self.min >= self.max then
    refuse("%s: expected min below max, got %s and %s", who, self.min, self.max)
  end
  if self.categories and (self.log or self.min or self.max) then
    refuse("%s: categories: expected none of log, min and max beside them", who)
  end
  if self.categories then self.categories = values.texts(who .. ": categories", self.categories) end
  return self
end

-- The names in the lists, in the order in which they come, when they are not all numbers.
local function names_of(lists)
  local names, known, categorical = {}, {}, false
  for _, list in ipairs(lists) do
    for i = 1, list.n do
      local name = list[i] ~= nil and tostring(list[i])
      if name and not known[name] then
        known[name], names[#names + 1] = true, name
        categorical = categorical or type(list[i]) ~= "number"
      end
    end
  end
  return categorical and names
end

local function ends_of(lists, log)
  local low, high, whole = math.huge, -math.huge, true
  for _, list in ipairs(lists) do
    for i = 1, list.n do
      local value = list[i]
      if numbers.is_drawable(value) and (not log or value >= 1 / numbers.LARGEST) then
        low, high, whole = math.min(low, value), math.max(high, value), whole and value % 1 == 0
      end
    end
  end
  return low, high, whole
end

--- Makes the scale, for lists of values with their length n. `nice`: the axis ends at ticks, or a little beyond the
-- data; `include`: a value that it has to show. Without any value, axis.is_empty is true.
function Axis:fit(lists, o)
  o = o or {}
  local names = self.categories or names_of(lists)
  if names then
    self.scale, self.is_empty = Scale.categories(names), #names == 0
    return self
  end
  local low, high, whole = ends_of(lists, self.log)
  self.is_empty = low > high
  if self.is_empty then low, high = self.log and 1 or 0, self.log and 10 or 1 end
  if o.include and not self.log then low, high = math.min(low, o.include), math.max(high, o.include) end
  low, high = self.min or low, self.max or high
  if low > high then -- all of the data lies beyond the one end that was given
    low, high = self.min or self.log and high / 10 or high - 1, self.max or self.log and low * 10 or low + 1
  end
  if self.log then
    self.scale = Scale.log(low, high, {nice = o.nice, low_fixed = self.min, high_fixed = self.max})
  else
    self.scale = Scale.linear(low, high, {nice = o.nice, low_fixed = self.min, high_fixed = self.max, whole = whole})
  end
  return self
end

function Axis:at(value) return value ~= nil and self.scale:at(value) or nil end

--- Where the middle of a text is, at best at x, so that the text is between low and high; half: of its width.
function Axis.inside(x, half, low, high) return math.max(low + half, math.min(high - half, x)) end

function Axis:ticks(count) return self.scale:ticks(count, self.format) end

-- The ticks whose texts have room beside those before them.
local function with_room(self, ticks, length, before, after)
  local list, last = {}, -math.huge
  for _, tick in ipairs(ticks) do
    local half = text.width(tick.text) / 2
    local middle = Axis.inside(self:at(tick.value) * length, half, -before, length + after)
    if middle - half >= last + GAP then list[#list + 1], last = tick, middle + half end
  end
  return list
end

-- Names cut to their part of the axis, or every second, third ... where that is too little.
local function fitting_names(self, length)
  local band, list = self.scale.band * length, {}
  local every = math.max(1, math.ceil(26 / band))
  for i, tick in ipairs(self:ticks()) do
    if i % every == 0 or every == 1 then
      list[#list + 1] = {value = tick.value, text = text.cut(tick.text, band * every - GAP)}
    end
  end
  return list
end

--- As many ticks of a lying axis of this length as their texts leave room for; before, after: how far texts may reach
-- beyond its ends.
function Axis:fitting_ticks(length, before, after)
  if self.scale.names then return fitting_names(self, length) end
  for count = math.max(2, length // 60), 2, -1 do
    local ticks = self:ticks(count)
    if #with_room(self, ticks, length, before, after) == #ticks then return ticks end
  end
  return with_room(self, self:ticks(1), length, before, after)
end

--- The texts of both ends.
function Axis:end_texts()
  local scale = self.scale
  if scale.names then return scale.names[1] or "", scale.names[#scale.names] or "" end
  local write = numbers.formatter(self.format, numbers.between(scale.low, scale.high))
  return write(scale.low), write(scale.high)
end

--- A value as tooltips and labels show it.
function Axis:text(value)
  if value == nil then return "" end
  if type(value) ~= "number" then return tostring(value) end
  return numbers.formatter(self.format, numbers.short)(value)
end

return Axis
