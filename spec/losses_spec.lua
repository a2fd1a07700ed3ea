-- Every loss against PyTorch and Keras: values and gradients, from logits and from probabilities, with every option.
local fnn = require "fmnistnn"
local losses = fnn.losses
local peer = require "spec.support.peer"

local cases = peer.cases("losses")

-- The options of a case, which has factors as lists, with these as tensors.
local function with_tensors(given)
  local options = {}
  for name, value in pairs(given) do options[name] = type(value) == "table" and fnn.tensor(value) or value end
  return options
end

describe("a loss", function()
  for _, case in ipairs(cases) do
    it("is as in PyTorch and Keras: " .. case.name, function()
      local prediction = case.tensors.prediction:requires_grad_()
      local value = losses[case.loss](prediction, case.tensors.target, case.options)
      peer.check_close("value", value, case.tensors.value)
      value:backward(case.tensors.upstream)
      peer.check_close("gradient", prediction.grad, case.tensors.gradient)
      local by_tensors = losses[case.loss](prediction, case.tensors.target, with_tensors(case.options))
      assert.is_true(value:equal(by_tensors))
    end)
  end

  it("has a case, each of them", function()
    local with_case = {cross_entropy = losses.cross_entropy == losses.categorical_crossentropy}
    for _, case in ipairs(cases) do with_case[case.loss] = true end
    for name in pairs(losses) do
      assert.is_true(with_case[name], name .. " has no case in scripts/peer_reference.py")
    end
  end)

  it("averages over the batch unless told otherwise", function()
    local p, t = fnn.tensor {{1, 2}, {3, 4}}, fnn.tensor {{0, 2}, {3, 1}}
    assert.equal((0.5 + 4.5) / 2, losses.mean_squared_error(p, t):item())
    assert.equal(5, losses.mean_squared_error(p, t, {reduction = "sum"}):item())
    assert.same({0.5, 4.5}, losses.mean_squared_error(p, t, {reduction = "none"}):totable())
  end)

  it("takes class numbers of either integer type, and one-hot rows of any type", function()
    local logits = fnn.tensor {{1, 2, 0}, {3, 0, 1}}
    local expected = losses.categorical_crossentropy(logits, fnn.tensor {{0, 1, 0}, {0, 0, 1}}):item()
    for _, dtype in ipairs {"int64", "uint8"} do
      assert.equal(expected, losses.categorical_crossentropy(logits, fnn.tensor({2, 3}, {dtype = dtype})):item())
      local rows = fnn.tensor({{0, 1, 0}, {0, 0, 1}}, {dtype = dtype})
      assert.equal(expected, losses.categorical_crossentropy(logits, rows):item())
    end
  end)

  it("of one sigmoid is exact for logits that are right and large", function()
    for target, sign in pairs {[0] = -1, [1] = 1} do
      for _, size in ipairs {10, 15, 20, 50} do
        local z, expected = fnn.tensor({sign * size}, {requires_grad = true}), math.exp(-size)
        local loss = losses.binary_crossentropy(z, fnn.tensor {target})
        loss:backward()
        assert(math.abs(loss:item() / (expected - expected ^ 2 / 2) - 1) < 1e-6, size)
        assert(math.abs(-sign * z.grad[1] / (expected / (1 + expected)) - 1) < 1e-6, size)
      end
    end
  end)

  it("of pixels takes probabilities and one-hot rows as logits and class numbers", function()
    local logits, classes = fnn.randn(3, 4, 2, 2), fnn.randint(1, 4, {3, 2, 2})
    local expected = losses.cross_entropy(logits, classes, {reduction = "none"})
    local function check(prediction, target, from_logits)
      local values = losses.cross_entropy(prediction, target, {reduction = "none", from_logits = from_logits})
      assert.same({3, 2, 2}, values.shape)
      assert.is_true((values - expected):abs():max():item() < 1e-5)
    end
    local rows = classes:one_hot(4):permute(1, 4, 2, 3)
    check(logits, rows, true)
    check(logits:softmax(2), rows, false)
    check(logits:softmax(2), classes, false)
  end)

  it("takes weights of a tensor of any type, and of the shape that each element has its own", function()
    local logits, classes = fnn.randn(5, 3), fnn.randint(1, 3, {5})
    local expected = losses.cross_entropy(logits, classes, {weight = {1, 2, 4}}):item()
    local whole = fnn.tensor({1, 2, 4}, {dtype = "int64"})
    assert.equal(expected, losses.cross_entropy(logits, classes, {weight = whole}):item())
    local images, target = fnn.randn(2, 3, 4, 4), fnn.randint(0, 1, {2, 3, 4, 4})
    local channels = fnn.tensor {{{2}}, {{1}}, {{3}}}
    local each = losses.binary_crossentropy(images, target, {pos_weight = channels:expand(3, 4, 4)})
    assert.equal(each:item(), losses.binary_crossentropy(images, target, {pos_weight = channels}):item())
    local once = losses.binary_crossentropy(images, target, {reduction = "none"})
    assert.is_true(once:equal(losses.binary_crossentropy(images, target, {reduction = "none", pos_weight = {1}})))
  end)

  it("is no number where no target has a weight", function()
    for _, from_logits in ipairs {true, false} do
      local options = {weight = {0, 1}, from_logits = from_logits}
      local value = losses.cross_entropy(fnn.full({2, 2}, 0.5), fnn.ones({2}, {dtype = "int64"}), options):item()
      assert(value ~= value)
    end
  end)

  it("leaves its arguments as they were", function()
    for name, loss in pairs(losses) do
      local p, t = fnn.tensor {{0.2, 0.8}, {0.6, 0.4}}, fnn.tensor {{0, 1}, {1, 0}}
      loss(p, t)
      assert.is_true(p:equal(fnn.tensor {{0.2, 0.8}, {0.6, 0.4}}), name)
      assert.is_true(t:equal(fnn.tensor {{0, 1}, {1, 0}}), name)
    end
  end)
end)

describe("a loss refuses", function()
  local p = fnn.full({2, 3}, 0.3)
  local t = fnn.tensor({1, 3}, {dtype = "int64"})

  local function refuses(message, name, ...)
    local ok, got = pcall(losses[name], ...)
    assert.is_false(ok, name)
    assert.truthy(got:find(message, 1, true), got)
  end

  it("an unknown option", function()
    for name in pairs(losses) do refuses("unknown option", name, p, p, {smoothing = 0.1}) end
  end)

  it("an unknown reduction", function()
    for name in pairs(losses) do
      refuses("reduction: expected one of mean, sum, none", name, p, p, {reduction = "average"})
    end
  end)

  it("classes of other pixels", function()
    local logits = fnn.zeros(2, 3, 4, 5)
    local expected = "categorical_crossentropy: target: expected class numbers (2,4,5) or rows (2,3,4,5), got "
    refuses(expected .. "(2)", "cross_entropy", logits, fnn.ones({2}, {dtype = "int64"}))
    refuses(expected .. "(2,4,4)", "cross_entropy", logits, fnn.ones({2, 4, 4}, {dtype = "int64"}))
  end)

  it("class numbers out of range, and names itself", function()
    local zero = fnn.tensor({1, 0}, {dtype = "int64"})
    for name in pairs(losses) do
      local own = name == "cross_entropy" and "categorical_crossentropy" or name
      refuses(own .. ": target: number 2: expected 1..3, got 0", name, p, zero)
    end
    refuses("categorical_crossentropy: target: number 2: expected 1..3, got 0", "cross_entropy", p, zero,
      {from_logits = false})
    refuses("categorical_crossentropy: prediction: expected logits", "cross_entropy", p:flatten(), t)
  end)

  it("wrong values of options", function()
    for _, from_logits in ipairs {true, false} do
      local function with(options)
        options.from_logits = from_logits
        return options
      end
      refuses("label_smoothing: expected", "categorical_crossentropy", p, t, with {label_smoothing = 1.5})
      refuses("label_smoothing: expected", "categorical_crossentropy", p, t, with {label_smoothing = "0.1"})
      refuses("label_smoothing: expected", "binary_crossentropy", p, p, with {label_smoothing = -0.5})
      local of_each = "categorical_crossentropy: weight: expected (3), a weight for each class, got "
      refuses(of_each .. "(2)", "categorical_crossentropy", p, t, with {weight = fnn.ones(2)})
      refuses(of_each .. "(2)", "categorical_crossentropy", p, t, with {weight = {1, 2}})
      refuses(of_each .. "(1,3)", "categorical_crossentropy", p, t, with {weight = fnn.ones(1, 3)})
      refuses(of_each .. "(4)", "cross_entropy", p:reshape(1, 3, 2), t:reshape(1, 2), with {weight = {1, 2, 3, 4}})
      local numbers = ": expected a tensor or a list of numbers, got "
      local or_number = "pos_weight: expected a number, a tensor or a list of numbers, got "
      for got, weight in pairs {["string 'high'"] = "high", ["number 2"] = 2} do
        refuses("weight" .. numbers .. got, "categorical_crossentropy", p, t, with {weight = weight})
      end
      for _, weight in ipairs {{1, "2", 3}, {1, nil, 3}, {[0] = 1, 2, 3}, {{1, 2, 3}}} do
        refuses("weight" .. numbers .. "table", "categorical_crossentropy", p, t, with {weight = weight})
        refuses(or_number .. "table", "binary_crossentropy", p, p, with {pos_weight = weight})
      end
      refuses(or_number .. "string '3'", "binary_crossentropy", p, p, with {pos_weight = "3"})
      local no_number = "weight: element 2: expected a number, got NaN"
      refuses(no_number, "categorical_crossentropy", p, t, with {weight = {1, 0 / 0, 3}})
      refuses("pos_" .. no_number, "binary_crossentropy", p, p, with {pos_weight = {1, 0 / 0, 3}})
      refuses("pos_weight: expected a number, got NaN", "binary_crossentropy", p, p, with {pos_weight = 0 / 0})
      local to_shape = "pos_weight: expected a number or what broadcasts to (2,3), as the prediction has, got "
      refuses(to_shape .. "(2)", "binary_crossentropy", p, p, with {pos_weight = {1, 2}})
      refuses(to_shape .. "(4,2,3)", "binary_crossentropy", p, p, with {pos_weight = fnn.ones(4, 2, 3)})
    end
    refuses("from_logits: expected", "categorical_crossentropy", p, t, {from_logits = "no"})
    refuses("huber: delta: expected", "huber", p, p, {delta = -1})
    refuses("focal: gamma: expected", "focal", p, p, {gamma = "two"})
    refuses("focal: gamma: expected a number of 0 or more, got number -1", "focal", p, p, {gamma = -1})
    refuses("focal: gamma: expected a number of 0 or more", "focal", p, p, {gamma = 0 / 0})
  end)

  it("targets that do not fit, with both shapes", function()
    for name in pairs(losses) do
      refuses("expected", name, p, fnn.ones(3, 3))
      refuses("target: expected", name, p, 3)
      refuses("expected a tensor", name, 3, p)
    end
  end)

  it("class numbers that are floats, and says what they are to be", function()
    local expected = "target: expected (2,3), as the prediction has, or class numbers (int64), got (2) of float32"
    for _, name in ipairs {"cross_entropy", "focal", "kullback_leibler_divergence"} do
      refuses(expected, name, p, t:float())
    end
    refuses(expected, "cross_entropy", p, t:float(), {from_logits = false})
    local one = "target: expected (2,1), as the prediction has, got (2) of float32"
    refuses(one, "mean_squared_error", fnn.ones(2, 1), fnn.ones(2))
  end)

  it("integers for a prediction of one column, which is no class", function()
    local one = "target: expected (2,1), as the prediction has, got (2) of "
    for _, name in ipairs {"mean_squared_error", "binary_crossentropy", "huber", "hinge"} do
      for _, dtype in ipairs {"int64", "uint8"} do
        refuses(one .. dtype, name, fnn.ones(2, 1), fnn.tensor({1, 0}, {dtype = dtype}))
        refuses(one .. dtype, name, fnn.ones(2, 1), fnn.tensor({1, 1}, {dtype = dtype}))
      end
    end
  end)

  it("class numbers outside the classes", function()
    for _, from_logits in ipairs {true, false} do
      for _, class in ipairs {0, 4, -1} do
        local wrong = fnn.tensor({1, class}, {dtype = "int64"})
        refuses("expected 1..3, got " .. class, "categorical_crossentropy", p, wrong, {from_logits = from_logits})
      end
    end
    refuses("expected (2)", "categorical_crossentropy", p, fnn.tensor({1, 2, 3}, {dtype = "int64"}))
  end)
end)
