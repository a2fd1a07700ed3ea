--- What follows from how often examples of one class were taken for another: the confusion matrix, precision, recall,
-- F1, Cohen's kappa.
--
-- Counts are kept as cells[target][predicted]; what is missing counts 0.
local Metric = require "fmnistnn.metrics.metric"
local average = require "fmnistnn.metrics.average"
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local confusion = {}

-- ---- counting ----

local function check_class(who, class, classes)
  if class >= 1 and class <= (classes or math.huge) and class % 1 == 0 then return end
  refuse("%s: expected class numbers %s, got %s", who, classes and "1.." .. classes or "from 1 on", class)
end

-- Counts examples, given as class numbers 1..classes (or 1 and more). Returns the largest class number. A loop in Lua
-- will do: 60,000 examples take it 10 ms, and a network seconds.
local function count(who, cells, predicted, target, classes)
  local columns, largest = predicted:totable(), 0
  for i, row in ipairs(target:totable()) do
    local column = columns[i]
    check_class(who, row, classes)
    check_class(who, column, classes)
    local counts = cells[row] or {}
    cells[row] = counts
    counts[column] = (counts[column] or 0) + 1
    largest = math.max(largest, row, column)
  end
  return largest
end

--- How often an example of class i (row) was taken for class j (column): int64 (classes, classes), from class numbers
-- 1..classes.
function confusion.confusion_matrix(predicted, target, classes)
  options.input("confusion_matrix: predicted", predicted, "(examples)", 1, 1)
  options.input("confusion_matrix: target", target, "(examples)", 1, 1)
  options.check("confusion_matrix", {classes = classes}, {{"classes", "count"}})
  Metric.check_lengths("confusion_matrix", predicted, target)
  local matrix, cells = core.full({classes, classes}, 0, "int64"), {}
  count("confusion_matrix", cells, predicted, target, classes)
  local flat = matrix:flatten()
  for row, counts in pairs(cells) do
    for column, n in pairs(counts) do flat[math.tointeger((row - 1) * classes + column)] = n end
  end
  return matrix
end

-- ---- precision, recall and F1 of each class ----

local function ratio(a, b) return b > 0 and a / b or 0 end

-- How many examples each class has, how many were taken for it, and how many there are in all.
local function totals(cells, classes)
  local support, predicted, all = {}, {}, 0
  for i = 1, classes do support[i], predicted[i] = 0, 0 end
  for row, counts in pairs(cells) do
    for column, n in pairs(counts) do
      support[row] = support[row] + n
      predicted[column] = predicted[column] + n
      all = all + n
    end
  end
  return support, predicted, all
end

-- A table of measures for each class, and the accuracy.
local function report_of(cells, classes)
  local support, predicted, all = totals(cells, classes)
  local report, right = {}, 0
  for i = 1, classes do
    local hits = cells[i] and cells[i][i] or 0
    local precision, recall = ratio(hits, predicted[i]), ratio(hits, support[i])
    report[i] = {
      precision = precision,
      recall = recall,
      f1 = ratio(2 * precision * recall, precision + recall),
      support = support[i],
    }
    right = right + hits
  end
  return report, ratio(right, all)
end

--- Precision, recall, F1 and support of each class, from a confusion matrix: a list of tables, and the accuracy. A
-- ratio of nothing counts as 0, as in scikit-learn.
function confusion.classification_report(matrix)
  options.square("classification_report", matrix)
  return report_of(matrix:totable(), #matrix)
end

-- ---- metrics ----

local function reset(self) self.cells, self.classes = {}, 0 end

local function update(self, prediction, target)
  local predicted, wanted, classes = Metric.classes(self, prediction, target)
  local largest = count(self.name, self.cells, predicted, wanted, classes)
  self.classes = math.max(self.classes, classes or largest)
end

local averages = {
  macro = average.macro,
  weighted = average.weighted,
  none = average.none,
  micro = function(_, _, accuracy) return accuracy end, -- where an example has one class, its misses are false alarms
  binary = function(values) return values[2] or 0 end,
}

local function value(self)
  local report, accuracy = report_of(self.cells, self.classes)
  local values, support = {}, {}
  for i, row in ipairs(report) do values[i], support[i] = row[self.measure], row.support end
  return averages[self.average](values, support, accuracy)
end

-- The metric of one column of a report.
local function make(measure, given)
  local o = options.check(measure, given, {{"average", "string", default = "macro"}, Metric.from_logits})
  Metric.check_choice(measure, "average", o.average, averages)
  return Metric.new {
    name = measure .. Metric.suffix(o.average, "macro"), measure = measure, average = o.average,
    from_logits = o.from_logits, reset = reset, update = update, value = value,
  }
end

--- How many of the examples taken for a class were of it. average "macro": the mean over all classes; "weighted": each
-- class counting by its examples; "micro": over all examples, the accuracy; "binary": that of class 2; "none": a list
-- of each class's. A ratio of nothing counts as 0. from_logits true.
function confusion.precision(given) return make("precision", given) end

--- How many of a class's examples were taken for it; see precision.
function confusion.recall(given) return make("recall", given) end

--- 2 precision recall / (precision + recall) of each class; see precision.
function confusion.f1(given) return make("f1", given) end

-- How bad it is to take class i for class j.
local weights = {
  none = function(i, j) return i == j and 0 or 1 end,
  linear = function(i, j) return math.abs(i - j) end,
  quadratic = function(i, j) return (i - j) ^ 2 end,
}

local function kappa(self)
  local support, predicted, all = totals(self.cells, self.classes)
  local weight, observed, expected = weights[self.weights], 0, 0
  for i = 1, self.classes do
    local counts = self.cells[i] or {}
    for j = 1, self.classes do
      observed = observed + weight(i, j) * (counts[j] or 0)
      expected = expected + weight(i, j) * support[i] * predicted[j] / all
    end
  end
  return 1 - observed / expected
end

--- Cohen's kappa (1960), agreement beyond chance: 1 - sum_ij w_ij o_ij / sum_ij w_ij e_ij, with o the confusion matrix
-- and e what is expected of its margins. weights "none": w is 1 for a mistake; "linear": |i - j|; "quadratic":
-- (i - j)^2 (Cohen 1968). Not a number where all is of one class. from_logits true.
function confusion.cohen_kappa(given)
  local o = options.check("cohen_kappa", given, {{"weights", "string", default = "none"}, Metric.from_logits})
  Metric.check_choice("cohen_kappa", "weights", o.weights, weights)
  return Metric.new {
    name = "cohen_kappa" .. Metric.suffix(o.weights, "none"), weights = o.weights, from_logits = o.from_logits,
    reset = reset, update = update, value = kappa,
  }
end

return confusion
