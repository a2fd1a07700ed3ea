--- What measures of importance share.
local refuse = require "fmnistnn.refuse"

local common = {}

--- The list of a measure's options with those of both:
--   objective   1: of several objectives, whose values are explained
function common.options(list)
  list[#list + 1] = {"objective", "count", default = 1}
  return list
end

--- The complete trials whose value is finite, of a study or its history: records and losses (less is better).
function common.trials(who, study, objective)
  if type(study) ~= "table" then refuse("%s: study: expected a study, got %s", who, type(study)) end
  local history = type(study.history) == "function" and study:history() or study
  local direction = history.directions[objective]
  if not direction then refuse("%s: objective: expected 1..%d, got %d", who, #history.directions, objective) end
  local records, losses = {}, {}
  for _, record in ipairs(history.trials) do
    local value = record.state == "complete" and record.values[objective]
    if value and value - value == 0 then
      records[#records + 1] = record
      losses[#losses + 1] = direction == "maximize" and -value or value
    end
  end
  return records, losses
end

--- A list of {name =, importance =}, the largest first, that sum up to 1, from importances by name. When all are 0 they
-- are equal.
function common.ranked(importances)
  local list, sum = {}, 0
  for name, importance in pairs(importances) do list[#list + 1] = {name = name, importance = importance} end
  table.sort(list, function(a, b)
    return a.importance > b.importance or a.importance == b.importance and a.name < b.name
  end)
  for _, each in ipairs(list) do sum = sum + each.importance end -- in this order, for the same bits
  for _, each in ipairs(list) do each.importance = sum > 0 and each.importance / sum or 1 / #list end
  return list
end

return common
