-- Coroutines: several train side by side in one Lua state and do not meet.
local blobs = require "spec.support.blobs"
local fnn = require "fmnistnn"

local nn = fnn.nn
local data

setup(function() data = blobs(60) end)

local function bytes_of(model)
  local parts = {}
  for _, entry in ipairs(model:state()) do parts[#parts + 1] = entry[1] .. entry[2]:tobytes() end
  return table.concat(parts)
end

-- What a coroutine yields and returns, run to its end alone.
local function alone(f)
  local thread = coroutine.wrap(f)
  local result
  repeat result = thread() until result ~= nil
  return result
end

-- The results of several, run in turns: a step of each, in an order that changes. With `own_numbers` each keeps its own
-- place in the generator's stream: what a scheduler must see to whose coroutines draw random numbers as they train.
local function in_turns(functions, own_numbers)
  local threads, results, places, open, turn = {}, {}, {}, #functions, 0
  local seed, offset = fnn.generator_state()
  for i, f in ipairs(functions) do threads[i], places[i] = coroutine.create(f), {seed, offset} end
  while open > 0 do
    turn = turn + 1
    local i = (turn * 7 + turn // 5) % #functions + 1
    if not results[i] then
      if own_numbers then fnn.set_generator_state(table.unpack(places[i])) end
      local ok, result = coroutine.resume(threads[i])
      assert(ok, result)
      places[i] = {fnn.generator_state()}
      if result ~= nil then
        results[i] = result
        open = open - 1
      end
    end
  end
  return results
end

describe("coroutines that train side by side", function()
  -- A loop of one's own that yields after each part of a step.
  local function own_loop(make, optimizer, seed)
    return function()
      fnn.manual_seed(seed)
      local model = make()
      local optimize = optimizer {model = model}
      for _ = 1, 3 do
        for images, labels in data:batches {size = 20, shuffle = true, seed = seed} do
          local prediction = model(images)
          coroutine.yield()
          local loss = fnn.losses.cross_entropy(prediction, labels)
          coroutine.yield()
          optimize:zero_grad()
          loss:backward()
          coroutine.yield()
          optimize:step()
          coroutine.yield()
          fnn.no_grad(function()
            model:eval()
            coroutine.yield()
            model(images)
            model:train()
          end)
        end
      end
      return bytes_of(model)
    end
  end

  local function step() coroutine.yield() end

  local function with_fit(make, optimizer, seed)
    return function()
      local trainer = fnn.Trainer {model = make(), optimizer = optimizer {}, loss = "cross_entropy",
      metrics = {"accuracy"}}
      trainer:fit(data, {
        epochs = 3, batch_size = 20, seed = seed, validation_split = 0.2, progress = false,
        callbacks = {{on_batch_end = step, on_epoch_end = step}},
      })
      return bytes_of(trainer.model)
    end
  end

  local function dense() return nn.Sequential {nn.Flatten {}, nn.Dense {8, activation = "relu"}, nn.Dropout {0.3},
  nn.Dense {2}} end
  local function convolutional()
    return nn.Sequential {
      nn.Conv2d {4, kernel = 3}, nn.BatchNorm2d {}, nn.Activation {"relu"}, nn.MaxPool2d {2}, nn.Dropout2d {0.2},
      nn.Flatten {}, nn.Dense {2},
    }
  end

  -- An op written in Lua whose backward yields in the middle of a backward pass.
  local yielding_square = fnn.custom {
    name = "yielding square",
    forward = function(context, x)
      context.x = x
      return x * x
    end,
    backward = function(context, gradient)
      coroutine.yield()
      local first = context.x * gradient
      coroutine.yield()
      return first * 2
    end,
  }
  local function with_custom()
    local Square = nn.Module:extend("Square")
    function Square:init() self.dense = nn.Dense {4} end
    function Square:forward(x) return yielding_square(self.dense(x:flatten(2))) end
    return nn.Sequential {Square(), nn.Dense {2}}
  end

  for name, loop in pairs {["in loops of their own"] = own_loop, ["by Trainers"] = with_fit} do
    it("get the same bits as alone, " .. name, function()
      local functions = {
        loop(dense, fnn.optim.Adam, 1), loop(convolutional, fnn.optim.SGD, 2), loop(dense, fnn.optim.RMSprop, 3),
        loop(with_custom, fnn.optim.Adam, 4),
        loop(dense, fnn.optim.Adam, 1),
      }
      local expected = {}
      for i, f in ipairs(functions) do expected[i] = alone(f) end
      assert(expected[1] ~= expected[3])
      for i, result in ipairs(in_turns(functions, true)) do assert(result == expected[i], "number " .. i) end
    end)
  end

  it("do not depend on the collector, which may run at any step", function()
    local expected = alone(own_loop(convolutional, fnn.optim.Adam, 5))
    local functions = {}
    for i = 1, 3 do
      local f = own_loop(convolutional, fnn.optim.Adam, 5)
      functions[i] = function()
        local inner = coroutine.wrap(f)
        while true do
          local result = inner()
          if i == 2 then collectgarbage() end
          if result ~= nil then return result end
          coroutine.yield()
        end
      end
    end
    for _, result in ipairs(in_turns(functions, true)) do assert(result == expected) end
  end)

  it("need no numbers of their own when they draw none after the first step", function()
    local function plain() return nn.Sequential {nn.Flatten {}, nn.Dense {8, activation = "relu"}, nn.Dense {2}} end
    local functions = {own_loop(plain, fnn.optim.Adam, 1), with_fit(plain, fnn.optim.SGD, 2), own_loop(plain,
    fnn.optim.SGD, 3)}
    local expected = {}
    for i, f in ipairs(functions) do expected[i] = alone(f) end
    for i, result in ipairs(in_turns(functions)) do assert(result == expected[i], "number " .. i) end
  end)
end)

describe("no_grad", function()
  local w

  before_each(function() w = fnn.ones(2, {requires_grad = true}) end)

  local function records() return (w * 2).requires_grad and fnn.is_grad_enabled() end

  it("holds in the coroutine that called it alone, across its yields", function()
    local quiet = coroutine.create(function()
      fnn.no_grad(function()
        assert.is_false(records())
        coroutine.yield()
        assert.is_false(records())
        fnn.enable_grad(function()
          coroutine.yield()
          assert.is_true(records())
        end)
        assert.is_false(records())
      end)
      assert.is_true(records())
    end)
    local loud = coroutine.create(function()
      for _ = 1, 3 do
        assert.is_true(records())
        coroutine.yield()
      end
    end)
    for _ = 1, 3 do
      assert.is_true(records())
      assert(coroutine.resume(quiet))
      assert.is_true(records())
      assert(coroutine.resume(loud))
    end
    assert.are.equal("dead", coroutine.status(quiet))
    assert.is_true(records())
  end)

  it("around coroutines does not reach into them, nor out of them", function()
    fnn.no_grad(function()
      local seen = coroutine.wrap(records)()
      assert.is_true(seen)
      assert.is_false(records())
    end)
    assert.is_true(records())
  end)

  it("ends with errors, also those that are raised after a yield", function()
    local thread = coroutine.create(function()
      local ok, message = pcall(fnn.no_grad, function()
        coroutine.yield()
        error("oops", 0)
      end)
      assert.are.same({false, "oops"}, {ok, message})
      assert.is_true(records())
      return "end"
    end)
    assert(coroutine.resume(thread))
    assert.is_true(records())
    local ok, result = coroutine.resume(thread)
    assert.are.same({true, "end"}, {ok, result})
  end)

  it("left for good leaves nothing to others", function()
    for i = 1, 50 do
      local thread = coroutine.create(function() fnn.no_grad(coroutine.yield) end)
      coroutine.resume(thread)
      if i % 2 == 0 then coroutine.close(thread) end
      local again = coroutine.create(records)
      assert.is_true(select(2, coroutine.resume(again)))
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(records())
    for _ = 1, 50 do assert.is_true(coroutine.wrap(records)()) end
  end)

  it("passes arguments, results and yields through", function()
    local thread = coroutine.wrap(function() return "back",
    fnn.no_grad(function(...) return coroutine.yield(...) end, 1, nil, 3) end)
    assert.are.same({n = 3, 1, nil, 3}, table.pack(thread()))
    assert.are.same({n = 4, "back", nil, "x", nil}, table.pack(thread(nil, "x", nil)))
  end)
end)

describe("backward", function()
  it("may begin in one coroutine while another's is not over", function()
    local calls = {}
    local op = fnn.custom {
      name = "yielding",
      forward = function(_, x) return x * 1 end,
      backward = function(_, gradient)
        calls[#calls + 1] = "begin"
        coroutine.yield()
        calls[#calls + 1] = "end"
        return gradient * 2
      end,
    }
    local x = fnn.tensor({1, 2, 3}, {requires_grad = true})
    local threads = {}
    for i = 1, 3 do threads[i] = coroutine.create(function() (op(x) * i):sum():backward() end) end
    for _ = 1, 2 do
      for i = 1, 3 do assert(coroutine.resume(threads[i])) end
    end
    assert.are.equal("begin begin begin end end end", table.concat(calls, " "))
    assert.are.same({12.0, 12.0, 12.0}, x.grad:totable()) -- 2 (1 + 2 + 3)
  end)

  it("that is left in the middle leaves the others alone, and no memory", function()
    local core = require "fmnistnn.core"
    local op = fnn.custom {
      name = "stuck", forward = function(_, x) return x * 1 end,
      backward = function(_, gradient)
        coroutine.yield()
        return gradient
      end,
    }
    collectgarbage()
    local before = core.memory().blocks
    do
      local x = fnn.tensor({1, 2, 3}, {requires_grad = true})
      for _ = 1, 10 do
        local thread = coroutine.create(function() op(x * 2):sum():backward() end)
        assert(coroutine.resume(thread))
      end
      (x * 5):sum():backward()
      assert.are.same({5.0, 5.0, 5.0}, x.grad:totable())
    end
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, core.memory().blocks)
  end)
end)

describe("searches in turns", function()
  local process = require "spec.support.process"

  -- Two searches in coroutines, the first of which is over before the second; Ctrl-C is pressed where `at` says.
  local function run(at)
    return process.run_lua(([[
local core = require "fmnistnn.core"
local search = require "fmnistnn".search
local function press(place) if place == "%s" then core.kill(core.process_id(), "INT") end end
local function start(name, trials)
  local study = search.study {name = name}
  return study, coroutine.wrap(function()
    study:optimize(function(trial) coroutine.yield(true) return trial:float("x", 0, 1) end,
      {trials = trials, progress = false})
  end)
end
local first, go_first = start("first", 2)
local second, go_second = start("second", 4)
local more = {go_first()}
press "before the second"
more[2] = go_second()
press "between"
while more[1] do more[1] = go_first() end
while more[2] do more[2] = go_second() end
print(#first.trials, #second.trials)
press "after"
print "still there"
]]):format(at))
  end

  it("leave Ctrl-C as it was when the last is over", function()
    local code, text, err = run "after"
    assert.are.equal("2\t4\n", text, err)
    assert.are.equal(1, code)
    assert.matches("interrupted!", err)
  end)

  it("are all ended by one Ctrl-C, once the trials that run are over", function()
    for _, at in ipairs {"before the second", "between"} do
      local code, text, err = run(at)
      assert.are.equal(0, code, err)
      assert.are.equal(("1\t%d\nstill there\n"):format(at == "between" and 1 or 0), text)
    end
  end)
end)

describe("a coroutine that is closed in the middle", function()
  local model, yields, examples, labels

  before_each(function()
    examples, labels = fnn.randn(6, 4), fnn.tensor({1, 2, 3, 1, 2, 3}, {dtype = "int64"})
    local Yielding = nn.Module:extend("Yielding")
    function Yielding:init() self.dense = nn.Dense {3} end
    function Yielding:forward(x)
      if yields then coroutine.yield() end
      return self.dense(x)
    end
    yields, model = false, Yielding()
    model(examples)
  end)

  local function adam() return fnn.optim.Adam {model = model, lr = 0.1} end
  local function trainer() return fnn.Trainer {model = model, optimizer = adam(), loss = "cross_entropy"} end

  -- Calls f in a coroutine up to the model's call of this number, and closes it there.
  local function cut(call, f)
    local thread = coroutine.create(f)
    yields = true
    for _ = 1, call do
      assert(coroutine.resume(thread))
      assert.are.equal("suspended", coroutine.status(thread))
    end
    assert(coroutine.close(thread))
    yields = false
  end

  -- The same of one that has to leave the model as it was.
  local function leaves_model(call, f)
    local before = bytes_of(model)
    cut(call, f)
    assert(before == bytes_of(model), "it has other weights")
    for _, module in model:named_modules() do assert.is_true(module.training) end
  end

  it("leaves the model in training after an evaluation", function()
    leaves_model(1, function() model:predict {examples} end)
    leaves_model(1, function() trainer():evaluate {examples, labels} end)
  end)

  it("leaves the model without SAM's way up the gradient", function()
    local sam = fnn.optim.SAM {adam()}
    leaves_model(2, function()
      sam:step(function()
        local loss = nn.functional.cross_entropy(model(examples), labels)
        sam:zero_grad()
        loss:backward()
      end)
    end)
  end)

  it("leaves the model with its own weights, not an average's", function()
    local average = fnn.averages.EMA {model = model, decay = 0.5}
    average:update()
    fnn.no_grad(model.dense.weight.add_, model.dense.weight, 1)
    average:update()
    leaves_model(1, function() average:apply(model, examples) end)
    leaves_model(1, function() average:update_batch_norm(fnn.data.Dataset {examples, labels}) end)
    average:update()
  end)

  it("leaves a trainer that is in no fit, with its own weights", function()
    local own = trainer()
    local average = fnn.averages.EMA {model = model, decay = 0.5}
    local weights, stopped
    cut(2, function()
      own:fit({examples, labels}, {validation = {examples, labels}, callbacks = {average, {
        on_evaluate_begin = function() weights = average._kept[1][2]:tobytes() end,
      }}, progress = {
        begin_epoch = function() end, advance = function() end, end_epoch = function() end,
        stop = function() stopped = true end,
      }})
    end)
    assert.are.equal(weights, model.dense.weight:tobytes())
    assert.is_true(stopped)
    assert.is_nil(own._fit)
    own:fit({examples, labels}, {progress = false})
  end)

  it("leaves no trial of a search that seems to run: it is begun again", function()
    local study, drawn = fnn.search.study {name = "closed"}, {}
    local function objective(trial)
      drawn[#drawn + 1] = trial:float("x", 0, 1)
      if yields then coroutine.yield() end
      return drawn[#drawn]
    end
    local function search() study:optimize(objective, {trials = 2, progress = false}) end
    cut(2, search)
    search()
    local states = {}
    for i, trial in ipairs(study.trials) do states[i] = trial.state end
    assert.are.same({"complete", "failed", "complete"}, states)
    assert.are.equal(drawn[2], drawn[3])
  end)

  it("leaves nobody who listens to calls", function()
    local core = require "fmnistnn.core"
    leaves_model(1, function() model:summary {4} end)
    assert.is_true(nn.Conv2d {2, kernel = 3}:_fuses_relu())
    leaves_model(1, function() fnn.profile(model, examples) end)
    model(examples)
    assert.are.same({}, core.profile_end())
  end)
end)
