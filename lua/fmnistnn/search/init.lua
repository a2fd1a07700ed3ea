--- fmnistnn.search: hyperparameter search.
--
--   local study = search.study{name = "cnn", storage = "sqlite:///cnn.db", direction = "maximize"}
--   study:optimize(function(trial)
--     local lr = trial:float("lr", 1e-4, 1e-2, {log = true})
--     ...
--     return accuracy
--   end, {trials = 30})
--
-- Samplers, pruners and measures of importance are loaded when they are first used.
local Study = require "fmnistnn.search.study"
local Trial = require "fmnistnn.search.trial"
local attribute = require "fmnistnn.search.attribute"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local space = require "fmnistnn.search.space"
local storages = require "fmnistnn.search.storage"

local search = {
  float = space.float, int = space.int, categorical = space.categorical,
  --- nil as a choice or an enqueued value.
  null = space.null,
}

local parts = {
  Grid = "samplers.grid", Random = "samplers.random", QuasiRandom = "samplers.quasi_random", TPE = "samplers.tpe",
  CMAES = "samplers.cmaes", GP = "samplers.gp", NSGA2 = "samplers.nsga2", PBT = "samplers.pbt",
  Median = "pruners.median", Percentile = "pruners.percentile", ASHA = "pruners.asha", Hyperband = "pruners.hyperband",
  Patient = "pruners.patient", Threshold = "pruners.threshold", Wilcoxon = "pruners.wilcoxon",
  fanova = "importance.fanova", ped_anova = "importance.ped_anova",
}

setmetatable(search, {
  __index = function(self, name)
    local part = parts[name]
    if not part then return nil end
    local loaded = require("fmnistnn.search." .. part)
    rawset(self, name, loaded)
    return loaded
  end,
})

-- What stands in for a pruner where there is none: with several objectives.
local no_pruner = {prune = function() return false end}

-- What a program that runs a script has to say about its study (bin/fmnistnn-worker).
search.overrides = {}

local function check(who, given)
  local o = options.check(who, given, {
    {"name", "string"},
    {"storage", "any", optional = true},
    {"direction", "string", optional = true},
    {"directions", "table", optional = true},
    {"metric_names", "table", optional = true},
    {"sampler", "sampler", optional = true},
    {"pruner", "pruner", optional = true},
    {"seed", "integer", optional = true},
    {"load_if_exists", "boolean", default = true},
    {"heartbeat", "positive", default = 60},
    {"checkpoints", "string", optional = true},
  })
  local fault = attribute.name_fault(o.name)
  if fault then refuse("%s: name: %s", who, fault) end
  if o.checkpoints and (o.checkpoints == "" or o.checkpoints:find("\0", 1, true)) then
    refuse("%s: checkpoints: expected a folder, got %q", who, o.checkpoints)
  end
  o.storage = search.overrides.storage or o.storage
  return o
end

-- The samplers and pruners that nobody chose.
local function choose(o, directions)
  local several = #directions > 1
  o.sampler = o.sampler or (several and search.NSGA2 or search.TPE) {}
  o.pruner = o.pruner or several and no_pruner or search.Median {}
end

--- search.study{...}: the study of this name in a storage; goes on with it when it is there. Options:
--
--   name             (required)
--   storage          nil: in memory; "sqlite:///FILE"; "postgresql://USER:PASSWORD@HOST/DATABASE"
--   direction        "minimize" (default) or "maximize"; directions: a list, for several objectives
--   metric_names     a list, a name for each objective; a study that has none yet is given them
--   sampler          search.TPE{} by default, with several objectives search.NSGA2{}
--   pruner           search.Median{} by default, with several objectives none
--   seed             an integer from which, with their numbers, follows what trials draw; it is kept with the study. By
--                    default that of the first sampler, or any. QuasiRandom, GP and CMAES with a seed of their own
--                    keep to that
--   load_if_exists   true; false: an error when it is there
--   heartbeat        seconds (60): how often a running trial is said to be alive; after twice as long without that
--                    it is taken for lost
--   checkpoints      the folder of the trials' checkpoints, by default beside the database
--
-- Raises when the storage cannot be opened, is damaged, or holds something else.
function search.study(given)
  local o = check("study", given)
  local storage = storages.open(o.storage)
  local found = storage:study(o.name)
  choose(o, found and found.directions or o.directions or {o.direction})
  return Study._make(o, storage)
end

-- What a storage has of the study of a name, and the storage; or nil and a message.
local function find(name, given)
  local storage, message = storages.open(given, true)
  if not storage then return nil, message end
  local found = storage:study(name)
  if not found then return nil, ("there is no study '%s' in %s"):format(name, storage.name) end
  return found, storage
end

--- search.load_study{name, storage, ...}: as search.study, of one that exists; else nil and a message.
function search.load_study(given)
  local o = check("load_study", given)
  if not o.load_if_exists then
    refuse("load_study: load_if_exists: expected none, or true, as it loads what exists, got false")
  end
  local found, storage = find(o.name, o.storage)
  if not found then return nil, storage end
  choose(o, found.directions)
  return Study._open(o, storage)
end

--- search.studies(storage): the names of the studies in a storage, the oldest first. Raises when there is no such file.
function search.studies(given)
  local storage, message = storages.open(given, true)
  if not storage then error("search: " .. message, 0) end
  local names = {}
  for i, study in ipairs(storage:studies()) do names[i] = study.name end
  return names
end

--- search.delete_study{name, storage}: true, or nil and a message when there is none.
function search.delete_study(given)
  local o = options.check("delete_study", given, {{"name", "string"}, {"storage", "any", optional = true}})
  local found, storage = find(o.name, o.storage)
  if not found then return nil, storage end
  storage:delete_study(found.id)
  return true
end

--- Ends the trial that runs as a pruned one: in the objective of study:optimize. reason: a text that is kept with it,
-- by default the pruner's.
function search.prune(reason)
  if reason ~= nil and type(reason) ~= "string" then
    refuse("prune: reason: expected a string, got %s", type(reason))
  end
  Trial._prune(reason)
end

return search
