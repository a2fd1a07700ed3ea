--- fnn.page.parallel: parallel coordinates. Each trial is a line across the axes; the last axis gives the colours.
-- Where there is little room the axes lie below one another.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local colors = require "fmnistnn.page.colors"
local decimal = require "fmnistnn.decimal"
local legend = require "fmnistnn.page.legend"
local markup = require "fmnistnn.page.markup"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"

local e = markup.element

local spec = charts.options {
  {"axes", "table"},
  {"names", "any", optional = true},
}

local HEIGHT, ROW = 300, 66 -- of upright axes; of each lying one
local ROOM = 84 -- an upright axis needs this much
local MOST_HITS = 300 -- with more trials, their values do not show beside the pointer: the page would grow too large

-- ---- where axes are ----

local function widest_tick(axis)
  local widest = 0
  for _, tick in ipairs(axis:ticks(6)) do widest = math.max(widest, text.width(tick.text)) end
  return widest
end

-- position(i, place): coordinates of a place 0..1 on axis i.
local function upright(o, width, top)
  local left = math.min(widest_tick(o.axes[1]) + 10, ROOM)
  local right = math.min(widest_tick(o.axes[#o.axes]) + 10, ROOM)
  local step = (width - left - right) / (#o.axes - 1)
  local bottom = top + 30 + HEIGHT
  local function position(i, place) return left + (i - 1) * step, bottom - HEIGHT * place end
  -- titles stand in the middle of their axes, but for the first and the last, which begin and end with the chart
  local function room(i) return (i == 1 and left + step / 2 or i == #o.axes and right + step / 2 or step) - 8 end
  return {is_upright = true, position = position, step = step, room = room, total = bottom + 10}
end

local function lying(o, width, top)
  local function position(i, place) return 18 + place * (width - 36), top + 26 + (i - 1) * ROW end
  return {position = position, step = width, total = top + 26 + (#o.axes - 1) * ROW + 24}
end

-- ---- axes ----

local function draw_upright(o, layout, i, width)
  local axis, is_last, nodes = o.axes[i], i == #o.axes, {}
  local x, top = layout.position(i, 1)
  local _, bottom = layout.position(i, 0)
  nodes[1] = e("path", {class = "axis", d = decimal("M%.1f %.1fV%.1f", x, top, bottom)})
  nodes[2] = e("text", {
    class = "strong " .. (i == 1 and "" or is_last and "end" or "middle"), x = i == 1 and 0 or is_last and width or x,
    y = top - 14,
  }, text.cut(axis.title, layout.room(i)))
  for _, tick in ipairs(axis:ticks(6)) do
    local _, y = layout.position(i, axis:at(tick.value))
    nodes[#nodes + 1] = e("text", {
      class = "muted halo" .. (is_last and "" or " end"), x = x + (is_last and 8 or -8), y = y, dy = ".35em",
    }, text.cut(tick.text, math.min(ROOM, layout.step) - 12))
  end
  return nodes
end

local function draw_lying(o, layout, i, width)
  local axis, nodes = o.axes[i], {}
  local left, y = layout.position(i, 0)
  local right = layout.position(i, 1)
  nodes[1] = e("path", {class = "axis", d = decimal("M%.1f %.1fH%.1f", left, y, right)})
  nodes[2] = e("text", {class = "strong halo", x = 0, y = y - 9}, text.cut(axis.title, width))
  for _, tick in ipairs(axis:fitting_ticks(right - left, left, width - right)) do
    local x, half = layout.position(i, axis:at(tick.value)), text.width(tick.text) / 2
    x = Axis.inside(x, half, 0, width)
    nodes[#nodes + 1] = e("text", {class = "muted middle halo", x = x, y = y + 16}, tick.text)
  end
  return nodes
end

-- ---- lines ----

-- Broken where a value has no place.
local function path_of(o, position, trial)
  local parts, pen = {}, "M"
  for i, axis in ipairs(o.axes) do
    local place = axis:at(axis.values[trial])
    if place then
      local x, y = position(i, place)
      parts[#parts + 1] = decimal("%s%.1f %.1f", pen, x, y)
    end
    pen = place and "L" or "M"
  end
  return parts[1] and table.concat(parts)
end

local function title_of(o, trial)
  local lines = {}
  if o.names[trial] and o.names[trial] ~= "" then lines[1] = o.names[trial] end
  for _, axis in ipairs(o.axes) do
    lines[#lines + 1] = ("%s: %s"):format(axis.title, axis:text(axis.values[trial]))
  end
  return table.concat(lines, "\n")
end

-- Those of weak colours first; 0, in grey dashes, are trials without a value on the last axis.
local function draw_lines(o, position)
  local order, levels, last, nodes = {}, {}, o.axes[#o.axes], {}
  for trial = 1, o.n do
    order[trial] = trial
    levels[trial] = colors.level(last:at(last.values[trial]), last.reverse) or 0
  end
  table.sort(order, function(a, b)
    if levels[a] ~= levels[b] then return levels[a] < levels[b] end
    return a < b
  end)
  for i, trial in ipairs(order) do
    local d, level = path_of(o, position, trial), levels[trial]
    local color = level > 0 and "m" .. level or "s8 dash"
    local title = o.n <= MOST_HITS and e("title", {}, title_of(o, trial))
    nodes[i] = d and e("path", {class = "line path " .. color, d = d}, title) or false
  end
  return nodes
end

local function draw(o, width)
  local last, nodes = o.axes[#o.axes], {}
  local levels, top = legend.levels(last, width, "m")
  local layout = (#o.axes * ROOM <= width and upright or lying)(o, width, top)
  for i in ipairs(o.axes) do
    nodes[i] = (layout.is_upright and draw_upright or draw_lying)(o, layout, i, width)
  end
  return {levels, draw_lines(o, layout.position), e("g", {["pointer-events"] = "none"}, nodes)}, layout.total
end

-- ---- the data and what is said of it ----

local function table_of(o)
  local columns, rows = {{title = "name"}}, {}
  for i, axis in ipairs(o.axes) do columns[i + 1] = {title = axis.title} end
  for trial = 1, o.n do
    local row = {o.names[trial] or trial}
    for i, axis in ipairs(o.axes) do row[i + 1] = axis.values[trial] end
    rows[trial] = row
  end
  return columns, rows
end

local function describe(o)
  local titles = {}
  for i, axis in ipairs(o.axes) do titles[i] = axis.title end
  return ("Parallel coordinates of %d trials over %s."):format(o.n, table.concat(titles, ", "))
end

-- Options of an axis: those of Axis, and its values.
local function check_axis(where, given)
  if type(given) ~= "table" then refuse("%s: expected a table, got %s", where, type(given)) end
  local rest = {}
  for key, value in pairs(given) do rest[key] = value end
  rest.values = nil
  local axis = Axis.new(where, rest, "parallel")
  local list, count = values.places(where .. ": values", given.values)
  axis.values = list
  return axis, count
end

return function(given)
  local o = options.check("parallel", given, spec)
  local axes = values.items("parallel: axes", o.axes)
  if #axes < 2 then refuse("parallel: axes: expected two or more, got %d", #axes) end
  o.axes, o.n = {}, 0
  for i, one in ipairs(axes) do
    local axis, count = check_axis(("parallel: axis %d"):format(i), one)
    if axis.title == "" then refuse("parallel: axis %d: expected a title", i) end
    o.axes[i], o.n = axis, math.max(o.n, count)
  end
  for _, axis in ipairs(o.axes) do axis:fit {table.move(axis.values, 1, o.n, 1, {n = o.n})} end
  o.names = values.texts("parallel: names", o.names)
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
