--- How many examples are taken for what they are.
local Metric = require "fmnistnn.metrics.metric"
local options = require "fmnistnn.options"

local accuracy = {}

local function reset(self) self.right, self.seen = 0, 0 end
local function value(self) return self.seen > 0 and self.right / self.seen or 0 end

local function update(self, prediction, target)
  local predicted, wanted = Metric.classes(self, prediction, target)
  self.right = self.right + predicted:eq(wanted):sum():item()
  self.seen = self.seen + #wanted
end

local function update_top_k(self, prediction, target)
  local scores, wanted = Metric.scores(self, prediction, target)
  local _, best = scores:topk(self.k, 2)
  self.right = self.right + best:eq(wanted:unsqueeze(2)):sum():item()
  self.seen = self.seen + #wanted
end

--- The fraction of examples whose largest score is the target's class. from_logits true.
function accuracy.accuracy(given)
  local o = options.check("accuracy", given, {Metric.from_logits})
  return Metric.new {name = "accuracy", from_logits = o.from_logits, reset = reset, update = update, value = value}
end

--- The fraction of examples whose class is among the k largest scores; its name is "top_5" where k is 5. from_logits
-- true, which makes a difference to scores of one column only.
function accuracy.top_k(k, given)
  local o = options.check("top_k", given, {Metric.from_logits})
  options.check("top_k", {k = k}, {{"k", "count"}})
  return Metric.new {
    name = "top_" .. k, k = k, from_logits = o.from_logits, reset = reset, update = update_top_k, value = value,
  }
end

return accuracy
