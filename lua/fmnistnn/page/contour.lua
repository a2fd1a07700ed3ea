--- fnn.page.contour: a value over two others, known at scattered points; in between it is interpolated.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local Frame = require "fmnistnn.page.frame"
local colors = require "fmnistnn.page.colors"
local decimal = require "fmnistnn.decimal"
local legend = require "fmnistnn.page.legend"
local markup = require "fmnistnn.page.markup"
local options = require "fmnistnn.options"
local series = require "fmnistnn.page.series"
local values = require "fmnistnn.page.values"

local e = markup.element

local spec = charts.options {
  {"x", "any", default = {}},
  {"y", "any", default = {}},
  {"z", "any", default = {}},
  {"points", "table"},
}

local point_spec = {{"x", "any"}, {"y", "any"}, {"z", "any"}}
local point_lists = {{"x", values.places}, {"y", values.places}, {"z", values.numbers}}

local CELLS = 48 -- along each axis, unless it has names
local MOST_HITS = 300 -- with more points, their values do not show beside the pointer: the page would grow too large

-- The points that have a place on all three axes: {x, y, z}, each 0..1, and their number.
local function known_points(o)
  local list = {}
  for i = 1, o.points.n do
    local x, y, z = o.x:at(o.points.x[i]), o.y:at(o.points.y[i]), o.z:at(o.points.z[i])
    if x and y and z then list[#list + 1] = {x, y, z, i} end
  end
  return list
end

-- Shepard 1968, "A two-dimensional interpolation function for irregularly-spaced data": the mean of the points with
-- weights 1 / distance^3.
local function interpolate(points, x, y)
  local sum, weights = 0, 0
  for _, point in ipairs(points) do
    local square = (point[1] - x) ^ 2 + (point[2] - y) ^ 2
    if square < 1e-12 then return point[3] end
    local weight = square ^ -1.5
    sum, weights = sum + weight * point[3], weights + weight
  end
  return sum / weights
end

local function cells_of(axis) return axis.scale.names and #axis.scale.names or CELLS end

-- The levels of the field: rows from the bottom up, or of names from the top down.
local function field_of(o, points)
  local columns, rows, field = cells_of(o.x), cells_of(o.y), {}
  for j = 1, rows do
    field[j] = {}
    for i = 1, columns do
      field[j][i] = colors.level(interpolate(points, (i - 0.5) / columns, (j - 0.5) / rows), o.z.reverse)
    end
  end
  return field
end

-- A path for each level, of the cells of a row that lie side by side.
local function draw_field(o, frame, field)
  local paths, columns, rows = {}, cells_of(o.x), cells_of(o.y)
  local width, height = (frame.right - frame.left) / columns, (frame.bottom - frame.top) / rows
  for j, row in ipairs(field) do
    local top = o.y.scale.names and frame.top + (j - 1) * height or frame.bottom - j * height
    local i = 1
    while i <= columns do
      local first, level = i, row[i]
      while row[i] == level do i = i + 1 end
      local left, right = frame.left + (first - 1) * width, frame.left + (i - 1) * width
      paths[level] = (paths[level] or "") .. decimal("M%.1f %.1fH%.1fV%.1fH%.1fZ", left, top, right, top + height, left)
    end
  end
  local nodes = {}
  for level = 1, colors.LEVELS do
    local attributes = {class = "c" .. level, d = paths[level], ["shape-rendering"] = "crispEdges"}
    nodes[level] = paths[level] and e("path", attributes) or false
  end
  return nodes
end

local function title_of(o, i)
  local lines = {}
  for k, name in ipairs {"x", "y", "z"} do
    lines[k] = ("%s: %s"):format(series.named(o[name], name), o[name]:text(o.points[name][i]))
  end
  return table.concat(lines, "\n")
end

local function draw_points(o, frame, points)
  local nodes = {}
  for k, point in ipairs(points) do
    local i = point[4]
    local x, y = frame:x(o.points.x[i]), frame:y(o.points.y[i])
    local title = #points <= MOST_HITS and e("title", {}, title_of(o, i))
    nodes[k] = e("circle", {class = "point", cx = x, cy = y, r = 4}, title)
  end
  return nodes
end

local function draw(o, width)
  local levels, top = legend.levels(o.z, width, "c")
  local frame = Frame.new {width = width, height = width < 500 and 240 or 360, top = top, right = 16, x = o.x, y = o.y}
  local points = known_points(o)
  o.field = o.field or #points > 0 and field_of(o, points) or {} -- the same for every width
  return {levels, draw_field(o, frame, o.field), frame:draw "", draw_points(o, frame, points)}, frame.total
end

local function table_of(o)
  local columns, rows = {}, {}
  for i, name in ipairs {"x", "y", "z"} do columns[i] = {title = series.named(o[name], name)} end
  for i = 1, o.points.n do rows[i] = {o.points.x[i], o.points.y[i], o.points.z[i]} end
  return columns, rows
end

local function describe(o)
  return ("Contours of %s over %s and %s, from %d points."):format(series.named(o.z, "z"), series.named(o.x, "x"),
    series.named(o.y, "y"), o.points.n)
end

return function(given)
  local o = options.check("contour", given, spec)
  for _, name in ipairs {"x", "y", "z"} do
    o[name] = Axis.new("contour: " .. name, o[name], name == "z" and "colors" or "places")
  end
  o.points = series.check_one("contour: points", o.points, point_spec, point_lists)
  for _, name in ipairs {"x", "y", "z"} do o[name]:fit(series.lists({o.points}, name)) end
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
