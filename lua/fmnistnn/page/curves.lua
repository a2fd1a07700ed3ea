--- fnn.page.curves: many lines over one axis, each in the colour of a value of its own, as the learning curves of a
-- search's trials.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local Frame = require "fmnistnn.page.frame"
local colors = require "fmnistnn.page.colors"
local legend = require "fmnistnn.page.legend"
local markup = require "fmnistnn.page.markup"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local series = require "fmnistnn.page.series"
local values = require "fmnistnn.page.values"
local refuse = require "fmnistnn.refuse"

local e = markup.element

local spec = charts.options {
  {"x", "any", default = {}},
  {"y", "any", default = {}},
  {"z", "any", default = {}},
  {"series", "table"},
}

local series_spec = {
  {"name", "string", default = ""},
  {"x", "any", optional = true},
  {"y", "any"},
  {"z", "any", optional = true},
  {"dash", "boolean", default = false},
}

local series_lists = {{"x", values.numbers}, {"y", values.numbers}}

-- ---- drawing ----

-- Broken where a value has no place.
local function path_of(frame, each)
  local parts, pen = {}, "M"
  for i = 1, each.n do
    local x, y = frame:x(each.x[i]), frame:y(each.y[i])
    if x and y then parts[#parts + 1] = pen .. numbers.coordinate(x) .. " " .. numbers.coordinate(y) end
    pen = x and y and "L" or "M"
  end
  if #parts == 1 then return parts[1] .. "h0", "dot" end -- a point by itself shows by its round end
  return parts[1] and table.concat(parts), each.dash and "dash" or ""
end

local function title_of(o, each)
  local lines, last = {}, nil
  for i = 1, each.n do last = each.y[i] ~= nil and i or last end
  if each.name ~= "" then lines[1] = each.name end
  if each.z then lines[#lines + 1] = ("%s: %s"):format(series.named(o.z, "value"), o.z:text(each.z)) end
  if last then
    lines[#lines + 1] = ("%s %s: %s"):format(series.named(o.x, "x"), o.x:text(each.x[last]), o.y:text(each.y[last]))
  end
  return table.concat(lines, "\n")
end

-- Those of weak colours first; 0, in grey, are lines without a value of their own.
local function draw_lines(o, frame)
  local order, levels, nodes = {}, {}, {}
  for i, each in ipairs(o.series) do order[i], levels[i] = i, colors.level(o.z:at(each.z), o.z.reverse) or 0 end
  table.sort(order, function(a, b)
    if levels[a] ~= levels[b] then return levels[a] < levels[b] end
    return a < b
  end)
  for k, i in ipairs(order) do
    local each = o.series[i]
    local d, look = path_of(frame, each)
    local class = ("line path %s %s"):format(levels[i] > 0 and "m" .. levels[i] or "s8", look)
    nodes[k] = d and e("path", {class = class, d = d}, e("title", {}, title_of(o, each))) or false
  end
  return frame:clip(nodes)
end

local function draw(o, width)
  local levels, top = false, 0
  if not o.z.is_empty then levels, top = legend.levels(o.z, width, "m") end
  local frame = Frame.new {width = width, height = width < 500 and 220 or 320, top = top, x = o.x, y = o.y}
  return {levels, frame:draw(), draw_lines(o, frame)}, frame.total
end

-- ---- the data and what is said of it ----

local function table_of(o)
  local rows = {}
  for i, each in ipairs(o.series) do
    for k = 1, each.n do rows[#rows + 1] = {each.name ~= "" and each.name or i, each.x[k], each.y[k], each.z} end
  end
  return {
    {title = "name"}, {title = series.named(o.x, "x")}, {title = series.named(o.y, "y")},
    {title = series.named(o.z, "value")},
  }, rows
end

local function describe(o)
  return ("%d lines of %s over %s, in the colours of %s."):format(#o.series, series.named(o.y, "y"),
    series.named(o.x, "x"), series.named(o.z, "a value"))
end

local function check_values(all)
  local list = {n = #all}
  for i, each in ipairs(all) do
    if each.z ~= nil and type(each.z) ~= "number" then
      refuse("curves: series %d: z: expected a number, got %s", i, type(each.z))
    end
    list[i] = each.z
  end
  return list
end

return function(given)
  local o = options.check("curves", given, spec)
  for _, name in ipairs {"x", "y", "z"} do o[name] = Axis.new("curves: " .. name, o[name], name == "z" and "colors") end
  o.series = series.check("curves", o.series, series_spec, series_lists)
  o.x:fit(series.lists(o.series, "x"))
  o.y:fit(series.lists(o.series, "y"), {nice = true})
  o.z:fit {check_values(o.series)}
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
