--- Which trials are best: of those that are complete and feasible.
local common = require "fmnistnn.search.samplers.common"
local pareto = require "fmnistnn.search.samplers.pareto"

local best = {}

local function is_candidate(record) return record.state == "complete" and common.violation(record) == 0 end

--- The best record of a history with one objective, the earliest of equals; nil when there is none.
function best.trial(history)
  local found, least
  for _, record in ipairs(history.trials) do
    local loss = is_candidate(record) and common.losses(history.directions, record.values)[1]
    if loss and (not least or loss < least) then found, least = record, loss end
  end
  return found
end

--- The records that no other one dominates, by number.
function best.front(history)
  local records, losses, front = {}, {}, {}
  for _, record in ipairs(history.trials) do
    if is_candidate(record) then
      records[#records + 1] = record
      losses[#losses + 1] = common.losses(history.directions, record.values)
    end
  end
  for _, index in ipairs(pareto.fronts(losses)[1] or {}) do front[#front + 1] = records[index] end
  table.sort(front, function(a, b) return a.number < b.number end)
  return front
end

return best
