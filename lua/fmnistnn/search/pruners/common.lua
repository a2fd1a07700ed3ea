--- What pruners share.
--
-- A trial reports one series of values. With several objectives the user decides what it is, and tells the pruner by
-- one of two options that all pruners have which look at directions:
--   metric      the name of one of the study's objectives (history.metric_names): the series is of that
--   direction   "minimize" or "maximize": which way the series is better
local refuse = require "fmnistnn.refuse"

local common = {}

--- The list of a pruner's options with these two.
function common.options(list)
  list[#list + 1] = {"metric", "string", optional = true}
  list[#list + 1] = {"direction", "string", optional = true}
  return list
end

--- Raises unless `direction` is one.
function common.check_direction(self)
  local direction = self.direction
  if direction and direction ~= "minimize" and direction ~= "maximize" then
    refuse('%s: direction: expected "minimize" or "maximize", got %s', self.name, direction)
  end
end

--- Which objective the series is of: its index; nil when only its direction is known.
function common.objective(self, history)
  if #history.directions == 1 then return 1 end
  if not self.metric then return nil end
  for i, name in ipairs(history.metric_names or {}) do
    if name == self.metric then return i end
  end
  local names = table.concat(history.metric_names or {}, ", ")
  error(("%s: metric: expected one of the study's (%s), got %s"):format(self.name, names, self.metric), 0)
end

--- 1 when less is better, -1 when more is: what turns a reported value into a loss.
function common.sign(self, history)
  local objective = not self.direction and common.objective(self, history)
  local direction = self.direction or objective and history.directions[objective]
  if not direction then error(self.name .. ": with several objectives expected metric or direction", 0) end
  return direction == "maximize" and -1 or 1
end

--- Whether a trial is to be judged now: past the warm-up, and for the first time in an interval of steps that begins
-- there.
function common.is_due(self, step, before)
  if step < self.warmup_steps then return false end
  local start = (step - self.warmup_steps) // self.interval_steps * self.interval_steps + self.warmup_steps
  return not before or before < start
end

return common
