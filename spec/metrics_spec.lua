-- Metrics against scikit-learn.
local fnn = require "fmnistnn"
local metrics = fnn.metrics
local peer = require "spec.support.peer"

local function ints(list) return fnn.tensor(list, {dtype = "int64"}) end

local function column(report, name)
  local values = {}
  for i, row in ipairs(report) do values[i] = row[name] end
  return fnn.tensor(values)
end

describe("metrics", function()
  for _, case in ipairs(peer.cases("metrics")) do
    local scores, target = case.tensors.scores, case.tensors.target
    local predicted = scores:argmax(2)

    it("count confusions as scikit-learn: " .. case.name, function()
      local confusion = metrics.confusion_matrix(predicted, target, case.classes)
      assert.equal("int64", confusion.dtype)
      assert.is_true(confusion:equal(case.tensors.confusion))
    end)

    it("report precision, recall and F1 as scikit-learn: " .. case.name, function()
      local report, accuracy = metrics.classification_report(metrics.confusion_matrix(predicted, target, case.classes))
      assert.equal(case.accuracy, accuracy)
      for _, name in ipairs {"precision", "recall", "f1"} do
        peer.check_close(name, column(report, name), case.tensors[name])
      end
      assert.same(case.tensors.support:totable(), column(report, "support"):totable())
    end)

    it("tell accuracies as scikit-learn, in one batch and in several: " .. case.name, function()
      local measured = {[case.accuracy] = metrics.accuracy()}
      for k, value in pairs(case.top) do measured[value] = metrics.top_k(tonumber(k)) end
      for _, size in ipairs {#target, 7} do
        for expected, metric in pairs(measured) do
          metric:reset()
          for first = 1, #target, size do
            local last = math.min(#target, first + size - 1)
            metric:update(scores[{{first, last}}], target[{{first, last}}])
          end
          assert.equal(expected, metric:value(), metric.name)
        end
      end
    end)
  end
end)

describe("accuracy", function()
  local scores = fnn.tensor {{0.1, 0.9}, {0.8, 0.2}, {0.3, 0.7}}

  it("takes scores or class numbers, and class numbers or one-hot rows", function()
    for _, prediction in ipairs {scores, ints {2, 1, 2}} do
      for _, target in ipairs {ints {2, 2, 2}, fnn.tensor {{0, 1}, {0, 1}, {0, 1}}} do
        local metric = metrics.accuracy()
        metric:update(prediction, target)
        assert.equal(2 / 3, metric:value())
      end
    end
  end)

  it("is 0 of nothing, and forgets by reset", function()
    local metric = metrics.accuracy()
    assert.equal(0, metric:value())
    metric:update(scores, ints {2, 1, 2})
    assert.equal(1, metric:value())
    metric:reset()
    assert.equal(0, metric:value())
  end)

  it("keeps count by itself in each metric", function()
    local a, b = metrics.accuracy(), metrics.top_k(2)
    a:update(scores, ints {1, 1, 1})
    b:update(scores, ints {1, 1, 1})
    assert.same({1 / 3, 1}, {a:value(), b:value()})
    assert.same({"accuracy", "top_2"}, {a.name, b.name})
  end)
end)

describe("metrics refuse", function()
  local function refuses(message, f, ...)
    local ok, got = pcall(f, ...)
    assert.is_false(ok)
    assert.matches(message, got)
  end

  it("class numbers outside the classes", function()
    for _, wrong in ipairs {0, -1, 4, 100} do
      refuses("confusion_matrix: .*1..3", metrics.confusion_matrix, ints {1, wrong}, ints {2, 2}, 3)
      refuses("confusion_matrix: .*1..3", metrics.confusion_matrix, ints {1, 2}, ints {2, wrong}, 3)
    end
    refuses("confusion_matrix: .*1..3, got 1.5", metrics.confusion_matrix, fnn.tensor {1, 1.5}, ints {1, 2}, 3)
  end)

  it("unequal numbers of predictions and targets", function()
    refuses("confusion_matrix", metrics.confusion_matrix, ints {1, 2}, ints {1}, 3)
    refuses("confusion_matrix", metrics.confusion_matrix, ints {1, 2}, ints {1, 2, 3}, 3)
    refuses("accuracy", function() metrics.accuracy():update(ints {1, 2}, ints {1}) end)
  end)

  it("wrong arguments", function()
    refuses("top_k: k: expected", metrics.top_k, "two")
    refuses("top_k: k: expected", metrics.top_k, 0)
    refuses("metric: expected", metrics.get, "precision")
  end)

  it("nothing of an empty confusion matrix", function()
    local none = fnn.zeros({0}, {dtype = "int64"})
    local report, accuracy = metrics.classification_report(metrics.confusion_matrix(none, none, 2))
    local nothing = {precision = 0, recall = 0, f1 = 0, support = 0}
    assert.same({nothing, nothing}, report)
    assert.equal(0, accuracy)
  end)
end)
