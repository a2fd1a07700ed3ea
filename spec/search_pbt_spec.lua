--- Population based training: who goes on from whom, and with what.
local fnn = require "fmnistnn"
local loop = require "spec.support.search_loop"
local process = require "spec.support.process"
local PBT = require "fmnistnn.search.samplers.pbt"
local rules = require "fmnistnn.search.storage.rules"
local search = require "fmnistnn.search"
local space = require "fmnistnn.search.space"

local lr = space.float(1e-5, 1, {log = true})

-- Runs a trial whose objective tells its value from its place in the history.
local function trial(history, sampler, value)
  local record, suggest = loop.ask(history, sampler)
  suggest("lr", lr)
  suggest("units", space.int(8, 64, {step = 8}))
  suggest("rule", space.categorical {"Adam", "SGD"})
  loop.tell(record, value)
  return record
end

local function parent(record) return record.system_attributes[rules.PARENT] end

describe("population based training", function()
  it("lets the worst go on from the best, and the others from themselves", function()
    for _, direction in ipairs {"maximize", "minimize"} do
      local history = loop.history(direction)
      local sampler = PBT {seed = 3, population = 4, resample = 0, factors = {0.5, 2}}
      local first = {}
      for i, value in ipairs {2, 4, 1, 3} do
        first[i] = trial(history, sampler, direction == "maximize" and value or -value)
        assert.is_nil(parent(first[i]))
      end
      for i = 1, 4 do
        local record = trial(history, sampler, 0)
        if i == 3 then -- the worst
          assert.equal(1, parent(record))
          local factor = record.params.lr / first[2].params.lr
          local clipped = record.params.lr == 1e-5 or record.params.lr == 1
          assert(clipped or math.abs(factor - 0.5) < 1e-9 or math.abs(factor - 2) < 1e-9, factor)
          assert.is_true(space.contains(space.int(8, 64, {step = 8}), record.params.units))
          assert.equal(first[2].params.rule, record.params.rule)
        else
          assert.equal(i - 1, parent(record))
          assert.same(first[i].params, record.params)
        end
      end
      assert.equal(4, parent(trial(history, sampler, 0)))
    end
  end)

  it("gives the place of a trial that failed to the next, and does not wait for one that runs", function()
    local history = loop.history "maximize"
    local sampler = PBT {seed = 1, population = 3}
    trial(history, sampler, 5)
    loop.ask(history, sampler).state = "failed"
    local running = loop.ask(history, sampler)
    assert.equal(1, running.system_attributes["pbt:place"])
    assert.equal(2, trial(history, sampler, 7).system_attributes["pbt:place"])
    assert.equal(0, parent(trial(history, sampler, 0)))
    assert.equal(3, parent(trial(history, sampler, 0))) -- its own last trial runs: from the best
    assert.equal(3, parent(trial(history, sampler, 0)))
  end)

  it("gives trials that begin at once in several processes a place each, whichever is drawn first", function()
    local history = loop.history "maximize"
    local sampler, places = PBT {seed = 1, population = 4}, {}
    loop.ask(history, sampler)
    local begun = {loop.add(history), loop.add(history), loop.add(history)}
    for _, i in ipairs {2, 1, 3} do
      loop.begin(history, begun[i], sampler)
      places[i] = begun[i].system_attributes["pbt:place"]
    end
    assert.same({1, 2, 3}, places)
  end)

  it("keeps the place and the parent of a trial that is tried again", function()
    local history = loop.history "maximize"
    local sampler = PBT {seed = 1, population = 2}
    trial(history, sampler, 1)
    trial(history, sampler, 2)
    local lost = loop.ask(history, sampler)
    lost.state = "failed"
    local again = loop.add(history, {
      system_attributes = {retry_history = {lost.number}, failed_trial = lost.number},
    })
    assert.same({}, sampler:begin(history, again, nil))
    assert.equal(lost.system_attributes["pbt:place"], again.system_attributes["pbt:place"])
    assert.equal(parent(lost), parent(again))
  end)

  it("draws by its seed and what is finished alone", function()
    local function run()
      local history = loop.history "minimize"
      for i = 1, 24 do trial(history, PBT {seed = 5, population = 6}, (i * 7) % 11) end -- each time as after a restart
      local drawn = {}
      for i, record in ipairs(history.trials) do drawn[i] = {record.params, parent(record)} end
      return drawn
    end
    assert.same(run(), run())
  end)

  -- What a step is worth depends on how near its rate is to one that falls from generation to generation, as learning
  -- rates have to: no single rate is right for long.
  it("finds a schedule that beats every constant", function()
    local generations, population = 12, 8
    local function gain(rate, generation)
      return 1 - math.abs(math.log(rate, 10) + 0.5 + 4 * generation / generations)
    end
    local best_constant = -math.huge
    for i = 0, 100 do
      local total = 0
      for generation = 0, generations - 1 do total = total + gain(10 ^ (-5 * i / 100), generation) end
      best_constant = math.max(best_constant, total)
    end
    for seed = 1, 5 do
      local history, best = loop.history "maximize", -math.huge
      local sampler, weights = PBT {seed = seed, population = population, factors = {0.3, 3}}, {}
      loop.run(history, sampler, generations * population, function(suggest, record)
        local rate = suggest("lr", lr)
        local before = weights[parent(record) or -1] or 0
        weights[record.number] = before + gain(rate, record.system_attributes["pbt:place"] // population)
        best = math.max(best, weights[record.number])
        return weights[record.number]
      end)
      assert(best > best_constant, ("seed %d: %g, the best constant has %g"):format(seed, best, best_constant))
    end
  end)

  it("tells the objective where its parent's checkpoint is", function()
    local folder, last = process.folder(), nil
    local study = search.study {
      name = "pbt", direction = "maximize", sampler = PBT {seed = 2, population = 3}, checkpoints = folder,
    }
    study:optimize(function(trial_)
      local steps, path = 0, trial_:parent_checkpoint()
      assert.equal(trial_.number < 3, path == nil)
      if path then steps = tonumber(process.read(path)) end
      trial_:float("lr", 1e-3, 1, {log = true})
      last = trial_:checkpoint_path()
      process.write(last, tostring(steps + 1))
      return steps + trial_.number / 100
    end, {trials = 12, progress = false})
    assert.equal("4", process.read(last))
    process.remove(folder)
  end)

  it("trains with the rate that it drew, as its example does", function()
    local folder = process.folder()
    local study = search.study {
      name = "pbt", direction = "maximize", sampler = PBT {seed = 2, population = 2}, checkpoints = folder,
    }
    local examples, labels = fnn.randn(8, 3), fnn.randint(1, 2, {8})
    study:optimize(function(trial_)
      local rate = trial_:float("lr", 1e-4, 1e-1, {log = true})
      local trainer = fnn.Trainer {
        model = fnn.nn.Dense {2}, optimizer = fnn.optim.SGD {lr = rate}, loss = "cross_entropy",
      }
      trainer.model(examples)
      local from = trial_:parent_checkpoint()
      if from then assert(trainer:load(from)) end
      trainer.optimizer.options.lr = rate
      local before = trainer.model.weight:clone()
      trainer:fit({examples, labels}, {batch_size = 8, progress = false, shuffle = false})
      local step = (trainer.model.weight - before):detach() / trainer.model.weight.grad
      assert(math.abs(-step:mean():item() / rate - 1) < 1e-2)
      assert(trainer:save(trial_:checkpoint_path()))
      return trial_.number
    end, {trials = 6, catch = false, progress = false})
    process.remove(folder)
  end)

  it("refuses what it cannot do", function()
    for message, given in pairs {
      ["PBT: population: expected 2 or more, got 1"] = {population = 1},
      ["PBT: quantile: expected 0..0.5, got 0.7"] = {quantile = 0.7},
      ["PBT: factors: expected a list of numbers, got an empty one"] = {factors = {}},
      ["PBT: factors: element 2: expected a number above 0, got -1"] = {factors = {2, -1}},
    } do
      local ok, text = pcall(PBT, given)
      assert.is_false(ok)
      assert.matches(message, text, 1, true)
    end
    local history = loop.history("minimize", "minimize")
    assert.has_error(function() loop.ask(history, PBT {}) end, "PBT: expected a study with one objective")
  end)
end)
