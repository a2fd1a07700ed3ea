--- What callbacks that watch a value share: whether there is such a value, and what is better.
local refuse = require "fmnistnn.refuse"

local monitor = {}

--- Raises unless mode is one.
function monitor.check_mode(self)
  if self.mode ~= "auto" and self.mode ~= "min" and self.mode ~= "max" then
    refuse('%s: mode: expected "auto", "min" or "max", got %s', self.name, self.mode)
  end
end

--- Raises unless an epoch of this fit will have the value of that name.
function monitor.check_name(self, trainer, name)
  local names = trainer.value_names
  for _, each in ipairs(names) do
    if each == name then return end
  end
  local hint = name:find("^val_") and "; those of a validation need fit's validation or validation_split" or ""
  error(("%s: there is no value %s (there are %s%s)"):format(self.name, name, table.concat(names, ", "), hint), 0)
end

-- Which way the values of the names are better, where they are known, as far as a metric does not say so itself.
local directions = {
  {"loss$", "min"}, {"error", "min"}, {"accuracy", "max"}, {"^top_", "max"}, {"precision", "max"}, {"recall", "max"},
  {"f1", "max"}, {"auc", "max"}, {"kappa", "max"},
}

local function direction_of(self, trainer)
  local name = self.monitor:gsub("^val_", "")
  for _, metric in ipairs(trainer.metrics) do
    if metric.name == name and metric.mode then return metric.mode end
  end
  for _, pair in ipairs(directions) do
    if name:lower():find(pair[1]) then return pair[2] end
  end
  error(('%s: whether %s is better when it is low or high is not known: give mode = "min" or "max"'):format(self.name,
    self.monitor), 0)
end

--- Checks what is watched against the fit that begins; to be called before `better`.
function monitor.begin(self, trainer)
  monitor.check_name(self, trainer, self.monitor)
  self.direction = self.mode == "auto" and direction_of(self, trainer) or self.mode
end

--- What is watched, of an epoch's values.
function monitor.value(self, values)
  local value = values[self.monitor]
  if type(value) == "number" then return value end
  error(("%s: monitor: %s: expected a number, got a %s"):format(self.name, self.monitor, type(value)), 0)
end

--- Whether a value is better than another by more than min_delta. The first is better than none; NaN is never.
function monitor.better(self, value, than)
  local delta = math.abs(self.min_delta or 0)
  if than == nil then return value == value end
  if self.direction == "min" then return value + delta < than end
  return value - delta > than
end

return monitor
