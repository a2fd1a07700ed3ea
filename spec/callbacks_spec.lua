-- What fit calls: the callbacks of fnn.callbacks, by Keras's own results where it has the same, and by files read back.
local blobs = require "spec.support.blobs"
local csv = require "fmnistnn.csv"
local fnn = require "fmnistnn"
local process = require "spec.support.process"

local nn, callbacks = fnn.nn, fnn.callbacks
local data, few, folder

setup(function()
  data = blobs(60)
  few = blobs(20)
end)

before_each(function() folder = process.folder() end)
after_each(function() process.remove(folder) end)

local function make(changed)
  local options = {
    model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}, optimizer = fnn.optim.SGD {lr = 0.1}, loss = "cross_entropy",
    metrics = {"accuracy"},
  }
  for name, value in pairs(changed or {}) do options[name] = value end
  return fnn.Trainer(options)
end

local function fit(trainer, list, options)
  local all = {epochs = 3, batch_size = 20, validation = few, seed = 1, progress = false, callbacks = list}
  for name, value in pairs(options or {}) do all[name] = value or nil end
  return trainer:fit(data, all)
end

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

local function bytes_of(model)
  local parts = {}
  for _, entry in ipairs(model:state()) do parts[#parts + 1] = entry[2]:tobytes() end
  return table.concat(parts)
end

-- Runs a callback over values of val_loss without training, as scripts/keras_reference.py does: the weight is the
-- epoch.
local function play(callback, values)
  local model = nn.Module:extend("Number")()
  model.weight = fnn.zeros(1)
  local trainer = {
    model = model, metrics = {}, value_names = {"loss", "val_loss"}, history = {}, stop = false,
    optimizer = {options = {lr = 0.5}, groups = {}},
  }
  local rates, stopped = {}, 0
  callback:on_train_begin(trainer)
  for epoch, value in ipairs(values) do
    model.weight:fill_(epoch)
    callback:on_epoch_end(trainer, epoch, {val_loss = value})
    rates[epoch] = trainer.optimizer.options.lr
    if trainer.stop then
      stopped = epoch
      break
    end
  end
  if callback.on_train_end then callback:on_train_end(trainer) end
  return {stopped = stopped, weights = math.tointeger(model.weight:item()), rates = rates, history = trainer.history}
end

local keras = assert(fnn.json.decode(process.read "spec/data/callbacks.json"))

describe("EarlyStopping", function()
  it("stops and restores where Keras does", function()
    local stopped = 0
    for i, case in ipairs(keras.early_stopping) do
      local got = play(callbacks.EarlyStopping(case.options), case.values)
      assert.are.same({i, case.stopped, case.weights}, {i, got.stopped, got.weights})
      stopped = stopped + (case.stopped > 0 and 1 or 0)
    end
    assert(stopped > 20 and stopped < #keras.early_stopping)
  end)

  it("puts up with NaN as with a value that is worse", function()
    local nan = 0 / 0
    local got = play(callbacks.EarlyStopping {patience = 2, restore_best = true}, {nan, 3, 2, nan, nan, 1})
    assert.are.same({5, 3}, {got.stopped, got.weights})
  end)

  it("ends a fit and gives its model the best epoch's weights", function()
    local seen = {}
    local spy = {on_epoch_end = function(_, trainer) seen[#seen + 1] = bytes_of(trainer.model) end}
    local trainer = make {optimizer = fnn.optim.SGD {lr = 1e-9}}
    local early = callbacks.EarlyStopping {monitor = "accuracy", min_delta = 0.5, patience = 2, restore_best = true}
    local history = fit(trainer, {spy, early}, {epochs = 10})
    assert.are.equal(3, #history.loss)
    assert.are.equal(1, early.best_epoch)
    assert(bytes_of(trainer.model) == seen[1] and seen[1] ~= seen[3])
    assert.is_nil(history.stopped)
  end)
end)

describe("ReduceLROnPlateau", function()
  it("reduces where Keras does", function()
    local reduced = 0
    for i, case in ipairs(keras.reduce_lr) do
      local got = play(callbacks.ReduceLROnPlateau(case.options), case.values)
      for epoch, rate in ipairs(case.rates) do
        assert(math.abs(rate - got.rates[epoch]) < 1e-6 * rate, ("case %d, epoch %d: %g instead of %g"):format(i, epoch,
          got.rates[epoch], rate))
      end
      if case.rates[#case.rates] < 0.5 then reduced = reduced + 1 end
      assert.are.equal(0.5, got.history.learning_rate[1])
    end
    assert(reduced > 10)
  end)
end)

describe("a callback that watches a value", function()
  it("refuses one that there will not be, before training", function()
    local trained = 0
    local spy = {on_batch_end = function() trained = trained + 1 end}
    for _, make_one in ipairs {
      function(name) return callbacks.EarlyStopping {monitor = name} end,
      function(name) return callbacks.ReduceLROnPlateau {monitor = name} end,
      function(name) return callbacks.ModelCheckpoint {folder .. "/m", best_only = true, monitor = name} end,
      function(name) return callbacks.ModelCheckpoint {folder .. "/m-{" .. name .. "}"} end,
    } do
      assert.matches("^%a+: there is no value val_acc %(there are loss, accuracy, val_loss, val_accuracy;",
        error_of(fit, make(), {spy, make_one "val_acc"}))
      assert.matches("^%a+: there is no value val_loss %(there are loss, accuracy; those of a validation need",
        error_of(fit, make(), {spy, make_one "val_loss"}, {validation = false}))
    end
    assert.are.equal(0, trained)
  end)

  it("goes by the name, the metric or the mode for what is better", function()
    local odd = {name = "odd", reset = function() end, update = function() end, value = function() return 1 end}
    assert.matches("^EarlyStopping: whether val_odd is better when it is low or high is not known: give mode",
      error_of(fit, make {metrics = {odd}}, {callbacks.EarlyStopping {monitor = "val_odd"}}))
    for mode, expected in pairs {max = 1, min = 1} do
      local early = callbacks.EarlyStopping {monitor = "odd", mode = mode}
      fit(make {metrics = {odd}}, {early}, {epochs = 1})
      assert.are.same({mode, expected}, {early.direction, early.best})
    end
    odd.mode = "min"
    local early = callbacks.EarlyStopping {monitor = "val_odd"}
    fit(make {metrics = {odd}}, {early}, {epochs = 1})
    assert.are.equal("min", early.direction)
    assert.error_matches(function() callbacks.EarlyStopping {mode = "most"} end,
      'EarlyStopping: mode: expected "auto", "min" or "max", got most')
  end)
end)

describe("LearningRateScheduler", function()
  it("sets each epoch's rate from its number and the rate before", function()
    local asked = {}
    local scheduler = callbacks.LearningRateScheduler {function(epoch, lr)
      asked[#asked + 1] = {epoch, lr}
      return lr / 2
    end}
    local trainer = make()
    local history = fit(trainer, {scheduler})
    assert.are.same({{1, 0.1}, {2, 0.05}, {3, 0.025}}, asked)
    assert.are.same({0.05, 0.025, 0.0125}, history.learning_rate)
    assert.are.equal(0.0125, trainer.optimizer.options.lr)
  end)

  it("asks a schedule from 0 on", function()
    local schedule = fnn.schedules.Exponential {lr = 0.5, factor = 0.1, every = 1}
    local history = fit(make(), {callbacks.LearningRateScheduler {schedule}})
    assert.are.same({schedule(0), schedule(1), schedule(2)}, history.learning_rate)
  end)

  it("refuses what gives no number, and an optimizer with a schedule", function()
    assert.error_matches(function() callbacks.LearningRateScheduler {0.1} end,
      "LearningRateScheduler: schedule: expected a function %(epoch, lr%) or a schedule, got a number")
    assert.matches("^LearningRateScheduler: expected a number as the learning rate, got nil",
      error_of(fit, make(), {callbacks.LearningRateScheduler {function() end}}))
    local schedule = fnn.schedules.Exponential {lr = 0.5, factor = 0.1, every = 1}
    for _, callback in ipairs {
      callbacks.LearningRateScheduler {function() return 1 end}, callbacks.ReduceLROnPlateau {},
    } do
      assert.matches("^%a+: the optimizer's lr: expected a number, got a schedule",
        error_of(fit, make {optimizer = fnn.optim.SGD {lr = schedule}}, {callback}))
      local group = {parameters = {fnn.zeros(1):requires_grad_()}, lr = schedule}
      assert.matches("^%a+: the optimizer's lr: expected a number, got a schedule",
        error_of(fit, make {optimizer = fnn.optim.SGD {parameters = {group}}}, {callback}))
    end
  end)

  local function built()
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}
    model(few:tensors())
    return model, model[2].weight, model[2].bias
  end

  it("and ReduceLROnPlateau change groups with a rate of their own in proportion", function()
    local function rates_after(callback)
      local model, w, v = built()
      local optimizer = fnn.optim.SGD {parameters = {{parameters = {w}, lr = 0.4}, {parameters = {v}}}, lr = 0.2}
      fit(make {model = model, optimizer = optimizer}, {callback}, {epochs = 2})
      return {optimizer.groups[1].lr, optimizer.groups[2].lr}
    end
    local function assert_near(expected, got)
      for i, rate in ipairs(expected) do assert(math.abs(rate - got[i]) < 1e-12, got[i]) end
    end
    assert_near({0.1, 0.05}, rates_after(callbacks.LearningRateScheduler {function(_, lr) return lr / 2 end}))
    assert_near({0.2, 0.1}, rates_after(callbacks.ReduceLROnPlateau {
      monitor = "loss", factor = 0.5, patience = 1, min_delta = 1e9,
    }))
  end)

  it("keeps the proportion of such groups while the rate is 0, and in files", function()
    local function trainer()
      local model, w, v = built()
      local optimizer = fnn.optim.Adam {parameters = {{parameters = {w}, lr = 0.01}, {parameters = {v}}}, lr = 0.1}
      return make {model = model, optimizer = optimizer}
    end
    local rates = {0, 0, 0.05, 0.1, 0, 0.2}
    local function run(with, first, last)
      local seen = {}
      fit(with, {
        callbacks.LearningRateScheduler {function(epoch) return rates[epoch + first - 1] end},
        {on_epoch_end = function(_, own) seen[#seen + 1] = own.optimizer.groups[1].lr end},
      }, {epochs = last - first + 1})
      return seen
    end
    local function assert_near(expected, got)
      assert.are.equal(#expected, #got)
      for i, rate in ipairs(expected) do assert(math.abs(rate - got[i]) < 1e-12, got[i]) end
    end
    assert_near({0, 0, 0.005, 0.01, 0, 0.02}, run(trainer(), 1, 6))
    local first, second = trainer(), trainer()
    run(first, 1, 2)
    local state = first.optimizer:state()
    second.optimizer:set_state(state)
    assert_near({0.005}, run(second, 3, 3))
    first.optimizer:set_state(second.optimizer:state()) -- whose rate is not 0
    assert_near({0.01}, run(first, 4, 4))
    state.numbers["1.proportion"] = nil -- as states were before
    second.optimizer:set_state(state)
    assert.are.equal(0, second.optimizer.groups[1].lr)
  end)

  it("leaves the rate of a group alone that is in no proportion to a rate of 0", function()
    local model = built()
    local optimizer = fnn.optim.SGD {parameters = {{model = model, lr = 0.4}}, lr = 0}
    fit(make {model = model, optimizer = optimizer}, {callbacks.LearningRateScheduler {function() return 0.1 end}})
    assert.are.same({0.1, 0.4}, {optimizer.options.lr, optimizer.groups[1].lr})
  end)
end)

describe("ModelCheckpoint", function()
  it("keeps the last, or each epoch by its name", function()
    local states = {}
    local spy = {on_epoch_end = function(_, trainer) states[#states + 1] = bytes_of(trainer.model) end}
    local history = fit(make(), {
      spy, callbacks.ModelCheckpoint {folder .. "/last.safetensors"},
      callbacks.ModelCheckpoint {folder .. "/new/{epoch:03d}-{val_loss:.4f}.safetensors"},
    })
    assert.are.same({"last.safetensors", "new"}, process.list(folder))
    assert(bytes_of(assert(nn.load(folder .. "/last.safetensors"))) == states[3])
    local names = {}
    for epoch, loss in ipairs(history.val_loss) do
      names[epoch] = ("%03d-%.4f.safetensors"):format(epoch, loss)
      assert(bytes_of(assert(nn.load(folder .. "/new/" .. names[epoch]))) == states[epoch])
    end
    assert.are.same(names, process.list(folder .. "/new"))
  end)

  it("names files by metrics of any name", function()
    local function metric(name)
      return {name = name, reset = function() end, update = function() end, value = function() return 0.25 end}
    end
    fit(make {metrics = {metric "top-1", metric "my own"}}, {
      callbacks.ModelCheckpoint {folder .. "/{top-1:.3f} {my own}"},
    })
    assert.are.same({"0.250 0.25"}, process.list(folder))
  end)

  it("makes a folder of each epoch", function()
    fit(make(), {callbacks.ModelCheckpoint {folder .. "/{epoch}/model.safetensors"}})
    assert.are.same({"1", "2", "3"}, process.list(folder))
    for epoch = 1, 3 do assert(nn.load(("%s/%d/model.safetensors"):format(folder, epoch))) end
  end)

  it("keeps the best alone", function()
    local states, epochs = {}, {}
    local spy = {on_epoch_end = function(_, trainer, epoch, values)
      values.val_loss = ({3, 2, 5, 2, 1.5, 4})[epoch]
      states[epoch] = bytes_of(trainer.model)
    end}
    local path = folder .. "/best.safetensors"
    local after = {on_epoch_end = function(_, _, epoch)
      local saved = bytes_of(assert(nn.load(path)))
      for i, state in ipairs(states) do
        if state == saved then epochs[epoch] = i end
      end
    end}
    fit(make(), {spy, callbacks.ModelCheckpoint {path, best_only = true}, after}, {epochs = 6})
    assert.are.same({1, 2, 2, 2, 5, 5}, epochs)
  end)

  it("refuses a path that cannot be, and one that cannot be written before training", function()
    assert.error_matches(function() callbacks.ModelCheckpoint {"x{epoch:.q}"} end,
      "ModelCheckpoint: path: {epoch:.q}: .q is no format of a number")
    process.write(folder .. "/file", "")
    local trained = 0
    local spy = {on_batch_end = function() trained = trained + 1 end}
    assert.matches("^ModelCheckpoint: .*/file/: the folder could not be made",
      error_of(fit, make(), {spy, callbacks.ModelCheckpoint {folder .. "/file/m"}}))
    assert.are.equal(0, trained)
    local list = callbacks.ModelCheckpoint {folder .. "/{val_f1_none}"}
    assert.matches("^ModelCheckpoint: path: val_f1_none is a list and cannot stand in a path",
      error_of(fit, make {metrics = {fnn.metrics.f1 {average = "none"}}}, {spy, list}))
    assert.are.equal(1, trained)
    assert.matches("^ModelCheckpoint: " .. folder .. ": Is a directory",
      error_of(fit, make(), {spy, callbacks.ModelCheckpoint {folder}}))
  end)

  it("finds out whether it can write without harm to other files", function()
    local kept = {"m.trial", "m.trial2"}
    for _, name in ipairs(kept) do process.write(folder .. "/" .. name, name) end
    fit(make(), {callbacks.ModelCheckpoint {folder .. "/m"}}, {epochs = 1})
    for _, name in ipairs(kept) do assert.are.equal(name, process.read(folder .. "/" .. name)) end
    assert.is_nil(process.read(folder .. "/m.trial3"))
    assert(nn.load(folder .. "/m"))
  end)
end)

describe("CSVLogger", function()
  local path
  before_each(function() path = folder .. "/log.csv" end)

  local function lines() return process.read(path) end

  it("writes the history, number for number", function()
    local trainer = make {metrics = {"accuracy", {
      name = 'odd, "so"', reset = function() end, update = function() end, value = function() return 0 / 0 end,
    }}}
    local history = fit(trainer, {callbacks.CSVLogger {path}})
    local rows = {}
    for line in lines():gmatch "[^\n]+" do rows[#rows + 1] = line end
    assert.are.equal('epoch,loss,accuracy,"odd, ""so""",val_loss,val_accuracy,"val_odd, ""so""",'
      .. "images_per_second,seconds", rows[1])
    assert.are.equal(4, #rows)
    for epoch = 1, 3 do
      local cells = {}
      for cell in rows[epoch + 1]:gmatch "[^,]+" do cells[#cells + 1] = cell end
      assert.are.equal(tostring(epoch), cells[1])
      assert.are.equal(history.loss[epoch], tonumber(cells[2]))
      assert.are.equal("nan", cells[4])
      assert.are.equal(history.val_loss[epoch], tonumber(cells[5]))
      assert.are.equal(history.seconds[epoch], tonumber(cells[9]))
    end
  end)

  it("writes to pipes, from which nothing is read", function()
    process.write(folder .. "/script.lua", [[
      local fnn = require "fmnistnn"
      local model = fnn.nn.Dense {1}
      local trainer = fnn.Trainer {model = model, optimizer = fnn.optim.SGD {lr = 0.1}, loss = "mean_squared_error"}
      trainer:fit(fnn.data.Dataset {fnn.ones(4, 2), fnn.ones(4, 1)}, {epochs = 2, progress = false, callbacks = {
        fnn.callbacks.CSVLogger {"/proc/self/fd/1", append = true},
      }})
    ]])
    local code, out, err = process.run(("timeout 60 %s | cat"):format(process.lua(folder .. "/script.lua")))
    assert.are.same({0, ""}, {code, err})
    assert.matches("^epoch,loss,[^\n]*\n1,[^\n]*\n2,[^\n]*\n$", out)
  end)

  it("takes lists of numbers apart", function()
    local metric = fnn.metrics.f1 {average = "none"}
    local history = fit(make {metrics = {metric}}, {callbacks.CSVLogger {path}}, {epochs = 1})
    local f1 = history.f1_none[1]
    assert.matches("^epoch,loss,f1_none_1,f1_none_2,val_loss,val_f1_none_1,val_f1_none_2,images", lines())
    assert.matches(("\n1,[^,]+,%s,%s,"):format(fnn.json.encode(f1[1]), fnn.json.encode(f1[2])):gsub("%.", "%%."),
      lines())
    fit(make {metrics = {metric}}, {callbacks.CSVLogger {path, append = true}}, {epochs = 1})
    assert.matches("^EarlyStopping: monitor: f1_none: expected a number, got a table", error_of(fit,
      make {metrics = {metric}}, {callbacks.EarlyStopping {monitor = "f1_none"}}))
  end)

  it("takes another separator, writes over or appends", function()
    fit(make(), {callbacks.CSVLogger {path, separator = ";"}}, {epochs = 1, validation = false})
    local first = lines()
    assert.matches("^epoch;loss;accuracy;images_per_second;seconds\n1;[^\n]+\n$", first)
    fit(make(), {callbacks.CSVLogger {path, separator = ";", append = true}}, {epochs = 1, validation = false})
    local both = lines()
    for _ = 1, 2 do -- a letter is no pattern
      local logger = callbacks.CSVLogger {path .. ".a", separator = "A", append = true}
      fit(make(), {logger}, {epochs = 1, validation = false})
    end
    assert.are.equal(first, both:sub(1, #first))
    assert.matches("^1;[^\n]+\n$", both:sub(#first + 1))
    local trained = 0
    local spy = {on_batch_end = function() trained = trained + 1 end}
    assert.matches("^CSVLogger: .*log.csv: expected a file that begins with epoch,loss",
      error_of(fit, make(), {spy, callbacks.CSVLogger {path, append = true}}, {epochs = 1, validation = false}))
    assert.are.equal(0, trained)
    assert.are.equal(both, lines())
    fit(make(), {callbacks.CSVLogger {path}}, {epochs = 1})
    assert.are.equal(2, select(2, lines():gsub("\n", "")))
    for _, separator in ipairs {"", ", ", '"', "\n", "\r"} do
      assert.error_matches(function() callbacks.CSVLogger {path, separator = separator} end,
        "separator: expected one character, no quote or line end")
    end
    assert.are.equal('"0.5".2."-1.5"', csv.line({0.5, 2, -1.5}, 3, "."))
  end)

  it("appends to columns whose names stand in quotes", function()
    for _, name in ipairs {"a,b", 'a"b', '"a"', "a\nb"} do
      local metric = {name = name, reset = function() end, update = function() end, value = function() return 1 end}
      for _ = 1, 2 do
        fit(make {metrics = {metric}}, {callbacks.CSVLogger {path, append = true}}, {epochs = 1, validation = false})
      end
      assert.matches("\n1,[^\n]+\n1,[^\n]+\n$", lines())
      assert.matches("expected a file that begins with epoch,loss,accuracy$", error_of(fit, make(),
        {callbacks.CSVLogger {path, append = true}}, {epochs = 1, validation = false}):match "[^\n]+")
      os.remove(path)
    end
  end)

  it("is as it would be when a fit goes on from a backup", function()
    local function train(name, stop)
      local halt = {on_batch_end = function(_, trainer, batch)
        if stop and #(trainer.history.loss or {}) == 3 and batch == 2 then error("enough", 0) end
      end}
      path = ("%s/%s.csv"):format(folder, name)
      pcall(fit, make(), {
        callbacks.CSVLogger {path}, callbacks.BackupAndRestore {folder .. "/backup-" .. name}, halt,
        {on_epoch_end = function(_, _, _, values) values.seconds, values.images_per_second = 1, 1 end},
      }, {epochs = 5})
      return lines():gsub(",[^,]+,[^,]+\n", "\n") -- without the times
    end
    local expected = train "straight"
    assert.are.equal(4, select(2, train("resumed", true):gsub("\n", "")))
    process.write(path, process.read(path) .. "half a line")
    assert.are.equal(expected, train "resumed")
    train("cut", true)
    process.write(path, process.read(path):sub(1, -9)) -- by a power cut
    assert.are.equal(expected:gsub("\n3,[^\n]+", ""), train "cut")
  end)
end)

describe("Lambda", function()
  it("calls functions without itself", function()
    local seen
    local trainer = make()
    fit(trainer, {callbacks.Lambda {on_epoch_end = function(given, epoch, values)
      seen = {given == trainer, epoch, type(values.loss)}
    end}})
    assert.are.same({true, 3, "number"}, seen)
  end)

  it("refuses what is no event or no function", function()
    assert.error_matches(function() callbacks.Lambda {on_epoch_ends = print} end,
      "Lambda: unknown option on_epoch_ends %(there are on_train_begin, ")
    assert.error_matches(function() callbacks.Lambda {on_epoch_end = 1} end, "on_epoch_end: expected a function")
    assert.error_matches(function() callbacks.Lambda {print} end, "Lambda: unknown option 1 %(there are on_train_")
  end)
end)

describe("TerminateOnNaN", function()
  local function stopped_by(changed, list, options)
    local trainer = make(changed)
    local history = fit(trainer, {callbacks.TerminateOnNaN {}, table.unpack(list or {})}, options)
    return history.stopped, history, trainer
  end

  it("lets a fit that goes well be", function() assert.is_nil((stopped_by())) end)

  it("tells the layer whose output it was, and leaves the weights of before the step", function()
    local calls, before = 0, nil
    local Breaks = nn.Module:extend("Breaks")
    function Breaks:forward(x)
      if self.training and calls >= 4 then return x * fnn.full({1}, math.huge) end
      return x * 1
    end
    local count = {
      on_batch_begin = function(_, t) before = bytes_of(t.model) end,
      on_batch_end = function() calls = calls + 1 end,
    }
    local model = nn.Sequential {nn.Flatten {}, nn.Sequential {nn.Dense {4}, Breaks()}, nn.Dropout {0.5}, nn.Dense {2}}
    local message, history, trainer = stopped_by({model = model}, {count})
    assert.matches("^epoch 2, batch 2: the loss is %S+; first not finite: the output of 2.2 %(Breaks%)$", message)
    assert.are.equal(1, #history.loss)
    assert(bytes_of(trainer.model) == before)
  end)

  it("tells the gradient that the step before took", function()
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {3}, nn.Dense {2}}
    local spoil = {on_loss = function(_, trainer, batch)
      if batch == 2 then trainer.spoiled = true end
    end}
    local optimizer = fnn.optim.SGD {lr = 0.1}
    local step = optimizer.step
    local trainer
    optimizer.step = function(self, closure)
      step(self, function()
        closure()
        if trainer.spoiled then model[2].weight.grad:mul_(0 / 0) end
      end)
    end
    trainer = make {model = model, optimizer = optimizer}
    local history = fit(trainer, {callbacks.TerminateOnNaN {}, spoil})
    assert.are.equal("epoch 1, batch 3: the loss is NaN; "
      .. "first not finite: the gradient of 2.weight, in the step before", history.stopped)
  end)

  it("tells weights, examples, targets, the loss", function()
    local spoil = {on_batch_end = function(_, t, batch)
      if batch == 2 then fnn.no_grad(t.model[2].bias.fill_, t.model[2].bias, math.huge) end
    end}
    assert.are.equal("epoch 1, batch 3: the loss is NaN; first not finite: 2.bias, before the batch",
      (stopped_by({}, {spoil})))

    local examples, labels = data:tensors()
    local broken = examples:clone()
    broken[41]:fill_(0 / 0)
    local trainer = make()
    local history = trainer:fit({broken, labels}, {
      batch_size = 20, shuffle = false, progress = false, callbacks = {callbacks.TerminateOnNaN {}},
    })
    assert.are.equal("epoch 1, batch 3: the loss is NaN; first not finite: the examples of the batch", history.stopped)

    local targets = labels:one_hot(2)
    targets[1]:fill_(math.huge)
    history = make {loss = "mean_squared_error"}:fit({examples, targets}, {
      shuffle = false, progress = false, callbacks = {callbacks.TerminateOnNaN {}},
    })
    assert.are.equal("epoch 1, batch 1: the loss is infinite; first not finite: the targets of the batch",
      history.stopped)

    local function loss(prediction) return prediction:sum() * (1 / 0) end
    assert.matches("^epoch 1, batch 1: the loss is %S+; first not finite: the loss itself$", (stopped_by {loss = loss}))
  end)

  it("sees a step that broke the weights in the validation", function()
    local spoil = {on_evaluate_begin = function(_, t) fnn.no_grad(t.model[2].bias.fill_, t.model[2].bias, 0 / 0) end}
    local message, history = stopped_by({}, {spoil})
    assert.are.equal("epoch 1: the validation's loss is NaN; first not finite: 2.bias, before the batch", message)
    assert.are.equal(1, #history.loss)
  end)

  it("says so on standard error, with progress", function()
    local code, out, err = process.run_lua([[
      local fnn = require "fmnistnn"
      local trainer = fnn.Trainer {
        model = fnn.nn.Dense {1}, optimizer = fnn.optim.SGD {lr = 0}, loss = function(p) return p:sum() * (0 / 0) end,
      }
      local set = {fnn.zeros(4, 2), fnn.zeros(4, 1)}
      print(trainer:fit(set, {callbacks = {fnn.callbacks.TerminateOnNaN {}}}).stopped)
    ]])
    assert.are.equal(0, code, err)
    local message = "epoch 1, batch 1: the loss is NaN; first not finite: the loss itself\n"
    assert.are.equal(message, out)
    assert.are.equal("training stopped: " .. message, err)
  end)
end)

describe("Trainer:halt", function()
  it("ends training at once with a text", function()
    local ended = 0
    local trainer = make()
    local history = fit(trainer, {{
      on_batch_end = function(_, t, batch)
        if batch == 2 and #(t.history.loss or {}) == 1 then t:halt("the time is up") end
      end,
      on_train_end = function() ended = ended + 1 end,
    }})
    assert.are.same({"the time is up", 1, 1}, {history.stopped, #history.loss, ended})
    assert.error_matches(function() trainer:halt() end, "halt: expected a text, got nil")
  end)
end)

describe("the events around the validation", function()
  it("come in pairs, also when it fails or is interrupted", function()
    local log
    local function around(name)
      return {
        on_evaluate_begin = function() log[#log + 1] = name .. "+" end,
        on_evaluate_end = function() log[#log + 1] = name .. "-" end,
      }
    end
    local metric = {name = "m", reset = function() end, value = function() return 0 end}
    local trainer
    function metric.update()
      if not trainer.model.training then error(metric.problem, 0) end
    end
    trainer = make {metrics = {metric}}
    metric.problem, log = "no", {}
    assert.matches("^no", error_of(fit, trainer, {around "a", around "b"}))
    assert.are.equal("a+ b+ b- a-", table.concat(log, " "))
    assert.are.same({1, 1}, {#trainer.history.loss, #trainer.history.seconds})
    metric.problem, log = "interrupted!", {}
    local history = fit(trainer, {around "a"}, {interruptible = true})
    assert.are.equal("a+ a-", table.concat(log, " "))
    assert.are.same({true, 1, nil}, {history.interrupted, #history.loss, history.val_loss})
  end)

  it("come without a validation too", function()
    local log = {}
    local function note(event) return function() log[#log + 1] = event end end
    make():fit(data, {progress = false, callbacks = {{
      on_evaluate_begin = note "begin", on_epoch_end = note "epoch", on_evaluate_end = note "end",
      on_save_point = function(_, _, batch) if not batch then log[#log + 1] = "save" end end,
    }}})
    assert.are.same({"begin", "epoch", "end", "save"}, log)
  end)
end)
