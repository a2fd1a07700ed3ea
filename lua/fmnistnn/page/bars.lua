--- fnn.page.bars: a value for each of several names, with the ends of what it spreads over.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local Frame = require "fmnistnn.page.frame"
local decimal = require "fmnistnn.decimal"
local markup = require "fmnistnn.page.markup"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local series = require "fmnistnn.page.series"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"

local e = markup.element

local spec = charts.options {
  {"x", "any", default = {}},
  {"names", "any"},
  {"values", "any"},
  {"low", "any", optional = true},
  {"high", "any", optional = true},
}

local BAR = 16 -- its height

-- The ends of a spread, or nil.
local function spread_of(o, i)
  local low, high = o.low and o.low[i], o.high and o.high[i]
  if o.x:at(low) and o.x:at(high) then return low, high end
end

-- A line from low to high with small ends.
local function error_bar(frame, o, i, y)
  local low, high = spread_of(o, i)
  if not low then return false end
  low, high = frame:x(low), frame:x(high)
  local d = decimal("M%.1f %.1fH%.1fM%.1f %.1fv8M%.1f %.1fv8", low, y, high, low, y - 4, high, y - 4)
  return {e("path", {class = "error around", d = d}), e("path", {class = "error", d = d})}
end

-- The value, beyond the end of its bar and its spread.
local function value_label(frame, o, i, x, y, zero)
  local low, high = spread_of(o, i)
  local is_left = x < zero
  if is_left then
    x = math.min(x, low and frame:x(low) or x) - 6
  else
    x = math.max(x, high and frame:x(high) or x) + 6
  end
  return e("text", {class = is_left and "end", x = x, y = y, dy = ".35em"}, o.x:text(o.values[i]))
end

local function title_of(o, i)
  local low, high = spread_of(o, i)
  local spread = low and (" (%s to %s)"):format(o.x:text(low), o.x:text(high)) or ""
  return ("%s\n%s%s"):format(o.names[i], o.x:text(o.values[i]), spread)
end

local function draw_bar(frame, o, i, y)
  local zero, x = frame:x(0) or frame.left, frame:x(o.values[i])
  zero = math.max(frame.left, math.min(frame.right, zero))
  local hit = {class = "hit", x = 0, y = y - BAR / 2 - 4, width = frame.width, height = BAR + 8}
  local d = x and decimal("M%.1f %.1fH%.1fv%dH%.1fZ", zero, y - BAR / 2, x, BAR, zero)
  return {
    x and e("path", {class = "bar s1", d = d}) or false,
    error_bar(frame, o, i, y), x and value_label(frame, o, i, x, y, zero) or false,
    e("rect", hit, e("title", {}, title_of(o, i))),
  }
end

-- Room for the values beside the bars.
local function room_of(o)
  local texts = {}
  for i = 1, o.n do texts[i] = o.x:text(o.values[i]) end
  return text.widest(texts) + 14
end

local function draw(o, width)
  local is_above = text.widest(o.names) > width * 0.34 -- names above their bars, where there is no room beside them
  local row = is_above and 44 or 28
  local room = room_of(o)
  local left = is_above and 1 or text.widest(o.names) + 8
  if (o.x:at(0) or 0) > 0 then left = left + room end
  local frame = Frame.new {
    width = width, height = math.max(1, o.n) * row, top = 0, left = left, right = room, x = o.x,
  }
  local bars = {}
  for i = 1, o.n do
    local y = frame.top + (i - 0.5) * row
    local name = text.cut(o.names[i], is_above and width or left)
    bars[i] = {
      e("text", is_above and {y = y - 10, dy = ".35em"} or {x = 0, y = y, dy = ".35em"}, name),
      draw_bar(frame, o, i, is_above and y + 8 or y),
    }
  end
  return {frame:draw "xy", bars}, frame.total
end

local function table_of(o)
  local columns, rows = {{title = "name"}, {title = series.named(o.x, "value")}}, {}
  for _, name in ipairs {"low", "high"} do
    if o[name] then columns[#columns + 1] = {title = name} end
  end
  for i = 1, o.n do
    local row = {o.names[i], o.values[i]}
    if o.low then row[3] = o.low[i] end
    if o.high then row[#columns] = o.high[i] end
    rows[i] = row
  end
  return columns, rows
end

local function describe(o)
  local parts = {}
  for i = 1, o.n do parts[i] = ("%s %s"):format(o.names[i], o.x:text(o.values[i])) end
  return ("Bars of %s: %s."):format(series.named(o.x, "values"), series.enumerate(parts))
end

return function(given)
  local o = options.check("bars", given, spec)
  o.x = Axis.new("bars: x", o.x)
  local counts = {}
  o.names, o.n = values.texts("bars: names", o.names)
  for _, name in ipairs {"values", "low", "high"} do
    if o[name] ~= nil then
      o[name], counts[name] = values.numbers("bars: " .. name, o[name])
      if counts[name] > o.n then
        refuse("bars: %s: expected %d, one for each name, got %d", name, o.n, counts[name])
      end
    end
  end
  local lists = series.lists({o}, "values", "low", "high")
  o.x:fit(lists, {nice = true, include = 0})
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
