--- study:optimize: runs an objective for trial after trial, in this process or in several (workers.lua).
local LivePage = require "fmnistnn.search.live_page"
local Trial = require "fmnistnn.search.trial"
local View = require "fmnistnn.search.view"
local best = require "fmnistnn.search.best"
local common = require "fmnistnn.search.samplers.common"
local core = require "fmnistnn.core"
local is_list = require "fmnistnn.is_list"
local json = require "fmnistnn.json"
local on_close = require "fmnistnn.on_close"
local options = require "fmnistnn.options"
local process = require "fmnistnn.search.process"
local refuse = require "fmnistnn.refuse"
local rules = require "fmnistnn.search.storage.rules"
local traceback = require "fmnistnn.traceback"

local optimize = {}

local LOOK <const> = 5 -- seconds between two looks for lost trials
local REDRAWS <const> = 20 -- how often a duplicate is drawn anew before it is accepted

-- ---- when it is over ----

-- How many trials were told after the one that is best, or after the last that came to the front.
local function since_best(history)
  local latest
  local candidates = #history.directions == 1 and {best.trial(history)} or best.front(history)
  for _, record in ipairs(candidates) do latest = math.max(latest or 0, record.finished) end
  local count = 0
  for _, record in ipairs(history.trials) do
    if common.is_told(record) and record.finished > (latest or 0) then count = count + 1 end
  end
  return count
end

--- Whether no further trial is to begin, whoever asks.
function optimize.is_over(study, o)
  if study.stopping or o.timeout and core.now() - o.started >= o.timeout then return true end
  return o.no_improvement ~= nil and since_best(study:history()) >= o.no_improvement
end

-- Whether the sampler has no more for new trials, by the records as they were read last.
local function is_exhausted(study)
  local sampler = study.sampler
  return sampler.exhausted ~= nil and sampler:exhausted(study:_known_history())
end

--- Whether a trial could begin now.
function optimize.can_start(study, o)
  if optimize.is_over(study, o) then return false end
  local records = study.storage:trials(study.id)
  if o.trials and rules.begun(records) >= o.trials then return false end
  return rules.has_waiting(records) or not is_exhausted(study)
end

--- Whether a trial runs in a process other than this one and its workers.
function optimize.others_run(study)
  for _, record in ipairs(study.storage:trials(study.id)) do
    if record.state == "running" and record.system_attributes[rules.WORKER] then return true end
  end
  return false
end

--- Gives up trials that were cut off, with another attempt for each; looks for them every few seconds only.
function optimize.give_up_lost(study, o)
  if o.looked and core.now() - o.looked < LOOK then return end
  o.looked = core.now()
  for _, record in ipairs(study.storage:lost(study.id, 2 * study.heartbeat, process.is_gone)) do
    study:_finish(record, {state = "failed", reason = "the worker was lost", retries = o.restarts})
  end
end

-- ---- one trial ----

-- Whether the storage raised it, as it does when the disk is full: that is not the trial's fault.
local function is_of_storage(study, message)
  return type(message) == "string" and message:find(("search: %s: "):format(study.storage.name), 1, true) == 1
end

-- Finished trials by their parameters: what a new one could be a duplicate of.
local function by_parameters(study)
  local found = {}
  for _, record in ipairs(study.storage:trials(study.id)) do
    if common.is_told(record) then found[json.encode(record.params)] = record end
  end
  return found
end

-- Calls the objective: true and its values (a list if there are several), or false and what it raised.
local function call(objective, trial)
  core.manual_seed(trial.seed) -- what a worker drew before must not matter
  local result = table.pack(xpcall(objective, traceback.add, trial))
  if result.n <= 2 then return result[1], result[2] end
  return result[1], {table.unpack(result, 2, result.n)}
end

-- The same, drawing parameters anew as long as they are a duplicate's.
local function call_without_duplicates(objective, trial, o)
  local ok, result = call(objective, trial)
  for attempt = 1, REDRAWS do
    if result ~= Trial._duplicate or o.duplicates ~= "redraw" then break end
    if attempt == REDRAWS then trial.earlier = nil end
    trial:_redraw(attempt)
    ok, result = call(objective, trial)
  end
  return ok, result
end

-- What a trial comes to that was stopped from outside: it begins again when the search goes on.
local function interrupted() return {state = "failed", reason = "interrupted", retries = math.huge} end

local function outcome_of(trial, ok, result, o)
  if ok then return {state = "complete", values = result, retries = o.retries} end
  if Trial._is_pruned(result) then return {state = "pruned", reason = result.reason or trial.prune_reason} end
  if result == Trial._duplicate then
    local earlier = trial.duplicate_of
    trial.study.storage:set_trial_attribute(trial.record, "system", "fmnistnn:duplicate_of", earlier.number)
    return {state = earlier.state, values = earlier.values}
  end
  if traceback.is_interrupt(result) then return interrupted() end
  if is_of_storage(trial.study, result) then return {state = "failed", reason = result, retries = o.restarts} end
  return {state = "failed", reason = tostring(result), retries = o.retries}
end

-- Whether what an objective raised ends the search.
local function ends_all(study, o, raised)
  if Trial._is_pruned(raised) or raised == Trial._duplicate then return false end
  return not o.catch or traceback.is_interrupt(raised) or is_of_storage(study, raised)
end

-- Runs one trial. Returns its state and the reason; raises what must end the search.
local function run_trial(study, objective, o, record)
  local trial = Trial._new(study, record)
  local is_given = record.system_attributes.fixed_params or #rules.attempts(record) > 0
  if o.duplicates == "reuse" or o.duplicates == "redraw" and not is_given then trial.earlier = by_parameters(study) end
  local returned = false
  local _ <close> = on_close(function() -- of a coroutine in the middle of it
    if not returned then study:_finish(record, interrupted()) end
  end)
  local ok, result = call_without_duplicates(objective, trial, o)
  returned = true
  local state, reason = study:_finish(record, outcome_of(trial, ok, result, o))
  if not state and o.progress then io.stderr:write(reason, "\n") end
  if not ok and ends_all(study, o, result) then error(result, 0) end
  return state, reason
end

-- ---- many ----

local function call_back(study, o, record)
  for _, callback in ipairs(o.callbacks) do callback(study, study:trial(record.number)) end
end

--- The error that ends a search after so many failed trials in a row; nil when they are not too many.
function optimize.failure(o, failures, reason)
  if failures < o.max_failures then return nil end
  return ("optimize: %d trials in a row failed (max_failures), the last one with: %s"):format(failures, reason)
end

--- Runs trials until there are none left to begin. hooks: leave() says whether to end before; after(), if any, is
-- called after each trial; waits: whether to wait for trials that run elsewhere, which may be cut off and left to us.
function optimize.loop(study, objective, o, hooks)
  local failures = 0
  local start = {limit = o.trials, worker = o.worker, is_exhausted = function() return is_exhausted(study) end}
  while not hooks.leave() and not optimize.is_over(study, o) do
    optimize.give_up_lost(study, o)
    local record = study.storage:start_trial(study.id, start)
    if record then
      local state, reason = run_trial(study, objective, o, record)
      failures = state == "failed" and failures + 1 or 0
      if hooks.after then hooks.after() end
      call_back(study, o, record)
      local failure = optimize.failure(o, failures, reason)
      if failure then error(failure, 0) end
    elseif hooks.waits and optimize.others_run(study) then
      core.sleep(0.5)
    else
      return
    end
  end
end

-- In this process, with another one beside it that keeps the heartbeat.
local function run_here(study, objective, o)
  local pressed <close> = core.defer_interrupt()
  local _ <close> = require "fmnistnn.search.workers".beside(study, o)
  local view = o.progress and View.new(study, o.trials, o.timeout)
  local page = o.report and LivePage.new(study, o.report)
  o.worker = study.storage.is_shared and process.name() or nil
  optimize.loop(study, objective, o, {
    leave = pressed, waits = true, after = function()
      if view then view:tell() end
      if page then page:update() end
    end,
  })
  if view then view:stop() end
  if page then page:stop() end
end

local function check_callbacks(callbacks)
  if not is_list(callbacks) then
    refuse "optimize: callbacks: expected a list of functions, got another table"
  end
  for _, callback in ipairs(callbacks) do
    if type(callback) ~= "function" then
      refuse("optimize: callbacks: expected a list of functions, got %s", type(callback))
    end
  end
end

local duplicates = {allow = true, reuse = true, redraw = true}

--- study:optimize(objective, {...}): calls objective(trial), which returns the value, or several or a list of them, for
-- one trial after the other. Options:
--
--   trials           how many in all, those of earlier runs and of other workers included; without it, until something
--                    else ends the search
--   timeout          seconds: no trial begins after that
--   no_improvement   ends after so many trials that were not better than the best
--   workers          1: in this process; more: so many processes (not with a storage in memory), which share out the
--                    threads among them
--   callbacks        a list of functions (study, trial), called after each trial in the process that ran it; they may
--                    call study:stop()
--   catch            true: a trial whose objective raises an error is kept as failed, with the message, and the search
--                    goes on; false: it ends with the error
--   max_failures     10: so many failed trials in a row end the search with an error
--   retries          0: how often a failed trial is tried again with the same parameters
--   restarts         3: how often one that was cut off is, because its process or machine has died
--   duplicates       "allow"; "reuse": a trial with the parameters of an earlier one ends with its value when the last
--                    of them is drawn; "redraw": it draws others
--   progress         true: tells on standard error how it goes
--   report           a file: the study's page (Study:report), written every twenty seconds or so and at the end
--
-- Before each trial fnn.manual_seed(trial.seed) is called. Ctrl-C ends the search when the trials that run are over;
-- pressed again it stops them: they are begun again, at their checkpoints, when the search goes on.
function optimize.run(study, objective, given)
  local o = options.check("optimize", given, {
    {"trials", "count", optional = true},
    {"timeout", "positive", optional = true},
    {"no_improvement", "count", optional = true},
    {"workers", "count", default = 1},
    {"callbacks", "table", default = {}},
    {"catch", "boolean", default = true},
    {"max_failures", "count", default = 10},
    {"retries", "whole", default = 0},
    {"restarts", "whole", default = 3},
    {"duplicates", "string", default = "allow"},
    {"progress", "boolean", default = true},
    {"report", "string", optional = true},
  })
  if type(objective) ~= "function" then refuse("optimize: expected a function, got %s", type(objective)) end
  if not duplicates[o.duplicates] then
    refuse("optimize: duplicates: expected allow, reuse or redraw, got %s", o.duplicates)
  end
  check_callbacks(o.callbacks)
  o.workers = require "fmnistnn.search".overrides.workers or o.workers
  o.started, study.stopping = core.now(), false
  if o.workers == 1 then return run_here(study, objective, o) end
  if not study.storage.is_shared then
    refuse('optimize: workers: a study in memory is seen by one process alone: give it storage = "sqlite:///FILE"')
  end
  return require "fmnistnn.search.workers".run(study, objective, o)
end

return optimize
