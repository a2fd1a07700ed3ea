--- A study's trials as CSV and JSON.
local csv = require "fmnistnn.csv"
local json = require "fmnistnn.json"
local space = require "fmnistnn.search.space"
local write_file = require "fmnistnn.write_file"

local export = {}

local function time(seconds)
  if not seconds then return nil end
  local thousandths = math.floor(seconds * 1000 + 0.5)
  return os.date("!%Y-%m-%dT%H:%M:%S", thousandths // 1000) .. (".%03dZ"):format(thousandths % 1000)
end

-- ---- CSV ----

-- A value as a cell has it.
local function plain(value)
  if value == space.null then return nil end
  return type(value) == "table" and json.encode(value) or value
end

-- The names that occur in a field of any record, in order.
local function names_in(records, field)
  local seen, names = {}, {}
  for _, record in ipairs(records) do
    for name in pairs(record[field]) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

-- The columns: each its heading and what it has of a record.
local function columns_of(study, records)
  local columns = {{"number", function(record) return record.number end}}
  local function add(heading, get) columns[#columns + 1] = {heading, get} end
  for i in ipairs(study.directions) do
    local name = study.metric_names[i] or i - 1
    add(#study.directions == 1 and "value" or "values_" .. name, function(record) return (record.values or {})[i] end)
  end
  add("datetime_start", function(record) return time(record.started) end)
  add("datetime_complete", function(record) return time(record.finished) end)
  add("duration", function(record)
    return record.finished and record.started and record.finished - record.started
  end)
  for _, name in ipairs(names_in(records, "params")) do
    add("params_" .. name, function(record) return record.params[name] end)
  end
  for _, name in ipairs(names_in(records, "user_attributes")) do
    add("user_attrs_" .. name, function(record) return record.user_attributes[name] end)
  end
  add("state", function(record) return record.state end)
  return columns
end

function export.csv(study)
  local records, cells = study:history().trials, {}
  local columns = columns_of(study, records)
  for i, column in ipairs(columns) do cells[i] = column[1] end
  local lines = {csv.line(cells, #columns)}
  for _, record in ipairs(records) do
    for i, column in ipairs(columns) do cells[i] = plain(column[2](record)) end
    lines[#lines + 1] = csv.line(cells, #columns)
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end

-- ---- JSON ----

-- JSON knows finite numbers only: the others as texts, "inf", "-inf" and "nan".
local function number(value)
  if value ~= value then return "nan" end
  if value == math.huge then return "inf" end
  return value == -math.huge and "-inf" or value
end

--- A list of numbers as JSON.
function export.numbers(list)
  local result = json.array()
  for i, value in ipairs(list) do result[i] = number(value) end
  return result
end

local function trial(record)
  local intermediate, distributions = json.array(), {}
  for step, value in pairs(record.intermediate) do
    intermediate[#intermediate + 1] = json.array {step, number(value)}
  end
  table.sort(intermediate, function(a, b) return a[1] < b[1] end)
  for name, distribution in pairs(record.distributions) do
    distributions[name] = json.decode(space.encode(distribution))
  end
  return {
    number = record.number, state = record.state, params = record.params, distributions = distributions,
    values = record.values and export.numbers(record.values), intermediate = intermediate,
    constraints = record.constraints and export.numbers(record.constraints), user_attributes = record.user_attributes,
    system_attributes = record.system_attributes, started = time(record.started), finished = time(record.finished),
  }
end

function export.json(study)
  local trials = json.array()
  for i, record in ipairs(study:history().trials) do trials[i] = trial(record) end
  return json.encode({
    name = study.name, directions = study.directions, metric_names = json.array {table.unpack(study.metric_names)},
    user_attributes = study.user_attributes, trials = trials,
  }, "  ") .. "\n"
end

--- The text, or with a path what writing it there came to: true, or nil and a message.
function export.write(path, text)
  if path == nil then return text end
  return write_file(path, text)
end

return export
