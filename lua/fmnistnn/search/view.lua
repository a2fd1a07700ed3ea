--- How a search goes, on standard error: a line that is kept up to date on a terminal, elsewhere a line for each trial
-- that ends.
local Progress = require "fmnistnn.progress"
local best = require "fmnistnn.search.best"
local core = require "fmnistnn.core"
local rules = require "fmnistnn.search.storage.rules"

local View = {}
View.__index = View

local SPARKS <const> = 20

-- The first values of the last complete trials as a row of bars, higher where better.
local function sparkline(history)
  if not Progress._is_utf8() then return "" end
  local values, sign = {}, history.directions[1] == "minimize" and -1 or 1
  for _, record in ipairs(history.trials) do
    if record.state == "complete" then values[#values + 1] = sign * record.values[1] end
  end
  return Progress.sparkline(values, SPARKS)
end

local function numbers(values)
  local text = {}
  for i, value in ipairs(values or {}) do text[i] = ("%.6g"):format(value) end
  return table.concat(text, ", ")
end

-- How many trials there are, by state, and finished.
local function count_states(history)
  local count = {running = 0, waiting = 0, complete = 0, pruned = 0, failed = 0, finished = 0}
  for _, record in ipairs(history.trials) do
    count[record.state] = count[record.state] + 1
    if rules.is_finished(record) then count.finished = count.finished + 1 end
    if record.system_attributes.failed_trial then count.failed = count.failed - 1 end -- it has another attempt
  end
  return count
end

--- View.new(study, limit, timeout): of a search that goes on until so many trials have begun, or so many seconds have
-- passed; either may be nil.
function View.new(study, limit, timeout)
  local self = setmetatable({
    study = study, limit = limit, timeout = timeout, width = core.terminal(), started = core.now(),
  }, View)
  self.told = {} -- trials that were over before, or that have been told of
  local history = study:history()
  for _, record in ipairs(history.trials) do self.told[record.number] = rules.is_finished(record) or nil end
  self.before = count_states(history).finished
  return self
end

-- "best 0.8812 (trial 7)", or the size of the front.
local function best_text(history)
  if #history.directions > 1 then return ("%d on the front"):format(#best.front(history)) end
  local record = best.trial(history)
  return record and ("best %s (trial %d)"):format(numbers(record.values), record.number) or "no best yet"
end

-- Seconds until `missing` more trials are over at the pace so far, or until the timeout if that is sooner; infinite
-- when nobody knows.
local function seconds_left(self, missing, done)
  local elapsed, left = core.now() - self.started, math.huge
  if self.limit and done > 0 then left = missing * elapsed / done end
  return self.timeout and math.min(left, math.max(0, self.timeout - elapsed)) or left
end

--- In a line; is_over: the search has ended.
function View:line(history, is_over)
  local count = count_states(history)
  local begun = rules.begun(history.trials)
  local parts = {
    ("%d%s trials"):format(begun - count.running, self.limit and "/" .. self.limit or ""), best_text(history),
    ("%d running, %d done, %d pruned, %d failed"):format(count.running, count.complete, count.pruned, count.failed),
  }
  if not is_over and (self.limit or self.timeout) then
    local missing = self.limit and self.limit - begun + count.running
    parts[#parts + 1] = Progress._duration(seconds_left(self, missing, count.finished - self.before)) .. " left"
  end
  parts[#parts + 1] = sparkline(history)
  return table.concat(parts, "  ")
end

-- So many characters of a text in UTF-8.
local function cut(text, width)
  local stop = utf8.offset(text, width + 1)
  return stop and text:sub(1, stop - 1) or text
end

-- "filters 24, lr 0.003075"
local function parameters(record)
  local parts = {}
  for name, value in pairs(record.params) do
    if math.type(value) == "float" then value = ("%.4g"):format(value) end
    parts[#parts + 1] = name .. " " .. tostring(value)
  end
  table.sort(parts)
  return table.concat(parts, ", ")
end

local function first_line(text) return (tostring(text):match("[^\n]*")) end

-- What a trial came to.
local function event(history, record)
  local system = record.system_attributes
  local seconds = record.finished and record.started and record.finished - record.started or 0
  local what = record.state
  if record.values then what = what .. " " .. numbers(record.values) end
  local reason = system.fail_reason or system.prune_reason
  if reason then what = what .. " (" .. first_line(reason) .. ")" end
  return ("trial %d %s  %s  %s  %s\n"):format(record.number, what, Progress._duration(seconds), parameters(record),
    best_text(history))
end

--- A line for each trial that has ended since the last time; `failed`: those that failed alone.
function View:tell(failed)
  local history = self.study:history()
  for _, record in ipairs(history.trials) do
    if rules.is_finished(record) and not self.told[record.number] then
      self.told[record.number] = true
      if not failed or record.state == "failed" then io.stderr:write(event(history, record)) end
    end
  end
end

--- Shows what has changed. Failures have a line of their own on a terminal too.
function View:update()
  if not self.width then return self:tell() end
  io.stderr:write("\r\27[K")
  self:tell(true)
  io.stderr:write(cut(self:line(self.study:history()), math.max(0, self.width - 3)))
  io.stderr:flush()
end

--- Shows how it ended, on a line of its own.
function View:stop()
  if self.width then io.stderr:write("\r\27[K") end
  self:tell(self.width ~= nil)
  io.stderr:write(self:line(self.study:history(), true), "\n")
end

return View
