--- Stops a trial whose report is out of bounds, or NaN.
--
--   search.Threshold{lower = 0.1, warmup_steps = 3}
--
-- Options:
--   lower, upper     bounds, of which there is at least one; they themselves are inside
--   warmup_steps     0: no trial is judged before this step
--   interval_steps   1: trials are judged once in so many steps from there
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.pruners.common"
local refuse = require "fmnistnn.refuse"
local rules = require "fmnistnn.search.storage.rules"

local Threshold = class("Threshold", {
  {"lower", "number", optional = true},
  {"upper", "number", optional = true},
  {"warmup_steps", "whole", default = 0},
  {"interval_steps", "count", default = 1},
})

function Threshold:init()
  if not self.lower and not self.upper then refuse("Threshold: expected lower or upper") end
  if (self.lower or -math.huge) > (self.upper or math.huge) then
    refuse("Threshold: expected lower <= upper, got %s and %s", self.lower, self.upper)
  end
end

function Threshold:prune(_, record)
  local step, value, before = rules.last_report(record)
  if not step or not common.is_due(self, step, before) then return false end
  local what
  if value ~= value then
    what = "NaN was reported"
  elseif self.lower and value < self.lower then
    what = ("%.6g is below %.6g"):format(value, self.lower)
  elseif self.upper and value > self.upper then
    what = ("%.6g is above %.6g"):format(value, self.upper)
  end
  if not what then return false end
  return true, ("Threshold: step %d: %s"):format(step, what)
end

return Threshold
