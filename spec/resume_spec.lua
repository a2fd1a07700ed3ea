-- The whole state of a fit: saved, read, damaged, and gone on from, also by processes that were killed.
local blobs = require "spec.support.blobs"
local core = require "fmnistnn.core"
local ctrl_c = require "spec.support.ctrl_c"
local fnn = require "fmnistnn"
local process = require "spec.support.process"

local nn, callbacks = fnn.nn, fnn.callbacks
local quote = process.quote
local data, few, folder

setup(function()
  data = blobs(70)
  few = blobs(20)
end)

before_each(function() folder = process.folder() end)
after_each(function() process.remove(folder) end)

local BATCHES, EPOCHS = 4, 3 -- 70 examples in batches of 20

local function make(changed)
  local options = {
    model = nn.Sequential {
      nn.Conv2d {3, kernel = 3, activation = "relu"}, nn.BatchNorm2d {momentum = 0.8}, nn.Dropout {0.3},
      nn.Flatten {}, nn.Dense {2},
    },
    optimizer = fnn.optim.Nadam {lr = 0.02}, loss = "cross_entropy", metrics = {"accuracy", fnn.metrics.top_k(1)},
  }
  for name, value in pairs(changed or {}) do options[name] = value end
  return fnn.Trainer(options)
end

local function fit(trainer, list, options)
  local all = {epochs = EPOCHS, batch_size = 20, validation = few, progress = false, callbacks = list}
  for name, value in pairs(options or {}) do all[name] = value or nil end
  return trainer:fit(data, all)
end

-- Weights, buffers, the optimizer's state and the history, all but the times: what must be the same.
local function digest(trainer)
  local parts, history = {}, {}
  for _, entry in ipairs(trainer.model:state()) do parts[#parts + 1] = entry[1] .. entry[2]:tobytes() end
  local state = trainer.optimizer:state()
  for name, tensor in pairs(state.tensors) do parts[#parts + 1] = name .. tensor:tobytes() end
  for name, number in pairs(state.numbers) do parts[#parts + 1] = ("%s %a"):format(name, number) end
  for name, list in pairs(trainer.history) do
    if name ~= "seconds" and name ~= "images_per_second" then history[#history + 1] = name end
    if type(list) == "table" then assert(#list == #trainer.history.loss, name) end
  end
  for _, name in ipairs(history) do
    for epoch, value in ipairs(trainer.history[name]) do parts[#parts + 1] = ("%s %d %a"):format(name, epoch, value) end
  end
  table.sort(parts)
  return ("%08x"):format(core.data.crc32(table.concat(parts, "\n")))
end

local function error_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

-- Raises after so many batches of the fit have been done.
local function fails_after(count)
  return {on_batch_begin = function()
    count = count - 1
    if count < 0 then error("stopped", 0) end
  end}
end

-- What a fit comes to that is stopped before each of these batches, counted in each of its runs, and begun again.
local function stop_and_go(every, counts, options, changed)
  local backup = folder .. "/backup"
  local trainer
  for i = 1, #counts + 1 do
    fnn.manual_seed(i == 1 and 5 or 1000 + i)
    trainer = make(changed and changed())
    local list = {
      callbacks.BackupAndRestore {backup, every = every},
      callbacks.EarlyStopping {monitor = "loss", patience = 3, restore_best = true},
      callbacks.ReduceLROnPlateau {monitor = "val_loss", patience = 0, min_delta = 0.2},
      fails_after(counts[i] or math.huge),
    }
    local ok, message = pcall(fit, trainer, list, options)
    assert(ok == (i > #counts) and (ok or message:find "^stopped\n"), message)
  end
  assert.are.same({}, process.list(folder))
  return digest(trainer)
end

describe("BackupAndRestore", function()
  for name, options in pairs {["with a seed"] = {seed = 7}, ["without a seed"] = {}} do
    it("goes on from any batch to the same bits, " .. name, function()
      local expected = stop_and_go("epoch", {}, options)
      for count = 0, BATCHES * EPOCHS - 1 do
        for _, every in ipairs {"epoch", 1, 3} do
          -- without a seed, what was stopped before its first backup begins with another generator
          if options.seed or count >= (every == "epoch" and BATCHES or every) then
            assert.are.equal(expected, stop_and_go(every, {count}, options), ("%s, %s"):format(count, every))
          end
        end
      end
      assert.are.equal(expected, stop_and_go(1, {3, 1, 1, 0, 4}, options))
      assert.are_not.equal(expected, stop_and_go("epoch", {}, {seed = 8}))
    end)
  end

  it("does so with every optimizer and every metric", function()
    local function right(prediction, target) return prediction:argmax(2):eq(target) end
    local optimizers = {
      Lookahead = function() return fnn.optim.Lookahead {fnn.optim.Adam {lr = 0.01}, steps = 3} end,
      SAM = function() return fnn.optim.SAM {fnn.optim.SGD {lr = 0.01, momentum = 0.9}} end,
    }
    for name in pairs(fnn.optim) do
      local make_one = optimizers[name] or function()
        return fnn.optim[name](name == "SGD" and {lr = 0.01, momentum = 0.9} or {lr = 0.01})
      end
      local function changed()
        return {
          optimizer = make_one(),
          metrics = {
            "accuracy", "f1", "roc_auc", fnn.metrics.calibration_error(), "cohen_kappa", "focal", {"right", right},
          },
        }
      end
      local options = {seed = 3, validation_split = 0.2, validation = false}
      assert.are.equal(stop_and_go("epoch", {}, options, changed), stop_and_go(2, {6}, options, changed), name)
    end
  end)

  it("does so with averages and schedules", function()
    local function train(counts)
      local trainer, ema, swa
      for i = 1, #counts + 1 do
        trainer = make {optimizer = fnn.optim.AdamW {lr = fnn.schedules.Cosine {lr = 0.02, steps = 10}}}
        ema = fnn.averages.EMA {trainer.model, decay = 0.7}
        swa = fnn.averages.SWA {trainer.model, start = 2}
        pcall(fit, trainer, {
          callbacks.BackupAndRestore {folder .. "/backup", every = 1}, ema, swa, fails_after(counts[i] or math.huge),
        }, {seed = 6})
      end
      local parts = {digest(trainer)}
      for _, average in ipairs {ema, swa} do
        for name, tensor in pairs(average.tensors) do parts[#parts + 1] = average.name .. name .. tensor:tobytes() end
      end
      table.sort(parts)
      return core.data.crc32(table.concat(parts))
    end
    local expected = train {}
    for _, counts in ipairs {{2}, {4}, {5, 1, 2}, {11}} do assert.are.equal(expected, train(counts)) end
  end)

  it("calls on_epoch_begin once an epoch, all in all", function()
    local begun = {}
    local spy = {on_epoch_begin = function(_, _, epoch) begun[#begun + 1] = epoch end}
    for _, count in ipairs {6, 4, math.huge} do
      pcall(fit, make(), {callbacks.BackupAndRestore {folder .. "/b", every = 1}, spy, fails_after(count)})
    end
    assert.are.same({1, 2, 3}, begun) -- the second run was stopped between two epochs
  end)

  it("returns the history at once when all epochs are done, and more epochs go on", function()
    local trained = 0
    local count = {on_batch_end = function() trained = trained + 1 end}
    local function run(epochs)
      trained = 0
      local trainer = make()
      local early = callbacks.EarlyStopping {monitor = "loss", patience = 9, restore_best = true}
      local backup = callbacks.BackupAndRestore {folder .. "/kept", delete_checkpoint = false}
      fit(trainer, {backup, early, count}, {epochs = epochs, seed = 2})
      return digest(trainer), #trainer.history.loss, trained
    end
    local first, epochs = run(2)
    assert.are.equal(2, epochs)
    assert.are.same({first, 2, 0}, {run(2)})
    local _, all, more = run(3)
    assert.are.same({3, BATCHES}, {all, more})
    assert.are.same({"state.previous.safetensors", "state.safetensors"}, process.list(folder .. "/kept"))
  end)

  it("keeps to trainer.stop of before", function()
    local trained = 0
    local function stop(epoch) return {
      on_epoch_end = function(_, trainer, now) trainer.stop = now == epoch end,
      on_batch_end = function() trained = trained + 1 end,
    } end
    for _ = 1, 2 do
      fit(make(), {callbacks.BackupAndRestore {folder, delete_checkpoint = false}, stop(2)})
    end
    assert.are.equal(2 * BATCHES, trained)
  end)

  it("tells where it goes on, with progress", function()
    pcall(fit, make(), {callbacks.BackupAndRestore {folder .. "/b", every = 1}, fails_after(6)})
    local text = [[
      local blobs = require "spec.support.blobs"
      local fnn = require "fmnistnn"
      local nn = fnn.nn
      local trainer = fnn.Trainer {
        model = nn.Sequential {
          nn.Conv2d {3, kernel = 3, activation = "relu"}, nn.BatchNorm2d {momentum = 0.8}, nn.Dropout {0.3},
          nn.Flatten {}, nn.Dense {2},
        },
        optimizer = fnn.optim.Nadam {}, loss = "cross_entropy", metrics = {"accuracy", fnn.metrics.top_k(1)},
      }
      trainer:fit(blobs(70), {
        epochs = 2, batch_size = 20, validation = blobs(20),
        callbacks = {fnn.callbacks.BackupAndRestore {%q, every = 1}, {}},
      })
    ]]
    local code, _, err = process.run_lua(text:format(folder .. "/b"), "LUA_PATH=" .. quote("./?.lua;" .. package.path))
    assert.are.equal(0, code, err)
    assert.matches("^BackupAndRestore: going on after epoch 1, batch 2 %([^\n]*/b/state.safetensors%)\nepoch 2/2 ", err)
    assert.are.same({}, process.list(folder))
  end)

  it("refuses a backup that does not fit, by name, and leaves it", function()
    local function refuses(pattern, trainer, list, options)
      local all = {callbacks.BackupAndRestore {folder}, fails_after(0), table.unpack(list or {})}
      local message = error_of(fit, trainer, all, options or {seed = 1})
      assert.matches("^BackupAndRestore: [^\n]*/state.safetensors: " .. pattern, message)
    end
    pcall(fit, make(), {callbacks.BackupAndRestore {folder, every = 1}, fails_after(6)}, {seed = 1})
    for name, options in pairs {batch_size = {seed = 1, batch_size = 10}, seed = {seed = 2}} do
      refuses("it was saved in the middle of an epoch with " .. name .. " = ", make(), nil, options)
    end
    refuses("callback 3: it was saved with none, and this fit has EarlyStopping", make(),
      {callbacks.EarlyStopping {monitor = "loss"}})
    refuses("it was saved with 2 metrics, and this trainer has 1", make {metrics = {"accuracy"}})
    refuses("metric 1: it was saved in the middle of an epoch with accuracy, and this trainer has top_1",
      make {metrics = {fnn.metrics.top_k(1), "accuracy"}})
    refuses(".*Adam: set_state", make {optimizer = fnn.optim.Adam {}})
    local short = nn.Sequential {nn.Conv2d {3, kernel = 3, activation = "relu"}}
    refuses("the model has no module 2 %(BatchNorm2d%)", make {model = short})
    local wide = make()
    wide.model(few:tensors())
    wide.model[5].weight = fnn.zeros(2, 5, {requires_grad = true})
    refuses("the tensor 5.weight: expected float32 %(2,5%), got float32 %(2,108%)", wide)
    assert.are.same({"state.previous.safetensors", "state.safetensors"}, process.list(folder))
  end)

  it("refuses a folder that cannot be made or written, before training", function()
    process.write(folder .. "/file", "")
    assert.matches("^BackupAndRestore: .*/file/: the folder could not be made",
      error_of(fit, make(), {callbacks.BackupAndRestore {folder .. "/file"}, fails_after(0)}))
    assert.matches("^BackupAndRestore: [^\n]*: [^\n]+",
      error_of(fit, make(), {callbacks.BackupAndRestore {"/proc"}, fails_after(0)}))
    assert.error_matches(function() callbacks.BackupAndRestore {folder, every = "batch"} end,
      'BackupAndRestore: every: expected "epoch" or a number of batches, got batch')
    assert.error_matches(function() callbacks.BackupAndRestore {folder, every = 0} end, "got 0")
  end)
end)

describe("a damaged backup", function()
  local expected

  -- A backup of the middle of an epoch and the one before it, as texts.
  local function stopped()
    pcall(fit, make(), {callbacks.BackupAndRestore {folder, every = 1}, fails_after(6)}, {seed = 1})
    return process.read(folder .. "/state.safetensors"), process.read(folder .. "/state.previous.safetensors")
  end

  -- Goes on from what lies there, and returns what was warned of.
  local function go_on()
    local warned, write = {}, io.stderr
    io.stderr = {write = function(_, ...) warned[#warned + 1] = table.concat {...} end} -- luacheck: ignore
    local trainer = make()
    local ok, message = pcall(fit, trainer, {callbacks.BackupAndRestore {folder, every = 1}, fails_after(math.huge)},
      {seed = 1})
    io.stderr = write -- luacheck: ignore
    assert(ok, message)
    return digest(trainer), table.concat(warned)
  end

  setup(function()
    local trainer = make()
    fit(trainer, {}, {seed = 1})
    expected = digest(trainer)
  end)

  local function damaged(state, previous)
    os.execute(("rm -rf %s; mkdir %s"):format(quote(folder), quote(folder)))
    if state then process.write(folder .. "/state.safetensors", state) end
    if previous then process.write(folder .. "/state.previous.safetensors", previous) end
  end

  it("is named, put aside, and the one before it taken, wherever the damage is", function()
    local state, previous = stopped()
    local places = {1, 8, 9, 10, #state // 2, #state - 1, #state}
    for i = 1, 12 do places[#places + 1] = 1 + (i * 7919 * 31) % #state end
    for _, place in ipairs(places) do
      for _, broken in ipairs {
        state:sub(1, place - 1),
        state:sub(1, place - 1) .. string.char(state:byte(place) ~ 1 << place % 8) .. state:sub(place + 1),
      } do
        damaged(broken, previous)
        local got, warned = go_on()
        assert.are.equal(expected, got)
        assert.matches("^BackupAndRestore: [^\n]*/state.safetensors: [^\n]+\n$", warned)
        assert.are.same({"state.safetensors.damaged"}, process.list(folder))
      end
    end
  end)

  it("is told by its checksum, whichever byte has changed", function()
    local state = stopped()
    local trainer = make()
    local path = folder .. "/copy"
    for place = 1, #state, 13 do -- each of thousands is too slow
      process.write(path, state:sub(1, place - 1) .. string.char(state:byte(place) ~ 4) .. state:sub(place + 1))
      local ok, message = trainer:load(path)
      assert(not ok and message:find(path, 1, true), place)
    end
  end)

  it("is not what Ctrl-C makes of a good one while it is read", function()
    local state, previous = stopped()
    for _, count in ipairs {100, 300, 1000, 3000, 10000} do -- instructions
      local backup = callbacks.BackupAndRestore {folder, every = 1}
      function backup:on_restore(trainer)
        ctrl_c(count)
        callbacks.BackupAndRestore.on_restore(self, trainer)
        debug.sethook()
      end
      assert.matches("interrupted!$", error_of(fit, make(), {backup}, {seed = 1}))
      assert.are.same({"state.previous.safetensors", "state.safetensors"}, process.list(folder))
    end
    assert.are.equal(state, process.read(folder .. "/state.safetensors"))
    assert.are.equal(previous, process.read(folder .. "/state.previous.safetensors"))
  end)

  it("takes what a process that was killed did not finish away with it", function()
    for _, name in ipairs {"state.safetensors.trial", "state.new.safetensors.trial2", "state.safetensors.7.tmp"} do
      local path = folder .. "/b"
      os.execute("mkdir -p " .. quote(path))
      process.write(path .. "/" .. name, "half")
      fit(make(), {callbacks.BackupAndRestore {path}})
      assert.are.same({}, process.list(folder), name)
    end
  end)

  it("is not put in the place of a good one", function()
    local state, previous = stopped()
    damaged(state:sub(1, -2), previous)
    pcall(fit, make(), {callbacks.BackupAndRestore {folder, every = 1}, fails_after(1)}, {seed = 1})
    assert.are.equal(previous, process.read(folder .. "/state.previous.safetensors"))
  end)

  it("may be missing, and when both are bad, training begins anew", function()
    local state, previous = stopped()
    for _, files in ipairs {{state}, {nil, previous}, {state:sub(1, 100), previous:sub(1, 50)}, {"", ""}} do
      damaged(files[1], files[2])
      assert.are.equal(expected, (go_on()))
    end
  end)
end)

describe("Trainer:save and load", function()
  it("give another trainer the same state", function()
    local first, second = make(), make()
    fit(first, {}, {seed = 1, epochs = 2})
    fnn.rand(3)
    local seed, offset = fnn.generator_state()
    assert.is_true(first:save(folder .. "/state"))
    fnn.manual_seed(99)
    assert.is_true(second:load(folder .. "/state"))
    assert.are.same({seed, offset}, {fnn.generator_state()})
    assert.are.equal(digest(first), digest(second))
    assert.are.same(first.history, second.history)
    -- a fit after it is a new one
    fnn.manual_seed(4)
    fit(first, {}, {epochs = 1})
    fnn.manual_seed(4)
    fit(second, {}, {epochs = 1})
    assert.are.equal(digest(first), digest(second))
    assert.are.equal(1, #second.history.loss)
  end)

  it("write over the tensors of a model in use, and keep what is frozen", function()
    local first = make()
    fit(first, {}, {epochs = 1})
    first.model[1]:requires_grad_(false)
    assert.is_true(first:save(folder .. "/state"))
    local second = make()
    fit(second, {}, {epochs = 1})
    local weight = second.model[5].weight
    assert(second:load(folder .. "/state"))
    assert.is_true(rawequal(weight, second.model[5].weight))
    assert(weight:equal(first.model[5].weight))
    assert.is_false(second.model[1].weight.requires_grad)
    assert.is_true(second.model[5].weight.requires_grad)
  end)

  it("go on within on_restore", function()
    local straight, first, second = make(), make(), make()
    fit(straight, {}, {seed = 1})
    fit(first, {{on_save_point = function(_, t, batch)
      if #(t.history.loss or {}) == 1 and batch == 2 then
        assert(t:save(folder .. "/state"))
        t:halt("enough")
      end
    end}}, {seed = 1})
    fit(second, {{on_restore = function(_, t) assert(t:load(folder .. "/state")) end}}, {seed = 1})
    assert.are.equal(digest(straight), digest(second))
  end)

  it("keep what is not finite, and any plain state of callbacks", function()
    local state = {1, 2.5, "x\0y\xE9", -0.0, 1 / 0, -1 / 0, {a = {}, fnn.tensor {1, 2}}, math.mininteger, flag = false}
    state[99], state[-3] = {[5] = "sparse"}, 0.5
    local keeper = {name = "keeper", state = function() return state end}
    fit(make(), {keeper, {on_save_point = function(_, t) assert(t:save(folder .. "/state")) end}}, {epochs = 1})
    local got
    local taker = {name = "keeper", set_state = function(_, given) got = given end}
    fit(make(), {taker, {on_restore = function(_, t) assert(t:load(folder .. "/state")) end}}, {epochs = 1})
    assert(got[7][1]:equal(state[7][1]))
    got[7][1], state[7][1] = nil, nil
    assert.are.same(state, got)
    local broken = {state = function() return {f = print} end}
    assert.matches("^state.callbacks.1.state.f: a function cannot be saved",
      error_of(fit, make(), {broken, {on_save_point = function(_, t) t:save(folder .. "/x") end}}))
  end)

  describe("into a model that is not built", function()
    local set = {fnn.randn(20, 4), fnn.randint(1, 3, {20})}

    local function trainer_of(layers, optimizer)
      return fnn.Trainer {
        model = nn.Sequential(layers), optimizer = optimizer or fnn.optim.Adam {}, loss = "cross_entropy",
      }
    end

    local function saved(layers)
      local trainer = trainer_of(layers)
      trainer:fit(set, {progress = false})
      assert(trainer:save(folder .. "/state"))
      return trainer
    end

    it("refuse another architecture", function()
      saved {nn.Dense {8, activation = "relu"}, nn.Dropout {0.1}, nn.Dense {3}}
      local function refuses(pattern, ...)
        local trainer = trainer_of {...}
        local ok, message = trainer:load(folder .. "/state")
        assert.is_nil(ok)
        assert.matches("/state: " .. pattern, message)
        assert.are.same({}, trainer.model:state())
      end
      local first, second, last = nn.Dense {8, activation = "relu"}, nn.Dropout {0.1}, nn.Dense {3}
      refuses("the module 1: it was saved as Dense {8, activation = relu}, and this one is Dense {16}",
        nn.Dense {16}, second, last)
      refuses("the module 1: it was saved as Dense, and this one is Conv2d", nn.Conv2d {8, kernel = 3}, second, last)
      refuses("the module 2: it was saved as Dropout, and this one is Dense", first, nn.Dense {3}, last)
      refuses("the model has no module 3 %(Dense%)", first, second)
      refuses("the model has a module 4 %(Dense%), which was not saved", first, second, last, nn.Dense {3})
      local other = trainer_of {first, nn.Dropout {0.4}, last}
      assert(other:load(folder .. "/state")) -- what has no tensors may be made otherwise
    end)

    it("compare classes where a file cannot hold what a module was made of", function()
      local function layers(units, f) return {nn.Dense {units, activation = f}, nn.Dense {3}} end
      local function double(x) return x * 2 end
      local first, second = saved(layers(8, double)), trainer_of(layers(8, double))
      assert(second:load(folder .. "/state"))
      assert(first.model[1].weight:equal(second.model[1].weight))
      local other = trainer_of {nn.Conv2d {8, kernel = 1, activation = double}, nn.Dense {3}}
      local ok, message = other:load(folder .. "/state")
      assert.is_nil(ok)
      assert.matches("the module 1: it was saved as Dense, and this one is Conv2d", message)
    end)

    it("take files that tell nothing of the modules", function()
      local first = saved {nn.Dense {8}, nn.Dense {3}}
      local tensors, metadata = fnn.safetensors.load(folder .. "/state")
      local list = {}
      for name, tensor in pairs(tensors) do list[#list + 1] = {name, tensor} end
      metadata.modules, metadata.crc32 = nil, nil
      assert(fnn.safetensors.save(folder .. "/old", list, metadata, true))
      local second = trainer_of {nn.Dense {8}, nn.Dense {3}}
      assert(second:load(folder .. "/old"))
      assert.are.equal(digest(first), digest(second))
    end)

    it("leave it so when the optimizer refuses", function()
      saved {nn.Dense {8}, nn.Dense {3}}
      local trainer = trainer_of({nn.Dense {8}, nn.Dense {3}}, fnn.optim.SGD {})
      local ok, message = trainer:load(folder .. "/state")
      assert.is_nil(ok)
      assert.matches("SGD: set_state", message)
      assert.are.same({}, trainer.model:state())
      fnn.manual_seed(3)
      local plain = trainer_of({nn.Dense {8}, nn.Dense {3}}, fnn.optim.SGD {})
      plain:fit(set, {progress = false, seed = 1})
      trainer:fit(set, {progress = false, seed = 1})
      assert.are.equal(digest(plain), digest(trainer))
    end)

    it("leave what is frozen frozen when the optimizer refuses", function()
      saved {nn.Dense {8}, nn.Dense {3}}
      local trainer = trainer_of({nn.Dense {8}, nn.Dense {3}}, fnn.optim.SGD {})
      trainer.model(set[1])
      trainer.model[1]:requires_grad_(false)
      assert.is_nil((trainer:load(folder .. "/state")))
      assert.is_false(trainer.model[1].weight.requires_grad)
      assert.is_true(trainer.model[2].weight.requires_grad)
    end)
  end)

  it("tell what is wrong with a file", function()
    local trainer = make()
    local ok, message = trainer:load(folder .. "/none")
    assert.are.same({nil, folder .. "/none: No such file or directory"}, {ok, message})
    fit(trainer, {}, {epochs = 1})
    assert(trainer.model:save(folder .. "/model"))
    ok, message = trainer:load(folder .. "/model")
    assert.is_nil(ok)
    assert.matches("/model: expected a file of the format fmnistnn checkpoint 1, got fmnistnn 1", message)
    assert(trainer:save(folder .. "/state"))
    local before = digest(trainer)
    local other = make {optimizer = fnn.optim.SGD {}}
    fit(other, {}, {epochs = 1})
    local was = digest(other)
    ok, message = other:load(folder .. "/state")
    assert.is_nil(ok)
    assert.matches("/state: .*SGD: set_state", message)
    assert.are.equal(was, digest(other))
    assert.are.equal(before, digest(trainer))
    ok, message = trainer:save(folder .. "/no/state")
    assert.is_nil(ok)
    assert.matches("/no/state", message)
    assert.error_matches(function() trainer:save() end, "save: expected a path, got nil")
    assert.error_matches(function() trainer:load(5) end, "load: expected a path, got number")
  end)
end)

-- ---- processes ----

describe("a process", function()
  -- Trains and prints what it came to. `where` is Lua text within a callback that ends the process, or not.
  local script = [[
    local blobs = require "spec.support.blobs"
    local core = require "fmnistnn.core"
    local fnn = require "fmnistnn"
    local nn = fnn.nn
    local trainer = fnn.Trainer {
      model = nn.Sequential {
        nn.Conv2d {3, kernel = 3, activation = "relu"}, nn.BatchNorm2d {momentum = 0.8}, nn.Dropout {0.3},
        nn.Flatten {}, nn.Dense {2},
      },
      optimizer = fnn.optim.Adam {lr = 0.01}, loss = "cross_entropy", metrics = {"accuracy"},
    }
    local folder, runs = %q, 0
    local function die() os.execute("kill -9 " .. core.process_id()) end
    local ends = {%s}
    local history = trainer:fit(blobs(70), {
      epochs = %d, batch_size = 20, validation = blobs(20), seed = 1, progress = false, interruptible = %s,
      callbacks = {
        fnn.callbacks.BackupAndRestore {folder .. "/backup", every = %s},
        fnn.callbacks.CSVLogger {folder .. "/log.csv"},
        fnn.callbacks.EarlyStopping {monitor = "loss", patience = 100, restore_best = true}, ends,
      },
    })
    local parts = {tostring(history.interrupted)}
    for _, entry in ipairs(trainer.model:state()) do parts[#parts + 1] = entry[2]:tobytes() end
    for _, name in ipairs {"loss", "accuracy", "val_loss", "val_accuracy"} do
      for _, value in ipairs(history[name]) do parts[#parts + 1] = ("%%a"):format(value) end
    end
    print(("%%08x"):format(core.data.crc32(table.concat(parts, " "))))
  ]]
  local path = "LUA_PATH=" .. quote("./?.lua;" .. package.path)

  local function command(how)
    process.write(folder .. "/script.lua", script:format(folder, how.ends or "", how.epochs or EPOCHS,
      how.interruptible or "false", how.every or '"epoch"'))
    return process.lua(folder .. "/script.lua", path)
  end

  local function log() return (process.read(folder .. "/log.csv"):gsub(",[^,]+,[^,]+\n", "\n")) end

  local function straight(how)
    local code, out, err = process.run(command {epochs = how and how.epochs})
    assert.are.same({0, ""}, {code, err})
    local lines = log()
    process.remove(folder)
    os.execute("mkdir " .. quote(folder))
    return out, lines
  end

  it("that is killed at any place, and started again, ends in the same numbers", function()
    local expected, lines = straight()
    for _, every in ipairs {'"epoch"', "3"} do
      for _, ends in ipairs {
        "on_batch_end = function(_, t, b) if #(t.history.loss or {}) == 1 and b == 3 then die() end end",
        "on_loss = function(_, t, b) if #(t.history.loss or {}) == 2 and b == 1 then die() end end",
        "on_evaluate_begin = function(_, t) if #(t.history.loss or {}) == 1 then die() end end",
        "on_epoch_end = function(_, _, epoch) if epoch == 2 then die() end end",
        "on_save_point = function(_, t, batch) if not batch and #t.history.loss == 2 then die() end end",
        "on_train_end = die",
      } do
        local killed = process.run(command {ends = ends, every = every})
        assert.are.equal(137, killed, ends)
        local code, out, err = process.run(command {every = every})
        assert.are.same({0, expected, ""}, {code, out, err}, ends)
        assert.are.equal(lines, log())
        assert.are.same({"log.csv", "script.lua"}, process.list(folder))
      end
    end
  end)

  it("that is killed again and again at random moments, also while it writes, does so", function()
    local epochs = 60
    local expected, lines = straight {epochs = epochs}
    local run = command {epochs = epochs, every = "1"}
    for attempt = 1, 12 do
      local wait = 0.1 + (attempt * 37 % 23) / 50
      local code, out = process.run(("%s & pid=$!; sleep %.2f; kill -9 $pid; wait $pid"):format(run, wait))
      if code == 0 then assert.are.equal(expected, out) end
    end
    local code, out, err = process.run(run)
    assert.are.same({0, expected, ""}, {code, out, err})
    assert.are.equal(lines, log())
    assert.are.same({"log.csv", "script.lua"}, process.list(folder))
  end)

  it("that is stopped by Ctrl-C goes on from its backup too", function()
    if not process.has "python3" then return pending("python3 is needed") end
    local expected = straight()
    -- there is time for the signal before the run is over
    local pause = "on_epoch_end = function(_, _, epoch) if epoch == 2 then io.popen('sleep 2'):close() end end"
    for _, interruptible in ipairs {"true", "false"} do
      local function run(ends) return command {every = "2", interruptible = interruptible, ends = ends} end
      local code = process.interrupt(run(pause), folder .. "/log.csv")
      assert.are.equal(interruptible == "true" and 0 or 1, code)
      assert.is_truthy(process.read(folder .. "/backup/state.safetensors"))
      local out, err
      code, out, err = process.run(run())
      assert.are.same({0, expected, ""}, {code, out, err})
      os.remove(folder .. "/log.csv")
    end
  end)

  it("on a disk that is too small for its backup hears so after the first batch", function()
    local mount = ("unshare -rm sh -c %s"):format(quote("mount -t tmpfs -o size=%s tmpfs " .. quote(folder .. "/disk")
      .. " && exec %s"))
    os.execute("mkdir " .. quote(folder .. "/disk"))
    if process.run(mount:format("64k", "true")) ~= 0 then return pending("a file system of one's own is needed") end
    local text = [[
      local fnn = require "fmnistnn"
      local folder, filled, name = %q, %d, %q
      local file = io.open(folder .. "/filler", "wb")
      file:write((" "):rep(filled))
      file:close()
      local trainer = fnn.Trainer {
        model = fnn.nn.Dense {100}, optimizer = fnn.optim.SGD {}, loss = "mean_squared_error",
      }
      local callback = name == "ModelCheckpoint" and fnn.callbacks.ModelCheckpoint {folder .. "/model"}
        or fnn.callbacks.BackupAndRestore {folder}
      local batches = 0
      local count = {on_batch_end = function() batches = batches + 1 end}
      print(pcall(trainer.fit, trainer, {fnn.zeros(64, 100), fnn.zeros(64, 100)}, {
        batch_size = 8, progress = false, callbacks = {callback, count},
      }))
      print("batches", batches)
    ]]
    for _, name in ipairs {"BackupAndRestore", "ModelCheckpoint"} do
      for filled, batches in pairs {[65536] = 0, [40000] = name == "ModelCheckpoint" and 0 or 1} do
        process.write(folder .. "/script.lua", text:format(folder .. "/disk", filled, name))
        local code, out, err = process.run(mount:format("64k", process.lua(folder .. "/script.lua"):gsub("'", "'\\''")))
        assert.are.equal(0, code, err)
        assert.matches("^false\t" .. name .. ": [^\n]*/disk/[^\n]*: No space left on device\n", out)
        assert.matches("batches\t" .. batches .. "\n$", out)
      end
    end
  end)
end)
