--- Tables of HTML.
local markup = require "fmnistnn.page.markup"
local numbers = require "fmnistnn.page.numbers"

local e = markup.element
local tables = {}

local LONG = 60 -- a text with more letters is not squeezed into a narrow column

-- The numbers of a column when it has nothing else, or nil.
local function numbers_of(rows, column)
  local list = {}
  for _, row in ipairs(rows) do
    local cell = row[column]
    if type(cell) == "number" then
      list[#list + 1] = cell
    elseif cell ~= nil then
      return nil
    end
  end
  return list[1] and list
end

-- How each column is written, and whether it is one of numbers.
local function writers_of(columns, rows)
  local writers, numeric = {}, {}
  for i, column in ipairs(columns) do
    local list = numbers_of(rows, i)
    numeric[i] = list ~= nil
    writers[i] = numbers.formatter(column.format, list and numbers.column(list) or numbers.short)
  end
  return writers, numeric
end

local function cell_of(value, write, name, attributes)
  if type(value) == "number" then
    local text, exact = write(value), numbers.exact(value)
    if math.abs(value) == math.huge then exact = value > 0 and "Infinity" or "-Infinity" end -- as scripts read it
    if text ~= exact then attributes["data-value"] = exact end
    return e(name, attributes, text)
  end
  local text = value ~= nil and tostring(value) or ""
  if #text > LONG then attributes.class = "long" end
  return e(name, attributes, text)
end

local function row_of(row, columns, writers, numeric)
  local cells = {}
  for i in ipairs(columns) do
    local attributes = {class = numeric[i] and "n"}
    if i == 1 then attributes.scope = "row" end
    cells[i] = cell_of(row[i], writers[i], i == 1 and "th" or "td", attributes)
  end
  return e("tr", {}, cells)
end

--- A table in a box that scrolls: columns {title =, format =}, rows of cells. o.label says what it is; o.sortable,
-- o.filter: what the script adds to it; o.exact writes numbers with all of their digits.
function tables.element(columns, rows, o)
  local writers, numeric = writers_of(columns, rows)
  local headings, body = {}, {}
  for i, column in ipairs(columns) do
    if o.exact then writers[i] = numbers.exact end
    headings[i] = e("th", {scope = "col", class = numeric[i] and "n"}, column.title)
  end
  for i, row in ipairs(rows) do body[i] = row_of(row, columns, writers, numeric) end
  return e("div", {class = "scroll", role = "group", tabindex = "0", ["aria-label"] = o.label},
    e("table", {class = o.sortable and "sortable", ["data-filter"] = o.filter, ["aria-label"] = o.label},
      e("thead", {}, e("tr", {}, headings)), e("tbody", {}, body)))
end

return tables
