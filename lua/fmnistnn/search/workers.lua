--- Processes of a search on this machine: those that run trials, those that watch them.
--
-- What was loaded before is shared with the workers, which are forked. No connection to a database is: each process
-- opens its own.
local LivePage = require "fmnistnn.search.live_page"
local SQL = require "fmnistnn.search.storage.sql"
local View = require "fmnistnn.search.view"
local common = require "fmnistnn.search.samplers.common"
local core = require "fmnistnn.core"
local on_close = require "fmnistnn.on_close"
local optimize = require "fmnistnn.search.optimize"
local process = require "fmnistnn.search.process"
local rules = require "fmnistnn.search.storage.rules"

local workers = {}

-- With what a worker ends, beside 0: nothing was left to do.
local STOPPED <const>, FAILED <const> = 3, 4

local POLL <const> = 0.25 -- seconds
local IDLE_DEATHS <const> = 5 -- so many workers may die before a trial

-- Forks; runs f in the new process, which ends with the code that f returns. Returns the process's id.
local function spawn(f)
  SQL.disconnect_all()
  local id, message = core.fork "TERM"
  if not id then error("search: cannot start a process: " .. message, 0) end
  if id > 0 then return id end
  local ok, code = xpcall(f, debug.traceback)
  if not ok then io.stderr:write("\n", tostring(code), "\n") end
  core.leave(ok and code or FAILED)
end

-- Ends the trials that a process left behind, with another attempt for each. Returns how many.
local function put_back(study, name, reason, restarts)
  local count = 0
  for _, record in ipairs(study.storage:trials(study.id)) do
    if record.state == "running" and record.system_attributes[rules.WORKER] == name then
      study:_finish(record, {state = "failed", reason = reason, retries = restarts})
      count = count + 1
    end
  end
  return count
end

-- ---- beside a search in one process ----

local function keep_heartbeat(study, o, parent, name)
  while true do
    local signal = core.next_signal(study.heartbeat)
    if signal == "TERM" then
      if core.parent_id() ~= parent then pcall(put_back, study, name, "the process was ended", o.restarts) end
      return 0
    end
    if not signal then pcall(study.storage.beat, study.storage, study.id, {name}) end
  end
end

-- Spawns a process that holds these signals for good, from its beginning on.
local function spawn_holding(f)
  local _ <close> = core.hold_signals("INT", "TERM", "HUP")
  return spawn(f)
end

--- A process that keeps the heartbeat of the trials that this one runs, and puts them back when it dies; nil with a
-- storage in memory. To be closed.
function workers.beside(study, o)
  if not study.storage.is_shared then return nil end
  local parent, name = core.process_id(), process.name()
  local id = spawn_holding(function() return keep_heartbeat(study, o, parent, name) end)
  return on_close(function()
    core.kill(id, "TERM")
    while not core.wait(id) do core.sleep(0.005) end
  end)
end

-- ---- several ----

local Supervisor = {}
Supervisor.__index = Supervisor

local function work(study, objective, o, threads)
  core.release_signals("TERM", "CHLD")
  core.set_threads(threads)
  o.worker = process.name()
  local told = false
  optimize.loop(study, objective, o, {leave = function()
    told = told or core.next_signal(0) == "INT"
    return told
  end})
  return study.stopping and STOPPED or 0
end

function Supervisor:start_worker()
  local id = spawn(function() return work(self.study, self.objective, self.o, self.threads) end)
  self.children[id] = process.name(id)
end

local function count(map)
  local n = 0
  for _ in pairs(map) do n = n + 1 end
  return n
end

function Supervisor:fill_places()
  while not self.leaving and count(self.children) < self.o.workers and optimize.can_start(self.study, self.o) do
    if count(self.children) >= self:room() then return end
    self:start_worker()
  end
end

-- How many workers there is work for.
function Supervisor:room()
  if not self.o.trials then return self.o.workers end
  local records, running = self.study.storage:trials(self.study.id), 0
  for _, record in ipairs(records) do
    local worker = record.state == "running" and record.system_attributes[rules.WORKER]
    for _, name in pairs(self.children) do running = running + (worker == name and 1 or 0) end
  end
  return self.o.trials - rules.begun(records) + running
end

function Supervisor:tell_all(signal)
  for id in pairs(self.children) do core.kill(id, signal) end
end

-- The trials that run are the last.
function Supervisor:leave()
  if not self.leaving then self:tell_all "INT" end
  self.leaving = true
end

-- Stops everything now; the trials are begun again when the search goes on.
function Supervisor:stop_now(reason)
  self.leaving = true
  self:tell_all "KILL"
  for id, name in pairs(self.children) do
    while not core.wait(id) do core.sleep(0.005) end
    put_back(self.study, name, reason, math.huge)
  end
  self.children = {}
end

-- The search ends with an error when the trials that run are over.
function Supervisor:fail(message)
  self.failed = message
  self:leave()
end

-- How many trials of the study have come to a value, or were pruned.
local function count_told(study)
  local n = 0
  for _, record in ipairs(study.storage:trials(study.id)) do n = n + (common.is_told(record) and 1 or 0) end
  return n
end

-- A worker was cut off, with so many trials (one, or none yet): failures in a row are those with no told trial between.
function Supervisor:died(trials, reason)
  self.idle_deaths = trials == 0 and self.idle_deaths + 1 or 0
  if self.idle_deaths >= IDLE_DEATHS then
    self:fail("optimize: workers die before they begin a trial, the last one so: " .. reason)
  end
  local told = count_told(self.study)
  if told > self.told then self.told, self.failures = told, 0 end
  self.failures = self.failures + trials
  local failure = trials > 0 and optimize.failure(self.o, self.failures, reason)
  if failure then self:fail(failure) end
end

local ends = {exit = "the worker ended with code %d", signal = "the worker was ended by signal %d"}

function Supervisor:buried(name, how, code)
  local reason = ends[how]:format(code)
  local trials = put_back(self.study, name, reason, self.o.restarts)
  if how == "exit" and code == FAILED then
    self:fail "optimize: a worker ended with an error, which it has told above"
  elseif how == "exit" and code == STOPPED and trials == 0 then
    self:leave()
  elseif how == "signal" or code ~= 0 or trials > 0 then -- an objective may end its process with any code
    self:died(trials, reason)
  end
end

function Supervisor:bury()
  for id, name in pairs(self.children) do
    local how, code = core.wait(id)
    if how then
      self.children[id] = nil
      self:buried(name, how, code)
    end
  end
end

-- Returns true when the search is to end at once.
function Supervisor:heed(signal)
  if signal == "TERM" then
    self.terminated = true
    return true
  end
  if signal ~= "INT" then return false end
  if self.leaving and self.pressed then return true end
  self.pressed = true
  io.stderr:write "\nstopping after the running trials; Ctrl-C again stops now\n"
  self:leave()
  return false
end

function Supervisor:beat()
  local names = {}
  for _, name in pairs(self.children) do names[#names + 1] = name end
  if core.now() - self.beaten < self.study.heartbeat then return end
  self.beaten = core.now()
  self.study.storage:beat(self.study.id, names)
end

-- Whether there is nothing to wait for.
function Supervisor:is_done()
  if next(self.children) then return false end
  if self.leaving then return true end
  return not optimize.can_start(self.study, self.o)
    and (optimize.is_over(self.study, self.o) or not optimize.others_run(self.study))
end

function Supervisor:run()
  local view = self.o.progress and View.new(self.study, self.o.trials, self.o.timeout)
  local page = self.o.report and LivePage.new(self.study, self.o.report)
  repeat
    optimize.give_up_lost(self.study, self.o)
    self:fill_places()
    if self:heed(core.next_signal(POLL)) then
      self.stopped = true
      self:stop_now "stopped"
      break
    end
    self:bury()
    self:beat()
    if view then view:update() end
    if page then page:update() end
  until self:is_done()
  if view then view:stop() end
  if page then page:stop() end
end

-- Runs it while the signals that it heeds are held: true, or false and what it raised.
local function supervise(self)
  local _ <close> = core.hold_signals("INT", "TERM", "CHLD")
  local ok, message = pcall(self.run, self)
  if not ok then self:stop_now "stopped" end
  return ok, message
end

--- Runs the objective in o.workers processes until there is nothing left to do. Raises "interrupted!" when Ctrl-C was
-- pressed twice.
function workers.run(study, objective, o)
  local self = setmetatable({
    study = study, objective = objective, o = o, children = {}, idle_deaths = 0, failures = 0, told = 0,
    beaten = core.now(), threads = math.max(1, core.threads() // o.workers),
  }, Supervisor)
  local ok, message = supervise(self)
  if self.terminated then core.kill(core.process_id(), "TERM") end
  if not ok then error(message, 0) end
  if self.stopped then error("interrupted!", 0) end
  if self.failed then error(self.failed, 0) end
end

return workers
