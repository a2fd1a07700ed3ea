--- Lets another pruner decide only when a trial has not become better for a while.
--
--   search.Patient{search.Median{}, patience = 5}
--
-- Options:
--   pruner      who decides then; without one, the trial is stopped
--   patience    so many further reports may pass without a better one
--   min_delta   0: a report must be better by so much
--   metric, direction   with several objectives: common.lua
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.pruners.common"
local refuse = require "fmnistnn.refuse"

local Patient = class("Patient", common.options {
  {"pruner", "pruner", optional = true},
  {"patience", "whole"},
  {"min_delta", "number", default = 0},
})

function Patient:init()
  common.check_direction(self)
  if self.min_delta < 0 then refuse("Patient: min_delta: expected 0 or more, got %s", self.min_delta) end
end

-- The least loss of some steps, NaN left out: nil when there is none.
local function least(record, steps, from, to, sign)
  local best
  for i = from, to do
    local loss = sign * record.intermediate[steps[i]]
    if loss == loss and (not best or loss < best) then best = loss end
  end
  return best
end

function Patient:prune(history, record)
  local steps = {}
  for step in pairs(record.intermediate) do steps[#steps + 1] = step end
  table.sort(steps)
  local split = #steps - self.patience - 1
  if split < 1 then return false end
  local sign = common.sign(self, history)
  local before, after = least(record, steps, 1, split, sign), least(record, steps, split + 1, #steps, sign)
  if not before or not after or before + self.min_delta >= after then return false end
  if self.pruner then return self.pruner:prune(history, record) end
  return true, ("Patient: step %d: no report since step %d was better than %.6g"):format(steps[#steps], steps[split],
    sign * before)
end

return Patient
