--- fnn.page.scatter: points of two values, with labels, and colours for a third; a series may be joined by a line.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local Frame = require "fmnistnn.page.frame"
local colors = require "fmnistnn.page.colors"
local decimal = require "fmnistnn.decimal"
local labels = require "fmnistnn.page.labels"
local legend = require "fmnistnn.page.legend"
local markup = require "fmnistnn.page.markup"
local marks = require "fmnistnn.page.marks"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local series = require "fmnistnn.page.series"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"

local e = markup.element

local MOST_LABELS = 40 -- with more of them there are none
local MOST_HITS = 300 -- with more points, their values do not show beside the pointer: the page would grow too large

local spec = charts.options {
  {"x", "any", default = {}},
  {"y", "any", default = {}},
  {"z", "any", default = {}},
  {"series", "table"},
}

local series_spec = {
  {"name", "string", default = ""},
  {"x", "any"},
  {"y", "any"},
  {"z", "any", optional = true},
  {"labels", "any", optional = true},
  {"line", "boolean", default = false},
  {"points", "boolean", default = true},
  {"color", "count", optional = true},
}

local series_lists = {
  {"x", values.places}, {"y", values.places}, {"z", values.numbers}, {"labels", values.texts},
}

-- ---- drawing ----

-- The points of a series that have a place: {x, y, number}.
local function points_of(frame, each)
  local points = {}
  for i = 1, each.n do
    local x, y = frame:x(each.x[i]), frame:y(each.y[i])
    if x and y then points[#points + 1] = {x, y, i} end
  end
  return points
end

local function title_of(o, each, i)
  local lines = {}
  local function add(name, value)
    if value and value ~= "" then lines[#lines + 1] = name ~= "" and ("%s: %s"):format(name, value) or value end
  end
  add("", each.labels and each.labels[i])
  add("", each.name)
  add(o.x.title, o.x:text(each.x[i]))
  add(o.y.title, o.y:text(each.y[i]))
  if each.z then add(o.z.title, o.z:text(each.z[i])) end
  return table.concat(lines, "\n")
end

-- Marks in the colours of z: a path for each level, the strongest last.
local function draw_levels(o, each, points)
  local by_level, nodes = {}, {}
  for level = 0, colors.LEVELS do by_level[level] = {} end
  for _, point in ipairs(points) do
    local list = by_level[colors.level(o.z:at(each.z[point[3]]), o.z.reverse) or 0]
    list[#list + 1] = point
  end
  for level = 0, colors.LEVELS do -- 0: without a z, in grey
    local path = marks.path(each.index, by_level[level], 4.5)
    nodes[#nodes + 1] = path and e("g", {class = level > 0 and "m" .. level or "s8"}, path)
  end
  return nodes
end

local function line_of(points)
  local sorted, parts = table.move(points, 1, #points, 1, {}), {}
  table.sort(sorted, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[3] < b[3] end)
  for i, point in ipairs(sorted) do
    parts[i] = numbers.coordinate(point[1]) .. " " .. numbers.coordinate(point[2])
  end
  return parts[1] and e("path", {class = "line", d = "M" .. table.concat(parts, "L")})
end

local function draw_marks(o, each)
  local hits, points = {}, each.points and each.places or {}
  for i, point in ipairs(#points <= MOST_HITS and points or {}) do
    local hit = {class = "hit", cx = point[1], cy = point[2], r = 9}
    hits[i] = e("circle", hit, e("title", {}, title_of(o, each, point[3])))
  end
  return e("g", {class = marks.class(each.index)},
    each.z and draw_levels(o, each, points) or marks.path(each.index, points, 4.5) or false, hits)
end

-- Labels beside their points, where nothing else stands.
local function draw_labels(frame, all)
  local items, taken, nodes = {}, {}, {}
  for _, each in ipairs(all) do
    for _, point in ipairs(each.places) do
      local x, y, label = point[1], point[2], each.labels and each.labels[point[3]] or ""
      taken[#taken + 1] = {x - 5, y - 5, x + 5, y + 5}
      if label ~= "" then items[#items + 1] = {x, y, width = text.width(label), label = label} end
    end
  end
  if #items > MOST_LABELS then return nodes end
  local area = {frame.left, frame.top - 8, frame.width, frame.bottom}
  for i, place in ipairs(labels.beside(items, 13, taken, area)) do
    local attributes = place and {class = place.class, x = place.x, y = place.y, dy = ".35em"}
    nodes[#nodes + 1] = place and e("text", attributes, items[i].label)
  end
  return nodes
end

local function legend_entries(all)
  local entries = {}
  for _, each in ipairs(all) do
    if each.name ~= "" and #all > 1 then
      entries[#entries + 1] = {text = each.name, draw = function(x, y)
        return e("g", {class = each.z and "m" .. colors.LEVELS or marks.class(each.index)},
          each.line and e("path", {class = "line", d = decimal("M%.1f %.1fh20", x + 1, y)}),
          each.points and marks.path(each.index, {{x + 11, y}}, 4.5))
      end}
    end
  end
  return entries
end

local function draw(o, width)
  local entries, top = legend.series(legend_entries(o.series), width)
  local levels = false
  if o.has_z then
    local nodes, height = legend.levels(o.z, width, "m")
    levels, top = e("g", {transform = ("translate(0,%d)"):format(top)}, nodes), top + height
  end
  local frame = Frame.new {
    width = width, height = width < 500 and 220 or 320, top = top, right = 16, x = o.x, y = o.y,
  }
  local lines, drawn = {}, {}
  for i, each in ipairs(o.series) do
    each.places = points_of(frame, each)
    lines[i] = each.line and e("g", {class = marks.class(each.index)}, line_of(each.places)) or false
    drawn[i] = draw_marks(o, each)
  end
  local texts = e("g", {["pointer-events"] = "none"}, draw_labels(frame, o.series))
  return {entries, levels, frame:draw "xy", frame:clip {lines, drawn, texts}}, frame.total
end

-- ---- the data and what is said of it ----

local function table_of(o)
  local columns, rows, named, labelled = {}, {}, #o.series > 1, false
  for _, each in ipairs(o.series) do labelled = labelled or each.labels ~= nil end
  if named then columns[1] = {title = "series"} end
  if labelled then columns[#columns + 1] = {title = "label"} end
  local first = #columns
  columns[first + 1] = {title = series.named(o.x, "x")}
  columns[first + 2] = {title = series.named(o.y, "y")}
  if o.has_z then columns[first + 3] = {title = series.named(o.z, "z")} end
  for _, each in ipairs(o.series) do
    for i = 1, each.n do
      local row = {}
      if named then row[1] = each.name end
      if labelled then row[first] = each.labels and each.labels[i] end
      row[first + 1], row[first + 2], row[first + 3] = each.x[i], each.y[i], each.z and each.z[i]
      rows[#rows + 1] = row
    end
  end
  return columns, rows
end

local function describe(o)
  local count, names = 0, {}
  for _, each in ipairs(o.series) do
    count = count + each.n
    if each.name ~= "" then names[#names + 1] = each.name end
  end
  return ("%d %s of %s over %s%s."):format(count, count == 1 and "point" or "points", series.named(o.y, "y"),
    series.named(o.x, "x"), names[1] and ": " .. series.enumerate(names) or "")
end

return function(given)
  local o = options.check("scatter", given, spec)
  for _, name in ipairs {"x", "y", "z"} do
    o[name] = Axis.new("scatter: " .. name, o[name], name == "z" and "colors" or "places")
  end
  o.series = series.check("scatter", o.series, series_spec, series_lists)
  for _, name in ipairs {"x", "y", "z"} do o[name]:fit(series.lists(o.series, name), {nice = name ~= "z"}) end
  for _, each in ipairs(o.series) do o.has_z = o.has_z or each.z ~= nil end
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
