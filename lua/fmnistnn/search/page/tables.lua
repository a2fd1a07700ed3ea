--- The tables of a search's page, and what is said of failures.
local Subject = require "fmnistnn.search.page.subject"
local numbers = require "fmnistnn.page.numbers"

local tables = {}

local MOST_CELLS <const> = 3000 -- of the table of trials
local MOST_LETTERS <const> = 200 -- of a cell
local MOST_MESSAGES <const> = 10

local function first_line(text)
  local line = text:match "[^\n]*"
  return #line <= MOST_LETTERS and line or line:sub(1, MOST_LETTERS) .. "…"
end

--- A trial's parameters, with what they were drawn from.
function tables.parameters(subject, record)
  local rows = {}
  for _, parameter in ipairs(subject.parameters) do
    local value, distribution = parameter:of(record), record.distributions[parameter.name]
    if value ~= nil then
      rows[#rows + 1] = {parameter.name, value, distribution and Subject.range_of(distribution)}
    end
  end
  return {caption = "Its parameters", columns = {"parameter", {"value", format = numbers.short}, "range"}, rows = rows}
end

-- The columns of tables of trials: titles, and what they have of a record.
local function add_values(subject, columns)
  for i, title in ipairs(subject.titles) do
    columns[#columns + 1] = {title, function(record) return record.values and record.values[i] end}
  end
end

local function add_parameters(subject, columns)
  for _, parameter in ipairs(subject.parameters) do
    columns[#columns + 1] = {parameter.name, function(record) return parameter:of(record) end}
  end
end

local function add_attributes(records, columns)
  local names, known = {}, {}
  for _, record in ipairs(records) do
    for name in pairs(record.user_attributes) do
      if not known[name] then known[name], names[#names + 1] = true, name end
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    columns[#columns + 1] = {name, function(record)
      local value = Subject.attribute_of(record, name)
      return type(value) == "string" and first_line(value) or value
    end}
  end
end

local function table_of(caption, columns, records)
  local titles, rows = {}, {}
  for i, column in ipairs(columns) do titles[i] = column[1] end
  for k, record in ipairs(records) do
    rows[k] = {}
    for i, column in ipairs(columns) do rows[k][i] = column[2](record) end
  end
  return {caption = caption, columns = titles, rows = rows, filter = true}
end

local function number(record) return record.number end

--- The trials of the front.
function tables.front(subject, front)
  local columns = {{"trial", number}}
  add_values(subject, columns)
  add_parameters(subject, columns)
  local shown = subject:thin(front, MOST_CELLS // (4 * #columns), 1)
  return table_of(Subject.title("The front", #shown, #front), columns, shown)
end

--- All trials, or of too many the best and some others.
function tables.trials(subject)
  local columns = {{"trial", number}, {"state", function(record) return record.state end}}
  add_values(subject, columns)
  add_parameters(subject, columns)
  columns[#columns + 1] = {"time (s)", Subject.seconds_of}
  add_attributes(subject.records, columns)
  columns[#columns + 1] = {"why it ended", function(record)
    local reason = Subject.reason_of(record)
    return reason and first_line(reason)
  end}
  local shown = subject:thin(subject.records, MOST_CELLS // #columns, 1)
  return table_of(Subject.title("All trials", #shown, #subject.records), columns, shown)
end

--- What failed trials had to say: a list of {trials = "trials 3 and 7", message =}, each message once, and how many
-- further ones there are.
function tables.failures(subject)
  local by_message, list = {}, {}
  for _, record in ipairs(subject.groups.failed) do
    local message = Subject.reason_of(record) or "no reason is known"
    message = message:match "^(.-)\n%s*%[C%]: in function 'xpcall'" or message -- a traceback as far as the objective
    if not by_message[message] then
      by_message[message] = {message = message}
      list[#list + 1] = by_message[message]
    end
    table.insert(by_message[message], record.number)
  end
  table.sort(list, function(a, b) return #a > #b or #a == #b and a[1] < b[1] end)
  for _, failure in ipairs(list) do
    local more = #failure - 8
    local shown = table.concat(failure, ", ", 1, math.min(8, #failure))
    failure.trials = ("trial%s %s%s"):format(#failure > 1 and "s" or "", shown,
      more > 0 and (" and %s more"):format(numbers.short(more)) or "")
  end
  return table.move(list, 1, math.min(#list, MOST_MESSAGES), 1, {}), math.max(0, #list - MOST_MESSAGES)
end

return tables
