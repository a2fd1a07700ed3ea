--- Measures of a classifier.
--
-- A metric is a table {name =, update = function(self, prediction, target), value = function(self), reset =
-- function(self)}; a Trainer takes such tables and the names below. It closes prediction and target after update,
-- which clones what it keeps.
local core = require "fmnistnn.core"
local options = require "fmnistnn.nn.options"

local metrics = {}

-- Class numbers of rows of scores, or the class numbers themselves.
local function classes_of(tensor)
  if tensor.dtype == "float32" and tensor:dim() == 2 then return tensor:argmax(2) end
  return tensor
end

local function check_lengths(who, prediction, target)
  if #prediction ~= #target then
    error(("%s: expected a target for each of the %d predictions, got %d"):format(who, #prediction, #target), 3)
  end
end

local Accuracy = {}
Accuracy.__index = Accuracy

function Accuracy:reset() self.right, self.seen = 0, 0 end

function Accuracy:update(prediction, target)
  check_lengths(self.name, prediction, target)
  local predicted, wanted = classes_of(prediction), classes_of(target)
  self.right = self.right + predicted:eq(wanted):sum():item()
  self.seen = self.seen + wanted:numel()
end

function Accuracy:value() return self.seen > 0 and self.right / self.seen or 0 end

--- The fraction of examples whose largest score is the target's class. Targets are class numbers or one-hot rows.
function metrics.accuracy()
  local metric = setmetatable({name = "accuracy"}, Accuracy)
  metric:reset()
  return metric
end

local TopK = setmetatable({}, {__index = Accuracy})
TopK.__index = TopK

function TopK:update(prediction, target)
  check_lengths(self.name, prediction, target)
  local _, best = prediction:topk(self.k, 2)
  local wanted = classes_of(target)
  self.right = self.right + best:eq(wanted:unsqueeze(2)):sum():item()
  self.seen = self.seen + wanted:numel()
end

--- The fraction of examples whose class is among the k largest scores.
function metrics.top_k(k)
  if math.type(k) ~= "integer" or k < 1 then
    error("top_k: k: expected an integer of 1 or more, got " .. tostring(k), 2)
  end
  local metric = setmetatable({name = "top_" .. k, k = k}, TopK)
  metric:reset()
  return metric
end

--- A metric by its name, or the metric itself.
function metrics.get(given)
  if type(given) == "table" then return given end
  if given == "accuracy" then return metrics.accuracy() end
  error("metric: expected \"accuracy\" or a table, got " .. tostring(given), 3)
end

--- How often an example of class i (row) was taken for class j (column): int64 (classes, classes), from class numbers
-- 1..classes.
function metrics.confusion_matrix(predicted, target, classes)
  options.input("confusion_matrix: predicted", predicted, "(examples)", 1, 1)
  options.input("confusion_matrix: target", target, "(examples)", 1, 1)
  options.check("confusion_matrix", {classes = classes}, {{"classes", "count"}})
  check_lengths("confusion_matrix", predicted, target)
  local confusion = core.full({classes, classes}, 0, "int64")
  local columns, counts = predicted:totable(), {}
  for i, row in ipairs(target:totable()) do
    for _, class in ipairs {row, columns[i]} do
      if class < 1 or class > classes or class % 1 ~= 0 then
        error(("confusion_matrix: expected class numbers 1..%d, got %s"):format(classes, class), 2)
      end
    end
    local cell = math.tointeger((row - 1) * classes + columns[i])
    counts[cell] = (counts[cell] or 0) + 1
  end
  local cells = confusion:flatten()
  for cell, count in pairs(counts) do cells[cell] = count end
  return confusion
end

--- Precision, recall, F1 and support of each class, from a confusion matrix: a list of tables, and the accuracy. A
-- ratio of nothing counts as 0, as in scikit-learn.
function metrics.classification_report(confusion)
  options.square("classification_report", confusion)
  local counts, report, right, total = confusion:totable(), {}, 0, 0
  local function ratio(a, b) return b > 0 and a / b or 0 end
  for i, row in ipairs(counts) do
    local support, predicted = 0, 0
    for j, count in ipairs(row) do
      support = support + count
      predicted = predicted + counts[j][i]
    end
    local precision, recall = ratio(row[i], predicted), ratio(row[i], support)
    report[i] = {
      precision = precision,
      recall = recall,
      f1 = ratio(2 * precision * recall, precision + recall),
      support = support,
    }
    right, total = right + row[i], total + support
  end
  return report, ratio(right, total)
end

return metrics
