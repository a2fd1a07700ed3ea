-- Averages of weights against sums in plain Lua, and that a model gets its own weights back.
local blobs = require "spec.support.blobs"
local ctrl_c = require "spec.support.ctrl_c"
local fnn = require "fmnistnn"

local nn, averages = fnn.nn, fnn.averages

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

-- A model with batch normalization, built, and what moves its weights and statistics to new places.
local function make_model(seed)
  fnn.manual_seed(seed or 1)
  local model = nn.Sequential {nn.Dense {4, activation = "tanh"}, nn.BatchNorm1d {}, nn.Dense {2}}
  model(fnn.randn(6, 3))
  return model
end

local function move(model)
  for _, w in ipairs(model:parameters()) do fnn.no_grad(w.add_, w, fnn.randn(w.shape)) end
  model(fnn.randn(6, 3))
end

local function numbers_of(model)
  local list = {}
  for _, entry in ipairs(model:state()) do
    for _, x in ipairs(entry[2]:flatten():totable()) do list[#list + 1] = x end
  end
  return list
end

local function bytes_of(model)
  local parts = {}
  for i, entry in ipairs(model:state()) do parts[i] = entry[2]:tobytes() end
  return table.concat(parts)
end

local function check_close(got, expected)
  assert.are.equal(#expected, #got)
  for i, x in ipairs(expected) do
    assert(math.abs(got[i] - x) <= 1e-5 * math.max(1, math.abs(x)), ("number %d: %.9g, %.9g"):format(i, got[i], x))
  end
end

-- The numbers of the average after updates on `count` places, and what `expected(before, now, t)` makes of them.
local function follow(average, model, count, expected)
  local wanted
  for t = 0, count - 1 do
    move(model)
    local now = numbers_of(model)
    for i, x in ipairs(now) do
      if wanted and math.type(x) == "float" then now[i] = expected(wanted[i], x, t) end
    end
    wanted = now
    average:update()
  end
  return average:apply(numbers_of, model), wanted
end

describe("an average", function()
  it("that is exponential follows its formula, buffers too", function()
    local model = make_model()
    local ema = averages.EMA {model = model, decay = 0.8}
    check_close(follow(ema, model, 8, function(before, now) return 0.8 * before + 0.2 * now end))
    assert.are.equal(8, ema.updates)
  end)

  it("that is exponential may begin with smaller decays", function()
    local model = make_model()
    check_close(follow(averages.EMA {model = model, decay = 0.3, warmup = true}, model, 8, function(before, now, t)
      local decay = math.min(0.3, (1 + t) / (10 + t))
      return decay * before + (1 - decay) * now
    end))
  end)

  it("that is stochastic is the mean", function()
    local model = make_model()
    check_close(follow(averages.SWA {model = model}, model, 8, function(before, now, t)
      return (before * t + now) / (t + 1)
    end))
  end)

  it("copies buffers of integers", function()
    local model = make_model()
    local ema = averages.EMA {model = model}
    ema:update()
    move(model)
    ema:update()
    assert.are.equal(2, model[2].batches:item())
    ema:apply(function() assert.are.equal(2, model[2].batches:item()) end)
  end)

  it("takes up what is built later as it is then", function()
    local model = nn.Sequential {nn.Dense {1, initializer = "ones"}}
    local ema = averages.EMA {model = model, decay = 0.5}
    ema:update()
    model(fnn.ones(1, 2))
    ema:update()
    fnn.no_grad(function() model[1].weight:fill_(3) end)
    ema:update()
    ema:apply(function() assert.are.same({{2, 2}}, model[1].weight:totable()) end)
  end)

  it("leaves nothing behind, without Lua's collector too", function()
    local model = make_model()
    local ema = averages.EMA {model = model}
    ema:update()
    ema:apply(function() end)
    collectgarbage()
    collectgarbage("stop")
    local before = fnn.memory().used
    for _ = 1, 5 do
      ema:update()
      ema:apply(function() end)
    end
    local after = fnn.memory().used
    collectgarbage("restart")
    assert.are.equal(before, after)
  end)
end)

describe("apply", function()
  local model, ema, own, averaged

  before_each(function()
    model = make_model()
    ema = averages.EMA {model = model, decay = 0.5}
    ema:update()
    averaged = bytes_of(model)
    move(model)
    own = bytes_of(model)
  end)

  it("runs with the average, returns what the function does, and puts the weights back", function()
    local seen, more, last = ema:apply(function(...) return bytes_of(model), ... end, nil, 7)
    assert(seen == averaged)
    assert.is_nil(more)
    assert.are.equal(7, last)
    assert(bytes_of(model) == own)
  end)

  it("puts them back after an error, and passes it on", function()
    assert.matches("averages_spec.lua:%d+: oops", error_of(ema.apply, ema, function() error "oops" end))
    assert(bytes_of(model) == own)
    local problem = {}
    assert.are.equal(problem, error_of(ema.apply, ema, function() error(problem) end))
    assert(bytes_of(model) == own)
  end)

  it("puts them back when Ctrl-C comes, wherever that is", function()
    local at_all = 0
    for _, place in ipairs {"before", "after"} do
      for count = 20, 400, 20 do -- instructions
        local ok = pcall(function()
          if place == "before" then ctrl_c(count) end
          ema:apply(function()
            debug.sethook()
            if place == "after" then ctrl_c(count) end
          end)
          debug.sethook()
        end)
        at_all = at_all + (ok and 0 or 1)
        assert(bytes_of(model) == own, count)
      end
    end
    assert.is_true(at_all > 20)
  end)

  it("puts them back whatever was done to the model", function()
    ema:apply(function() move(model) end)
    assert(bytes_of(model) == own)
    assert(ema:apply(bytes_of, model) == averaged)
  end)

  it("is seen by layers that keep something made of their weights", function()
    fnn.manual_seed(1)
    local images = fnn.randn(1, 3, 12, 12)
    local net = nn.Sequential {
      nn.Conv2d {8, kernel = 3}, nn.BatchNorm2d {}, nn.Conv2d {8, kernel = 3, activation = "relu"},
    }
    net(fnn.randn(4, 3, 12, 12))
    net:eval()
    local function predict() return fnn.no_grad(net, images):tobytes() end
    local average, first = averages.SWA {model = net}, predict()
    average:update()
    for _, w in ipairs(net:parameters()) do fnn.no_grad(w.add_, w, fnn.randn(w.shape)) end
    local second = predict()
    assert(second ~= first)
    assert(average:apply(predict) == first)
    assert(predict() == second)
  end)

  it("is not to be called within itself, and not updated there", function()
    assert.matches("EMA: apply: the averaged weights are in the model already",
      error_of(ema.apply, ema, function() ema:apply(print) end))
    assert.matches("EMA: update: the averaged weights are in the model",
      error_of(ema.apply, ema, function() ema:update() end))
    assert(bytes_of(model) == own)
  end)

  it("needs an update first", function()
    local fresh = averages.SWA {model = model}
    local message = "there is no average before the first update"
    assert.matches("SWA: apply: " .. message, error_of(fresh.apply, fresh, print))
    assert.matches("SWA: copy_to: " .. message, error_of(fresh.copy_to, fresh, model))
    assert.matches("SWA: update_batch_norm: " .. message, error_of(fresh.update_batch_norm, fresh, blobs(3)))
  end)
end)

describe("copy_to", function()
  it("gives the average to a model for good", function()
    local model, other = make_model(), make_model(2)
    local ema = averages.EMA {model = model, decay = 0.5}
    ema:update()
    move(model)
    ema:update()
    local averaged = ema:apply(bytes_of, model)
    ema:copy_to(other)
    assert(bytes_of(other) == averaged)
    ema:copy_to(model)
    assert(bytes_of(model) == averaged)
    move(other)
    assert(ema:apply(bytes_of, model) == averaged)
  end)

  it("refuses what does not fit", function()
    local ema = averages.EMA {model = make_model()}
    ema:update()
    local other = nn.Dense {3}
    other(fnn.ones(1, 3))
    assert.matches("load_state", error_of(ema.copy_to, ema, other))
    assert.matches("EMA: copy_to: expected a module, got table", error_of(ema.copy_to, ema, {}))
  end)
end)

describe("update_batch_norm", function()
  -- Mean and biased variance of the rows first .. last of lists of numbers.
  local function moments(rows, first, last, column)
    local sum, squares, count = 0, 0, last - first + 1
    for i = first, last do sum, squares = sum + rows[i][column], squares + rows[i][column] ^ 2 end
    return sum / count, squares / count - (sum / count) ^ 2
  end

  it("gives the means of the batches' statistics under the averaged weights", function()
    local model = make_model()
    local swa = averages.SWA {model = model}
    for _ = 1, 3 do
      move(model)
      swa:update()
    end
    local x = fnn.randn(10, 3)
    local data = fnn.data.Dataset {x, fnn.ones({10}, {dtype = "int64"})}
    local own, modes = bytes_of(model), model[2]:eval()
    swa:update_batch_norm(data, {batch_size = 4})
    assert(bytes_of(model) == own)
    assert.is_false(modes.training)
    assert.is_true(model[1].training)
    swa:apply(function()
      local rows = model[1](x):totable()
      local means, variances = model[2].running_mean:totable(), model[2].running_variance:totable()
      for column = 1, 4 do
        local mean, variance = 0, 0
        for _, range in ipairs {{1, 4}, {5, 8}, {9, 10}} do
          local m, v = moments(rows, range[1], range[2], column)
          mean, variance = mean + m / 3, variance + v / 3
        end
        assert(math.abs(means[column] - mean) < 1e-5)
        assert(math.abs(variances[column] - variance) < 1e-5)
      end
      assert.are.equal(3, model[2].batches:item())
    end)
  end)

  it("does nothing to a model without batch normalization", function()
    local model = nn.Dense {2}
    model(fnn.ones(1, 3))
    local swa = averages.SWA {model = model}
    swa:update()
    local before = swa:apply(bytes_of, model)
    swa:update_batch_norm(fnn.data.Dataset {fnn.randn(4, 3), fnn.ones({4}, {dtype = "int64"})})
    assert(swa:apply(bytes_of, model) == before)
  end)

  it("puts weights and modes back after an error", function()
    local model = make_model()
    local swa = averages.SWA {model = model}
    swa:update()
    move(model)
    local own, averaged = bytes_of(model), swa:apply(bytes_of, model)
    model:eval()
    error_of(swa.update_batch_norm, swa, fnn.data.Dataset {fnn.randn(4, 5), fnn.ones({4}, {dtype = "int64"})})
    assert(bytes_of(model) == own)
    assert.is_false(model[2].training)
    assert(swa:apply(bytes_of, model) == averaged)
    assert.matches("SWA: update_batch_norm: expected a data set with examples, got number",
      error_of(swa.update_batch_norm, swa, 1))
  end)
end)

describe("an average's state", function()
  local function through_json(state)
    return {numbers = fnn.json.decode(fnn.json.encode(state.numbers)), tensors = state.tensors}
  end

  local function tensors_of(model)
    local tensors = {}
    for _, entry in ipairs(model:state()) do tensors[entry[1]] = entry[2] end
    return tensors
  end

  it("lets another go on to the bit", function()
    for name, options in pairs {EMA = {decay = 0.9, warmup = true}, SWA = {}} do
      local model, other = make_model(), make_model(2)
      local first = averages[name] {model = model, decay = options.decay, warmup = options.warmup}
      for _ = 1, 3 do
        move(model)
        first:update()
      end
      local second = averages[name] {model = other, decay = options.decay, warmup = options.warmup}
      second:set_state(through_json(first:state()))
      for _ = 1, 3 do
        move(model)
        other:load_state(tensors_of(model))
        first:update()
        second:update()
      end
      assert.are.equal(6, second.updates)
      assert(first:apply(bytes_of, model) == second:apply(bytes_of, other))
    end
  end)

  it("is a copy, and of an average that has not begun as well", function()
    local model = make_model()
    local ema = averages.EMA {model = model}
    local none = ema:state()
    assert.are.same({["EMA.updates"] = 0}, none.numbers)
    ema:update()
    local state = ema:state()
    local before = state.tensors["1.weight"]:tobytes()
    move(model)
    ema:update()
    assert(state.tensors["1.weight"]:tobytes() == before)
    ema:set_state(none)
    assert.are.equal(0, ema.updates)
    ema:update()
    assert(ema:apply(bytes_of, model) == bytes_of(model))
  end)

  it("is refused where it does not fit", function()
    local ema, swa = averages.EMA {model = make_model()}, averages.SWA {model = make_model()}
    ema:update()
    assert.matches("SWA: set_state: numbers: expected SWA.updates, which is missing; there are EMA.updates",
      error_of(swa.set_state, swa, ema:state()))
    local state = ema:state()
    state.tensors["1.weight"] = fnn.zeros(2, 2)
    local before = ema:apply(bytes_of, ema.model)
    assert.matches("EMA: set_state: tensors: 1.weight: expected float32 %(4,3%), got float32 %(2,2%)",
      error_of(ema.set_state, ema, state))
    assert(ema:apply(bytes_of, ema.model) == before)
  end)
end)

describe("as a callback", function()
  local data = blobs(40)

  local function fit(callbacks, epochs)
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {8, activation = "relu"}, nn.BatchNorm1d {}, nn.Dense {2}}
    local list = {}
    for i, make in ipairs(callbacks) do list[i] = make(model) end
    local trainer = fnn.Trainer {model = model, optimizer = fnn.optim.Adam {lr = 0.01}, loss = "cross_entropy",
      metrics = {"accuracy"}}
    trainer:fit(data, {epochs = epochs, batch_size = 8, seed = 1, progress = false, callbacks = list})
    return trainer, table.unpack(list)
  end

  it("EMA follows each step and SWA each epoch", function()
    local trainer, ema, swa = fit({
      function(model) return averages.EMA {model = model, decay = 0.5} end,
      function(model) return averages.SWA {model = model, start = 3} end,
    }, 4)
    assert.are.equal(20, ema.updates)
    assert.are.equal(2, swa.updates)
    local plain = fit({}, 4)
    assert(bytes_of(trainer.model) == bytes_of(plain.model))
    swa:update_batch_norm(data)
    swa:apply(function() assert(trainer:evaluate(data).accuracy > 0.9) end)
  end)

  it("EMA is what other callbacks keep when they go by the validation", function()
    local path, values = os.tmpname(), {}
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {8, activation = "relu"}, nn.BatchNorm1d {}, nn.Dense {2}}
    local trainer = fnn.Trainer {model = model, optimizer = fnn.optim.Adam {lr = 0.01}, loss = "cross_entropy"}
    local history = trainer:fit(data, {
      epochs = 2, batch_size = 8, seed = 1, progress = false, validation = data,
      callbacks = {averages.EMA {model}, fnn.callbacks.ModelCheckpoint {path}, {
        on_epoch_end = function(_, t) values[#values + 1] = t:evaluate(data, {batch_size = 8}).loss end,
      }},
    })
    assert.are.same(history.val_loss, values)
    assert(trainer:evaluate(data, {batch_size = 8}).loss ~= values[2]) -- the model has its own weights again
    local kept = fnn.Trainer {model = assert(nn.load(path)), loss = "cross_entropy"}
    assert.are.equal(values[2], kept:evaluate(data, {batch_size = 8}).loss)
    os.remove(path)
  end)

  it("EMA is what other callbacks keep without a validation too", function()
    for _, first in ipairs {true, false} do
      local path = os.tmpname()
      local model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}
      local ema = averages.EMA {model, decay = 0.5}
      local keeper = fnn.callbacks.ModelCheckpoint {path}
      local stopping = fnn.callbacks.EarlyStopping {monitor = "loss", restore_best = true, patience = 3}
      local trainer = fnn.Trainer {model = model, optimizer = fnn.optim.SGD {lr = 0.1}, loss = "cross_entropy"}
      local own
      trainer:fit(data, {
        epochs = 1, batch_size = 8, progress = false,
        callbacks = {
          first and ema or keeper, first and keeper or ema, stopping,
          {on_save_point = function() own = bytes_of(model) end},
        },
      })
      local averaged = ema:apply(bytes_of, model)
      assert(own ~= averaged)
      assert(bytes_of(assert(nn.load(path))) == averaged)
      assert(bytes_of(model) == averaged) -- restored by EarlyStopping
      os.remove(path)
    end
  end)

  it("several averages follow the model's own weights, in any order", function()
    local function train(make_list, validation)
      local model = nn.Sequential {nn.Flatten {}, nn.Dense {8, activation = "relu"}, nn.BatchNorm1d {}, nn.Dense {2}}
      local list = make_list(model)
      fnn.Trainer {model = model, optimizer = fnn.optim.Adam {lr = 0.01}, loss = "cross_entropy"}:fit(data, {
        epochs = 3, batch_size = 8, seed = 1, progress = false, validation = validation, callbacks = list,
      })
      local results = {own = bytes_of(model)}
      for _, each in ipairs(list) do results[each.name .. (each.decay or "")] = each:apply(bytes_of, model) end
      return results
    end
    local function ema(model, decay) return averages.EMA {model, decay = decay} end
    local function swa(model) return averages.SWA {model} end
    local expected = {}
    for _, make_list in ipairs {
      function() return {} end, function(model) return {swa(model)} end,
      function(model) return {ema(model, 0.5)} end, function(model) return {ema(model, 0.9)} end,
    } do
      for name, bytes in pairs(train(make_list)) do expected[name] = bytes end
    end
    for _, make_list in ipairs {
      function(model) return {ema(model, 0.5), swa(model), ema(model, 0.9)} end,
      function(model) return {swa(model), ema(model, 0.9), ema(model, 0.5)} end,
    } do
      for _, validation in ipairs {data, false} do
        for name, bytes in pairs(train(make_list, validation or nil)) do assert(bytes == expected[name], name) end
      end
    end
  end)

  it("they leave the model its own weights when Ctrl-C comes, wherever that is", function()
    local model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}
    local count, history = 0
    repeat
      count = count + 5
      local own
      local trainer = fnn.Trainer {model = model, optimizer = fnn.optim.SGD {lr = 0.1}, loss = "cross_entropy"}
      history = trainer:fit(data, {
        progress = false, interruptible = true, callbacks = {
          averages.EMA {model = model, decay = 0.9}, averages.EMA {model = model, decay = 0.5}, {
            on_batch_end = function() own = bytes_of(model) end,
            on_epoch_end = function() ctrl_c(count) end,
            on_save_point = function(_, _, batch) if not batch then debug.sethook() end end,
          },
        },
      })
      assert(bytes_of(model) == own, count)
    until not history.interrupted
    assert.is_true(count > 100)
  end)

  it("EMA is in the model between on_evaluate_begin and on_evaluate_end", function()
    local model = make_model()
    local ema = averages.EMA {model = model}
    local before = bytes_of(model)
    ema:on_evaluate_begin() -- before the first step there is no average
    assert(bytes_of(model) == before)
    ema:on_evaluate_end()
    ema:update()
    move(model)
    local own = bytes_of(model)
    ema:on_evaluate_begin()
    assert(bytes_of(model) ~= own)
    ema:on_evaluate_end()
    assert(bytes_of(model) == own)
    ema:on_evaluate_end() -- comes after an error too, when nothing may have begun
    assert(bytes_of(model) == own)
  end)
end)

describe("averages refuse", function()
  it("wrong options", function()
    local model = nn.Dense {1}
    assert.matches("EMA: model: expected a module, got none", error_of(averages.EMA, {}))
    assert.matches("EMA: decay: expected 0 <= rate < 1, got number 1", error_of(averages.EMA, {model, decay = 1}))
    assert.matches("SWA: start: expected an integer of 1 or more, got number 0",
      error_of(averages.SWA, {model, start = 0}))
    assert.matches("SWA: unknown option decay", error_of(averages.SWA, {model, decay = 0.5}))
  end)
end)

