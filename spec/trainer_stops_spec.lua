-- What ends a training before its time: errors, and Ctrl-C.
local blobs = require "spec.support.blobs"
local fnn = require "fmnistnn"
local process = require "spec.support.process"
local small = require "spec.support.small_trainer"

local nn = fnn.nn
local quote = process.quote
local error_of, fit, make = small.error_of, small.fit, small.make
local data, few

setup(function()
  data = blobs(100)
  few = blobs(30)
end)

describe("an error in fit", function()
  it("is raised with where it happened, and leaves the history", function()
    local trainer = make()
    local function breaks(_, _, epoch) if epoch == 3 then error("the disk is full") end end
    local message = error_of(fit, trainer, data, {epochs = 5, callbacks = {{on_epoch_end = breaks}}})
    assert.matches("trainer_stops_spec.lua:%d+: the disk is full\nstack traceback:", message)
    assert.matches("stack traceback:.*trainer_stops_spec.lua:%d+: in .*trainer.lua:%d+: in ", message)
    assert.are.equal(3, #trainer.history.loss)
    assert.is_nil(trainer.history.interrupted)
    assert.are.equal(1, #fit(trainer, data, {}).loss)
  end)

  it("that is no text is raised as it is", function()
    local problem = {code = 5}
    local trainer = make()
    assert.is_true(rawequal(problem, error_of(fit, trainer, data,
    {callbacks = {{on_batch_end = function() error(problem) end}}})))
    local ok, message = pcall(fit, trainer, data, {callbacks = {{on_train_end = function() error() end}}})
    assert.are.same({false}, {ok, message})
  end)

  it("in the model, the loss or the validation has one traceback", function()
    local function count(message) return select(2, message:gsub("stack traceback:", "")) end
    local Fails = nn.Module:extend("Fails")
    function Fails:forward(x)
      if not self.training then error("in evaluation") end
      return x:flatten(2):narrow(2, 1, 2) * fnn.ones(1, {requires_grad = true})
    end
    local trainer = make {model = Fails(), optimizer = fnn.optim.SGD {}}
    local message = error_of(fit, trainer, data, {validation = few})
    assert.matches("trainer_stops_spec.lua:%d+: in evaluation\nstack traceback:", message)
    assert.are.equal(1, count(message))
    message = error_of(fit, make {loss = function() error "in the loss" end}, data, {})
    assert.matches("in the loss\nstack traceback:", message)
    message = error_of(fit, make {model = nn.Sequential {nn.Conv2d {4, kernel = 9}, nn.Flatten {}, nn.Dense {2}}},
    data, {})
    assert.matches("conv2d", message)
  end)
end)

describe("Ctrl-C", function()
  -- As lua does on SIGINT: a hook on the running thread that raises at the next instruction.
  local function interrupt()
    debug.sethook(function()
      debug.sethook()
      error("interrupted!")
    end, "crl", 1)
  end

  local function after_batches(count)
    return {on_batch_end = function()
      count = count - 1
      if count == 0 then interrupt() end
    end}
  end

  it("ends an interruptible fit as if it were over", function()
    local ended = 0
    local trainer = make()
    local history = fit(trainer, data, {
      epochs = 50, batch_size = 10, interruptible = true,
      callbacks = {after_batches(25), {on_train_end = function() ended = ended + 1 end}},
    })
    assert.is_true(history.interrupted)
    assert.are.equal(2, #history.loss)
    assert.are.equal(1, ended)
    assert.is_nil(debug.gethook())
    assert.is_number(trainer:evaluate(few).loss)
    assert.is_nil(fit(trainer, data, {interruptible = true}).interrupted)
  end)

  it("is raised as usual without interruptible, and leaves the history", function()
    local trainer = make()
    local message = error_of(fit, trainer, data, {epochs = 50, batch_size = 10, callbacks = {after_batches(25)}})
    assert.matches("interrupted!$", message)
    assert.are.equal(2, #trainer.history.loss)
  end)

  it("before training has begun ends only what had begun", function()
    local ended, path = {}, os.tmpname()
    local history = fit(make(), data, {interruptible = true, callbacks = {
      {on_train_end = function() ended[#ended + 1] = "first" end},
      {on_train_begin = function() interrupt() end, on_train_end = function() ended[#ended + 1] = "second" end},
      fnn.callbacks.CSVLogger {path}, fnn.callbacks.TensorBoard {path .. ".none"},
    }})
    os.remove(path)
    assert.is_true(history.interrupted)
    assert.are.same({"first"}, ended)
  end)

  it("is never lost in what saves and loads models", function()
    local Own = nn.Module:extend("Own")
    function Own:forward(x) return x end
    local trainer = make {model = nn.Sequential {Own(), nn.Flatten {}, nn.Dense {2}}}
    local folder = process.folder()
    fit(trainer, data, {batch_size = 10})
    local path, state = folder .. "/model", folder .. "/state"
    assert(trainer.model:save(path))
    assert.error_matches(function() nn.load(path, {Own = setmetatable({}, {__call = interrupt})}) end, "interrupted!$")

    assert(trainer:save(state))
    trainer.optimizer.set_state = interrupt
    assert.error_matches(function() trainer:load(state) end, "interrupted!$")

    Own._made_of = interrupt
    trainer.model[1].weight = fnn.ones(2)
    assert.error_matches(function() trainer:save(state) end, "interrupted!$")
    process.remove(folder)
  end)

  it("during the validation ends it too, and the model trains", function()
    local metric = fnn.metrics.accuracy()
    local update = metric.update
    local trainer = make {metrics = {metric}}
    metric.update = function(self, ...)
      if not trainer.model.training then interrupt() end
      update(self, ...)
    end
    local history = fit(trainer, data, {epochs = 5, validation = few, interruptible = true})
    assert.is_true(history.interrupted)
    assert.is_true(trainer.model.training)
    assert.is_true(fnn.is_grad_enabled())
  end)

  -- A real process and a real signal. The script tells by a file that it trains.
  local script = [[
    local blobs = require "spec.support.blobs"
    local fnn = require "fmnistnn"
    local nn = fnn.nn
    local started = %q
    local function train()
      local trainer = fnn.Trainer {
        model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}, optimizer = fnn.optim.SGD {}, loss = "cross_entropy",
      }
      local tell = {on_batch_end = function()
        if not started then return end
        local file = io.open(started, "w")
        file:write("x")
        file:close()
        started = nil
      end, on_train_end = function() print "end" end}
      local ok, result = pcall(trainer.fit, trainer, blobs(20), {
        epochs = 10000000, progress = false, callbacks = {tell}, interruptible = %s,
      })
      print(ok, ok and result.interrupted or tostring(result):match("interrupted!$"))
      if not ok then error(result, 0) end
      print("and goes on", trainer:predict(blobs(3)).shape[1])
    end
    %s
    for i = 1, 100 do fnn.zeros(1) end
    print "done"
  ]]
  local in_main = "train()"
  local in_coroutine = [[
    local thread = coroutine.create(train)
    local ok, message = coroutine.resume(thread)
    if not ok then error(message, 0) end
  ]]

  local function signalled(interruptible, how)
    local folder = process.folder()
    process.write(folder .. "/script.lua", script:format(folder .. "/started", interruptible, how))
    local code, out, err = process.interrupt(process.lua(folder .. "/script.lua",
    "LUA_PATH=" .. quote("./?.lua;" .. package.path)),
      folder .. "/started")
    process.remove(folder)
    return code, out, err
  end

  it("by a real signal ends an interruptible fit, also within a coroutine", function()
    if not process.has "python3" then return pending("python3 is needed") end
    for _, how in ipairs {in_main, in_coroutine} do
      local code, out, err = signalled("true", how)
      assert.are.equal("end\ntrue\ttrue\nand goes on\t3\ndone\n", out, err)
      assert.are.equal(0, code)
    end
  end)

  it("by a real signal ends the script otherwise, also within a coroutine", function()
    if not process.has "python3" then return pending("python3 is needed") end
    for _, how in ipairs {in_main, in_coroutine} do
      local code, out, err = signalled("false", how)
      assert.are.equal(1, code, err)
      assert.matches("interrupted!", err)
      assert.is_nil(out:find("done", 1, true))
    end
  end)
end)
