--- Losses as metrics: the mean over all examples since reset, by the name of the loss.
local Metric = require "fmnistnn.metrics.metric"
local losses = require "fmnistnn.losses"
local options = require "fmnistnn.options"
local over_probabilities = require "fmnistnn.over_probabilities"

local function reset(self) self.total, self.seen = 0, 0 end
local function value(self) return self.seen > 0 and self.total / self.seen or 0 end

local function update(self, prediction, target)
  if #target == 0 then return end
  self.total = self.total + losses[self.name](prediction, target, self.loss_options):item() * #target
  self.seen = self.seen + #target
end

--- The loss of this name as a metric. from_logits true; it makes no difference to losses over numbers.
return function(name, given)
  local o = options.check(name, given, {Metric.from_logits})
  return Metric.new {
    name = name, mode = "min", loss_options = over_probabilities[name] and {from_logits = o.from_logits}, reset = reset,
    update = update, value = value,
  }
end
