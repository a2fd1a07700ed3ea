--- A trial as the objective sees it: draws hyperparameters, reports how it goes.
--
--   local lr = trial:float("lr", 1e-4, 1e-2, {log = true})
--   trial:report(accuracy, epoch)
--   if trial:should_prune() then search.prune() end
local Random = require "fmnistnn.search.random"
local attribute = require "fmnistnn.search.attribute"
local core = require "fmnistnn.core"
local folder = require "fmnistnn.folder"
local json = require "fmnistnn.json"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local rules = require "fmnistnn.search.storage.rules"
local space = require "fmnistnn.search.space"

local Trial = {}
Trial.__name = "fmnistnn.search.Trial"

-- What ends an objective from within: values that are raised, and that optimize knows.
local function mark(text) return setmetatable({}, {__tostring = function() return text end}) end

-- What search.prune raises: {reason = a text or nil}.
local Pruned = {__tostring = function()
  return "the trial was pruned (search.prune is for functions that study:optimize runs)"
end}

--- Raises what ends a trial as a pruned one.
function Trial._prune(reason) error(setmetatable({reason = reason}, Pruned), 0) end

--- Whether an objective raised that.
function Trial._is_pruned(raised) return getmetatable(raised) == Pruned end

--- Raised when the parameters turn out to be those of an earlier trial, which is then in trial.duplicate_of.
Trial._duplicate = mark "the trial has the parameters of an earlier one"

-- ---- making ----

-- Stores what a sampler or pruner has written into the record's system attributes.
local function keeping_attributes(self, f, ...)
  local record, before = self.record, {}
  for key, value in pairs(record.system_attributes) do before[key] = value end
  local result = table.pack(f(...))
  for key, value in pairs(record.system_attributes) do
    if before[key] ~= value then self.study.storage:set_trial_attribute(record, "system", key, value) end
  end
  return table.unpack(result, 1, result.n)
end

-- Draws what the sampler draws together. `...`: how often this was done for the trial before, if it was.
local function begin(self, ...)
  local study, record = self.study, self.record
  self.random = Random.new(study.seed, rules.origin(record), ...)
  self.history = study:_known_history()
  self.relative = keeping_attributes(self, study.sampler.begin, study.sampler, self.history, record, self.random)
end

--- A running record as a trial of a study.
function Trial._new(study, record)
  local self = setmetatable({study = study, record = record, number = record.number}, Trial)
  -- fits in 31 bits, so that an epoch may be added to it
  self.seed = Random.new(study.seed, rules.origin(record), -1):bits() >> 33
  begin(self)
  return self
end

--- Forgets the parameters, to draw them anew, for the nth time.
function Trial:_redraw(attempt)
  self.study.storage:forget_parameters(self.record)
  begin(self, attempt)
end

-- ---- hyperparameters ----

-- What an enqueued trial says of a parameter: whether it does, and the value.
local function fixed_value(self, name, distribution)
  local fixed = self.record.system_attributes.fixed_params
  local value = type(fixed) == "table" and fixed[name]
  if value == nil or fixed == nil then return false end
  if distribution.kind == "float" and type(value) == "number" then value = value + 0.0 end
  if distribution.kind == "int" and type(value) == "number" then value = math.tointeger(value) or value end
  if distribution.kind == "categorical" then -- of 1 and 1.0 the one that is among the choices
    local index = space.index(distribution, value)
    value = index and distribution.choices[index] or value
  end
  if not space.contains(distribution, value) then
    local what = type(value) == "string" and ("%q"):format(value) or tostring(value) -- "0.1" is no 0.1
    refuse("%s: the enqueued value %s is not among those it can have", name, what)
  end
  return true, value
end

local function draw(self, name, distribution)
  local is_fixed, value = fixed_value(self, name, distribution)
  if is_fixed then return value end
  if space.single(distribution) then return space.grid(distribution)[1] end
  value = self.relative[name]
  if value ~= nil and space.contains(distribution, value) then return value end
  return self.study.sampler:sample(self.history, self.record, name, distribution, self.random)
end

--- The value of a hyperparameter: drawn at the first call, the same at any later one. distribution: search.float(...),
-- search.int(...) or search.categorical(...). Raises when another trial of the study had one of this name of another
-- kind or other choices.
function Trial:suggest(name, distribution)
  if type(name) ~= "string" then refuse("suggest: name: expected a string, got %s", tostring(name)) end
  local record = self.record
  local fault = self.study:_distribution_fault(name, distribution)
  if fault then refuse("%s", fault) end
  local value = record.params[name]
  if value == nil then
    value = draw(self, name, distribution)
    self.study.storage:set_parameter(record, name, value, distribution)
    record.params[name], record.distributions[name] = value, distribution
    self.duplicate_of = self.earlier and self.earlier[json.encode(record.params)]
    if self.duplicate_of then error(Trial._duplicate, 0) end
  elseif not space.compatible(record.distributions[name], distribution) then
    refuse("%s: the trial has this parameter already, of another kind", name)
  end
  if value == space.null then return nil end
  return value
end

--- A float of low..high. Options: log = true, drawn on a logarithmic scale; or step, a grid from low on.
function Trial:float(name, low, high, given)
  return self:suggest(name, space.float(low, high, given, "float: " .. tostring(name)))
end

--- An integer of low..high. Options: log = true; or step 1.
function Trial:int(name, low, high, given)
  return self:suggest(name, space.int(low, high, given, "int: " .. tostring(name)))
end

--- One of a list of strings, numbers, booleans or nil ({"a", nil, n = 2}).
function Trial:categorical(name, choices)
  return self:suggest(name, space.categorical(choices, "categorical: " .. tostring(name)))
end

--- The values of a declared space {name = distribution or list of choices}, as a table by name.
function Trial:draw(given)
  local names, declared, values = {}, space.declare(given, "draw"), {}
  for name in pairs(declared) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do values[name] = self:suggest(name, declared[name]) end
  return values
end

-- ---- how it goes ----

--- Reports a value after a step (an integer of 0 or more, such as the epoch): what pruners compare. Of several reports
-- of one step the first counts. Returns false when the trial is over for the others, because it was taken for lost.
function Trial:report(value, step)
  if type(value) ~= "number" then refuse("report: value: expected a number, got %s", options.describe(value)) end
  local whole = math.tointeger(step)
  if not whole or whole < 0 then refuse("report: step: expected an integer of 0 or more, got %s", tostring(step)) end
  step = whole
  local record, storage = self.record, self.study.storage
  if self.inherits == nil then self.inherits = #rules.attempts(record) > 0 end
  if self.inherits then -- an attempt that begins again at an earlier step than the one before it had come to
    storage:forget_reports(record, step)
    self.inherits = false
  end
  if record.intermediate[step] ~= nil then return record.state == "running" end
  self.over = not storage:report(record, step, value + 0.0)
  return not self.over
end

--- Whether the pruner advises to give the trial up, by what was reported so far.
function Trial:should_prune()
  if self.over then return true end
  local pruner = self.study.pruner
  local advice, reason = keeping_attributes(self, pruner.prune, pruner, self.study:history(), self.record)
  if advice then self.prune_reason = reason end
  return advice
end

-- ---- what is kept with it ----

local function check_text(who, name)
  if type(name) ~= "string" then refuse("%s: expected a string, got %s", who, type(name)) end
end

--- Keeps a value of JSON (a string, number, boolean, list or table) under a name.
function Trial:set_user_attribute(name, value)
  attribute.check("set_user_attribute", name, value)
  return self.study.storage:set_trial_attribute(self.record, "user", name, value)
end

--- Adds tags, words to find trials by.
function Trial:tag(...)
  local tags = json.array {table.unpack(self.record.user_attributes.tags or {})}
  for i = 1, select("#", ...) do
    local tag = select(i, ...)
    check_text("tag", tag)
    tags[#tags + 1] = tag
  end
  return self:set_user_attribute("tags", tags)
end

--- Says how far a constraint is from being met: 0 or less is feasible. The best trials are among the feasible ones.
function Trial:set_constraint(name, value)
  if type(value) ~= "number" or value - value ~= 0 then
    refuse("set_constraint: value: expected a finite number, got %s", tostring(value))
  end
  attribute.check("set_constraint", name, value)
  return self.study.storage:set_trial_attribute(self.record, "system", "constraints:" .. name, value + 0.0)
end

-- Makes the trial's folder. What lies there when the trial is first begun is another study's, of the same name, whose
-- training is not to be gone on with: it is kept as NUMBER.1, NUMBER.2 and so on.
local function make_folder(self, path)
  if not rules.attempts(self.record)[1] and core.file_size(path) then
    local count = 1
    while core.file_size(path .. "." .. count) do count = count + 1 end
    local moved, message = os.rename(path, path .. "." .. count)
    if not moved then return nil, message end
  end
  return folder.make(path)
end

--- The path of a file of the trial's own, in a folder that is made for it beside the database. When the trial is cut
-- off, the attempt that takes its place has the same path and seed, so that it can go on from what it finds there. The
-- first attempt finds nothing there.
function Trial:checkpoint_path(name)
  name = name or "checkpoint"
  check_text("checkpoint_path: name", name)
  local path = ("%s/%d"):format(self.study.checkpoints, rules.origin(self.record))
  if not self.folder then
    local made, message = make_folder(self, path)
    if not made then refuse("checkpoint_path: %s", message) end
    self.folder = path
  end
  return path .. "/" .. name
end

--- The same of the trial that this one goes on from (search.PBT); nil for one that begins anew.
function Trial:parent_checkpoint(name)
  name = name or "checkpoint"
  check_text("parent_checkpoint: name", name)
  local number = self.record.system_attributes[rules.PARENT]
  local parent = number and self.study.storage:trials(self.study.id)[number + 1]
  return parent and ("%s/%d/%s"):format(self.study.checkpoints, rules.origin(parent), name) or nil
end

local properties = {
  params = function(self)
    local params = {}
    for name, value in pairs(self.record.params) do
      if value ~= space.null then params[name] = value end
    end
    return params
  end,
  user_attributes = function(self) return attribute.copy(self.record.user_attributes) end,
}

function Trial:__index(key)
  local property = properties[key]
  if property then return property(self) end
  return Trial[key]
end

return Trial
