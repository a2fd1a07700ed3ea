--- Means over all examples since reset: of a loss, by its name, and of a function of the user's.
local Metric = require "fmnistnn.metrics.metric"
local core = require "fmnistnn.core"
local losses = require "fmnistnn.losses"
local options = require "fmnistnn.options"
local over_probabilities = require "fmnistnn.over_probabilities"
local refuse = require "fmnistnn.refuse"

local mean = {}

local function reset(self) self.total, self.seen = 0, 0 end
local function value(self) return self.seen > 0 and self.total / self.seen or 0 end

local function update(self, prediction, target)
  if #target == 0 then return end
  self.total = self.total + self:of_batch(prediction, target) * #target
  self.seen = self.seen + #target
end

local function loss_of_batch(self, prediction, target)
  return losses[self.name](prediction, target, self.loss_options):item()
end

--- The loss of this name as a metric. from_logits true; it makes no difference to losses over numbers.
function mean.of_loss(name, given)
  local o = options.check(name, given, {Metric.from_logits})
  return Metric.new {
    name = name, mode = "min", loss_options = over_probabilities[name] and {from_logits = o.from_logits}, reset = reset,
    update = update, value = value, of_batch = loss_of_batch,
  }
end

local function function_of_batch(self, prediction, target)
  local got = self.f(prediction, target)
  if type(got) == "number" then return got end
  if core.is_tensor(got) and (got:numel() == 1 or got:dim() > 0 and #got == #target and got:numel() == #target) then
    return got:sum():item() / got:numel()
  end
  local what = core.is_tensor(got) and "shape (" .. table.concat(got.shape, ",") .. ")" or options.describe(got)
  local expected = "a number, or a tensor of one element or of one for each example"
  refuse("metric %s: expected %s, from the function, got %s", self.name, expected, what)
end

local modes = {min = true, max = true}

--- A function (prediction, target) as a metric, of {name, function, mode = "min" or "max"}. It returns the mean of a
-- batch, a number or a tensor of one element, or a tensor with the value of each example.
function mean.of_function(given)
  local name, settings = options.take_apart(given)
  if type(name) ~= "string" then
    refuse("metric: expected {name, function}, got %s for the name", options.describe(name))
  end
  local who, f = "metric " .. name, settings[2]
  if type(f) ~= "function" or options.is_maker(f) then
    refuse("%s: expected a function after the name, got %s", who, options.describe(f))
  end
  settings[2] = nil
  local o = options.check(who, settings, {{"mode", "string", optional = true}, by_name = true})
  if o.mode then Metric.check_choice(who, "mode", o.mode, modes) end
  return Metric.new {
    name = name, mode = o.mode, f = f, calls_user = true, reset = reset, update = update, value = value,
    of_batch = function_of_batch,
  }
end

return mean
