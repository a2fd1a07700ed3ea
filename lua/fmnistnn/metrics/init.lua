--- Measures of a classifier.
--
--   trainer = fnn.Trainer{..., metrics = {"accuracy", "f1", fnn.metrics.precision{average = "weighted"}}}
--   print(fnn.metrics.f1{}(trainer:predict(test), test.labels))    -- of whole predictions
--
-- The name of a loss is that of its mean over the examples, too; {"name", function} is the mean of a function
-- (prediction, target).
--
-- A metric is a table {name =, update = function(self, prediction, target), value = function(self), reset =
-- function(self)}; a Trainer takes such tables and the names below. It may close prediction and target after update,
-- which clones what it keeps.
local losses = require "fmnistnn.losses"
local mean = require "fmnistnn.metrics.mean"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local metrics = {}

for _, family in ipairs {"accuracy", "confusion", "probabilities"} do
  for name, f in pairs(require("fmnistnn.metrics." .. family)) do metrics[name] = f end
end

-- Those that go by their name alone.
local names = {"accuracy", "precision", "recall", "f1", "cohen_kappa", "roc_auc", "calibration_error"}
local by_name = {}
for _, name in ipairs(names) do by_name[name] = options.maker(metrics[name], name .. "{...}") end
options.maker(metrics.top_k, "top_k(5)")

local function check_fields(metric)
  if type(metric.name) ~= "string" then
    refuse("metric: name: expected a string, got %s", options.describe(metric.name))
  end
  for _, name in ipairs {"reset", "update", "value"} do
    if not options.is_callable(metric[name]) then
      refuse("metric %s: %s: expected a function, got %s", metric.name, name, type(metric[name]))
    end
  end
end

--- A metric by its name, which may be that of a loss, made with these options; of {name, function, mode = ...}, with
-- the mean of what the function returns; or the metric itself.
function metrics.get(given, settings)
  if type(given) == "table" and not options.is_maker(given) then
    if given[1] ~= nil then return mean.of_function(given) end
    check_fields(given)
    return given
  end
  local make = by_name[given]
  if make then return make(settings) end
  if type(given) == "string" and losses[given] then return mean.of_loss(given, settings) end
  local got = type(given) == "string" and given or options.describe(given)
  refuse("metric: expected a metric, {name, function}, the name of a loss or one of %s, got %s",
    table.concat(names, ", "), got)
end

return metrics
