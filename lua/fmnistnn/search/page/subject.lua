--- What a page knows of a study: its trials by what became of them, its parameters, how both are named, and which are
-- shown where there are too many.
local common = require "fmnistnn.search.samplers.common"
local json = require "fmnistnn.json"
local numbers = require "fmnistnn.page.numbers"
local space = require "fmnistnn.search.space"

local Subject = {}
Subject.__index = Subject

-- ---- names ----

local function titles_of(study)
  if #study.directions == 1 then return {study.metric_names[1] or "value"} end
  local titles = {}
  for i in ipairs(study.directions) do titles[i] = study.metric_names[i] or "objective " .. i end
  return titles
end

local function name_of(choice) return choice == space.null and "nil" or tostring(choice) end

-- Names of choices, by choice and in their order: a text that reads as another choice does is put in quotes.
local function names_of(distribution)
  local count, names, list = {}, {}, {}
  for _, choice in ipairs(distribution.choices) do
    count[name_of(choice)] = (count[name_of(choice)] or 0) + 1
  end
  for i, choice in ipairs(distribution.choices) do
    local name = name_of(choice)
    if type(choice) == "string" and count[name] > 1 then name = '"' .. name .. '"' end
    names[choice], list[i] = name, name
  end
  return names, list
end

--- What a distribution has, in words.
function Subject.range_of(distribution)
  if distribution.kind == "categorical" then
    local _, list = names_of(distribution)
    return table.concat(list, ", ")
  end
  local text = ("%s to %s"):format(numbers.exact(distribution.low), numbers.exact(distribution.high))
  if distribution.log then return text .. ", logarithmic" end
  local step = distribution.step
  return step and step ~= 1 and ("%s in steps of %s"):format(text, numbers.exact(step)) or text
end

-- ---- parameters ----

local Parameter = {}
Parameter.__index = Parameter

local function new_parameter(name, distribution)
  local self = setmetatable({name = name, distribution = distribution}, Parameter)
  if distribution.kind == "categorical" then self.names, self.categories = names_of(distribution) end
  return self
end

--- Its value in a trial as charts and tables show it: a number, or the name of a choice; nil when it has none.
function Parameter:of(record)
  local value = record.params[self.name]
  if value == nil or not self.names then return value end
  return self.names[value]
end

--- Its axis, as fnn.page takes them.
function Parameter:axis()
  return {title = self.name, log = self.distribution.log, categories = self.categories}
end

-- Those that most trials have first, with the distributions of the last trials: ranges may have become wider.
local function parameters_of(records)
  local latest, count, names, list = {}, {}, {}, {}
  for _, record in ipairs(records) do
    for name, distribution in pairs(record.distributions) do
      if not latest[name] then names[#names + 1] = name end
      latest[name], count[name] = distribution, (count[name] or 0) + 1
    end
  end
  table.sort(names, function(a, b)
    if count[a] ~= count[b] then return count[a] > count[b] end
    return a < b
  end)
  for i, name in ipairs(names) do list[i] = new_parameter(name, latest[name]) end
  return list
end

-- ---- trials ----

-- What became of a trial: its state, and "infeasible" of those that broke a constraint.
local function group_of(record)
  return record.state == "complete" and common.violation(record) > 0 and "infeasible" or record.state
end

Subject.GROUPS = {"complete", "infeasible", "pruned", "failed", "running", "waiting"}

local function groups_of(records)
  local groups = {}
  for _, group in ipairs(Subject.GROUPS) do groups[group] = {} end
  for _, record in ipairs(records) do table.insert(groups[group_of(record)], record) end
  return groups
end

--- Of a study, as it is now.
function Subject.new(study)
  local history = study:history()
  return setmetatable({
    name = study.name, directions = study.directions, titles = titles_of(study), history = history,
    records = history.trials, groups = groups_of(history.trials), parameters = parameters_of(history.trials),
    user_attributes = study.user_attributes,
  }, Subject)
end

--- "12 complete, 3 pruned".
function Subject:counts()
  local parts = {}
  for _, group in ipairs(Subject.GROUPS) do
    local count = #self.groups[group]
    if count > 0 then parts[#parts + 1] = ("%s %s"):format(numbers.short(count), group) end
  end
  return table.concat(parts, ", ")
end

--- A trial's reason for being over, or nil.
function Subject.reason_of(record)
  local system = record.system_attributes
  local reason = system.fail_reason or system.prune_reason
  return reason and tostring(reason)
end

--- How long it ran, in seconds, or nil.
function Subject.seconds_of(record)
  return record.started and record.finished and record.finished - record.started
end

--- A user attribute as a cell of a table.
function Subject.attribute_of(record, name)
  local value = record.user_attributes[name]
  if type(value) ~= "table" then return value end
  if json.is_array(value) and type(value[1]) == "string" then return table.concat(value, ", ") end -- tags
  return json.encode(value)
end

--- The loss of a trial in an objective: what is less is better. Of those that are not complete and feasible, as bad as
-- can be.
function Subject:loss(record, objective)
  if group_of(record) ~= "complete" then return math.huge end
  local value = record.values[objective]
  return self.directions[objective] == "maximize" and -value or value
end

--- So many of the records at most, in their order: the best half of them, by an objective, and an even choice of the
-- others.
function Subject:thin(records, most, objective)
  if #records <= most then return records end
  local order, chosen, list = {}, {}, {}
  for i = 1, #records do order[i] = i end
  table.sort(order, function(i, j)
    local a, b = self:loss(records[i], objective), self:loss(records[j], objective)
    return a < b or a == b and i < j
  end)
  local best = most // 2
  local others = table.move(order, best + 1, #order, 1, {})
  table.sort(others)
  for i = 1, best do chosen[order[i]] = true end
  for k = 1, most - best do chosen[others[(k - 1) * #others // (most - best) + 1]] = true end
  for i, record in ipairs(records) do
    if chosen[i] then list[#list + 1] = record end
  end
  return list
end

--- A title, and how many of all trials its chart shows, where these are not all.
function Subject.title(text, shown, all)
  if shown == all then return text end
  return ("%s (%s of %s trials)"):format(text, numbers.short(shown), numbers.short(all))
end

return Subject
