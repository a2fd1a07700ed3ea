--- Which trials are best: complete and feasible ones that no other one beats.
local pareto = {}

local function is_candidate(record)
  if record.state ~= "complete" then return false end
  for _, value in ipairs(record.constraints or {}) do
    if value > 0 then return false end
  end
  return true
end

--- Whether values a are better than b in one objective and no worse in the others.
function pareto.dominates(directions, a, b)
  local better = false
  for i, direction in ipairs(directions) do
    local x, y = a[i], b[i]
    if direction == "maximize" then x, y = -x, -y end
    if x > y then return false end
    better = better or x < y
  end
  return better
end

--- The best record of a history with one objective, the earliest of equals; nil when there is none.
function pareto.best(history)
  local best
  for _, record in ipairs(history.trials) do
    if is_candidate(record) and (not best or pareto.dominates(history.directions, record.values, best.values)) then
      best = record
    end
  end
  return best
end

--- The records that no other one dominates, by number.
function pareto.front(history)
  local front = {}
  for _, record in ipairs(history.trials) do
    local beaten = not is_candidate(record)
    for _, other in ipairs(front) do
      beaten = beaten or pareto.dominates(history.directions, other.values, record.values)
    end
    if not beaten then
      local kept = {}
      for _, other in ipairs(front) do
        if not pareto.dominates(history.directions, record.values, other.values) then kept[#kept + 1] = other end
      end
      kept[#kept + 1] = record
      front = kept
    end
  end
  return front
end

return pareto
