--- Stops a trial whose best report so far is behind a percentile of what the complete trials reported at this step.
--
--   search.Percentile{25}   -- keeps the best quarter
--
-- Options:
--   percentile       0..100: how many of a hundred are kept
--   startup_trials   5: so many trials are completed first
--   warmup_steps     0: no trial is judged before this step
--   interval_steps   1: trials are judged once in so many steps from there
--   min_trials       1: so many complete trials must have reported at the step
--   metric, direction   with several objectives: common.lua
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.pruners.common"
local refuse = require "fmnistnn.refuse"
local rules = require "fmnistnn.search.storage.rules"

local shared = {
  {"startup_trials", "whole", default = 5},
  {"warmup_steps", "whole", default = 0},
  {"interval_steps", "count", default = 1},
  {"min_trials", "count", default = 1},
}

local Percentile = class("Percentile", common.options {{"percentile", "number"}, table.unpack(shared)})

--- The options apart from the percentile.
Percentile.shared = shared

function Percentile:init()
  common.check_direction(self)
  if self.percentile < 0 or self.percentile > 100 then
    refuse("Percentile: percentile: expected 0..100, got %s", self.percentile)
  end
end

-- The percentile of a list, between neighbours by linear interpolation.
local function percentile_of(list, percentile)
  table.sort(list)
  local at = 1 + (#list - 1) * percentile / 100
  local low = math.floor(at)
  local below, above = list[low], list[low + 1]
  if at == low or below == above then return below end -- of infinite ones there is no difference
  return below + (at - low) * (above - below)
end

-- How many trials are complete, and the losses at a step of those that reported there a number.
local function losses_at(history, step, sign)
  local complete, losses = 0, {}
  for _, other in ipairs(history.trials) do
    if other.state == "complete" then
      complete = complete + 1
      local value = other.intermediate[step]
      if value and value == value then losses[#losses + 1] = sign * value end
    end
  end
  return complete, losses
end

-- The least loss that a trial reported; nil when it reported NaN only.
local function best_loss(record, sign)
  local best
  for _, value in pairs(record.intermediate) do
    if value == value and (not best or sign * value < best) then best = sign * value end
  end
  return best
end

function Percentile:prune(history, record)
  local step, _, before = rules.last_report(record)
  if not step or not common.is_due(self, step, before) then return false end
  local sign = common.sign(self, history)
  local complete, losses = losses_at(history, step, sign)
  if complete < math.max(self.startup_trials, 1) then return false end
  local best = best_loss(record, sign)
  if not best then return true, ("%s: step %d: nothing but NaN was reported"):format(self.name, step) end
  if #losses < self.min_trials then return false end
  local bound = percentile_of(losses, self.percentile)
  if best <= bound or bound ~= bound then return false end -- it is NaN between -inf and another
  return true, ("%s: step %d: its best, %.6g, is behind %.6g, the percentile %g of %d trials"):format(self.name, step,
    sign * best, sign * bound, self.percentile, #losses)
end

return Percentile
