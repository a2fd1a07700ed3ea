--- The page of a search: Study:report. What is best comes first, then how the search went, what each parameter did, and
-- all trials.
local Subject = require "fmnistnn.search.page.subject"
local best = require "fmnistnn.search.best"
local charts = require "fmnistnn.search.page.charts"
local fanova = require "fmnistnn.search.importance.fanova"
local fnn_page = require "fmnistnn.page"
local json = require "fmnistnn.json"
local numbers = require "fmnistnn.page.numbers"
local ped_anova = require "fmnistnn.search.importance.ped_anova"
local tables = require "fmnistnn.search.page.tables"

local IMPORTANCES <const> = "Two measures of what matters: fANOVA, which part of the values' variance over the whole "
  .. "space a parameter explains, for those that all trials have; and PED-ANOVA, how much its values in the best tenth "
  .. "of the trials differ from those in all."

local LEAST_TRIALS <const> = 5 -- so many must be complete before importances mean anything

local function plural(count, word) return ("%s %s%s"):format(numbers.short(count), word, count == 1 and "" or "s") end

-- ---- what is best ----

local function describe(subject)
  local goals = {}
  for i, title in ipairs(subject.titles) do goals[i] = subject.directions[i] .. " " .. title end
  local counts = subject:counts()
  return ("A search to %s: %s%s."):format(table.concat(goals, " and "), plural(#subject.records, "trial"),
    counts ~= "" and ", " .. counts or "")
end

local function add_best(page, subject)
  page:heading "Best trial"
  local record = best.trial(subject.history)
  if not record then return page:text "No trial is complete and feasible yet." end
  local seconds = Subject.seconds_of(record)
  page:text(("Trial %d is the best so far: %s %s%s."):format(record.number, subject.titles[1],
    numbers.short(record.values[1]), seconds and (", in %s s"):format(numbers.short(seconds)) or ""))
  page:table(tables.parameters(subject, record))
end

local function add_front(page, subject)
  page:heading "Best trials"
  local front = best.front(subject.history)
  if #front == 0 then return page:text "No trial is complete and feasible yet." end
  page:text(("%s of %s: no other one is at least as good in every objective and better in one."):format(
    plural(#front, "trial"), numbers.short(#subject.groups.complete)))
  for _, chart in ipairs(charts.front(subject)) do page:chart(chart) end
  page:table(tables.front(subject, front))
end

-- ---- how it went ----

local function add_progress(page, subject)
  local shown = {}
  for i in ipairs(subject.titles) do shown[i] = charts.history(subject, i) end
  local curves = charts.curves(subject)
  if not curves and not shown[1] then return end
  page:heading "Progress"
  for _, chart in ipairs(shown) do page:chart(chart) end
  if curves then page:chart(curves) end
  if curves and #subject.groups.pruned > 0 then page:text "Trials that were pruned are grey." end
end

-- ---- parameters ----

-- Importances for an objective. Forests take time: of many trials there are fewer trees.
local function measures_of(subject, objective)
  if #subject.groups.complete < LEAST_TRIALS or #subject.parameters < 2 then return {} end
  local trees = math.max(8, math.min(64, 32000 // #subject.groups.complete))
  return {
    {
      title = "Importance by fANOVA",
      list = fanova(subject.history, {objective = objective, trees = trees}),
    },
    {title = "Importance by PED-ANOVA", list = ped_anova(subject.history, {objective = objective})},
  }
end

-- The parameters, the important ones first.
local function ranked(subject, measures)
  local by_name, list, taken = {}, {}, {}
  for _, parameter in ipairs(subject.parameters) do by_name[parameter.name] = parameter end
  local function add(parameter)
    if parameter and not taken[parameter] then taken[parameter], list[#list + 1] = true, parameter end
  end
  for _, measure in ipairs(measures) do
    for _, one in ipairs(measure.list) do add(by_name[one.name]) end
  end
  for _, parameter in ipairs(subject.parameters) do add(parameter) end
  return list
end

local function add_group(page, shown)
  if shown then page:chart(table.unpack(shown)) end
end

local function add_parameters(page, subject, objective)
  local measures = measures_of(subject, objective)
  local parameters = ranked(subject, measures)
  if measures[1] then
    if objective == 1 then page:text(IMPORTANCES) end
    add_group(page, charts.importances(measures))
  end
  local slices = charts.slices(subject, objective, parameters)
  add_group(page, slices)
  if #slices < #parameters then
    page:text(("These are %d of %s."):format(#slices, plural(#parameters, "parameter")))
  end
  local contour = measures[1] and charts.contour(subject, objective, parameters[1], parameters[2])
  if contour then page:chart(contour) end
  local parallel = charts.parallel(subject, objective, parameters)
  if parallel then page:chart(parallel) end
end

local function add_all_parameters(page, subject)
  if #subject.parameters == 0 or #subject.groups.complete == 0 then return end
  if #subject.titles == 1 then return add_parameters(page:heading "Parameters", subject, 1) end
  for i, title in ipairs(subject.titles) do
    add_parameters(page:heading("Parameters and " .. title), subject, i)
  end
end

-- ---- trials ----

local function add_failures(page, subject)
  local failures, more = tables.failures(subject)
  for i, failure in ipairs(failures) do
    if i == 1 then page:heading("What failed", 3) end
    page:text(("Failed: %s"):format(failure.trials)):code(failure.message)
  end
  if more > 0 then page:text(("There are %s."):format(plural(more, "further message"))) end
end

local function add_trials(page, subject, now)
  page:heading "Trials"
  if #subject.records == 0 then return page:text "There are no trials yet." end
  local timeline = charts.timeline(subject, now)
  if timeline then page:chart(timeline) end
  add_failures(page, subject)
  page:table(tables.trials(subject))
end

local function add_attributes(page, subject)
  local rows = {}
  for name, value in pairs(subject.user_attributes) do
    rows[#rows + 1] = {name, type(value) == "table" and json.encode(value) or value}
  end
  if #rows == 0 then return end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  page:heading("Notes"):table {caption = "Attributes of the study", columns = {"name", "value"}, rows = rows}
end

--- The page of a study, as fnn.page has them. refresh: seconds after which it loads itself anew, or nil.
return function(study, refresh)
  local subject = Subject.new(study)
  local page = fnn_page {title = subject.name, description = describe(subject), refresh = refresh}
  local add = #subject.titles == 1 and add_best or add_front
  add(page, subject)
  if #subject.records > 0 then
    add_progress(page, subject)
    add_all_parameters(page, subject)
  end
  add_trials(page, subject, os.time())
  add_attributes(page, subject)
  return page
end
