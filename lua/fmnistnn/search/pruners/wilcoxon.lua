--- Stops a trial that is surely worse than the best one so far, by Wilcoxon's signed-rank test (1945) over pairs of
-- reports at the same step: for objectives that are means over instances, such as the folds of a cross-validation,
-- whose numbers are the steps, in any order.
--
--   search.Wilcoxon{p = 0.1}
--
-- Options:
--   p               0.1: a trial is stopped when, if it were as good, it would look so bad with a lesser probability
--   startup_steps   2: pairs that there must be
--   metric          with several objectives, the one whose mean the reports make: common.lua
--
-- A trial that reported inf or NaN is not judged, nor one whose mean is at least as good as the best trial's.
local class = require "fmnistnn.class"
local common = require "fmnistnn.search.pruners.common"
local normal = require "fmnistnn.search.samplers.normal"
local violation = require("fmnistnn.search.samplers.common").violation

local Wilcoxon = class("Wilcoxon", {
  {"p", "fraction", default = 0.1},
  {"startup_steps", "whole", default = 2},
  {"metric", "string", optional = true},
})

-- Twice the ranks of the differences by size, equal ones sharing their mean: integers; and the numbers of equal ones.
local function double_ranks(differences)
  local order, ranks, groups = {}, {}, {}
  for i = 1, #differences do order[i] = i end
  table.sort(order, function(i, j) return math.abs(differences[i]) < math.abs(differences[j]) end)
  local first = 1
  while first <= #order do
    local size, last = math.abs(differences[order[first]]), first
    while last < #order and math.abs(differences[order[last + 1]]) == size do last = last + 1 end
    for i = first, last do ranks[order[i]] = first + last end
    groups[#groups + 1] = last - first + 1
    first = last + 1
  end
  return ranks, groups
end

-- In how many of the 2^n ways to give signs to the ranks each sum of the positive ones comes out.
local function sums_of_signs(ranks)
  local ways, most = {[0] = 1.0}, 0
  for _, rank in ipairs(ranks) do
    most = most + rank
    for sum = most, rank, -1 do ways[sum] = (ways[sum] or 0) + (ways[sum - rank] or 0) end
  end
  return ways, most
end

local function exact(ranks, sum, zeros)
  local free = {}
  for i, rank in ipairs(ranks) do
    if not zeros[i] then free[#free + 1] = rank else sum = sum - rank / 2 end
  end
  local ways, most = sums_of_signs(free)
  local extreme = 0
  for each = math.ceil(sum), most do extreme = extreme + (ways[each] or 0) end
  return extreme / 2 ^ #free
end

-- The normal approximation, with the variance that ties leave.
local function approximate(n, groups, sum)
  local variance = n * (n + 1) * (2 * n + 1)
  for _, size in ipairs(groups) do variance = variance - (size ^ 3 - size) / 2 end
  return normal.cdf(-(sum / 2 - n * (n + 1) / 4) / math.sqrt(variance / 24))
end

--- The probability that differences lie as far above 0 as these do, or further, when their signs are by chance. The
-- rank of a difference of 0 is split between both signs. Up to 50 differences it is exact.
function Wilcoxon.test(differences)
  local ranks, groups = double_ranks(differences)
  local sum, zeros = 0, {}
  for i, difference in ipairs(differences) do
    zeros[i] = difference == 0
    sum = sum + (difference > 0 and ranks[i] or zeros[i] and ranks[i] / 2 or 0)
  end
  if #differences <= 50 then return exact(ranks, sum, zeros) end
  return approximate(#differences, groups, sum)
end

-- ---- the pruner ----

-- The complete trial with the least loss, of those that keep to their constraints.
local function best_trial(history, objective, sign)
  local best
  for _, other in ipairs(history.trials) do
    if other.state == "complete" and violation(other) == 0 then
      local loss = sign * other.values[objective]
      if not best or loss < sign * best.values[objective] then best = other end
    end
  end
  return best
end

-- The mean of the losses that a trial reported; nil when it is not finite.
local function mean_loss(record, sign)
  local sum, count = 0, 0
  for _, value in pairs(record.intermediate) do sum, count = sum + sign * value, count + 1 end
  local mean = sum / count
  return mean - mean == 0 and mean or nil
end

function Wilcoxon:prune(history, record)
  local objective = common.objective(self, history)
  local sign = common.sign(self, history)
  local best = best_trial(history, objective, sign)
  local mean, best_mean = mean_loss(record, sign), best and mean_loss(best, sign)
  if not mean or not best_mean or mean <= best_mean then return false end
  local differences = {}
  for step, value in pairs(record.intermediate) do
    local other = best.intermediate[step]
    if other then differences[#differences + 1] = sign * (value - other) end
  end
  if #differences < math.max(2, self.startup_steps) then return false end
  local p = Wilcoxon.test(differences)
  if p >= self.p then return false end
  return true, ("Wilcoxon: worse than trial %d at %d steps, p = %.3g"):format(best.number, #differences, p)
end

return Wilcoxon
