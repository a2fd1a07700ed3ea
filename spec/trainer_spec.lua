-- The training loop: what it learns, tells, leaves alone and survives.
local blobs = require "spec.support.blobs"
local core = require "fmnistnn.core"
local fnn = require "fmnistnn"
local process = require "spec.support.process"
local small = require "spec.support.small_trainer"

local nn = fnn.nn
local quote = process.quote
local error_of, fit, make, make_model = small.error_of, small.fit, small.make, small.make_model
local data, few

setup(function()
  data = blobs(100)
  few = blobs(30)
end)

local function bytes_of(model)
  local parts = {}
  for _, entry in ipairs(model:state()) do parts[#parts + 1] = entry[1] .. entry[2]:tobytes() end
  return table.concat(parts)
end

describe("Trainer:fit", function()
  it("learns", function()
    local trainer = make {model = make_model()}
    local history = fit(trainer, data, {epochs = 6, batch_size = 16, seed = 1})
    assert(history.accuracy[6] > 0.95, history.accuracy[6])
    assert(history.loss[6] < 0.3 * history.loss[1])
    local result = trainer:evaluate(few)
    assert(result.accuracy > 0.95, result.accuracy)
    assert(result.loss < 0.2, result.loss)
  end)

  it("keeps a history of lists with a value an epoch", function()
    local trainer = make {metrics = {"accuracy", fnn.metrics.top_k(2)}}
    local history = fit(trainer, data, {epochs = 3, validation = few})
    local names = {}
    for name, list in pairs(history) do
      names[#names + 1] = name
      assert.are.equal(3, #list)
      for _, value in ipairs(list) do assert.is_number(value) end
    end
    table.sort(names)
    assert.are.equal("accuracy images_per_second loss seconds top_2 val_accuracy val_loss val_top_2",
    table.concat(names, " "))
    assert.are.same({1.0, 1.0, 1.0}, history.top_2)
    assert.is_true(rawequal(history, trainer.history))
    local again = fit(trainer, data, {})
    assert.are.equal(1, #again.loss)
    assert.are.equal(3, #history.loss)
    assert.is_nil(again.val_loss)
  end)

  it("with a seed gives the same bits, whatever came before, on any number of threads", function()
    local threads = fnn.threads()
    local expected, losses
    for _, count in ipairs {1, 1, 2, 3} do
      fnn.set_threads(count)
      fnn.manual_seed(count * 1000)
      fnn.rand(count)
      local trainer = make {model = make_model()}
      local history = fit(trainer, data, {epochs = 2, batch_size = 16, seed = 42, validation = few})
      expected, losses = expected or bytes_of(trainer.model), losses or history.loss
      assert(bytes_of(trainer.model) == expected, "other weights on " .. count .. " threads")
      assert.are.same(losses, history.loss)
    end
    fnn.set_threads(threads)
    local other = make {model = make_model()}
    assert.are_not.same(losses, fit(other, data, {epochs = 2, batch_size = 16, seed = 43}).loss)
  end)

  it("without a seed follows the generator", function()
    local function train()
      local trainer = make {model = make_model()}
      return fit(trainer, data, {batch_size = 16}).loss
    end
    fnn.manual_seed(5)
    local first, second = train(), train()
    assert.are_not.same(first, second)
    fnn.manual_seed(5)
    assert.are.same(first, train())
    assert.are.same(second, train())
  end)

  it("shuffles anew in each epoch, or not at all", function()
    local orders
    local Spy = nn.Module:extend("Spy")
    function Spy:init() self.dense = nn.Dense {2} end
    function Spy:forward(x)
      if self.training then orders[#orders + 1] = x:tobytes() end
      return self.dense(x:flatten(2))
    end
    local function watch(options)
      orders = {}
      options.epochs, options.batch_size = 2, 1000
      fit(make {model = Spy()}, few, options)
      return orders[1], orders[2]
    end
    local all = few:tensors():tobytes()
    local first, second = watch {seed = 1}
    assert(first ~= second and first ~= all and second ~= all)
    local first_again, second_again = watch {seed = 1}
    assert(first == first_again and second == second_again)
    first, second = watch {shuffle = false}
    assert(first == all and second == all)
  end)

  it("averages over examples, not batches, and takes a short last batch", function()
    local sizes, losses = {}, {}
    local Mean = nn.Module:extend("Mean")
    function Mean:init() self.weight = fnn.zeros(1, {requires_grad = true}) end
    function Mean:forward(x)
      sizes[#sizes + 1] = #x
      return x:flatten(2):mean(2) + self.weight * 0
    end
    local function loss(prediction)
      local value = prediction:square():mean()
      losses[#losses + 1] = value:item()
      return value
    end
    local trainer = make {model = Mean(), loss = loss, metrics = {}}
    local history = fit(trainer, data, {batch_size = 30, shuffle = false})
    assert.are.same({30, 30, 30, 10}, sizes)
    local expected = (30 * (losses[1] + losses[2] + losses[3]) + 10 * losses[4]) / 100
    assert.are.equal(expected, history.loss[1])
    sizes = {}
    trainer:evaluate(data, {batch_size = 64})
    assert.are.same({64, 36}, sizes)
  end)

  it("evaluates a validation set after each epoch", function()
    local trainer = make()
    local history = fit(trainer, data, {epochs = 2, batch_size = 25, validation = few})
    local result = trainer:evaluate(few, {batch_size = 25})
    assert.are.equal(result.loss, history.val_loss[2])
    assert.are.equal(result.accuracy, history.val_accuracy[2])
    local pair = fit(trainer, {data:tensors()}, {validation = {few:tensors()}})
    assert.are.equal(1, #pair.val_loss)
  end)

  it("sets the end of the data apart with validation_split", function()
    local seen = 0
    local trainer = make()
    local history = fit(trainer, data, {
      validation_split = 0.2, batch_size = 10, callbacks = {{on_batch_end = function() seen = seen + 10 end}},
    })
    assert.are.equal(80, seen)
    assert.are.equal(trainer:evaluate(data:range(81, 100), {batch_size = 10}).loss, history.val_loss[1])
  end)

  it("calls callbacks in order, with their arguments", function()
    local calls, events = {}, {
      "on_train_begin", "on_restore", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_evaluate_begin",
      "on_epoch_end", "on_evaluate_end", "on_save_point", "on_train_end",
    }
    local trainer = make()
    local function recorder(name)
      local callback = {name = name}
      for _, event in ipairs(events) do
        callback[event] = function(self, given, epoch, values, ...)
          assert.is_true(rawequal(self, callback) and rawequal(given, trainer))
          assert.are.equal(0, select("#", ...))
          if event == "on_epoch_end" then
            assert.are.equal(trainer.history.loss[epoch], values.loss)
            assert.are.equal(trainer.history.val_accuracy[epoch], values.val_accuracy)
            assert.is_number(values.seconds)
          elseif event == "on_batch_end" then
            assert.is_number(values.loss)
            assert.is_number(values.accuracy)
          else
            assert.is_nil(values)
          end
          calls[#calls + 1] = ("%s %s %s"):format(name, event:sub(4), epoch or "-") -- or its batch
        end
      end
      return callback
    end
    fit(trainer, data, {
      epochs = 2, batch_size = 50, validation = few,
      callbacks = {recorder "a", {}, recorder "b", {on_epoch_begin = function(_, _,
      epoch) calls[#calls + 1] = "c " .. epoch end}},
    })
    local expected = {}
    local function both(event)
      for _, name in ipairs {"a ", "b "} do expected[#expected + 1] = name .. event end
    end
    both "train_begin -"
    both "restore -"
    for epoch = 1, 2 do
      both("epoch_begin " .. epoch)
      expected[#expected + 1] = "c " .. epoch
      for batch = 1, 2 do
        for _, event in ipairs {"batch_begin ", "batch_end ", "save_point "} do both(event .. batch) end
      end
      both "evaluate_begin -"
      both("epoch_end " .. epoch)
      expected[#expected + 1] = "b evaluate_end -"
      expected[#expected + 1] = "a evaluate_end -"
      both "save_point -"
    end
    both "train_end -"
    assert.are.same(expected, calls)
  end)

  it("tells the loss before the step, with the batch", function()
    local trainer, losses = make(), {}
    local weights
    local spy = {
      on_batch_begin = function(_, t) weights = bytes_of(t.model) end,
      on_loss = function(_, t, batch, loss, examples, target)
        assert.are.equal(weights ~= "" and weights or bytes_of(t.model), bytes_of(t.model))
        assert.are.same({#losses + 1, 50}, {batch, #examples})
        losses[batch] = loss
        assert.are.equal(loss, fnn.no_grad(t.loss, t.model(examples), target):item())
      end,
    }
    local history = fit(trainer, data, {batch_size = 50, callbacks = {spy}})
    assert.are.equal((losses[1] + losses[2]) / 2, history.loss[1])
  end)

  it("stops after the epoch when told to", function()
    local ended = 0
    local early = {
      on_batch_end = function(_, trainer) if #(trainer.history.loss or {}) == 1 then trainer.stop = true end end,
      on_train_end = function() ended = ended + 1 end,
    }
    local trainer = make()
    local history = fit(trainer, data, {epochs = 10, batch_size = 10, callbacks = {early}})
    assert.are.equal(2, #history.loss)
    assert.are.equal(1, ended)
    assert.is_nil(history.interrupted)
    assert.are.equal(1, #fit(trainer, data, {}).loss) -- it does not stay so
  end)

  it("leaves the model training, and can be called again", function()
    local trainer = make {model = make_model()}
    fit(trainer, data, {validation = few})
    assert.is_true(trainer.model.training)
    trainer.model:eval()
    local loss = fit(trainer, data, {epochs = 2}).loss
    assert(loss[2] < 0.7)
    assert.is_true(trainer.model[4].training)
  end)

  it("trains what the optimizer was given", function()
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {4}, nn.Dense {2}}
    model(few:tensors())
    local before = model[2].weight:tobytes()
    fit(make {model = model, optimizer = fnn.optim.SGD {parameters = model[3]:parameters(), lr = 0.1}}, few, {})
    assert(model[2].weight:tobytes() == before)
    local frozen = model[3].weight:tobytes()
    model[3]:requires_grad_(false)
    fit(make {model = model, optimizer = fnn.optim.SGD {lr = 0.1}}, few, {})
    assert(model[3].weight:tobytes() == frozen)
    assert(model[2].weight:tobytes() ~= before)
  end)

  it("refuses an optimizer of other parameters, before a step", function()
    local function refuses(optimizer, model)
      local trainer = make {model = model or make_model(), optimizer = optimizer}
      assert.matches("^fit: the optimizer trains none of the model's parameters, but others", error_of(fit, trainer,
        few, {}))
      assert.are.equal(0, optimizer.steps)
    end
    local other = make_model()
    refuses(fnn.optim.SGD {model = other}) -- neither has been called
    other(few:tensors())
    refuses(fnn.optim.SGD {model = other})
    refuses(fnn.optim.Lookahead {fnn.optim.SGD {parameters = other:parameters()}}, make_model())
    local built = make_model()
    built(few:tensors())
    refuses(fnn.optim.SAM {fnn.optim.Adam {model = other}}, built)
    -- a part will do, and so will parameters beside a model that is frozen
    local part = fnn.optim.SGD {parameters = {{model = other}, {parameters = {built[1].weight}}}}
    fit(make {model = built, optimizer = part}, few, {})
    built:requires_grad_(false)
    local scale = fnn.ones(1, {requires_grad = true})
    local function loss(prediction, target) return fnn.losses.cross_entropy(prediction * scale, target) end
    fit(make {model = built, optimizer = fnn.optim.SGD {parameters = {scale}}, loss = loss}, few, {})
    assert(scale:item() ~= 1)
  end)

  it("refuses what it cannot use", function()
    local function refuses(pattern, f) assert.error_matches(f, pattern) end
    local trainer = make()
    refuses("fit: the Trainer was made without an optimizer", function() make {optimizer = false}:fit(data) end)
    refuses("fit: expected a data set or {examples, labels}, got number", function() trainer:fit(5) end)
    refuses("fit: expected a data set", function() trainer:fit({1, 2}) end)
    refuses("fit: the data set is empty", function() trainer:fit(data:first(0)) end)
    refuses("fit: validation: expected a data set", function() trainer:fit(data, {validation = {}}) end)
    refuses("fit: validation: the data set is empty", function() trainer:fit(data, {validation = data:first(0)}) end)
    refuses("fit: expected either validation or validation_split", function()
      trainer:fit(data, {validation = few, validation_split = 0.5})
    end)
    refuses("evaluate: the data set is empty", function() trainer:evaluate(data:first(0)) end)
    refuses("Trainer: metrics: the name accuracy is taken already", function()
      make {metrics = {"accuracy", fnn.metrics.accuracy()}}
    end)
    local function named(name)
      return {name = name, reset = function() end, update = function() end, value = function() end}
    end
    for _, name in ipairs {"loss", "seconds", "epoch", "stopped"} do
      refuses("Trainer: metrics: the name " .. name .. " is taken already", function()
        make {metrics = {named(name)}}
      end)
    end
    for _, name in ipairs {"val_loss", "val_accuracy"} do
      refuses("Trainer: metrics: the name " .. name .. ": val_ is for the values of the validation", function()
        make {metrics = {"accuracy", named(name)}}
      end)
    end
    refuses("fit: epochs: expected an integer of 1 or more", function() trainer:fit(data, {epochs = 0}) end)
    refuses("fit: batch_size: ", function() trainer:fit(data, {batch_size = "all"}) end)
    refuses("fit: unknown option epoch ", function() trainer:fit(data, {epoch = 3}) end)
    refuses("fit: callbacks: expected a list of tables", function() trainer:fit(data,
    {callbacks = {on_epoch_end = print}}) end)
    refuses("fit: callbacks: expected a list of tables", function() trainer:fit(data, {callbacks = {print}}) end)
    refuses("fit: callbacks: element 2: on_epoch_end: expected a function, got number 5", function()
      trainer:fit(data, {callbacks = {{}, {on_epoch_end = 5}}})
    end)
    refuses("fit: callbacks: element 1: on_epoch_ends: there is no such event %(there are on_train_begin, ", function()
      trainer:fit(data, {callbacks = {{on_epoch_ends = print}}})
    end)
    refuses("fit: callbacks: expected a list, but element 1 is nil", function()
      trainer:fit(data, {callbacks = {nil, {}}})
    end)
    refuses("split: ", function() trainer:fit(data, {validation_split = 1}) end)
    refuses("split: 1 examples are too few", function() trainer:fit(data:first(1), {validation_split = 0.5}) end)
    refuses("evaluate: expected a data set", function() trainer:evaluate() end)
    refuses("evaluate: unknown option size", function() trainer:evaluate(data, {size = 3}) end)
    refuses("predict: there are no examples", function() trainer:predict(data:first(0)) end)
    refuses("predict: expected a data set", function() trainer:predict("x") end)
    refuses("Trainer: model: expected a module", function() make {model = {}} end)
    local loss = "Trainer: loss: expected a function, the name of a loss or {name, option = ...}, got "
    refuses(loss .. "crossentropy", function() make {loss = "crossentropy"} end)
    refuses(loss .. "crossentropy", function() make {loss = {"crossentropy"}} end)
    refuses(loss .. "table", function() make {loss = {label_smoothing = 0.1}} end)
    refuses("Trainer: loss: expected ", function() make {loss = false} end)
    refuses("metric: expected a metric, .*, the name of a loss or one of accuracy, .* got speed", function()
      make {metrics = {"speed"}}
    end)
    refuses("metric: expected .* got function", function() make {metrics = {fnn.metrics.f1}} end)
    for _, given in ipairs {{f1 = "f1"}, {"f1", nil, "accuracy"}, fnn.metrics.f1()} do
      refuses("Trainer: metrics: expected a list, got another table", function() make {metrics = given} end)
    end
    refuses("Trainer: unknown option metric ", function() make {metric = {}} end)
    refuses("metric: name: expected a string, got nil", function() make {metrics = {{}}} end)
    refuses("metric m: update: expected a function, got nil", function()
      make {metrics = {{name = "m", reset = function() end}}}
    end)
  end)

  it("says of what makes things that it is to be called", function()
    local function refuses(pattern, f, ...) assert.matches(pattern, error_of(f, ...), 1, true) end
    local function of(call, kind) return ("%s that makes one: call it, as in %s"):format(kind or "a class", call) end
    local trainer, Block = make(), nn.Module:extend("Block")
    refuses("Trainer: model: expected a module, got " .. of "Sequential{...}", make, {model = nn.Sequential})
    refuses("Trainer: model: expected a module, got " .. of "Block{...}", make, {model = Block})
    refuses("Sequential: element 2: expected a module, got " .. of "Flatten{...}", nn.Sequential,
      {nn.Dense {1}, nn.Flatten})
    for _, name in ipairs {"Adam", "SAM", "Muon", "Lookahead"} do
      refuses("Trainer: optimizer: expected one of fnn.optim, got " .. of(name .. "{...}"), make,
        {optimizer = fnn.optim[name]})
    end
    refuses("SGD: model: expected a module, got " .. of "Dense{...}", fnn.optim.SGD, {model = nn.Dense})
    local rate = "expected a number of 0 or more, or a schedule, got "
    refuses("SGD: lr: " .. rate .. of("Cosine{...}", "function"), fnn.optim.SGD, {lr = fnn.schedules.Cosine})
    refuses("LearningRateScheduler: schedule: " .. rate .. of("Step{...}", "function"),
      fnn.callbacks.LearningRateScheduler, {fnn.schedules.Step})
    refuses("got " .. of("f1{...}", "function"), make, {metrics = {fnn.metrics.f1}})
    refuses("got " .. of("top_k(5)", "function"), make, {metrics = {fnn.metrics.top_k}})
    local loss = "Trainer: loss: expected a function, the name of a loss or {name, option = ...}, got "
    refuses(loss .. of "Dense{...}", make, {loss = nn.Dense})
    refuses(loss .. of("f1{...}", "function"), make, {loss = fnn.metrics.f1})
    for name in pairs(fnn.callbacks.names) do
      refuses("fit: callbacks: element 2: expected a table, got " .. of(name .. "{...}"), trainer.fit, trainer, few,
        {callbacks = {{}, fnn.callbacks[name]}})
    end
    refuses("fit: callbacks: element 1: expected a table, got " .. of "EMA{...}", trainer.fit, trainer, few,
      {callbacks = {fnn.averages.EMA}})
    refuses("stop, got " .. of "Progress{...}", trainer.fit, trainer, few, {progress = fnn.Progress})
  end)
end)

describe("a Trainer's loss", function()
  it("goes by every name in fnn.losses", function()
    for name in pairs(fnn.losses) do
      local set = data
      if name ~= "categorical_crossentropy" and name ~= "cross_entropy" then
        local examples, labels = data:tensors()
        set = {examples, labels:one_hot(2)}
      end
      local activation = name == "poisson" and "softmax" or nil -- it counts, so it takes no negative numbers
      local model = nn.Sequential {nn.Flatten {}, nn.Dense {2, activation = activation}}
      local history = fit(make {model = model, loss = name}, set, {epochs = 3, seed = 1})
      assert(history.loss[3] <= history.loss[1], name)
    end
  end)

  it("may have options beside its name", function()
    local options = {label_smoothing = 0.1, weight = fnn.tensor {1, 3}}
    local function own(prediction, target) return fnn.losses.cross_entropy(prediction, target, options) end
    local named = {"cross_entropy", label_smoothing = 0.1, weight = options.weight}
    fnn.manual_seed(2)
    local expected = fit(make {model = make_model(), loss = own}, data, {epochs = 2, seed = 1}).loss
    fnn.manual_seed(2)
    assert.are.same(expected, fit(make {model = make_model(), loss = named}, data, {epochs = 2, seed = 1}).loss)
    named.weight = {1, 3}
    fnn.manual_seed(2)
    assert.are.same(expected, fit(make {model = make_model(), loss = named}, data, {epochs = 2, seed = 1}).loss)
    local ok, message = pcall(fit, make {loss = {"cross_entropy", smoothing = 0.1}}, data, {})
    assert.is_false(ok)
    assert.matches("categorical_crossentropy: unknown option smoothing %(there are reduction,", message)
  end)

  it("with weights of classes is the mean of the batches' means, each counting by its examples", function()
    local trainer = make {loss = {"cross_entropy", weight = {1, 5}}, metrics = {"cross_entropy"}}
    local outputs, sum = trainer:predict(data), 0
    for _, part in ipairs {{1, 40}, {41, 80}, {81, 100}} do
      local loss = fnn.losses.cross_entropy(outputs[{part}], data.labels[{part}], {weight = {1, 5}})
      sum = sum + loss:item() * (part[2] - part[1] + 1)
    end
    local values = trainer:evaluate(data, {batch_size = 40})
    assert.near(sum / 100, values.loss, 1e-6)
    assert.near(fnn.losses.cross_entropy(outputs, data.labels):item(), values.cross_entropy, 1e-6)
  end)

  it("takes logits unless the last layer or its options say otherwise, and metrics with it", function()
    local p = fnn.tensor {{0.8}, {0.4}, {0.6}}
    local Given = nn.Module:extend("Given")
    function Given:forward(x) return x end
    local set = {p, fnn.tensor {{1}, {0}, {0}}}
    local function evaluate(loss)
      return fnn.Trainer({model = Given(), loss = loss, metrics = {"accuracy"}}):evaluate(set)
    end
    local result = evaluate {"binary_crossentropy", from_logits = false}
    assert.near(-(math.log(0.8) + math.log(0.6) + math.log(0.4)) / 3, result.loss, 1e-6)
    assert.near(2 / 3, result.accuracy, 1e-6)
    assert.near(1 / 3, evaluate("binary_crossentropy").accuracy, 1e-6) -- all above 0
  end)

  it("may be a function", function()
    local function loss(prediction, target)
      assert.are.same({#target, 2}, prediction.shape)
      return fnn.losses.cross_entropy(prediction, target, {label_smoothing = 0.1})
    end
    local named, own = make(), make {loss = loss}
    assert.are_not.equal(fit(named, data, {seed = 1}).loss[1], fit(own, data, {seed = 1}).loss[1])
    assert(own:evaluate(data).loss > named:evaluate(data).loss)
  end)

  describe("of a model that gives a table of tensors", function()
    local Two = nn.Module:extend("Two")
    function Two:init() self.first, self.second = nn.Dense {2}, nn.Dense {2} end
    function Two:forward(x)
      x = x:flatten(2)
      return {self.first(x), deep = {self.second(x)}}
    end
    local function loss(outputs, target)
      return fnn.losses.cross_entropy(outputs[1], target) + fnn.losses.cross_entropy(outputs.deep[1], target)
    end
    local function second_accuracy()
      local inner = fnn.metrics.accuracy()
      return {
        name = "second", reset = function() inner:reset() end, value = function() return inner:value() end,
        update = function(_, outputs, target)
          assert.is_false(outputs.deep[1].requires_grad)
          inner:update(outputs.deep[1], target)
        end,
      }
    end

    it("may be a function, beside metrics of one's own", function()
      local function right(outputs, target) return outputs.deep[1]:argmax(2):eq(target) end
      for _, metrics in ipairs {{}, {second_accuracy()}, {{"second", right}}} do
        local trainer = make {model = Two(), loss = loss, metrics = metrics}
        local history = fit(trainer, data, {epochs = 4, validation = few, seed = 1})
        assert(history.loss[4] < history.loss[1])
        assert.are.equal(history.val_loss[4], trainer:evaluate(few, {batch_size = 32}).loss)
        if metrics[1] then assert(history.second[4] > 0.8) end
      end
    end)

    it("is else refused before a step, as are metrics of ours and what needs a tensor", function()
      local function refuses(pattern, changed, use)
        local steps = 0
        local trainer = make(changed)
        trainer.optimizer.step = function(self, closure)
          closure()
          steps = steps + 1
          return self
        end
        assert.matches(pattern, error_of(use or function(t) fit(t, data, {}) end, trainer), 1, true)
        assert.are.equal(0, steps)
      end
      local model = Two()
      refuses("Trainer: loss: cross_entropy: expected a tensor from the model, got table",
        {model = model, loss = "cross_entropy"})
      refuses("Trainer: metrics: accuracy: expected a tensor from the model, got table", {model = model, loss = loss})
      refuses("Trainer: metrics: accuracy: expected a tensor from the model, got table", {model = model, loss = loss},
        function(t) t:evaluate(few) end)
      refuses("predict: expected a tensor from the model, got table", {model = model, loss = loss},
        function(t) t:predict(few) end)
      refuses("augment: expected a tensor from the model, got table", {model = model, loss = loss, metrics = {}},
        function(t) t:evaluate(few, {augment = {nn.functional.hflip}}) end)
      refuses("Trainer: loss: expected a tensor of one element from the function, got nil",
        {model = model, loss = function() end, metrics = {}})
      for _, use in ipairs {function(t) fit(t, few, {}) end, function(t) t:evaluate(few) end} do
        refuses("Trainer: loss: expected a tensor of one element from the function, got shape (30)",
          {loss = function(p, t) return nn.functional.cross_entropy(p, t, {reduction = "none"}) end}, use)
      end
    end)
  end)

  it("has losses as metrics, which take what the loss takes", function()
    for _, last in ipairs {"linear", "softmax"} do
      local model = nn.Sequential {nn.Flatten {}, nn.Dense {3, activation = last}}
      local trainer = make {model = model, loss = "cross_entropy", metrics = {"categorical_crossentropy"}}
      local history = fit(trainer, data, {validation = few})
      assert.near(history.loss[1], history.categorical_crossentropy[1], 1e-6)
      assert.near(history.val_loss[1], history.val_categorical_crossentropy[1], 1e-6)
    end
  end)

  it("takes outputs as probabilities where the model ends in them", function()
    local function head(...) return nn.Sequential {nn.Flatten {}, ...} end
    local function train(model, name, set)
      return fit(make {model = model, loss = name}, set or data, {epochs = 2, seed = 3, batch_size = 25}).loss
    end
    local function assert_near(expected, got)
      for i, loss in ipairs(expected) do assert(math.abs(loss - got[i]) < 1e-4 * loss,
      ("%g instead of %g"):format(got[i], loss)) end
    end
    for _, name in ipairs {"categorical_crossentropy", "cross_entropy", "kullback_leibler_divergence", "focal"} do
      local expected = train(head(nn.Dense {2}), name)
      assert_near(expected, train(head(nn.Dense {2, activation = "softmax"}), name))
      assert_near(expected, train(head(nn.Dense {2, activation = {"softmax"}}), name))
      assert_near(expected, train(head(nn.Dense {2}, nn.Activation {"softmax"}), name))
      assert_near(expected, train(head(nn.Dense {2, activation = nn.functional.softmax}), name))
      assert_near(expected, train(head(nn.Sequential {nn.Dense {2}, nn.Sequential {nn.Activation "softmax"}}), name))
    end
    local binary = data.labels:float():reshape(100, 1) - 1
    local set = {data:tensors(), binary}
    assert_near(train(head(nn.Dense {1}), "binary_crossentropy", set),
      train(head(nn.Dense {1, activation = "sigmoid"}), "binary_crossentropy", set))
    local flat = {data:tensors():flatten(2), data.labels}
    assert_near(train(nn.Dense {2}, "cross_entropy", flat),
      train(nn.Dense {2, activation = "softmax"}, "cross_entropy", flat))
    local Head = nn.Module:extend "Head" -- has such an option, and gives logits
    function Head:init() self.layer = nn.Dense {2} end
    function Head:forward(x) return self.layer(x) end
    assert_near(train(head(nn.Dense {2}), "cross_entropy"), train(head(Head {activation = "softmax"}), "cross_entropy"))
    local other = train(head(nn.Dense {2, activation = "tanh"}), "cross_entropy")
    assert(math.abs(other[1] - train(head(nn.Dense {2}), "cross_entropy")[1]) > 1e-4)
  end)
end)

describe("a model of several inputs", function()
  local Two = nn.Module:extend("Two") -- an image and a class number
  function Two:init()
    self.image, self.number = nn.Sequential {nn.Flatten {}, nn.Dense {3}}, nn.Embedding {4, size = 3}
    self.head = nn.Dense {2}
  end
  function Two:forward(inputs) return self.head((self.image(inputs[1]) + self.number(inputs[2])):relu()) end

  local function several(count)
    local images, numbers = fnn.randn(count, 1, 2, 2), fnn.randint(1, 4, {count})
    local labels = (images:mean({2, 3, 4}) + numbers - 2.5):gt(0):to("int64") + 1
    return fnn.data.Dataset {{images, numbers}, labels}
  end

  it("is trained, evaluated and used as any other", function()
    fnn.manual_seed(3)
    local set, model = several(96), Two()
    local trainer = fnn.Trainer {
      model = model, optimizer = fnn.optim.Adam {lr = 0.02}, loss = "cross_entropy", metrics = {"accuracy"},
    }
    local history = fit(trainer, set, {epochs = 15, batch_size = 16, seed = 1, validation_split = 0.25})
    assert(history.accuracy[15] > 0.9, history.accuracy[15])
    local examples, labels = set:tensors()
    model:eval()
    local outputs = fnn.no_grad(model, examples)
    assert.near(fnn.losses.cross_entropy(outputs, labels):item(), trainer:evaluate(set).loss, 1e-5)
    for _, given in ipairs {set, {examples, labels}, {examples}} do
      assert.is_true((trainer:predict(given, {batch_size = 40}) - outputs):abs():max():item() < 1e-5)
    end
    assert.error_matches(function() trainer:predict(set, {augment = {print}}) end,
      "augment: expected examples of one tensor, got several")
    local summary = Two():summary({{1, 2, 2}, {}}, {print = false, dtype = {"float32", "int64"}})
    assert.are.equal((model:count_parameters()), summary.parameters)
  end)

  it("names the batch whose numbers are not finite", function()
    local set = several(8)
    set.examples[1][{3, 1, 1, 1}] = 0 / 0
    local trainer = fnn.Trainer {model = Two(), optimizer = fnn.optim.SGD {lr = 0.1}, loss = "cross_entropy"}
    fit(trainer, set, {epochs = 1, batch_size = 8, callbacks = {fnn.callbacks.TerminateOnNaN {}}})
    assert.matches("first not finite: the examples of the batch", trainer.history.stopped)
  end)
end)

describe("a Trainer", function()
  it("may evaluate in the middle of an epoch", function()
    local plain = fit(make(), data, {batch_size = 40, seed = 1})
    local trainer = make()
    local history = fit(trainer, data, {batch_size = 40, seed = 1, callbacks = {{
      on_batch_end = function() trainer:evaluate(few) end,
    }}})
    assert.are.same(plain.loss, history.loss)
    assert.are.same(plain.accuracy, history.accuracy)
  end)
end)

describe("a Trainer's metrics", function()
  it("are reset, updated and asked once a batch or more, on plain tensors", function()
    local calls = {}
    local metric = {name = "seen"}
    function metric:reset() calls[#calls + 1], self.seen = "reset", 0 end
    function metric:update(prediction, target)
      assert.is_false(prediction.requires_grad)
      assert.are.equal(#prediction, #target)
      calls[#calls + 1] = "update"
      self.seen = self.seen + #target
    end
    function metric:value() return self.seen end
    local trainer = make {metrics = {metric, "accuracy"}}
    local history = fit(trainer, data, {batch_size = 40, validation = few})
    assert.are.equal("reset update update update reset update", table.concat(calls, " "))
    assert.are.same({100}, history.seen)
    assert.are.same({30}, history.val_seen)
    assert.are.same({"accuracy", "loss", "seen"}, (function(names)
      for name in pairs(trainer:evaluate(few)) do names[#names + 1] = name end
      table.sort(names)
      return names
    end)({}))
  end)

  -- Does f while standard error is a list of texts, which is returned.
  local function with_standard_error(f)
    local texts, stderr = {}, io.stderr
    local listener = {write = function(_, ...) texts[#texts + 1] = table.concat {...} end, flush = function() end}
    io.stderr = listener -- luacheck: ignore
    local ok, message = pcall(f)
    io.stderr = stderr -- luacheck: ignore
    assert(ok, message)
    return texts
  end

  it("are asked in an epoch, unless they are costly", function()
    local asked = {}
    local function counter(name, costly)
      return {
        name = name, costly = costly, reset = function() end, update = function() end,
        value = function()
          asked[name] = (asked[name] or 0) + 1
          return 0.5
        end,
      }
    end
    local trainer = make {metrics = {counter "cheap", counter("dear", true)}}
    local texts = with_standard_error(function() trainer:fit(data, {batch_size = 25, validation = few}) end)
    assert.are.same({cheap = 4 + 2, dear = 2}, asked)
    assert.matches("cheap 0.5000  dear 0.5000  val_loss [%d.]+  val_cheap 0.5000  val_dear 0.5000\n$", texts[#texts])
    assert.are.same({0.5}, trainer.history.val_dear)
  end)

  it("come to numbers, or lists of them", function()
    local function evaluate(value)
      local metric = {name = "m", reset = function() end, update = function() end, value = function() return value end}
      return make {metrics = {metric}}:evaluate(few).m
    end
    for _, value in ipairs {3, 0.5, {}, {1, 0 / 0}} do assert.are.equal(value, evaluate(value)) end
    for _, value in pairs {"a", false, fnn.zeros(1), {"a"}, {a = 1}} do
      assert.error_matches(function() evaluate(value) end,
        "metric m: value: expected a number or a list of numbers from the function, got ")
    end
    assert.error_matches(function() evaluate() end, "got nil")
  end)

  it("may be functions with names", function()
    local kept = {}
    local function accuracy(prediction, target)
      assert.is_false(prediction.requires_grad)
      kept[#kept + 1] = {prediction, target}
      return prediction:argmax(2):eq(target)
    end
    local function size(_, target) return #target end
    local trainer = make {metrics = {{"mine", accuracy}, "accuracy", {"size", size, mode = "max"}}}
    local early = fnn.callbacks.EarlyStopping {monitor = "val_size", patience = 1}
    local options = {epochs = 5, batch_size = 40, validation = few, callbacks = {early}}
    local texts = with_standard_error(function() trainer:fit(data, options) end)
    assert.matches("loss [%d.]+  mine [%d.]+  accuracy [%d.]+  size 36.0000  val_loss [%d.]+  val_mine", texts[#texts])
    local history = trainer.history
    assert.are.same({36, 36}, history.size) -- (40^2 + 40^2 + 20^2) / 100
    assert.are.same({30, 30}, history.val_size)
    assert.are.same(history.accuracy, history.mine)
    assert.are.same(history.val_accuracy, history.val_mine)
    for _, pair in ipairs(kept) do assert.are.equal(#pair[1], #pair[2]) end -- still open
    assert.error_matches(function()
      make {metrics = {"accuracy", {"accuracy", size}}}
    end, "Trainer: metrics: the name accuracy is taken already")
  end)

  it("of one's own may keep what they are given", function()
    local kept = {}
    local function update(_, prediction, target) kept[#kept + 1] = {prediction, target} end
    local metric = {name = "kept", reset = function() end, update = update, value = function() return 0 end}
    make {metrics = {"accuracy", metric}}:evaluate(few, {batch_size = 10})
    for i, pair in ipairs(kept) do
      assert.are.same({10, 2}, pair[1].shape)
      assert(pair[2]:equal(few.labels[{{10 * i - 9, 10 * i}}]))
    end
  end)

  it("may be lists, which progress leaves out", function()
    local trainer = make {metrics = {fnn.metrics.recall {average = "none"}, "accuracy"}}
    local texts = with_standard_error(function() trainer:fit(data, {epochs = 2, validation = few}) end)
    assert.matches("loss [%d.]+  accuracy [%d.]+  val_loss", texts[#texts])
    assert.are.equal(2, #trainer.history.recall_none[2])
    assert.are.same(fnn.metrics.recall {average = "none"} (trainer:predict(few), few.labels),
    trainer.history.val_recall_none[2])
  end)

  it("by name take logits or probabilities, as the model gives them", function()
    local names = {"accuracy", "precision", "recall", "f1", "cohen_kappa", "roc_auc", "calibration_error"}
    local dense = nn.Dense {2}
    for from_logits, last in pairs {[true] = nn.Identity {}, [false] = nn.Activation {"softmax"}} do
      local model = nn.Sequential {nn.Flatten {}, dense, last}
      local values = make({model = model, metrics = names}):evaluate(data, {batch_size = 32})
      local predicted = fnn.no_grad(model, (data:tensors()))
      for _, name in ipairs(names) do
        local metric = fnn.metrics.get(name, {from_logits = from_logits})
        assert(math.abs(metric(predicted, data.labels) - values[name]) < 1e-6, name)
      end
    end
  end)

  it("of one sigmoid count by a half", function()
    local zero_or_one = data.labels:float():reshape(100, 1) - 1
    local set = {data:tensors(), zero_or_one}
    for _, activation in ipairs {"linear", "sigmoid"} do
      local model = nn.Sequential {nn.Flatten {}, nn.Dense {1, activation = activation}}
      local trainer = make {model = model, loss = "binary_crossentropy"}
      fit(trainer, set, {epochs = 2, seed = 1})
      local border = activation == "sigmoid" and 0.5 or 0
      local right = trainer:predict(set):gt(border):eq(zero_or_one:to("uint8")):sum():item()
      assert(right > 70, right)
      assert.are.equal(right / 100, trainer:evaluate(set).accuracy)
    end
  end)

  it("agree with predictions", function()
    local trainer = make()
    fit(trainer, data, {epochs = 2, seed = 1})
    local right = trainer:predict(few):argmax(2):eq(few.labels):sum():item()
    assert.are.equal(right / 30, trainer:evaluate(few).accuracy)
  end)
end)

describe("memory", function()
  local function with_collector(mode, f, ...)
    collectgarbage(mode)
    local ok, result = pcall(f, ...)
    collectgarbage "restart"
    collectgarbage "incremental"
    assert(ok, result)
    return result
  end

  -- The bytes in use at the end of each of six epochs.
  local function watch(trainer)
    local used = {}
    local callback = {on_epoch_end = function() used[#used + 1] = core.memory().used end}
    fit(trainer, data, {epochs = 6, batch_size = 20, validation = few, seed = 1, callbacks = {callback}})
    return used
  end

  it("of activations is let go without Lua's collector", function()
    local activation = 20 * 32 * 8 * 8 * 4 -- bytes of the first layer's output for a batch
    for _, mode in ipairs {"stop", "generational", "incremental"} do
      local model = nn.Sequential {
        nn.Conv2d {32, kernel = 3, padding = "same", activation = "relu"}, nn.BatchNorm2d {}, nn.Dropout {0.1},
        nn.MaxPool2d {2},
        nn.Flatten {}, nn.Dense {32, activation = "relu"}, nn.Dense {2},
      }
      local used = with_collector(mode, watch, make {model = model})
      local each_step = (used[6] - used[2]) / (4 * 5)
      assert(each_step < activation / 32, ("%s: %.0f bytes a step"):format(mode, each_step))
    end
  end)

  -- What such a module computes in passing waits for Lua's collector, which the core calls when it has become much.
  it("of modules of one's own does not grow without end", function()
    local Own = nn.Module:extend("Own")
    function Own:init() self.conv, self.dense = nn.Conv2d {32, kernel = 3, padding = "same"}, nn.Dense {2} end
    function Own:forward(x)
      local y = self.conv(x):relu()
      y = (y * 2 + 1) * 0.5 + y
      return self.dense(y:flatten(2))
    end
    local activation, epochs = 100 * 32 * 8 * 8 * 4, 120
    for _, mode in ipairs {"stop", "generational", "incremental"} do
      collectgarbage()
      core.empty_cache()
      local before = core.memory().used
      with_collector(mode, fit, make {model = Own()}, data, {epochs = epochs, batch_size = 100, seed = 1})
      local most = core.memory().peak - before
      assert(most < 300 << 20 and most < epochs * 5 * activation, ("%s: %d bytes"):format(mode, most))
    end
  end)

  it("of data is a batch at a time", function()
    core.empty_cache()
    local set = fnn.data.Dataset {fnn.zeros(4000, 1, 8, 8, {dtype = "uint8"}), fnn.ones(4000, {dtype = "int64"})}
    local trainer = make()
    trainer:evaluate(set:first(100), {batch_size = 100})
    collectgarbage()
    core.empty_cache()
    local before = core.memory().used
    trainer:evaluate(set, {batch_size = 100})
    assert(core.memory().peak - before < 10 * 100 * 64 * 4)
  end)
end)

describe("progress", function()
  local script = [[
    local blobs = require "spec.support.blobs"
    local fnn = require "fmnistnn"
    local nn = fnn.nn
    local trainer = fnn.Trainer {
      model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}, optimizer = fnn.optim.Adam {}, loss = "cross_entropy",
      metrics = {"accuracy"},
    }
    local function wait() local before = fnn.now() repeat until fnn.now() - before > 0.11 end
    local ok, message = pcall(trainer.fit, trainer, blobs(40), {
      epochs = 3, batch_size = 20, validation = blobs(10), %s callbacks = {{on_batch_end = wait,
      on_epoch_begin = function(_, _, epoch)
        if epoch == 3 and %s then error("enough", 0) end
      end}},
    })
    if not ok then io.stderr:write(message:match("[^\n]*"), "\n") end
  ]]
  local line = "^epoch %d/3  %d%d:%d%d  %d+ images/s  loss V  accuracy V  val_loss V  val_accuracy V$"
  line = line:gsub("V", "%%d%%.%%d%%d%%d%%d")
  local path = "LUA_PATH=" .. quote("./?.lua;" .. package.path)

  it("writes a line an epoch to standard error, nothing to standard output", function()
    local code, out, err = process.run_lua(script:format("", "false"), path)
    assert.are.equal(0, code)
    assert.are.equal("", out)
    local count = 0
    for text in err:gmatch("[^\n]+") do
      count = count + 1
      assert.matches(line, text)
      assert.matches("^epoch " .. count, text)
    end
    assert.are.equal(3, count)
    assert.is_nil(err:find("[\r\27]"))
  end)

  it("keeps quiet when told to", function()
    assert.are.same({0, "", ""}, {process.run_lua(script:format("progress = false,", "false"), path)})
  end)

  -- What a terminal of so many columns shows, and the script's standard output.
  local function on_terminal(columns, fails)
    local folder = process.folder()
    process.write(folder .. "/script.lua", script:format("", tostring(fails)))
    local command = ("stty cols %d; %s >%s/stdout"):format(columns, process.lua(folder .. "/script.lua", path), folder)
    local code, shown = process.run("exec python3 spec/support/pty.py " .. quote(command))
    assert.are.equal(0, code, shown)
    assert.are.equal("", process.read(folder .. "/stdout"))
    process.remove(folder)
    return shown:gsub("\r\n", "\n")
  end

  it("draws a live line on a terminal, no wider than that", function()
    if not process.has "python3" then return pending("python3 is needed") end
    for _, columns in ipairs {120, 80, 40} do
      local shown = on_terminal(columns, false)
      local drawn, ended = 0, 0
      for text in shown:gmatch("\r([^\r\n\27]*)\27%[K") do
        if text ~= "" then
          drawn = drawn + 1
          assert(#text + #"^C" < columns, text)
          assert.matches("^epoch [123]/3 %[=*%.*%]? *", text)
        end
      end
      for text in shown:gmatch("\r\27%[K([^\r\n]+)\n") do
        ended = ended + 1
        assert.matches(line, text)
      end
      assert(drawn >= 3, shown)
      assert.are.equal(3, ended)
      if columns >= 80 then assert.matches("%d+ images/s  loss %d%.%d+  accuracy %d%.%d+  %d%d:%d%d left", shown) end
    end
  end)

  it("takes the live line away after an error", function()
    if not process.has "python3" then return pending("python3 is needed") end
    assert.matches("\r\27%[Kenough\n$", (on_terminal(80, true)))
  end)
end)
