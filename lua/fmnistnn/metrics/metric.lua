--- What the metrics of this folder have in common: how they are called and what they take.
--
-- Predictions are rows of scores (N,C) or class numbers (N); targets class numbers (N) or rows (N,C) such as one-hot
-- ones. Those of each position of an example, such as the pixels of an image, (N,C,...) and (N,...), count as an
-- example each. Scores (N,1), as of one sigmoid, are of the second of two classes; targets (N,1) are then 0 and 1, or
-- between them, as mixup makes them, and above 0.5 of the second class.
local class_rows = require "fmnistnn.class_rows"
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local Metric = {}

-- ---- making and calling ----

-- The measure of whole predictions. What the metric has counted so far stays as it is.
local function call(self, prediction, target)
  local fresh = setmetatable({}, {__index = self})
  fresh:reset()
  fresh:update(prediction, target)
  if #target == 0 then refuse("%s: there are no examples", self.name) end
  return fresh:value()
end

local metatable = {__call = call, __name = "fmnistnn.Metric"}

--- The metric of a table with name, reset, update and value.
function Metric.new(fields)
  setmetatable(fields, metatable)
  fields:reset()
  return fields
end

--- Whether a metric is one of these, which keep nothing of what `update` was given, and does not call a function of
-- the user's, which may.
function Metric.is_own(value) return getmetatable(value) == metatable and not value.calls_user end

--- What a choice like `average` adds to the name of a metric: nothing for the usual one.
function Metric.suffix(choice, usual) return choice == usual and "" or "_" .. choice end

--- Raises unless `choice`, the option of this name, is a key of the table.
function Metric.check_choice(who, option, choice, known)
  if known[choice] then return end
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  refuse("%s: %s: expected one of %s, got %s", who, option, table.concat(names, ", "), choice)
end

--- The option that all metrics have: whether scores are logits.
Metric.from_logits = {"from_logits", "boolean", default = true}

-- ---- what update is given ----

--- Raises unless there is a target for each prediction.
function Metric.check_lengths(who, prediction, target)
  if #prediction == #target then return end
  refuse("%s: expected a target for each of the %d predictions, got %d", who, #prediction, #target)
end

local function is_binary(prediction)
  return prediction.dtype == "float32" and prediction:dim() == 2 and prediction:size(2) == 1
end

local PREDICTION, TARGET = "scores (N,C) or class numbers (N)", "class numbers (N) or rows (N,C)" -- as messages say

-- Raises where what is taken for class numbers has fractions, as scores have.
local function check_whole(who, classes, expected)
  if classes.dtype ~= "float32" then return end
  for _, class in ipairs(classes:totable()) do
    if class % 1 ~= 0 then refuse("%s: expected %s, got %s", who, expected, class) end
  end
end

-- The class numbers of targets.
local function target_classes(metric, target, prediction)
  local who = metric.name .. ": target"
  options.input(who, target, TARGET, 1, 2)
  Metric.check_lengths(metric.name, prediction, target)
  if target:dim() == 2 and target:size(2) > 1 then return target:argmax(2) end
  if target:dim() == 2 and is_binary(prediction) then return (target:flatten() - 0.5):ceil() + 1 end
  local classes = target:flatten()
  check_whole(who, classes, TARGET)
  return classes
end

-- Rows of scores, with two columns where one stands for two classes.
local function score_rows(metric, prediction)
  options.input(metric.name .. ": prediction", prediction, "scores (N,C)", 2, 2)
  if prediction.dtype ~= "float32" then
    refuse("%s: prediction: expected scores of float32, got %s", metric.name, prediction.dtype)
  end
  if not is_binary(prediction) then return prediction end
  local first = metric.from_logits and core.full(prediction.shape, 0) or 1 - prediction
  return core.ops.cat({first, prediction}, 2)
end

local function check_range(metric, classes, count)
  if #classes == 0 then return end
  for _, class in ipairs {classes:min():item(), classes:max():item()} do
    if class < 1 or class > count then
      refuse("%s: expected class numbers 1..%d, got %s", metric.name, count, class)
    end
  end
end

--- Rows of scores, and the targets' class numbers.
function Metric.scores(metric, prediction, target)
  prediction, target = class_rows(metric.name, prediction, target)
  local rows = score_rows(metric, prediction)
  local classes = target_classes(metric, target, prediction)
  check_range(metric, classes, rows:size(2))
  return rows, classes
end

--- Rows of probabilities, and the targets' class numbers.
function Metric.probabilities(metric, prediction, target)
  local rows, classes = Metric.scores(metric, prediction, target)
  return metric.from_logits and rows:softmax(2) or rows, classes
end

--- The class numbers of predictions and of targets; and how many classes there are, where the shapes tell.
function Metric.classes(metric, prediction, target)
  local who = metric.name .. ": prediction"
  prediction, target = class_rows(metric.name, prediction, target)
  options.input(who, prediction, PREDICTION, 1, 2)
  if prediction:dim() == 2 then
    local rows, wanted = Metric.scores(metric, prediction, target)
    return rows:argmax(2), wanted, rows:size(2)
  end
  check_whole(who, prediction, PREDICTION)
  local wanted = target_classes(metric, target, prediction)
  return prediction, wanted, target:dim() == 2 and target:size(2) > 1 and target:size(2) or nil
end

return Metric
