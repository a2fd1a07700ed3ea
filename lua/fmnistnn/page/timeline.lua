--- fnn.page.timeline: what ran when and where, as bars over time, a row for each worker.
local Axis = require "fmnistnn.page.axis"
local charts = require "fmnistnn.page.chart"
local Frame = require "fmnistnn.page.frame"
local legend = require "fmnistnn.page.legend"
local markup = require "fmnistnn.page.markup"
local marks = require "fmnistnn.page.marks"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local series = require "fmnistnn.page.series"
local text = require "fmnistnn.page.text"
local values = require "fmnistnn.page.values"
local refuse = require "fmnistnn.refuse"

local e = markup.element

local spec = charts.options {
  {"x", "any", default = {}},
  {"spans", "table"},
  {"states", "any", optional = true},
}

local span_spec = {
  {"name", "string", default = ""},
  {"row", "string"},
  {"start", "number"},
  {"stop", "number"},
  {"state", "string", default = ""},
}

local ROW, BAR, LOOKS = 34, 22, 4 -- looks of states: classes state-1 ... of the style sheet

-- The bar of the i-th state over {left, right, middle}.
local function bar_of(i, left, right, y, height, ...)
  local look = (i - 1) % LOOKS + 1
  return e("rect", {
    class = ("bar state-%d %s"):format(look, marks.class(i)), x = left, y = y - height / 2,
    width = math.max(1.5, right - left), height = height, rx = 2,
  }, ...)
end

local function title_of(o, span)
  local lines = {}
  for _, line in ipairs {span.name, span.state, span.row} do
    if line ~= "" then lines[#lines + 1] = line end
  end
  lines[#lines + 1] = ("%s to %s"):format(o.x:text(span.start), o.x:text(span.stop))
  return table.concat(lines, "\n")
end

local function draw_span(o, frame, span)
  local left, right = frame:x(span.start), frame:x(span.stop)
  if not left or not right then return false end
  local y = frame.top + (o.rows[span.row] - 0.5) * ROW
  local inside = text.width(span.name) + 8 <= right - left
  local on_solid = (o.states[span.state] - 1) % LOOKS == 0
  return {
    e("g", {}, e("title", {}, title_of(o, span)), bar_of(o.states[span.state], left, right, y, BAR)),
    inside and e("text", {
      class = "middle" .. (on_solid and " on-bar" or ""), x = (left + right) / 2, y = y, dy = ".35em",
      ["pointer-events"] = "none",
    }, span.name),
  }
end

local function legend_entries(o)
  local entries = {}
  for i, state in ipairs(o.states) do
    entries[i] = {text = state, draw = function(x, y) return bar_of(i, x + 1, x + 21, y, 12) end}
  end
  return #entries > 1 and entries or {}
end

local function draw(o, width)
  local entries, top = legend.series(legend_entries(o), width)
  local left = math.min(text.widest(o.rows) + 10, width * 0.3)
  local frame = Frame.new {
    width = width, height = math.max(1, #o.rows) * ROW, top = top, left = left, right = 16, x = o.x,
  }
  local names, bars = {}, {}
  for i, row in ipairs(o.rows) do
    names[i] = e("text", {x = 0, y = frame.top + (i - 0.5) * ROW, dy = ".35em"}, text.cut(row, left - 8))
  end
  for i, span in ipairs(o.spans) do bars[i] = draw_span(o, frame, span) end
  return {entries, frame:draw "xy", names, frame:clip(bars)}, frame.total
end

local function table_of(o)
  local rows = {}
  for i, span in ipairs(o.spans) do rows[i] = {span.name, span.row, span.start, span.stop, span.state} end
  return {{title = "name"}, {title = "row"}, {title = "start"}, {title = "stop"}, {title = "state"}}, rows
end

local function describe(o)
  return ("Timeline of %d spans in %d rows: %s."):format(#o.spans, #o.rows, series.enumerate(o.rows))
end

-- The different texts under a key, those in `first` first; and the position of each, by its text.
local function distinct(spans, key, first)
  local list = {}
  for i, name in ipairs(first or {}) do list[i], list[name] = name, i end
  for _, span in ipairs(spans) do
    local name = span[key]
    if not list[name] then list[#list + 1], list[name] = name, #list + 1 end
  end
  return list
end

local function check_spans(given)
  local spans = {}
  for i, one in ipairs(values.items("timeline: spans", given)) do
    local where = ("timeline: span %d"):format(i)
    local span = options.check(where, one, span_spec)
    if numbers.is_finite(span.start) and numbers.is_finite(span.stop) and span.stop < span.start then
      refuse("%s: expected start before stop, got %s and %s", where, span.start, span.stop)
    end
    spans[i] = span
  end
  return spans
end

return function(given)
  local o = options.check("timeline", given, spec)
  o.x = Axis.new("timeline: x", o.x)
  o.spans = check_spans(o.spans)
  o.rows, o.states = distinct(o.spans, "row"), distinct(o.spans, "state", values.texts("timeline: states", o.states))
  local ends = {n = 0}
  for _, span in ipairs(o.spans) do
    ends[ends.n + 1], ends[ends.n + 2], ends.n = span.start, span.stop, ends.n + 2
  end
  o.x:fit {ends}
  return charts.new {
    title = o.title, description = o.description or describe(o),
    draw = function(width) return draw(o, width) end, data = function() return table_of(o) end,
  }
end
