-- Metrics against scikit-learn.
local fnn = require "fmnistnn"
local losses, metrics = fnn.losses, fnn.metrics
local peer = require "spec.support.peer"

local function ints(list) return fnn.tensor(list, {dtype = "int64"}) end

local function column(report, name)
  local values = {}
  for i, row in ipairs(report) do values[i] = row[name] end
  return fnn.tensor(values)
end

-- A metric of scores, updated with so many examples at a time.
local function in_batches(metric, scores, target, size)
  metric:reset()
  for first = 1, #target, size do
    local last = math.min(#target, first + size - 1)
    metric:update(scores[{{first, last}}], target[{{first, last}}])
  end
  return metric:value()
end

-- Raises unless a number, or a list of them, is what a case says; null is no number.
local function check_near(what, expected, got)
  if type(expected) == "table" and expected ~= fnn.json.null then
    assert.equal(#expected, #got)
    for i, each in ipairs(expected) do check_near(what .. " of class " .. i, each, got[i]) end
  elseif expected == fnn.json.null then
    assert(got ~= got, what .. ": expected no number")
  else
    assert(math.abs(expected - got) < 1e-12, ("%s: expected %.15g, got %.15g"):format(what, expected, got))
  end
end

-- By the name that a case has for it: how a metric is made of a choice (an average, weights, a number of bins).
local families = {
  precision = function(average) return {average = average, from_logits = false} end,
  cohen_kappa = function(weights) return {weights = weights, from_logits = false} end,
  calibration_error = function(bins) return {bins = tonumber(bins), from_logits = false} end,
}
families.recall, families.f1, families.roc_auc = families.precision, families.precision, families.precision

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
          assert.equal(expected, in_batches(metric, scores, target, size), metric.name)
        end
      end
    end)

    for family, settings in pairs(families) do
      it(("tell %s as scikit-learn, of all and in batches: %s"):format(family, case.name), function()
        local probabilities = case.tensors.probabilities
        for choice, expected in pairs(case[family]) do
          local metric = metrics[family](settings(choice))
          check_near(metric.name, expected, metric(probabilities, target))
          check_near(metric.name, expected, in_batches(metric, probabilities, target, 7))
        end
      end)
    end

    it("take logits unless told otherwise: " .. case.name, function()
      local logits = scores:maximum(-50) -- so that each probability is a float of its own
      local probabilities = logits:softmax(2)
      for family in pairs(families) do
        local of_logits, of_probabilities = metrics[family]{}, metrics[family]{from_logits = false}
        local expected = of_probabilities(probabilities, target)
        check_near(family, expected == expected and expected or fnn.json.null, of_logits(logits, target))
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

  it("counts each pixel", function()
    local pixels, classes = fnn.randn(2, 3, 4, 5), fnn.randint(1, 3, {2, 4, 5})
    local flat = pixels:permute(1, 3, 4, 2):reshape(40, 3)
    for _, name in ipairs {"accuracy", "f1", "cohen_kappa", "roc_auc"} do
      local metric = metrics.get(name)
      local expected = metric(flat, classes:flatten())
      assert.equal(expected, metric(pixels, classes), name)
      assert.equal(expected, metric(pixels, classes:one_hot(3):permute(1, 4, 2, 3)), name)
    end
    assert.equal(metrics.accuracy {}(flat, classes:flatten()), metrics.accuracy {}(pixels:argmax(2), classes))
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

describe("precision, recall and F1", function()
  -- target, prediction: of class 1 two right, one taken for 2; of 2 one right; 3 taken for 2
  local target, predicted = ints {1, 1, 1, 2, 3}, ints {1, 1, 2, 2, 2}

  it("take class numbers, and count as many classes as they have seen", function()
    assert.same({1, 1 / 3, 0}, metrics.precision{average = "none"}(predicted, target))
    assert.same({2 / 3, 1, 0}, metrics.recall{average = "none"}(predicted, target))
    assert.same({0.8, 0.5, 0}, metrics.f1{average = "none"}(predicted, target))
    assert.equal((1 + 1 / 3) / 3, metrics.precision{}(predicted, target))
    assert.equal((3 * 1 + 1 / 3) / 5, metrics.precision{average = "weighted"}(predicted, target))
    assert.equal(0.6, metrics.f1{average = "micro"}(predicted, target))
  end)

  it("count classes that never occur where scores or rows tell of them", function()
    local rows = fnn.tensor {{1, 0, 0, 0}, {0, 1, 0, 0}}
    assert.same({1, 1, 0, 0}, metrics.f1{average = "none"}(rows, ints {1, 2}))
    assert.same({1, 1, 0, 0}, metrics.f1{average = "none"}(ints {1, 2}, rows))
    assert.equal(0.5, metrics.f1{}(rows, rows))
  end)

  it("have names that tell them apart", function()
    assert.equal("f1", metrics.f1{}.name)
    assert.equal("f1_weighted", metrics.f1{average = "weighted"}.name)
    assert.equal("recall_binary", metrics.recall{"binary"}.name)
    assert.equal("cohen_kappa", metrics.cohen_kappa{}.name)
    assert.equal("cohen_kappa_linear", metrics.cohen_kappa{"linear"}.name)
  end)

  it("are called without a trace", function()
    local metric = metrics.f1 {average = "micro"}
    metric:update(ints {1}, ints {1})
    assert.equal(0.6, metric(predicted, target))
    assert.equal(1, metric:value())
  end)

  it("of nothing yet are 0", function()
    for _, name in ipairs {"precision", "recall", "f1"} do
      for _, average in ipairs {"macro", "micro", "weighted", "binary"} do
        assert.equal(0, metrics[name]{average = average}:value())
      end
    end
  end)
end)

describe("scores of one column", function()
  local p = fnn.tensor {{0.9}, {0.5}, {0.2}, {0.6}, {0.7}}
  local zero_or_one = fnn.tensor {{1}, {1}, {0}, {0}, {1}}
  local classes = ints {2, 2, 1, 1, 2}
  local logits = (p / (1 - p)):log()

  it("are of the second of two classes", function()
    local two = fnn.cat({1 - p, p}, 2)
    local names = {"accuracy", "precision", "recall", "f1", "cohen_kappa", "roc_auc", "calibration_error"}
    for _, name in ipairs(names) do
      local metric = metrics.get(name, {from_logits = false})
      local expected = metric(two, classes)
      assert(expected == expected, name)
      check_near(name, expected, metric(p, zero_or_one))
      check_near(name, expected, metric(p, classes))
      check_near(name, expected, metric(p, zero_or_one:to("uint8")))
      assert(math.abs(expected - metrics.get(name)(logits, zero_or_one)) < 1e-6, name)
    end
  end)

  it("take targets between 0 and 1, as mixup makes them, for the nearer class", function()
    local mixed = fnn.tensor {{0.9}, {0.51}, {0.5}, {0}, {1}}
    for _, name in ipairs {"accuracy", "f1", "roc_auc", "calibration_error"} do
      local metric = metrics.get(name, {from_logits = false})
      assert.equal(metric(p, classes), metric(p, mixed), name)
    end
    for _, wrong in ipairs {-0.6, 1.6, 2} do
      local ok, message = pcall(metrics.accuracy(), logits, zero_or_one + wrong)
      assert.is_false(ok)
      assert.matches("accuracy: expected class numbers 1..2, got", message)
    end
  end)

  it("count from 0.5 on, or logits from 0", function()
    assert.equal(3 / 5, metrics.accuracy{from_logits = false}(p, zero_or_one)) -- 0.5 is not above it
    assert.equal(3 / 5, metrics.accuracy()(logits, zero_or_one))
    assert.equal(2 / 3, metrics.precision{"binary", from_logits = false}(p, zero_or_one))
    assert.equal(2 / 3, metrics.recall{"binary"}(logits, zero_or_one))
  end)

  it("are logits to top_k too, unless told otherwise", function()
    assert.equal(3 / 5, metrics.top_k(1)(logits, zero_or_one))
    assert.equal(3 / 5, metrics.top_k(1, {from_logits = false})(p, zero_or_one))
    assert.equal(1, metrics.top_k(2)(logits, zero_or_one))
  end)
end)

describe("roc_auc", function()
  it("is how often an example of the class scores higher, a tie counting half", function()
    -- scores of class 2: 0.75 and 0.5 against 0.5 and 0.25; 3.5 of the 4 pairs
    local p = fnn.tensor {{0.25, 0.75}, {0.5, 0.5}, {0.5, 0.5}, {0.75, 0.25}}
    assert.equal(3.5 / 4, metrics.roc_auc{from_logits = false}(p, ints {2, 2, 1, 1}))
    assert.equal(0.5 / 4, metrics.roc_auc{from_logits = false}(p, ints {1, 1, 2, 2}))
  end)

  it("orders logits whose probabilities are the same float", function()
    local z, target = fnn.tensor {{18}, {19}, {25}, {30}, {-120}, {-130}}, ints {1, 2, 1, 2, 2, 1}
    local two, ten = fnn.cat({fnn.zeros(6, 1), z}, 2), fnn.full({6, 10}, -1000)
    ten:narrow(2, 1, 2):copy_(two)
    for _, logits in ipairs {z, two, two + 50, ten} do
      local areas = metrics.roc_auc{average = "none"}(logits, target)
      assert.are.same({6 / 9, 6 / 9}, {areas[1], areas[2]}) -- 19 is above two of the others, 30 three, -120 one
    end
    assert.equal(0.5, metrics.roc_auc()(fnn.tensor {{0, 0}, {1, 1}, {7.3, 7.3}}, ints {1, 2, 1}))
  end)

  it("keeps nothing of how the scores were computed", function()
    for _, from_logits in ipairs {true, false} do
      local metric, w = metrics.roc_auc {from_logits = from_logits}, fnn.ones(100, 2):requires_grad_()
      local before = fnn.memory().used
      for _ = 1, 8 do metric:update((fnn.rand(50, 100):matmul(w)) / 1000, ints {1}:expand(50):contiguous()) end
      collectgarbage()
      collectgarbage()
      local kept = fnn.memory().used - before
      assert(kept < 8 * 50 * 100 * 4, kept)
    end
  end)

  it("keeps copies of what it is given", function()
    local metric, p, target = metrics.roc_auc {from_logits = false}, fnn.tensor {{0, 1}, {1, 0}}, ints {2, 1}
    metric:update(p, target)
    p:fill_(7)
    target:fill_(7)
    assert.equal(1, metric:value())
    metric:reset()
    p, target = fnn.tensor {{0, 1}, {1, 0}}, fnn.tensor({{2}, {1}}, {dtype = "int64"})
    metric:update(p, target)
    target:fill_(1)
    assert.equal(1, metric:value())
  end)

  it("of nothing, or of one class, is no number", function()
    local metric = metrics.roc_auc()
    assert(metric:value() ~= metric:value())
    local value = metric(fnn.zeros(3, 2), ints {1, 1, 1})
    assert(value ~= value)
  end)
end)

describe("calibration_error", function()
  it("is the mean of |accuracy - confidence| over bins, by their examples", function()
    -- bins of a half: up to 0.5 one right, one wrong, |0.5 - 0.5|; above it 0.75, 0.75 and 1, two of three right
    local p = fnn.tensor {{0.5, 0.5}, {0.5, 0.5}, {0.75, 0.25}, {0.25, 0.75}, {1, 0}}
    local value = metrics.calibration_error{bins = 2, from_logits = false}(p, ints {1, 2, 2, 2, 1})
    assert(math.abs(value - 3 / 5 * (2.5 / 3 - 2 / 3)) < 1e-15, value)
  end)

  it("is 0 of nothing, and no number of what is none", function()
    assert.equal(0, metrics.calibration_error():value())
    local value = metrics.calibration_error()(fnn.tensor {{0 / 0, 1}}, ints {1})
    assert(value ~= value)
  end)
end)

describe("losses as metrics", function()
  local p, t = fnn.tensor({{0.5, 2}, {-1, 3}, {0, -2}}), fnn.tensor({2, 1, 2}, {dtype = "int64"})

  it("are means over the examples, whatever the batches", function()
    local prediction, target = p:exp(), p * p + 0.25
    for name in pairs(fnn.losses) do
      local expected = fnn.losses[name](prediction, target):item()
      local metric = metrics.get(name)
      assert.same({name, "min", 0}, {metric.name, metric.mode, metric:value()})
      for _, part in ipairs {{1, 2}, {3, 3}} do metric:update(prediction[{part}], target[{part}]) end
      assert.near(expected, metric:value(), 1e-5)
      assert.near(expected, metric(prediction, target), 1e-5)
      metric:reset()
      metric:update(prediction[{{1, 0}}], target[{{1, 0}}])
      assert.equal(0, metric:value())
    end
  end)

  it("take logits unless told otherwise", function()
    local expected = fnn.losses.cross_entropy(p, t):item()
    assert.near(expected, metrics.get "cross_entropy"(p, t), 1e-6)
    assert.near(expected, metrics.get("cross_entropy", {from_logits = false})(p:softmax(2), t), 1e-6)
    local metric = metrics.get "mean_absolute_error"
    assert.error_matches(function() metric(p, t:float()) end, "mean_absolute_error: target: expected (3,2)", 1, true)
  end)
end)

describe("a function as a metric", function()
  local p, t = fnn.tensor {{0.5, 2}, {-1, 3}, {0, -2}}, ints {2, 1, 2}

  it("is its mean over the examples, of what it returns for batches or for each example", function()
    local each = function(a, b) return losses.cross_entropy(a, b, {reduction = "none"}) end
    local expected = losses.cross_entropy(p, t):item()
    local functions = {
      each, losses.cross_entropy, function(...) return each(...):mean():reshape(1, 1) end,
      function(...) return losses.cross_entropy(...):item() end, function(...) return each(...):reshape(-1, 1) end,
    }
    for _, f in ipairs(functions) do
      local metric = metrics.get {"mine", f}
      assert.same({"mine", 0}, {metric.name, metric:value()})
      for _, part in ipairs {{1, 2}, {3, 3}, {1, 0}} do metric:update(p[{part}], t[{part}]) end
      assert.near(expected, metric:value(), 1e-6)
      assert.near(expected, metric(p, t), 1e-6)
    end
    local right = metrics.get {"right", function(a, b) return a:argmax(2):eq(b) end, mode = "max"}
    assert.same({1 / 3, "max"}, {right(p, t), right.mode})
  end)

  it("is refused where it is none, or returns neither number nor tensor of fitting shape", function()
    local function refuses(message, f, ...)
      local ok, got = pcall(f, ...)
      assert.is_false(ok)
      assert.matches(message, got, 1, true)
    end
    local function f() return 1 end
    refuses("metric: expected a metric, {name, function}, the name of a loss or one of accuracy,", metrics.get, f)
    refuses("metric: expected {name, function}, got function for the name", metrics.get, {f})
    refuses("metric m: expected a function after the name, got nil", metrics.get, {"m"})
    refuses("metric f1: expected a function after the name, got nil", metrics.get, {"f1", average = "weighted"})
    refuses("metric m: expected a function after the name, got table", metrics.get, {"m", metrics.f1()})
    refuses("metric m: expected a function after the name, got function that makes one: call it", metrics.get,
      {"m", metrics.f1})
    refuses("metric m: mode: expected one of max, min, got up", metrics.get, {"m", f, mode = "up"})
    refuses("metric m: unknown option from_logits (there are mode)", metrics.get, {"m", f, from_logits = true})
    refuses("metric m: unknown option 3 (there are mode)", metrics.get, {"m", f, f})
    local returned = "metric m: expected a number, or a tensor of one element or of one for each example, from the "
    for got, value in pairs {["string 'a'"] = "a", table = {1}, ["shape (2)"] = fnn.zeros(2), ["shape (3,2)"] = p} do
      refuses(returned .. "function, got " .. got, metrics.get {"m", function() return value end}, p, t)
    end
    refuses(returned .. "function, got nil", metrics.get {"m", function() end}, p, t)
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

  it("fractions that are no class numbers, such as the scores of one sigmoid without its axis", function()
    for _, name in ipairs {"accuracy", "f1", "cohen_kappa"} do
      local metric = metrics.get(name)
      local message = name .. ": prediction: expected scores %(N,C%) or class numbers %(N%), got 0.25"
      refuses(message, metric, fnn.tensor {1, 0.25}, ints {1, 2})
      message = name .. ": target: expected class numbers %(N%) or rows %(N,C%), got 0.5"
      refuses(message, metric, fnn.tensor {{1, 0}, {0, 1}}, fnn.tensor {1, 0.5})
      assert.equal(1, metric(fnn.tensor {1, 2}, fnn.tensor {{1}, {2}}))
    end
  end)

  it("unequal numbers of predictions and targets", function()
    refuses("confusion_matrix", metrics.confusion_matrix, ints {1, 2}, ints {1}, 3)
    refuses("confusion_matrix", metrics.confusion_matrix, ints {1, 2}, ints {1, 2, 3}, 3)
    refuses("accuracy", function() metrics.accuracy():update(ints {1, 2}, ints {1}) end)
  end)

  it("wrong arguments", function()
    refuses("top_k: k: expected", metrics.top_k, "two")
    refuses("top_k: k: expected", metrics.top_k, 0)
    refuses("top_k: unknown option k", metrics.top_k, 1, {k = 2})
    refuses("metric: expected a metric, .*, the name of a loss or one of accuracy, .*, got speed", metrics.get, "speed")
    refuses("metric: expected a metric, .*, got function", metrics.get, metrics.f1)
    refuses("f1: average: expected one of binary, macro, micro, none, weighted, got mean", metrics.f1, {"mean"})
    refuses("roc_auc: average: expected one of macro, none, weighted, got micro", metrics.roc_auc, {"micro"})
    refuses("cohen_kappa: weights: expected one of linear, none, quadratic, got 2", metrics.cohen_kappa, {"2"})
    refuses("calibration_error: bins: expected", metrics.calibration_error, {bins = 0})
    refuses("recall: unknown option class", metrics.recall, {class = 1})
  end)

  it("what are no predictions or targets", function()
    local rows, two = fnn.zeros(2, 3), ints {1, 2}
    for _, name in ipairs {"accuracy", "precision", "recall", "f1", "cohen_kappa", "roc_auc", "calibration_error"} do
      local metric = metrics.get(name)
      refuses(name .. ": prediction: expected a tensor, got number", metric, 5, two)
      refuses(name .. ": target: expected a tensor, got nil", metric, rows)
      refuses(name .. ": target: expected class numbers %(2,1%) or rows %(2,3,1%), got %(2%)", metric,
        rows:unsqueeze(3), two)
      refuses(name .. ": prediction: expected scores of float32, got int64", metric, rows:to("int64"), two)
      refuses(name .. ": expected a target for each of the 2 predictions, got 3", metric, rows, ints {1, 2, 3})
      refuses(name .. ": expected class numbers 1..3, got 4", metric, rows, ints {1, 4})
      refuses(name .. ": expected class numbers 1..3, got 0", metric, rows, ints {0, 1})
      refuses(name .. ": there are no examples", metric, fnn.zeros(0, 3), fnn.zeros({0}, {dtype = "int64"}))
    end
    refuses("f1: expected class numbers from 1 on, got 0", metrics.f1(), ints {0}, ints {1})
    refuses("f1: prediction: expected scores .* or class numbers .*, got 1.5", metrics.f1(), fnn.tensor {1.5}, ints {1})
    refuses("roc_auc: prediction: expected scores %(N,C%), got %(2%)", metrics.roc_auc(), two, two)
    for _, wrong in ipairs {3, -0.5} do
      refuses("calibration_error: expected probabilities 0..1, got", metrics.calibration_error {from_logits = false},
        fnn.tensor {{wrong, wrong}}, ints {1})
    end
  end)

  it("nothing of an empty confusion matrix", function()
    local none = fnn.zeros({0}, {dtype = "int64"})
    local report, accuracy = metrics.classification_report(metrics.confusion_matrix(none, none, 2))
    local nothing = {precision = 0, recall = 0, f1 = 0, support = 0}
    assert.same({nothing, nothing}, report)
    assert.equal(0, accuracy)
  end)
end)
