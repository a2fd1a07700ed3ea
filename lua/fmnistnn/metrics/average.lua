--- From a number for each class to one for all.
local average = {}

local function mean(values, weights)
  local sum, total = 0, 0
  for i, value in ipairs(values) do
    local weight = weights and weights[i] or 1
    sum, total = sum + weight * value, total + weight
  end
  return total > 0 and sum / total or 0
end

--- The mean, each class counting alike.
function average.macro(values) return mean(values) end
--- The mean, each class counting by its number of examples.
function average.weighted(values, support) return mean(values, support) end
--- A list with the number of each class.
function average.none(values) return values end

return average
