--- What samplers share. Inside them less is better: `losses` of a study that maximizes are its values with the sign
-- turned.
local json = require "fmnistnn.json"
local space = require "fmnistnn.search.space"

local common = {}

--- Values, as losses: a list, one for each objective.
function common.losses(directions, values)
  local losses = {}
  for i, direction in ipairs(directions) do losses[i] = direction == "maximize" and -values[i] or values[i] end
  return losses
end

--- By how much a trial violates its constraints: the sum of those above 0.
function common.violation(record)
  local sum = 0
  for _, constraint in ipairs(record.constraints or {}) do
    if constraint > 0 then sum = sum + constraint end
  end
  return sum
end

--- Whether a trial tells what its parameters are worth.
function common.is_told(record) return record.state == "complete" or record.state == "pruned" end

--- A value of a distribution, uniform on its inner scale.
function common.uniform(distribution, random) return space.from_unit(distribution, random:uniform()) end

-- The system attribute where Optuna, too, keeps what a trial drew together: others see it before the objective has
-- asked for all of it.
local drawn <const> = "tpe:relative_params:0"

--- Keeps the values that a trial drew together with its record.
function common.announce(record, values) record.system_attributes[drawn] = json.encode(values) end

--- The values that a trial's record says it drew together.
function common.announced(record)
  local values = json.decode(record.system_attributes[drawn] or "{}")
  return type(values) == "table" and values or {}
end

return common
