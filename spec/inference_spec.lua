-- What a trained network gives: evaluate and predict, plain and with test-time augmentation.
local blobs = require "spec.support.blobs"
local fnn = require "fmnistnn"
local small = require "spec.support.small_trainer"

local nn = fnn.nn
local error_of, fit, make, make_model = small.error_of, small.fit, small.make, small.make_model
local data, few

setup(function()
  data = blobs(100)
  few = blobs(30)
end)

describe("Trainer:evaluate and predict", function()
  local function modes(model)
    local list = {}
    for name, module in model:named_modules() do list[#list + 1] = name .. tostring(module.training) end
    return table.concat(list, " ")
  end

  it("give the model's outputs in evaluation, for any batch size", function()
    local trainer = make {model = make_model()}
    fit(trainer, data, {seed = 1})
    trainer.model:eval()
    local images = few:tensors()
    local expected = fnn.no_grad(trainer.model, images)
    trainer.model:train()
    for _, given in ipairs {few, images, {images, few.labels}} do
      for _, size in ipairs {7, 30, 1000} do
        local outputs = trainer:predict(given, {batch_size = size})
        assert.is_false(outputs.requires_grad)
        local difference = (outputs - expected):abs():max():item()
        assert(difference < (size < 30 and 1e-5 or 1e-30), difference)
      end
    end
    assert(trainer:predict(few):equal(expected))
    assert(math.abs(trainer:evaluate(few).loss - fnn.losses.cross_entropy(expected, few.labels):item()) < 1e-6)
    assert.are.equal(trainer:evaluate(few).loss, trainer:evaluate(few, {batch_size = 30}).loss)
  end)

  it("leave every module in the mode that it had", function()
    local trainer = make {model = make_model()}
    fit(trainer, few, {})
    trainer.model[2]:eval()
    local before, statistics = modes(trainer.model), trainer.model[2].running_mean:tobytes()
    trainer:evaluate(few)
    trainer:predict(few)
    assert.are.equal(before, modes(trainer.model))
    assert(trainer.model[2].running_mean:tobytes() == statistics)
    trainer.model:eval()
    trainer:evaluate(few)
    assert.is_false(trainer.model.training)
  end)

  it("do so after an error too", function()
    local Fails = nn.Module:extend("Fails")
    function Fails:init() self.inner = nn.Dropout {0.5} end
    function Fails:forward(x)
      assert(not self.training and not self.inner.training and not fnn.is_grad_enabled())
      if x then error("no more", 0) end
    end
    local trainer = make {model = Fails()}
    assert.matches("^no more", error_of(trainer.evaluate, trainer, few))
    assert.matches("^no more", error_of(trainer.predict, trainer, few))
    assert.are.equal("true innertrue", modes(trainer.model))
    assert.is_true(fnn.is_grad_enabled())
    local broken = {name = "broken", reset = function() end, value = function() return 0 end}
    function broken.update() error({code = 7}) end
    local other = make {metrics = {broken}}
    assert.are.same({code = 7}, error_of(other.evaluate, other, few))
    assert.is_true(other.model.training)
  end)

  it("need no optimizer", function()
    local trainer = make {optimizer = false}
    assert.is_number(trainer:evaluate(few).loss)
    assert.are.same({30, 2}, trainer:predict(few).shape)
  end)

  it("may be called from a callback at an epoch's end", function()
    local seen = {}
    local trainer = make()
    local history = fit(trainer, data, {epochs = 2, callbacks = {{
      on_epoch_end = function(_, t) seen[#seen + 1] = t:evaluate(few).loss end,
    }}, validation = few})
    for i, loss in ipairs(history.val_loss) do assert(math.abs(loss - seen[i]) < 1e-6) end
  end)
end)

describe("test-time augmentation", function()
  local F = nn.functional
  local images, labels
  local function up(x) return F.shift(x, -1, 0) end
  local augment = {F.hflip, up}
  local function views() return {images, F.hflip(images), up(images)} end

  setup(function() images, labels = few:tensors() end)

  -- The probabilities of rows of logits, in doubles.
  local function softmax(rows)
    local result = {}
    for i, row in ipairs(rows) do
      local sum = 0
      for _, logit in ipairs(row) do sum = sum + math.exp(logit) end
      result[i] = {}
      for j, logit in ipairs(row) do result[i][j] = math.exp(logit) / sum end
    end
    return result
  end

  -- The mean over the views of f(rows of the model's outputs).
  local function mean_of(model, f)
    local total
    for _, view in ipairs(views()) do
      local rows = f(fnn.no_grad(model, view):totable())
      for i, row in ipairs(total and rows or {}) do
        for j, value in ipairs(row) do rows[i][j] = value + total[i][j] end
      end
      total = rows
    end
    return fnn.tensor(total) / 3
  end

  local function same(rows) return rows end

  local function assert_near(expected, got, tolerance)
    local off = (got - expected):abs():max():item()
    assert(off <= (tolerance or 2e-6), off)
  end

  local function trained(changed)
    local trainer = make(changed)
    fit(trainer, changed and changed.set or data, {epochs = 2, seed = 1})
    trainer.model:eval()
    return trainer
  end

  it("averages the probabilities of logits, and gives logits", function()
    local trainer = trained {model = make_model()}
    local expected = mean_of(trainer.model, softmax)
    for _, size in ipairs {7, 30} do
      local logits = trainer:predict(few, {augment = augment, batch_size = size})
      assert_near(expected, logits:softmax(2))
      assert_near(expected, logits:exp()) -- they are the logarithms
    end
    local result = trainer:evaluate(few, {augment = augment})
    assert(math.abs(-expected:log():gather(2, labels:unsqueeze(2)):mean():item() - result.loss) < 1e-5)
    assert.are.equal(expected:argmax(2):eq(labels):sum():item() / 30, result.accuracy)
    assert(result.loss ~= trainer:evaluate(few).loss)
  end)

  it("averages probabilities as they are", function()
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {2, activation = "softmax"}}
    local trainer = trained {model = model}
    local expected = mean_of(model, same)
    assert_near(expected, trainer:predict(images, {augment = augment}))
    local loss = trainer:evaluate(few, {augment = augment}).loss
    assert(math.abs(fnn.losses.cross_entropy(expected, labels, {from_logits = false}):item() - loss) < 1e-6)
  end)

  it("averages the probabilities of one logit", function()
    local function sigmoid(rows)
      for _, row in ipairs(rows) do row[1] = 1 / (1 + math.exp(-row[1])) end
      return rows
    end
    local set = {data:tensors(), data.labels:float():reshape(100, 1) - 1}
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {1}}
    local trainer = make {model = model, loss = "binary_crossentropy"}
    fit(trainer, set, {epochs = 2, seed = 1})
    assert_near(mean_of(model, sigmoid), trainer:predict(images, {augment = augment}):sigmoid())
  end)

  it("averages what a loss over numbers, or of one's own, takes; and what a model alone gives", function()
    for _, loss in ipairs {"mean_squared_error", fnn.losses.cross_entropy} do
      local trainer = make {loss = loss, metrics = {}}
      trainer.model(images)
      local expected = mean_of(trainer.model, same)
      assert_near(expected, trainer:predict(few, {augment = augment}))
      assert_near(expected, trainer.model:predict(few, {augment = augment, batch_size = 7}))
    end
  end)

  it("holds for logits of any size", function()
    local Rows = nn.Module:extend("Rows")
    function Rows:forward(x) return x end
    local trainer = make {model = Rows(), optimizer = false}
    local rows = fnn.tensor {{1000, -1000, 0}, {-200, 0, -200}, {0, 0, -math.huge}}
    local function reversed(x) return x:flip(2) end
    local got = trainer:predict(rows, {augment = {reversed}})
    local half, quarter = math.log(1 / 2), math.log(1 / 4)
    assert_near(fnn.tensor {{half, -2000, half}, {-200, 0, -200}, {quarter, half, quarter}}, got)
    local ruled_out = trainer:predict(fnn.tensor {{0, -math.huge, 0}}, {augment = {reversed}})[1]
    assert(ruled_out[2] < -1e29, ruled_out[2])
    assert_near(fnn.tensor {half, half}, ruled_out[fnn.tensor({1, 3}, {dtype = "int64"})])
  end)

  it("leaves what it does not need alone", function()
    local trainer = trained()
    assert(trainer:predict(few, {augment = {}}):equal(trainer:predict(few)))
    local kept = {}
    local function keep(x)
      kept[#kept + 1] = x
      return x
    end
    trainer:evaluate(few, {augment = {keep}, batch_size = 20})
    assert.are.equal(30, #kept[1] + #kept[2])
    assert.is_number(kept[1]:sum():item()) -- not closed
    assert_near(trainer:predict(few):softmax(2), trainer:predict(few, {augment = {keep}}):softmax(2))
    local layer = nn.Identity {} -- what can be called will do
    assert.are.same({30, 2}, trainer:predict(few, {augment = {layer}}).shape)
  end)

  it("refuses what are no such functions", function()
    local trainer = make()
    local function refuses(pattern, given)
      assert.matches(pattern, error_of(trainer.predict, trainer, few, {augment = given}))
      assert.matches(pattern:gsub("predict", "evaluate"), error_of(trainer.evaluate, trainer, few, {augment = given}))
      assert.matches(pattern, error_of(trainer.model.predict, trainer.model, few, {augment = given}))
    end
    refuses("predict: augment: expected a table, got string 'flip'", "flip")
    refuses("predict: augment: expected a list of functions, got 2 = string", {F.hflip, "flip"})
    refuses("predict: augment: expected a list of functions, got flip = function", {flip = F.hflip})
    refuses("augment: function 2: expected it to return a tensor, got nil", {F.hflip, function() end})
    refuses("augment: function 1: expected it to return 30 examples, got 29", {function(x) return x[{{2, 30}}] end})
  end)
end)

describe("Module:predict", function()
  it("gives what a Trainer does", function()
    local trainer = make {model = make_model()}
    fit(trainer, data, {seed = 1})
    for _, given in ipairs {few, few:tensors(), {few:tensors()}} do
      assert(trainer:predict(few):equal(trainer.model:predict(given)))
    end
    assert.is_true(trainer.model.training)
    assert.matches("predict: there are no examples", error_of(trainer.model.predict, trainer.model, few:first(0)))
    assert.matches("predict: expected a data set", error_of(trainer.model.predict, trainer.model, "x"))
  end)
end)
