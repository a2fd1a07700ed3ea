--- The charts of a search's page. Each function returns a chart, or a list of them, or nil where there is nothing to
-- show. What they show is in the table of trials too, so that most have no data of their own below them.
local Subject = require "fmnistnn.search.page.subject"
local best = require "fmnistnn.search.best"
local page = require "fmnistnn.page"
local rules = require "fmnistnn.search.storage.rules"

local charts = {}

-- How much charts show at most: pages of thousands of trials stay about a megabyte.
local MOST_HISTORY <const> = 500 -- trials
local MOST_CURVES <const>, MOST_POINTS <const> = 100, 3000 -- trials, and points of all of their curves
local MOST_SLICES <const>, MOST_IN_SLICES <const> = 12, 1200 -- parameters; trials in all of their charts together
local MOST_AXES <const>, MOST_PARALLEL <const> = 6, 100 -- parameters, and trials of each objective
local MOST_CONTOUR <const>, MOST_FRONT <const>, MOST_SPANS <const> = 100, 400, 150
local MOST_DATA <const> = 500 -- points with a table of their own

local GREY <const> = 8 -- the number of a series with hollow grey marks

-- ---- what charts share ----

-- An axis of an objective, logarithmic where values of very different sizes are all positive.
local function value_axis(subject, objective, records)
  local low, high = math.huge, 0
  for _, record in ipairs(records) do
    local value = record.values and record.values[objective]
    if value and value < math.huge then low, high = math.min(low, value), math.max(high, value) end
  end
  return {title = subject.titles[objective], log = low > 0 and high > 1000 * low}
end

-- The same as colours: the strong ones are those of the better values.
local function color_axis(subject, objective, records)
  local axis = value_axis(subject, objective, records)
  axis.reverse = subject.directions[objective] == "minimize"
  return axis
end

-- A list of f(record) for each record, in which nil is a gap; and the records' names.
local function each(records, f)
  local list = {}
  for i, record in ipairs(records) do list[i] = f(record) end
  return list
end

local function names_of(records)
  return each(records, function(record) return "trial " .. record.number end)
end

local function values_of(records, objective)
  return each(records, function(record) return record.values and record.values[objective] end)
end

-- The part of a limit for all objectives together that each has.
local function share(subject, most) return most // #subject.directions end

local function numbers_of(records) return each(records, function(record) return record.number end) end

-- The trials with a value and a place for a parameter, of a group.
local function with(records, parameter)
  local list = {}
  for _, record in ipairs(records) do
    if parameter:of(record) ~= nil then list[#list + 1] = record end
  end
  return list
end

-- ---- values over trials ----

-- The best value so far as steps: numbers of trials, and values.
local function best_so_far(subject, objective)
  local x, y, least = {}, {}, math.huge
  local function add(number, value) x[#x + 1], y[#y + 1] = number, value end
  for _, record in ipairs(subject.groups.complete) do
    if subject:loss(record, objective) < least then
      if y[1] then add(record.number, y[#y]) end
      least = subject:loss(record, objective)
      add(record.number, record.values[objective])
    end
  end
  if y[1] then add(#subject.records - 1, y[#y]) end
  return x, y
end

--- The value of each trial, and the best so far; nil when none has a value.
function charts.history(subject, objective)
  local series, all, total, groups = {}, {}, 0, {"complete", "infeasible", "pruned"}
  for _, group in ipairs(groups) do total = total + #subject.groups[group] end
  for i, group in ipairs(groups) do
    local records = subject.groups[group]
    local most = math.max(20, share(subject, MOST_HISTORY) * #records // math.max(1, total))
    local shown = subject:thin(records, most, objective)
    if #records > 0 then
      series[#series + 1] = {
        group, x = numbers_of(shown), y = values_of(shown, objective), color = i == 3 and GREY or i + 1,
      }
    end
    table.move(shown, 1, #shown, #all + 1, all)
  end
  if total == 0 then return nil end
  local x, y = best_so_far(subject, objective)
  if #y > 0 then series[#series + 1] = {"best so far", x = x, y = y, line = true, points = false, color = 1} end
  return page.scatter {
    title = Subject.title("History of " .. subject.titles[objective], #all, total), x = {title = "trial", min = 0},
    y = value_axis(subject, objective, all), series = series,
  }:without_data()
end

-- The reports of a trial as a curve of so many points at most.
local function curve_of(record, most)
  local steps, x, y = {}, {}, {}
  for step in pairs(record.intermediate) do steps[#steps + 1] = step end
  table.sort(steps)
  local every = math.ceil(#steps / most)
  for i, step in ipairs(steps) do
    if i % every == 0 or i == 1 or i == #steps then x[#x + 1], y[#y + 1] = step, record.intermediate[step] end
  end
  local z = record.state == "complete" and record.values[1] or nil
  return {("trial %d, %s"):format(record.number, record.state), x = x, y = y, z = z, dash = record.state == "pruned"}
end

--- What trials reported, step by step.
function charts.curves(subject)
  local records = {}
  for _, record in ipairs(subject.records) do
    if next(record.intermediate) then records[#records + 1] = record end
  end
  if #records == 0 then return nil end
  local shown, points = subject:thin(records, MOST_CURVES, 1), 0
  local series = each(shown, function(record) return curve_of(record, math.max(20, MOST_POINTS // #shown)) end)
  for _, curve in ipairs(series) do points = points + #curve.x end
  local name = #subject.directions == 1 and subject.titles[1] or "reported value"
  local chart = page.curves {
    title = Subject.title("Intermediate values", #shown, #records), x = "step", y = name,
    z = color_axis(subject, 1, shown), series = series,
  }
  return points <= MOST_DATA and chart or chart:without_data()
end

-- ---- parameters ----

--- Bars for importances, a chart for each measure; nil when there are none.
function charts.importances(measures)
  local list = {}
  for _, measure in ipairs(measures) do
    local names, values = {}, {}
    for i, one in ipairs(measure.list) do names[i], values[i] = one.name, one.importance end
    if #names > 0 then
      local x = {title = "share", min = 0}
      list[#list + 1] = page.bars {title = measure.title, x = x, names = names, values = values}
    end
  end
  return list[1] and list
end

-- One parameter against an objective.
local function slice(subject, objective, parameter, most)
  local complete = with(subject.groups.complete, parameter)
  local pruned = with(subject.groups.pruned, parameter)
  local total = #complete + #pruned
  complete = subject:thin(complete, math.max(most // 2, most - #pruned), objective)
  pruned = subject:thin(pruned, most - #complete, objective)
  local function x(records) return each(records, function(record) return parameter:of(record) end) end
  local series = {}
  if #pruned > 0 and #subject.directions == 1 then
    series[1] = {"pruned", x = x(pruned), y = values_of(pruned, 1), color = GREY}
  end
  if #complete > 0 then
    series[#series + 1] = {
      "complete", x = x(complete), y = values_of(complete, objective), z = numbers_of(complete), color = 1,
    }
  end
  return page.scatter {
    title = Subject.title(parameter.name, #complete + #pruned, total), x = parameter:axis(),
    y = value_axis(subject, objective, complete), z = {title = "trial", min = 0}, series = series,
  }:without_data()
end

--- A chart for each parameter: what its values came to.
function charts.slices(subject, objective, parameters)
  local list, count = {}, math.min(#parameters, math.max(1, share(subject, MOST_SLICES)))
  local most = math.min(300, share(subject, MOST_IN_SLICES) // count)
  for i = 1, count do list[i] = slice(subject, objective, parameters[i], most) end
  return list
end

--- An objective over two parameters.
function charts.contour(subject, objective, first, second)
  local records = with(with(subject.groups.complete, first), second)
  if #records < 3 then return nil end
  local shown = subject:thin(records, MOST_CONTOUR, objective)
  return page.contour {
    title = Subject.title(("%s and %s"):format(first.name, second.name), #shown, #records), x = first:axis(),
    y = second:axis(), z = color_axis(subject, objective, shown), points = {
      x = each(shown, function(record) return first:of(record) end),
      y = each(shown, function(record) return second:of(record) end), z = values_of(shown, objective),
    },
  }:without_data()
end

--- Trials as lines across the parameters and objectives, by the colours of one objective.
function charts.parallel(subject, objective, parameters)
  local records, axes = subject.groups.complete, {}
  local shown = subject:thin(records, MOST_PARALLEL, objective)
  for i = 1, math.min(MOST_AXES, #parameters) do
    axes[i] = parameters[i]:axis()
    axes[i].values = each(shown, function(record) return parameters[i]:of(record) end)
  end
  if #shown == 0 or #axes == 0 then return nil end
  local last = color_axis(subject, objective, shown)
  last.values = values_of(shown, objective)
  axes[#axes + 1] = last
  return page.parallel {
    title = Subject.title("Parallel coordinates", #shown, #records), axes = axes, names = names_of(shown),
  }:without_data()
end

-- ---- several objectives ----

local function points(subject, name, records, i, j, more)
  local shown = subject:thin(records, MOST_FRONT, 1)
  local one = {name, x = values_of(shown, i), y = values_of(shown, j), labels = more.labels and names_of(shown)}
  one.line, one.color = more.line, more.color
  return one
end

local function plane(subject, front, i, j)
  local is_best, others = {}, {}
  for _, record in ipairs(front) do is_best[record] = true end
  for _, record in ipairs(subject.groups.complete) do
    if not is_best[record] then others[#others + 1] = record end
  end
  local series = {points(subject, "other trials", others, i, j, {color = GREY})}
  if #subject.groups.infeasible > 0 then
    series[2] = points(subject, "infeasible", subject.groups.infeasible, i, j, {color = 3})
  end
  series[#series + 1] = points(subject, "front", front, i, j, {
    color = 1, labels = true, line = #subject.directions == 2,
  })
  return page.scatter {
    title = ("%s and %s"):format(subject.titles[i], subject.titles[j]), x = value_axis(subject, i, subject.records),
    y = value_axis(subject, j, subject.records), series = series,
  }:without_data()
end

-- The front's trials as lines across the objectives.
local function across(subject, front)
  local axes, shown = {}, subject:thin(front, MOST_PARALLEL, 1)
  for i in ipairs(subject.titles) do
    axes[i] = color_axis(subject, i, shown)
    axes[i].values = values_of(shown, i)
  end
  return page.parallel {
    title = Subject.title("The front across the objectives", #shown, #front), axes = axes, names = names_of(shown),
  }:without_data()
end

--- The Pareto front: two objectives as a plane, three as three of them; from three on also as parallel coordinates.
function charts.front(subject)
  local front, list, count = best.front(subject.history), {}, #subject.directions
  for i = 1, count <= 3 and count or 0 do
    for j = i + 1, count do list[#list + 1] = plane(subject, front, i, j) end
  end
  if count > 2 and #front > 0 then list[#list + 1] = across(subject, front) end
  return list
end

-- ---- time ----

-- The workers' trials: {host =, start =, stop =, records}, in the order in which they began. A trial of no named worker
-- is one of its own.
local function workers_of(records, now)
  local by_name, list = {}, {}
  for _, record in ipairs(records) do
    local name = record.system_attributes[rules.WORKER] or record.number
    local worker = by_name[name]
    if not worker then
      worker = {host = type(name) == "string" and name:match "^[^/]+" or "", start = record.started, stop = 0}
      by_name[name], list[#list + 1] = worker, worker
    end
    worker.stop = math.max(worker.stop, record.finished or now)
    worker[#worker + 1] = record
  end
  return list
end

-- A row for each worker: one that begins after another of its host has ended takes its row.
local function rows_of(workers)
  local hosts, names = {}, {}
  for _, worker in ipairs(workers) do
    local rows, row = hosts[worker.host] or {}, 1
    while rows[row] and rows[row] > worker.start do row = row + 1 end
    rows[row], hosts[worker.host] = worker.stop, rows
    names[worker] = ("%s %d"):format(worker.host ~= "" and worker.host or "worker", row)
  end
  return names
end

-- A function that takes a time to how much time had passed in which some trial ran: pauses do not count.
local function clock_of(records, now)
  local pieces, stop = {}, -math.huge -- {start, how much passed before}
  for _, record in ipairs(records) do
    if record.started > stop then
      local before = pieces[#pieces]
      pieces[#pieces + 1] = {record.started, before and before[2] + stop - before[1] or 0}
    end
    stop = math.max(stop, record.finished or now)
  end
  return function(time)
    local piece = pieces[1]
    for _, one in ipairs(pieces) do
      if one[1] <= time then piece = one end
    end
    return piece[2] + time - piece[1]
  end
end

-- The trials that have begun, in the order of their beginnings; the last of them.
local function begun(subject)
  local records = {}
  for _, record in ipairs(subject.records) do
    if record.started and (record.finished or record.state == "running") then records[#records + 1] = record end
  end
  table.sort(records, function(a, b)
    if a.started ~= b.started then return a.started < b.started end
    return a.number < b.number
  end)
  return table.move(records, math.max(1, #records - MOST_SPANS + 1), #records, 1, {}), #records
end

--- What ran when and where; now: seconds since 1970.
function charts.timeline(subject, now)
  local records, total = begun(subject)
  if #records == 0 then return nil end
  local workers, clock, spans, last = workers_of(records, now), clock_of(records, now), {}, 0
  local names = rows_of(workers)
  for _, worker in ipairs(workers) do
    for _, record in ipairs(worker) do
      local start = clock(record.started)
      local stop = start + math.max(0, (record.finished or now) - record.started)
      local name = tostring(record.number)
      spans[#spans + 1] = {name, row = names[worker], start = start, stop = stop, state = record.state}
      last = math.max(last, stop)
    end
  end
  table.sort(spans, function(a, b) return a.row < b.row or a.row == b.row and a.start < b.start end)
  local unit, seconds = "s", 1
  if last > 7200 then unit, seconds = "h", 3600 elseif last > 300 then unit, seconds = "min", 60 end
  for _, span in ipairs(spans) do span.start, span.stop = span.start / seconds, span.stop / seconds end
  return page.timeline {
    title = Subject.title("When trials ran", #records, total), x = ("time without pauses (%s)"):format(unit),
    spans = spans, states = {"complete", "pruned", "failed", "running"},
  }:without_data()
end

return charts
