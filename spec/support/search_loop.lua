--- A study without storage or workers: asks a sampler, runs the objective, keeps the records.
local Random = require "fmnistnn.search.random"
local space = require "fmnistnn.search.space"

local loop = {}

--- An empty history.
function loop.history(...) return {directions = {...}, seed = 0, trials = {}} end

--- A record of a trial with the next number, added to the history.
function loop.add(history, fields)
  local record = {
    number = #history.trials, state = "running", params = {}, distributions = {}, intermediate = {},
    user_attributes = {}, system_attributes = {},
  }
  for key, value in pairs(fields or {}) do record[key] = value end
  history.trials[record.number + 1] = record
  return record
end

--- Draws a running record's parameters, `...` times again: returns a function that suggests the value of one.
function loop.begin(history, record, sampler, ...)
  local random = Random.new(sampler.seed or history.seed, record.number, ...)
  record.params, record.distributions = {}, {}
  local relative = sampler:begin(history, record, random)
  return function(name, distribution)
    local value = relative[name]
    if value == nil or not space.contains(distribution, value) then
      value = sampler:sample(history, record, name, distribution, random)
    end
    record.params[name], record.distributions[name] = value, distribution
    return value
  end
end

--- Begins a trial: its record and the function that suggests.
function loop.ask(history, sampler)
  local record = loop.add(history)
  return record, loop.begin(history, record, sampler)
end

--- Ends a trial.
function loop.tell(record, ...) record.state, record.values = "complete", {...} end

--- Runs `count` trials of objective(suggest, record), which returns the values.
function loop.run(history, sampler, count, objective)
  for _ = 1, count do
    local record, suggest = loop.ask(history, sampler)
    loop.tell(record, objective(suggest, record))
  end
  return history
end

return loop
