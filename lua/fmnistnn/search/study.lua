--- A study: trials of one objective, where they are kept, and who draws and prunes them.
--
--   local study = search.study{name = "cnn", storage = "sqlite:///cnn.db", direction = "maximize"}
--   study:optimize(function(trial) ... return accuracy end, {trials = 30, workers = 2})
--   print(study.best.number, study.best.value, study.best.params.lr)
local Trial = require "fmnistnn.search.trial"
local attribute = require "fmnistnn.search.attribute"
local best = require "fmnistnn.search.best"
local export = require "fmnistnn.search.export"
local is_list = require "fmnistnn.is_list"
local json = require "fmnistnn.json"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local rules = require "fmnistnn.search.storage.rules"
local space = require "fmnistnn.search.space"
local to_utf8 = require "fmnistnn.to_utf8"

local Study = {}
Study.__name = "fmnistnn.search.Study"

-- ---- reading ----

local function with_trials(self, trials)
  return {directions = self.directions, metric_names = self.metric_names, seed = self.seed, trials = trials}
end

--- What samplers and pruners see, brought up to date: {directions, metric_names, seed, trials}.
function Study:history() return with_trials(self, self.storage:trials(self.id)) end

-- The same as it was read last.
function Study:_known_history() return with_trials(self, self.storage:known(self.id)) end

-- A copy of a record for users: `value` is the first of its values, and what was nil is nil.
local function public(record)
  if not record then return nil end
  local copy = {}
  for key, value in pairs(record) do
    if type(value) == "table" then value = table.move(value, 1, #value, 1, {}) end
    copy[key] = value
  end
  for _, key in ipairs {"params", "distributions", "intermediate", "user_attributes", "system_attributes"} do
    for name, value in pairs(record[key]) do
      if key ~= "distributions" then value = attribute.copy(value) end -- those never change
      if value ~= space.null then copy[key][name] = value end
    end
  end
  copy.value = record.values and record.values[1]
  return copy
end

local properties = {
  trials = function(self)
    local list = {}
    for i, record in ipairs(self:history().trials) do list[i] = public(record) end
    return list
  end,
  best = function(self)
    if #self.directions > 1 then refuse("best: the study has several objectives: see best_trials") end
    return public(best.trial(self:history()))
  end,
  best_trials = function(self)
    local list = {}
    for i, record in ipairs(best.front(self:history())) do list[i] = public(record) end
    return list
  end,
  user_attributes = function(self) return attribute.copy(self.storage:study(self.name).user_attributes) end,
}

function Study:__index(key)
  local property = properties[key]
  if property then return property(self) end
  return Study[key]
end

--- Nothing when a parameter of this name can have the distribution, after what it had in earlier trials; else what is
-- wrong with it.
function Study:_distribution_fault(name, distribution)
  if not space.is_distribution(distribution) then
    return ("suggest: %s: expected a distribution, got %s"):format(name, type(distribution))
  end
  local known = self.distributions[name]
  if known == distribution then return nil end
  local fault = attribute.name_fault(name)
  if fault then return "suggest: name: " .. fault end
  if not known then
    for _, record in ipairs(self.storage:known(self.id)) do known = known or record.distributions[name] end
    self.distributions[name] = known
  end
  if not known or space.compatible(known, distribution) then return nil end
  local message = "%s: earlier trials of the study had this parameter as %s, and now it is %s"
  return message:format(name, space.encode(known), space.encode(distribution))
end

-- ---- asking and telling ----

-- A space in which all parameters can be drawn, as a table of distributions: checked before there is a trial.
local function check_space(self, given)
  local declared = space.declare(given, "ask")
  self:history()
  for name, distribution in pairs(declared) do
    local fault = self:_distribution_fault(name, distribution)
    if fault then refuse("ask: %s", fault) end
  end
  return declared
end

--- A new trial, or the first that was enqueued, as one that runs. space: draws these parameters now, {name =
-- distribution or list of choices}; they are in trial.params. Raises when that cannot be: no trial has begun then, but
-- for an enqueued one with a value that the space does not have, which has failed.
function Study:ask(given)
  local declared = given ~= nil and check_space(self, given)
  local record = self.storage:start_trial(self.id, {})
  local ok, result = pcall(function()
    local trial = Trial._new(self, record)
    if declared then trial:draw(declared) end
    return trial
  end)
  if ok then return result end
  self:_finish(record, {state = "failed", reason = tostring(result)})
  error(result, 0)
end

-- The values of an objective as a list of floats, or nil and what is wrong with them.
local function check_values(self, given)
  local list, count = {}, #self.directions
  if type(given) ~= "table" then given = {given} end
  for i = 1, count do
    local name = self.metric_names[i]
    local value = given[i] or name and given[name]
    local what = name or count == 1 and "the value" or "value " .. i
    if type(value) ~= "number" then
      return nil, ("%s: expected a number, got %s"):format(what, value == nil and "nothing" or options.describe(value))
    end
    if value ~= value then return nil, what .. " is NaN" end
    list[i] = value + 0.0
  end
  if #given > count then
    return nil, ("expected %d value%s, got %d"):format(count, count == 1 and "" or "s", #given)
  end
  return list
end

--- Ends a trial. outcome: {state =, values = or reason =, retries =}. Returns the state that it came to and the reason,
-- or nil and why it could not be ended.
function Study:_finish(record, outcome)
  local state, reason, values = outcome.state, outcome.reason, nil
  if state == "complete" then
    values, reason = check_values(self, outcome.values)
    if not values then state = "failed" end
  elseif state == "pruned" then
    local _, value = rules.last_report(record)
    values = #self.directions == 1 and value == value and value and {value} or nil
  end
  local attributes = {}
  reason = reason and to_utf8(reason) -- what an objective raises may be anything
  if reason then attributes[state == "pruned" and "prune_reason" or "fail_reason"] = reason end
  local done, before = self.storage:finish(record, {
    state = state, values = values, system_attributes = attributes,
    retries = state == "failed" and outcome.retries or nil,
  })
  if done then return state, reason end
  local message = before == "waiting" and "trial %d has not begun: it is %s" or "trial %d is over already: it is %s"
  return nil, message:format(record.number, before)
end

local states = {complete = true, pruned = true, failed = true}

--- Ends a trial that study:ask gave, by itself or its number: with the value of the objective or a list of several, or
-- without one in another state, {state = "pruned"} or {state = "failed", reason = text}. A value that is no number or
-- NaN makes it a failed one. Returns true, or nil and why when it was over already, as it may be when it was taken for
-- lost, or when it still waits.
function Study:tell(trial, values, given)
  local o = options.check("tell", given, {
    {"state", "string", default = "complete"}, {"reason", "string", optional = true},
  })
  if not states[o.state] then refuse("tell: state: expected complete, pruned or failed, got %s", o.state) end
  if o.state ~= "complete" and values ~= nil then
    refuse("tell: values: expected none for a trial that is %s, got %s", o.state, options.describe(values))
  end
  if o.state == "complete" and o.reason then
    refuse "tell: reason: expected one only with the state pruned or failed"
  end
  local record = type(trial) == "table" and trial.record
  if math.type(trial) == "integer" then record = self:history().trials[trial + 1] end
  if not record then refuse("tell: expected a trial of the study or its number, got %s", tostring(trial)) end
  local reason = o.reason or o.state == "pruned" and type(trial) == "table" and trial.prune_reason or nil
  local state, message = self:_finish(record, {state = o.state, values = values, reason = reason})
  if state then return true end
  return nil, message
end

-- ---- enqueued trials ----

-- Whether two tables have the same values by name; 3 and 3.0 are one value.
local function are_equal(a, b)
  for name, value in pairs(a) do
    if b[name] ~= value then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end

-- Whether a trial has just these parameters, or is to have them.
local function has_params(record, params)
  local fixed = record.system_attributes.fixed_params
  return type(fixed) == "table" and are_equal(fixed, params) or are_equal(record.params, params)
end

--- Enqueues a trial with these parameters, {name = value} (search.null for nil); those it does not name are drawn.
-- Options: user_attributes, kept with the trial; skip_if_exists true: not when there is one with just these parameters.
-- Returns whether it was enqueued.
function Study:enqueue(params, given)
  local o = options.check("enqueue", given, {
    {"user_attributes", "table", default = {}}, {"skip_if_exists", "boolean", default = false},
  })
  if type(params) ~= "table" then
    refuse("enqueue: expected a table of parameters, got %s", type(params))
  end
  for name, value in pairs(params) do attribute.check("enqueue", name, value) end
  for name, value in pairs(o.user_attributes) do attribute.check("enqueue: user_attributes", name, value) end
  if o.skip_if_exists then
    for _, record in ipairs(self:history().trials) do
      if has_params(record, params) then return false end
    end
  end
  self.storage:create_trial(self.id, {
    state = "waiting", user_attributes = o.user_attributes, system_attributes = {fixed_params = params},
  })
  return true
end

-- ---- the rest ----

--- The trial of a number, as in study.trials; nil when there is none.
function Study:trial(number)
  if type(number) ~= "number" then refuse("trial: expected its number, got %s", options.describe(number)) end
  return public(self:history().trials[number + 1])
end

--- Runs the objective for one trial after the other: optimize.lua.
function Study:optimize(objective, given) return require "fmnistnn.search.optimize".run(self, objective, given) end

--- In a callback or the objective: study:optimize ends when the trials that run are over.
function Study:stop() self.stopping = true end

--- Keeps a value of JSON under a name, with the study.
function Study:set_user_attribute(name, value)
  attribute.check("set_user_attribute", name, value)
  self.storage:set_study_attribute(self.id, "user", name, value)
end

--- The trials as comma-separated values, with the columns of Optuna's trials_dataframe: written to a file (true, or nil
-- and a message), or without a path the text.
function Study:csv(path) return export.write(path, export.csv(self)) end

--- The study and its trials as JSON; as csv.
function Study:json(path) return export.write(path, export.json(self)) end

local methods = {fanova = true, ped_anova = true}

--- How important each parameter is for the values: a list of {name =, importance =}, the largest first, that sum up to
-- 1. Options: method, "fanova" (importance/fanova.lua) or "ped_anova" (which takes conditional parameters too); and
-- objective, which of several, from 1.
function Study:importances(given)
  local o = options.check("importances", given, {
    {"method", "string", default = "fanova"}, {"objective", "count", default = 1},
  })
  if not methods[o.method] then
    refuse("importances: method: expected fanova or ped_anova, got %s", o.method)
  end
  return require("fmnistnn.search.importance." .. o.method)(self:history(), {objective = o.objective})
end

--- Writes a page that shows the study (page/init.lua). Option: refresh, seconds after which the page loads itself anew,
-- for one that is written again while the search goes on. Returns true, or nil and a message.
function Study:report(path, given)
  local o = options.check("report", given, {{"refresh", "positive", optional = true}})
  if type(path) ~= "string" then refuse("report: path: expected a string, got %s", type(path)) end
  return require "fmnistnn.search.page"(self, o.refresh):write(path)
end

-- ---- making ----

-- A seed for a study that was given none.
local function any_seed() return math.random(0, 0x7fffffff) end

local function check_directions(given)
  local list = given.directions or {given.direction or "minimize"}
  if given.direction and given.directions then refuse("study: expected either direction or directions") end
  if not is_list(list) then refuse "study: directions: expected a list, got another table" end
  if #list == 0 then refuse("study: directions: expected at least one") end
  for _, direction in ipairs(list) do
    if direction ~= "minimize" and direction ~= "maximize" then
      refuse("study: direction: expected minimize or maximize, got %s", tostring(direction))
    end
  end
  return list
end

local function check_names(given, directions)
  local names, seen = given.metric_names or {}, {}
  if not is_list(names) then refuse "study: metric_names: expected a list, got another table" end
  for i, name in ipairs(names) do
    local fault = type(name) == "string" and attribute.name_fault(name)
    if type(name) ~= "string" then
      fault = "expected a text of UTF-8 without zero bytes, got " .. options.describe(name)
    end
    if fault then refuse("study: metric_names: element %d: %s", i, fault) end
    if seen[name] then refuse("study: metric_names: element %d: %s is there already", i, name) end
    seen[name] = true
  end
  if #names > 0 and #names ~= #directions then
    refuse("study: metric_names: expected %d, one for each objective, got %d", #directions, #names)
  end
  return names
end

-- A folder's name for any study's name.
local function folder_name(name)
  return (name:gsub("^%.", "%%2e"):gsub("[^%w._%% -]", function(c) return ("%%%02x"):format(c:byte()) end))
end

local function default_folder(self)
  local beside = self.storage.path and self.storage.path:gsub("%.[^./]*$", "") .. ".checkpoints/" or "checkpoints/"
  return beside .. folder_name(self.name)
end

local SEED <const>, NAMES <const> = "fmnistnn:seed", "study:metric_names"

local function names_as_json(names) return json.array {table.unpack(names)} end

-- What is written with a new study.
local function create(given, storage)
  local directions = check_directions(given)
  local names = check_names(given, directions)
  local attributes = {[SEED] = given.seed or math.tointeger(given.sampler.seed) or any_seed()}
  if names[1] then attributes[NAMES] = names_as_json(names) end
  return storage:create_study(given.name, directions, attributes)
end

local function check_same(given, found)
  local directions = (given.direction or given.directions) and check_directions(given)
  if directions and table.concat(directions, ", ") ~= table.concat(found.directions, ", ") then
    refuse("study: '%s' exists, with the directions %s", given.name, table.concat(found.directions, ", "))
  end
end

-- The names of a study's objectives; those that are given to one that has none are kept with it.
local function names_of(given, storage, found)
  local names, kept = check_names(given, found.directions), found.system_attributes[NAMES]
  if type(kept) ~= "table" or not kept[1] then
    if names[1] then storage:set_study_attribute(found.id, "system", NAMES, names_as_json(names)) end
    return names
  end
  if names[1] and table.concat(names, "\0") ~= table.concat(kept, "\0") then
    refuse("study: '%s' exists, with the metric_names %s", given.name, table.concat(kept, ", "))
  end
  return kept
end

--- The study of checked options, which must exist in its storage.
function Study._open(given, storage)
  local found = storage:study(given.name)
  check_same(given, found)
  local self = setmetatable({
    storage = storage, id = found.id, name = found.name, directions = found.directions, distributions = {},
    metric_names = names_of(given, storage, found), sampler = given.sampler, pruner = given.pruner,
    heartbeat = given.heartbeat,
  }, Study)
  self.seed = given.seed or math.tointeger(found.system_attributes[SEED]) or math.tointeger(self.sampler.seed) or 0
  self.checkpoints = given.checkpoints or default_folder(self)
  return self
end

--- The study of checked options, made when there is none.
function Study._make(given, storage)
  local exists = storage:study(given.name) or not create(given, storage)
  if exists and not given.load_if_exists then refuse("study: '%s' exists already", given.name) end
  return Study._open(given, storage)
end

return Study
