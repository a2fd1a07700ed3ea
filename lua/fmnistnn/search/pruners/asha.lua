--- Asynchronous successive halving (Li et al. 2020): at each of some steps, the rungs, a trial goes on when it is among
-- the best 1 / reduction of all that have come there so far.
--
--   search.ASHA{min_resource = 1, max_resource = 27, reduction = 3}   -- rungs at the steps 1, 3 and 9
--
-- Options:
--   min_resource   1: the step of the first rung
--   max_resource   the step where trials end anyway: there is no rung there or beyond
--   reduction      4: a rung is at so many times the step of the one before
--   brackets       1: trials are shared out among so many brackets, of which each begins a rung later than the one
--                  before, and are compared within theirs only
--   metric, direction   with several objectives: common.lua
--
-- The first to come to a rung goes on as long as it is the best there. Which bracket a trial is in follows from its
-- number, that of its first attempt; of several attempts the last one counts. Ask should_prune after each report: the
-- first at or beyond a rung is what counts there.
local class = require "fmnistnn.class"
local refuse = require "fmnistnn.refuse"
local common = require "fmnistnn.search.pruners.common"
local rules = require "fmnistnn.search.storage.rules"
local Random = require "fmnistnn.search.random"

local ASHA = class("ASHA", common.options {
  {"min_resource", "count", default = 1},
  {"max_resource", "count", optional = true},
  {"reduction", "count", default = 4},
  {"brackets", "count", default = 1},
})

--- The last step that a rung can be at: floats, in which rungs are computed, are exact up to here.
ASHA.last_step = 2 ^ 53

function ASHA:init()
  common.check_direction(self)
  if self.reduction < 2 then refuse("%s: reduction: expected 2 or more, got %d", self.name, self.reduction) end
  if self.max_resource and self.max_resource < self.min_resource then
    refuse("%s: expected min_resource <= max_resource, got %d and %d", self.name, self.min_resource,
      self.max_resource)
  end
  if self:first_rung(self.brackets - 1) > self.last_step then
    refuse("%s: expected brackets that begin at steps up to 2^53, got min_resource %d, reduction %d and brackets %d",
      self.name, self.min_resource, self.reduction, self.brackets)
  end
end

--- The step of the first rung of a bracket, as a float.
function ASHA:first_rung(bracket) return self.min_resource * self.reduction ^ bracket end

-- How many of `brackets` trials in all are in the bracket, in proportion (Li et al. 2018, algorithm 1).
local function budget(self, bracket)
  local later = self.brackets - 1 - bracket
  return math.ceil(self.brackets * self.reduction ^ later / (later + 1))
end

--- The bracket of a trial by the number of its first attempt, from 0.
function ASHA:bracket(number)
  if self.brackets == 1 then return 0 end
  local total = 0
  for bracket = 0, self.brackets - 1 do total = total + budget(self, bracket) end
  local place = Random.new(number):integer(total)
  for bracket = 0, self.brackets - 1 do
    place = place - budget(self, bracket)
    if place <= 0 then return bracket end
  end
end

-- What a trial reported first at or after a step.
local function report_at(record, at)
  if record.intermediate[at] then return record.intermediate[at] end
  local first
  for step in pairs(record.intermediate) do
    if step >= at and (not first or step < first) then first = step end
  end
  return first and record.intermediate[first]
end

-- How many trials came to the step `at`, and how many were better there.
local function compare(self, history, record, at, loss, sign)
  local bracket, count, better = self:bracket(rules.origin(record)), 1, 0
  local left_out = rules.tried_again(history.trials)
  left_out[record.number] = true
  for _, other in ipairs(history.trials) do
    if not left_out[other.number] and self:bracket(rules.origin(other)) == bracket then
      local value = report_at(other, at)
      if value and value == value then
        count = count + 1
        if sign * value < loss then better = better + 1 end
      end
    end
  end
  return count, better
end

function ASHA:prune(history, record)
  local step, value, before = rules.last_report(record)
  if not step then return false end
  local rung, at = 0, self:first_rung(self:bracket(rules.origin(record)))
  while at <= step and at < (self.max_resource or math.huge) do
    if not before or before < at then -- it came here just now
      if value ~= value then return true, ("%s: step %d: NaN was reported"):format(self.name, step) end
      local sign = common.sign(self, history)
      local count, better = compare(self, history, record, at, sign * value, sign)
      local kept = math.max(count // self.reduction, 1)
      if better >= kept then
        return true, ("%s: rung %d (step %d): %.6g is behind %d of %d, of which %d go on"):format(self.name, rung, at,
          value, better, count, kept)
      end
    end
    rung, at = rung + 1, at * self.reduction
  end
  return false
end

return ASHA
