--- What all charts are: a title, a sentence that says what is to be seen, a drawing for any width, and the data.
local markup = require "fmnistnn.page.markup"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local style = require "fmnistnn.page.style"
local tables = require "fmnistnn.page.tables"
local text = require "fmnistnn.page.text"

local e = markup.element

local charts = {}

local Chart = {}
Chart.__index = Chart
Chart.__name = "fmnistnn.page.Chart"

-- The two widths that a page has each chart in; the style sheet chooses.
local NARROW, WIDE = 320, 760
local TITLE, LINE, MARGIN = 16.5, 21, 12 -- in an SVG of its own: the letters of the title (they are bold), its lines

--- The options that each chart has, before its own.
function charts.options(spec)
  return {{"title", "string"}, {"description", "string", optional = true}, table.unpack(spec)}
end

--- Makes a chart of title, description; draw(width), which returns the drawing, as elements, and its height; data(),
-- which returns columns and rows of a table; or _figure(self) for what a page shows instead of the drawing.
function charts.new(fields) return setmetatable(fields, Chart) end

--- Whether a value is a chart.
function charts.is_chart(value) return getmetatable(value) == Chart end

local function view_box(width, height) return ("0 0 %d %d"):format(width, math.ceil(height)) end

local function svg(self, width, class)
  local drawing, height = self.draw(width)
  local box = view_box(width, height)
  return e("svg", {viewBox = box, class = "fnn " .. class, role = "img", ["aria-label"] = self.description}, drawing)
end

-- The title of an SVG of its own, and its height.
local function draw_title(self, width)
  local nodes, lines = {}, text.wrap(self.title, width, TITLE)
  for i, line in ipairs(lines) do nodes[i] = e("text", {class = "title", y = i * LINE - 4}, line) end
  return nodes, #lines * LINE + 10
end

--- The chart as an SVG of its own, with its colours (the light ones) in it. width: in pixels, 240 or more; 760 unless
-- given.
function Chart:svg(width)
  width = options.check("svg", {width = width}, {{"width", "count", default = WIDE}}).width
  if width < 240 then refuse("svg: width: expected 240 or more, got %d", width) end
  local title, top = draw_title(self, width - 2 * MARGIN)
  local drawing, height = self.draw(width - 2 * MARGIN)
  height = math.ceil(top + height) + 2 * MARGIN
  return markup.write(e("svg", {
    xmlns = "http://www.w3.org/2000/svg", viewBox = view_box(width, height), width = width, height = height,
    class = "fnn", role = "img", ["aria-label"] = self.description,
  }, e("title", {}, self.title), e("style", {}, markup.raw(style.standalone())),
    e("rect", {width = width, height = height, fill = "#ffffff"}),
    e("g", {transform = ("translate(%d,%d)"):format(MARGIN, MARGIN)}, title,
      e("g", {transform = ("translate(0,%d)"):format(top)}, drawing))))
end

--- The chart without the table of its data below it, for pages that have them elsewhere.
function Chart:without_data()
  self.data = nil
  return self
end

local function data_of(self)
  local columns, rows = self.data()
  return e("details", {}, e("summary", {}, "Data", e("span", {class = "hidden"}, " of " .. self.title)),
    tables.element(columns, rows, {label = "Data of " .. self.title, exact = true}))
end

--- The figure of a page; is_alone: whether no other chart may stand beside it, so that it needs a wide drawing too.
function Chart:_figure(is_alone)
  return e("figure", {}, e("figcaption", {}, self.title),
    e("div", {class = "plot"}, svg(self, NARROW, "narrow"), is_alone and svg(self, WIDE, "wide")),
    self.data and data_of(self) or false)
end

return charts
