--- fnn.page: reports as one file of HTML that needs no server and no network, and charts as SVG.
--
--   fnn.page{title = "Training"}:history(trainer.history):write("training.html")
--
--   local page = fnn.page{title = "The study", description = "Ten networks."}
--   page:heading "Trials"
--   page:text "Each was trained three times."
--   page:table{columns = {"trial", "accuracy"}, rows = {{"1", 0.9118}, {"2", 0.9139}}}
--   page:chart(fnn.page.bars{title = "Accuracy", names = {"1", "2"}, values = {0.9118, 0.9139}})
--   assert(page:write("study.html"))
--
-- A chart draws itself at any width (chart.lua), so a page has each twice, for narrow and for wide places, and its
-- style sheet chooses. What the script adds (script.lua) nobody needs.
local charts = require "fmnistnn.page.chart"
local core = require "fmnistnn.core"
local history = require "fmnistnn.page.history"
local markup = require "fmnistnn.page.markup"
local metrics = require "fmnistnn.metrics"
local numbers = require "fmnistnn.page.numbers"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local script = require "fmnistnn.page.script"
local style = require "fmnistnn.page.style"
local tables = require "fmnistnn.page.tables"
local values = require "fmnistnn.page.values"

local e = markup.element

local page = {spread = history.spread}
for _, kind in ipairs {"lines", "scatter", "bars", "heat_map", "images", "parallel", "contour", "timeline", "curves"} do
  page[kind] = require("fmnistnn.page." .. kind)
end

local Page = {}
Page.__index = Page
Page.__name = "fmnistnn.page.Page"

local LONGEST = 2147483 -- seconds that browsers wait; from more milliseconds than 2^31 - 1 they make none at all

--- page{title, description, language, refresh}. refresh: the page loads itself anew after so many seconds, for a file
-- that is written again and again during a run.
local function new(_, given)
  local self = options.check("page", given, {
    {"title", "string", default = "Report"},
    {"description", "string", default = ""},
    {"language", "string", default = "en"},
    {"refresh", "positive", optional = true},
  })
  if self.refresh and self.refresh > LONGEST then
    refuse("page: refresh: expected at most %d seconds, got %s", LONGEST, self.refresh)
  end
  self.content, self.headings = {}, {}
  return setmetatable(self, Page)
end

local function add(self, node)
  self.content[#self.content + 1] = node
  return self
end

-- ---- what a page is made of ----

--- A heading; level 2 for a section, 3 for one within it.
function Page:heading(text, level)
  local o = options.check("heading", {text = text, level = level}, {
    {"text", "string"},
    {"level", "count", default = 2},
  })
  if o.level ~= 2 and o.level ~= 3 then refuse("heading: level: expected 2 or 3, got %d", o.level) end
  if o.level == 3 and #self.headings == 0 then refuse("heading: level: expected a heading of level 2 first") end
  if o.level == 3 then return add(self, e("h3", {}, o.text)) end
  self.headings[#self.headings + 1] = o.text
  return add(self, e("h2", {id = "section-" .. #self.headings}, o.text))
end

--- Paragraphs, with empty lines between them.
function Page:text(text)
  text = options.check("text", {text = text}, {{"text", "string"}}).text
  for paragraph in (text .. "\n\n"):gmatch "(.-)\n%s*\n" do
    if paragraph:find "%S" then add(self, e("p", {}, paragraph)) end
  end
  return self
end

--- Text as it is, in letters of one width: a model's summary, a piece of code.
function Page:code(text)
  text = options.check("code", {text = text}, {{"text", "string"}}).text
  local box = {class = "scroll", role = "group", tabindex = "0", ["aria-label"] = "Text"}
  return add(self, e("div", box, e("pre", {}, text)))
end

local function check_columns(given)
  local columns = {}
  for i, column in ipairs(values.items("table: columns", given)) do
    if type(column) == "string" then column = {title = column} end
    columns[i] = options.check("table: column " .. i, column, {{"title", "string"}, {"format", "any", optional = true}})
    numbers.check_format("table: column " .. i, columns[i].format)
  end
  return columns
end

local cell_kinds = {string = true, number = true, boolean = true, ["nil"] = true}

local function check_rows(given, count)
  local rows = values.items("table: rows", given)
  for i, row in ipairs(rows) do
    if type(row) ~= "table" then refuse("table: row %d: expected a table, got %s", i, type(row)) end
    for key, cell in pairs(row) do
      if math.type(key) ~= "integer" or key < 1 or key > count then
        refuse("table: row %d: expected at most %d cells, got the key %s", i, count, tostring(key))
      elseif not cell_kinds[type(cell)] then
        refuse("table: row %d: cell %d: expected a text or a number, got %s", i, key, type(cell))
      end
    end
  end
  return rows
end

--- table{columns, rows, caption, filter}: columns are titles or {title =, format =}, rows lists of texts and numbers;
-- the first column names the rows. Sorted by a click on a heading; filter: true for a field that hides all rows without
-- its words.
function Page:table(given)
  local o = options.check("table", given, {
    {"columns", "table"},
    {"rows", "table"},
    {"caption", "string", optional = true},
    {"filter", "boolean", default = false},
  })
  local columns = check_columns(o.columns)
  local rows = check_rows(o.rows, #columns)
  local element = tables.element(columns, rows, {label = o.caption or "Table", sortable = true, filter = o.filter})
  return add(self, o.caption and e("figure", {}, e("figcaption", {}, o.caption), element) or element)
end

--- Charts: several stand side by side where there is room.
function Page:chart(...)
  local figures = {}
  for i = 1, select("#", ...) do
    local chart = select(i, ...)
    if not charts.is_chart(chart) then refuse("chart: %d: expected a chart, got %s", i, type(chart)) end
    figures[i] = chart:_figure(select("#", ...) == 1)
  end
  if #figures == 0 then refuse("chart: expected a chart, got none") end
  return add(self, e("div", {class = "charts"}, figures))
end

-- ---- what is often shown ----

--- What a Trainer's fit saw, or several of the same network did: a sentence, and a chart for each measure. Options:
-- validation "validation", what the validation is called, such as "test".
function Page:history(given, how)
  local o = options.check("history", how, {{"validation", "string", default = "validation"}})
  local sentence, shown = history.charts(given, o.validation)
  return self:text(sentence):chart(table.unpack(shown))
end

local function names_of(who, confusion, given)
  options.square(who, confusion)
  local names, count = values.texts(who .. ": names", given)
  if given and count ~= #confusion then
    refuse("%s: names: expected %d, one for each class, got %d", who, #confusion, count)
  end
  for i = 1, #confusion do names[i] = names[i] or tostring(i) end
  return names
end

--- A confusion matrix as a heat map. Colours are logarithmic, since mistakes are few beside what is right.
function Page:confusion(confusion, class_names)
  local names = names_of("confusion", confusion, class_names)
  return self:chart(page.heat_map {
    title = "Confusion matrix", rows = names, columns = names, values = confusion, y = "true class",
    x = "predicted class", z = {title = "examples", log = true, min = 1},
  })
end

--- Precision, recall, F1 and support of each class, as a table.
function Page:classification(confusion, class_names)
  local names = names_of("classification", confusion, class_names)
  local rows = metrics.classification_report(confusion)
  for i, row in ipairs(rows) do rows[i] = {names[i], row.precision, row.recall, row.f1, row.support} end
  return self:table {
    caption = "Precision, recall and F1 of each class", rows = rows, columns = {
      "class", {"precision", format = "%.3f"}, {"recall", format = "%.3f"}, {"F1", format = "%.3f"}, "examples",
    },
  }
end

-- ---- the file ----

-- Nothing is loaded from anywhere: so the browser is told.
local POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

local function head(self)
  return e("head", {}, e("meta", {charset = "utf-8"}),
    e("meta", {["http-equiv"] = "Content-Security-Policy", content = POLICY}),
    e("meta", {name = "viewport", content = "width=device-width, initial-scale=1"}),
    e("meta", {name = "color-scheme", content = "light dark"}),
    self.description ~= "" and e("meta", {name = "description", content = self.description}),
    e("title", {}, self.title), e("style", {}, markup.raw(style.page())))
end

local function header(self)
  local seconds = self.refresh and numbers.exact(self.refresh)
  local live = {class = "live", hidden = true, ["data-seconds"] = seconds}
  return e("header", {}, e("h1", {}, self.title),
    self.description ~= "" and e("p", {class = "lead"}, self.description),
    seconds and e("p", live, "Updates every " .. seconds .. " s."))
end

-- Links to the sections, where there are several.
local function contents(self)
  if #self.headings < 3 then return false end
  local items = {}
  for i, heading in ipairs(self.headings) do items[i] = e("li", {}, e("a", {href = "#section-" .. i}, heading)) end
  return e("nav", {["aria-label"] = "Contents"}, e("ul", {}, items))
end

--- The page as HTML.
function Page:html()
  return "<!doctype html>\n" .. markup.write(e("html", {lang = self.language}, head(self),
    e("body", {}, header(self), contents(self), e("main", {}, self.content),
      e("footer", {}, "Made with fmnistnn " .. core.info().version),
      e("script", {}, markup.raw(script))))) .. "\n"
end

--- Writes the page, whole or not at all: true, or nil and a message.
function Page:write(path)
  if type(path) ~= "string" then refuse("write: path: expected a string, got %s", type(path)) end
  return require "fmnistnn.write_file"(path, self:html())
end

return setmetatable(page, {__call = new})
