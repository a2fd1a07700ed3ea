--- fnn.page.heat_map: a matrix, as a confusion matrix, with its numbers in cells of colours.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local colors = require "fmnistnn.page.colors"
local core = require "fmnistnn.core"
local decimal = require "fmnistnn.decimal"
local legend = require "fmnistnn.page.legend"
local markup = require "fmnistnn.page.markup"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"

local e = markup.element

local spec = charts.options {
  {"rows", "any"},
  {"columns", "any"},
  {"values", "any"},
  {"x", "string", default = ""},
  {"y", "string", default = ""},
  {"z", "any", default = {}},
}

local SLANT = math.sin(math.rad(45))
local MOST_HITS = 1000 -- with more cells, their values do not show beside the pointer: the page would grow too large

-- ---- drawing ----

-- Sizes and positions: left and top of the cells, their width and height, whether the names below them are slanted.
local function layout_of(o, width)
  local left = math.min(text.widest(o.rows) + 10, width * 0.3)
  local cell = math.min(72, (width - left - 4) / math.max(1, #o.columns))
  return {
    left = left, top = (o.z.title ~= "" and 26 or 0) + (o.y ~= "" and 26 or 8), width = cell,
    height = math.max(20, math.min(36, cell)), slanted = text.widest(o.columns) > cell - 6,
  }
end

-- The size of the letters that fit into the cells, or nil.
local function letter_size(o, cell)
  local widest = 1
  for _, row in ipairs(o.values) do
    for j = 1, #o.columns do widest = math.max(widest, text.width(o.z:text(row[j]))) end
  end
  local size = math.min(text.SIZE, text.SIZE * (cell - 2) / widest)
  return size >= 8 and size or nil
end

local function title_of(o, i, j)
  local named = o.z.title ~= "" and o.z.title .. ": " or ""
  local function of(title, name) return title ~= "" and ("%s: %s"):format(title, name) or name end
  return ("%s\n%s\n%s%s"):format(of(o.y, o.rows[i]), of(o.x, o.columns[j]), named, o.z:text(o.values[i][j]))
end

local function corner(layout, i, j)
  return layout.left + (j - 1) * layout.width, layout.top + (i - 1) * layout.height
end

-- Calls visit(i, j, value, level) for each cell with a value; level is nil where that has no place.
local function each_cell(o, visit)
  for i in ipairs(o.rows) do
    for j in ipairs(o.columns) do
      local value = o.values[i][j]
      if value ~= nil then visit(i, j, value, colors.level(o.z:at(value), o.z.reverse)) end
    end
  end
end

-- A path for each level.
local function draw_cells(o, layout)
  local parts, nodes = {}, {}
  for level = 1, colors.LEVELS do parts[level] = {} end
  local gap = layout.width > 12 and 1 or 0
  local shape = decimal("M%%.1f %%.1fh%.1fv%.1fh-%.1fz", layout.width - gap, layout.height - gap, layout.width - gap)
  each_cell(o, function(i, j, _, level)
    if level then table.insert(parts[level], decimal(shape, corner(layout, i, j))) end
  end)
  for level, list in ipairs(parts) do
    nodes[level] = list[1] and e("path", {class = "c" .. level, d = table.concat(list)}) or false
  end
  return nodes
end

local function draw_numbers(o, layout)
  local nodes, style = {}, decimal("font-size:%.1fpx", layout.size)
  each_cell(o, function(i, j, value, level)
    local x, y = corner(layout, i, j)
    x, y = x + layout.width / 2, y + layout.height / 2 + 0.35 * layout.size
    nodes[#nodes + 1] = e("text", {class = level and "o" .. level or "muted", x = x, y = y}, o.z:text(value))
  end)
  return e("g", {class = "middle", style = layout.size < text.SIZE and style}, nodes)
end

-- Values beside the pointer, where there is no room for numbers.
local function draw_hits(o, layout)
  local nodes = {}
  if #o.rows * #o.columns > MOST_HITS then return nodes end
  each_cell(o, function(i, j)
    local x, y = corner(layout, i, j)
    local hit = {class = "hit", x = x, y = y, width = layout.width, height = layout.height}
    nodes[#nodes + 1] = e("rect", hit, e("title", {}, title_of(o, i, j)))
  end)
  return nodes
end

local function draw_names(o, layout)
  local nodes = {}
  for i, name in ipairs(o.rows) do
    nodes[#nodes + 1] = e("text", {
      class = "end", x = layout.left - 8, y = layout.top + (i - 0.5) * layout.height, dy = ".35em",
    }, text.cut(name, layout.left - 8))
  end
  local y, every = layout.top + #o.rows * layout.height + 16, math.ceil(17 / layout.width)
  for j, name in ipairs(o.columns) do
    local x = layout.left + (j - 0.5) * layout.width
    if layout.slanted and (j - 1) % every == 0 then
      local place = decimal("translate(%.1f %.1f)rotate(-45)", x + 5, y - 4)
      nodes[#nodes + 1] = e("text", {class = "end", transform = place}, text.cut(name, 90))
    elseif not layout.slanted then
      nodes[#nodes + 1] = e("text", {class = "middle", x = x, y = y}, name)
    end
  end
  return nodes
end

local function draw(o, width)
  local layout = layout_of(o, width)
  layout.size = letter_size(o, layout.width)
  local below = layout.slanted and math.min(90, text.widest(o.columns)) * SLANT + 12 or 24
  local bottom = layout.top + #o.rows * layout.height + below + 6
  local right = layout.left + #o.columns * layout.width
  return {
    o.z.title ~= "" and (legend.levels(o.z, width, "c")),
    o.y ~= "" and e("text", {class = "strong", y = layout.top - 10}, o.y .. " ↓"),
    draw_cells(o, layout), (layout.size and draw_numbers or draw_hits)(o, layout),
    draw_names(o, layout),
    o.x ~= "" and e("text", {class = "strong end", x = right, y = bottom + 8}, o.x .. " →"),
  }, bottom + (o.x ~= "" and 14 or 0)
end

-- ---- the data and what is said of it ----

local function table_of(o)
  local columns, rows = {{title = o.y ~= "" and o.y or "row"}}, {}
  for j, name in ipairs(o.columns) do columns[j + 1] = {title = name} end
  for i, name in ipairs(o.rows) do rows[i] = {name, table.unpack(o.values[i], 1, #o.columns)} end
  return columns, rows
end

local function describe(o)
  local largest, where = -math.huge, nil
  for i, row in ipairs(o.values) do
    for j = 1, #o.columns do
      if numbers.is_finite(row[j]) and row[j] > largest then largest, where = row[j], {o.rows[i], o.columns[j]} end
    end
  end
  local most = where and ("; the largest, %s, at %s, %s"):format(o.z:text(largest), where[1], where[2]) or ""
  return ("Heat map of %s in %d rows and %d columns%s."):format(o.z.title ~= "" and o.z.title or "values", #o.rows,
    #o.columns, most)
end

-- A list of as many rows as there are names, each of as many numbers.
local function matrix(o)
  local given = o.values
  if core.is_tensor(given) then
    options.input("heat_map: values", given, "a tensor of two axes", 2, 2)
    given = given:totable()
  end
  local rows, count = values.items("heat_map: values", given)
  values.same_length("heat_map", {"rows", #o.rows}, {"values", count})
  local all, matrix_rows = {n = 0}, {}
  for i = 1, count do
    local where = ("heat_map: values: row %d"):format(i)
    local row, length = values.numbers(where, rows[i])
    matrix_rows[i] = row
    if length > #o.columns then
      refuse("%s: expected %d, one for each of columns, got %d", where, #o.columns, length)
    end
    for j = 1, #o.columns do all[all.n + j] = row[j] end
    all.n = all.n + #o.columns
  end
  return matrix_rows, all
end

return function(given)
  local o = options.check("heat_map", given, spec)
  o.z = Axis.new("heat_map: z", o.z, "colors")
  o.rows, o.columns = values.texts("heat_map: rows", o.rows), values.texts("heat_map: columns", o.columns)
  local all
  o.values, all = matrix(o)
  o.z:fit {all}
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
