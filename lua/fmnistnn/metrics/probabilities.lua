--- Measures of the probabilities that a classifier gives: how well they order examples, and whether they are right.
local Metric = require "fmnistnn.metrics.metric"
local average = require "fmnistnn.metrics.average"
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local probabilities = {}

-- ---- area under the ROC curve ----

local function reset_auc(self) self.scores, self.targets = {}, {} end

-- log(p / (1 - p)) of each class, from rows of logits: probabilities near 0 or 1 would be the same float.
local function log_odds(logits)
  local x = logits - logits:max(2, true)
  local is_best = x:argmax(2):one_hot(x:size(2)):eq(1)
  local others = core.ops.where(is_best, -math.huge, x):logsumexp(2, true) -- all classes but the best, whose x is 0
  return core.ops.where(is_best, -others, x - (others:exp() - x:exp()):log1p())
end

-- What orders examples by the probability of a class: a column of a tensor of its own, of which nothing is recorded.
local function scores_of(self, rows) return self.from_logits and log_odds(rows) or rows:clone() end

local function update_auc(self, prediction, target)
  local rows, wanted = Metric.scores(self, prediction, target)
  self.scores[#self.scores + 1] = core.no_grad(scores_of, self, rows)
  self.targets[#self.targets + 1] = wanted:clone()
end

-- The area of one class against the rest: how often an example of the class scores higher than another, a tie counting
-- half (Hanley and McNeil 1982). Not a number unless there are both. scores: a vector; targets: a list.
local function area(scores, targets, class)
  local sorted, positions = scores:sort()
  local values, order = sorted:totable(), positions:totable()
  local below, hits, others, wins = 0, 0, 0, 0 -- below: others with a lower score; hits, others: with this score
  local positives = 0
  for i, value in ipairs(values) do
    if targets[order[i]] == class then hits = hits + 1 else others = others + 1 end
    if value ~= values[i + 1] then
      wins = wins + hits * (below + others / 2)
      positives, below, hits, others = positives + hits, below + others, 0, 0
    end
  end
  return wins / (positives * below), positives
end

local averages = {macro = average.macro, weighted = average.weighted, none = average.none}

local function auc(self)
  if #self.scores == 0 then return 0 / 0 end
  local scores, targets = core.ops.cat(self.scores, 1), core.ops.cat(self.targets, 1):totable()
  local areas, support = {}, {}
  for class = 1, scores:size(2) do
    local value, count = area(scores:select(2, class), targets, class)
    if value == value or self.average == "none" then
      areas[#areas + 1], support[#support + 1] = value, count
    end
  end
  return #areas > 0 and averages[self.average](areas, support) or 0 / 0
end

--- The area under the ROC curve of each class against the rest. average "macro": the mean over the classes that have
-- examples and are not all; "weighted": each counting by its examples; "none": a list of each class's, with a value
-- that is no number where there is none. from_logits true. It keeps all scores.
function probabilities.roc_auc(given)
  local o = options.check("roc_auc", given, {{"average", "string", default = "macro"}, Metric.from_logits})
  Metric.check_choice("roc_auc", "average", o.average, averages)
  return Metric.new {
    name = "roc_auc" .. Metric.suffix(o.average, "macro"), average = o.average, from_logits = o.from_logits,
    costly = true, reset = reset_auc, update = update_auc, value = auc,
  }
end

-- ---- calibration ----

local function reset_calibration(self)
  self.excess, self.seen = {}, 0 -- excess: of each bin, the sum of confidences less the number of right ones
  for i = 1, self.bins do self.excess[i] = 0 end
end

-- The bin of a confidence; bins are open below and closed above.
local function bin_of(self, confidence)
  if confidence < 0 or confidence > 1.0001 then
    refuse("calibration_error: expected probabilities 0..1, got %s (or logits: from_logits = true)", confidence)
  end
  if confidence ~= confidence then return 1 end
  return math.min(math.max(math.ceil(confidence * self.bins), 1), self.bins)
end

local function update_calibration(self, prediction, target)
  local rows, wanted = Metric.probabilities(self, prediction, target)
  local right = rows:argmax(2):eq(wanted):totable()
  for i, confidence in ipairs(rows:max(2):totable()) do
    local bin = bin_of(self, confidence)
    self.excess[bin] = self.excess[bin] + confidence - right[i]
  end
  self.seen = self.seen + #right
end

local function calibration(self)
  local sum = 0
  for _, excess in ipairs(self.excess) do sum = sum + math.abs(excess) end
  return self.seen > 0 and sum / self.seen or 0
end

--- Expected calibration error (Guo et al. 2017, equation 3): examples are put into `bins` (15) of equal width by the
-- probability of the class that they are taken for; the mean, weighted by the examples of the bins, of
-- |accuracy - mean probability|. from_logits true.
function probabilities.calibration_error(given)
  local o = options.check("calibration_error", given, {{"bins", "count", default = 15}, Metric.from_logits})
  return Metric.new {
    name = "calibration_error", bins = o.bins, from_logits = o.from_logits,
    reset = reset_calibration, update = update_calibration, value = calibration,
  }
end

return probabilities
