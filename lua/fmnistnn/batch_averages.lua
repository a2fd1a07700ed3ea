--- The loss and metrics of one pass over data, batch by batch.
local core = require "fmnistnn.core"
local is_list = require "fmnistnn.is_list"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local Averages = {}
Averages.__index = Averages

--- New ones, with copies of the metrics of their own: an evaluation may run in the middle of an epoch. `saved`: where
-- others were, to go on from (Averages:state).
function Averages.new(metrics, saved)
  local averages = setmetatable({total = 0, count = 0, metrics = {}}, Averages)
  for i, metric in ipairs(metrics) do
    averages.metrics[i] = setmetatable({}, {__index = metric})
    averages.metrics[i]:reset()
  end
  if saved then averages:set_state(saved) end
  return averages
end

--- Plain values and tensors. What a metric's copy has of its own is what it has counted.
function Averages:state()
  local counted, names = {}, {}
  for i, metric in ipairs(self.metrics) do
    counted[i], names[i] = {}, metric.name
    for name, value in pairs(metric) do counted[i][name] = value end
  end
  return {total = self.total, count = self.count, metrics = counted, names = names}
end

function Averages:set_state(state)
  self.total, self.count = state.total, state.count
  for i, metric in ipairs(self.metrics) do
    for name, value in pairs(state.metrics[i]) do metric[name] = value end
  end
end

-- Outputs without what computed them: a tensor, or a table of them.
local function detached(outputs)
  if core.is_tensor(outputs) then return outputs:detach() end
  if type(outputs) ~= "table" then return outputs end
  local plain = {}
  for key, output in pairs(outputs) do plain[key] = detached(output) end
  return plain
end

--- Counts a batch in; the loss is the mean over it. prediction: what the model gave, a tensor or a table of them.
function Averages:update(loss, prediction, target)
  self.total = self.total + loss:item() * #target
  self.count = self.count + #target
  if #self.metrics == 0 then return end
  local plain = detached(prediction)
  for _, metric in ipairs(self.metrics) do metric:update(plain, target) end
end

local function is_value(value)
  if type(value) ~= "table" then return type(value) == "number" end
  for _, each in ipairs(value) do
    if type(each) ~= "number" then return false end
  end
  return is_list(value)
end

-- What a metric comes to.
local function value_of(metric)
  local value = metric:value()
  if is_value(value) then return value end
  refuse("metric %s: value: expected a number or a list of numbers from the function, got %s", metric.name,
    options.describe(value))
end

--- Those so far, by name, without metrics that take long to tell.
function Averages:so_far()
  local values = {loss = self.count > 0 and self.total / self.count or 0}
  for _, metric in ipairs(self.metrics) do
    if not metric.costly then values[metric.name] = value_of(metric) end
  end
  return values
end

--- All of them.
function Averages:values()
  local values = self:so_far()
  for _, metric in ipairs(self.metrics) do
    if metric.costly then values[metric.name] = value_of(metric) end
  end
  return values
end

return Averages
