-- examples/search.lua, on a few small images: its space holds the study's networks, and it goes on after being killed.
local fnn = require "fmnistnn"
local idx = require "spec.support.idx"
local process = require "spec.support.process"
local search = require "fmnistnn.search"
local quote = process.quote

local here -- copies of the examples, away from any build/, and the data
local has_sqlite = pcall(require, "luasql.sqlite3")

setup(function()
  here = process.folder()
  os.execute("cp -r examples/* " .. quote(here))
  local contents = idx.contents(64, 30, 28, 28)
  for key, name in pairs(idx.names) do process.write(here .. "/" .. name, contents[key]) end
end)

teardown(function() process.remove(here) end)

local function test(name, f)
  if has_sqlite then it(name, f) else pending(name .. " (LuaSQL for SQLite is not installed)") end
end

local function lua(script) return process.lua(script, "FMNISTNN_DATA=" .. quote(here)) end

local function command(out, options, program)
  return ("%s --out %s --epochs 2 --limit 40 %s"):format(program or lua(here .. "/search.lua"),
    quote(here .. "/" .. out), options)
end

local function url_of(out) return ("sqlite:///%s/%s/search.db"):format(here, out) end

local function worker(out, options)
  return command(out, options, ("%s --storage %s %s"):format(lua "bin/fmnistnn-worker", url_of(out),
    quote(here .. "/search.lua")))
end

local function trials_of(out)
  local study = assert(search.load_study {name = "fashion-mnist", storage = url_of(out)})
  local trials = study.trials
  study.storage:disconnect()
  return trials
end

local function count_told(trials)
  local count = 0
  for _, trial in ipairs(trials) do
    if trial.state == "complete" or trial.state == "pruned" then count = count + 1 end
  end
  return count
end

local path = package.path
package.path = "examples/?.lua;" .. path
local space, study_trials, networks = require "search.space", require "study.trials".trials, require "study.networks"
package.path = path

describe("the space of the example's search", function()
  it("has the study's nine", function()
    local study, rows = search.study {name = "s", sampler = search.Random {seed = 1}}, {}
    for _, row in ipairs(study_trials) do
      if row.convolutions then
        rows[#rows + 1] = row
        study:enqueue(space.parameters(row))
      end
    end
    assert.equal(9, #rows)
    for _, row in ipairs(rows) do
      local trial = study:ask()
      for _, drawn in ipairs {space.draw(trial), space.row(trial.params)} do
        assert.same({row.convolutions, row.pools, row.dense, row.batch, row.optimizer, row.batch_norm or false},
          {drawn.convolutions, drawn.pools, drawn.dense, drawn.batch, drawn.optimizer, drawn.batch_norm})
        assert.same({row.lr or 0.001, row.dropout or 0.0, "MaxPool2d"}, {drawn.lr, drawn.dropout, drawn.pool_kind})
      end
    end
    local words = "35 3x3 valid, 50 3x3 valid, pool; dense 256; batch normalization, dropout 0.7; Adam 0.0005, "
    assert.equal(words .. "batch 128", space.describe(space.row(study:trial(8).params)))
  end)

  it("has networks only that can be made", function()
    local study = search.study {name = "s", sampler = search.Random {seed = 2}}
    for _ = 1, 100 do
      local totals = networks.make(space.draw(study:ask())):summary({1, 28, 28}, {print = false})
      assert.is_true(totals.multiply_adds > 0)
    end
  end)
end)

describe("the example's search", function()
  test("tries the study's trials first, trains the best, and is not begun twice by accident", function()
    local code, out, err = process.run(command("some", "--trials 11 --workers 2"))
    assert.equal(0, code, err)
    assert.matches("the best of 11 trials is trial %d+, with a validation accuracy of [%d.]+:\n%d+ %dx%d", out)
    local accuracy = out:match "trained on all 40 training images: test accuracy ([%d.]+); trial 9 of the study: 0.9252"
    local trials = trials_of "some"
    for i, name in ipairs {9, 8, 7, 2, 5, 1, 4, 6, 3} do
      assert.equal("trial " .. name, trials[i].user_attributes.from)
    end
    assert.is_nil(trials[10].user_attributes.from)
    local _, set = assert(fnn.data.fashion_mnist(here))
    local model = assert(fnn.nn.load(here .. "/some/best.safetensors"))
    local trainer = fnn.Trainer {model = model, loss = "categorical_crossentropy", metrics = {"accuracy"}}
    assert.equal(accuracy, ("%.4f"):format(trainer:evaluate(set).accuracy))
    assert.truthy(process.read(here .. "/some/search.html"):find("<h1>fashion-mnist</h1>", 1, true))
    code, _, err = process.run(command("some", "--trials 12"))
    assert.equal(1, code)
    assert.matches("^search.lua: there are 11 trials already: go on with them by %-%-resume, or [^\n]*\n$", err)
  end)

  test("is not mixed with one of other epochs, images or seeds", function()
    assert.equal(0, (process.run(command("other", "--trials 1"))))
    for options, expected in pairs {
      ["--trials 2 --resume --epochs 3"] = "epochs 2, not 3",
      ["--trials 2 --resume --limit 30"] = "images %d+, not %d+",
      ["--trials 2 --resume --validation 0.5"] = "images %d+, not 20",
      ["--trials 2 --resume --seed 2"] = "seed 1, not 2",
    } do
      for _, line in ipairs {command("other", options), worker("other", options)} do
        local code, _, err = process.run(line)
        assert.equal(1, code, options)
        assert.matches("search.lua: the search that is there has [^\n]*" .. expected .. ": choose another folder", err)
      end
    end
    assert.equal(1, count_told(trials_of "other"))
    assert.equal(0, (process.run(command("other", "--trials 2 --resume"))))
  end)

  test("counts no trials that wait", function()
    local code, out, err = process.run(command("few", "--trials 2"))
    assert.equal(0, code, err)
    assert.equal(9, #trials_of "few")
    assert.matches("^the best of 2 trials is trial ", out)
    assert.matches("there are 2 trials already", select(3, process.run(command("few", "--trials 2"))))
  end)

  test("has the study's trials when it was stopped before all of them waited", function()
    os.execute("mkdir " .. quote(here .. "/early"))
    local study = search.study {
      name = "fashion-mnist", direction = "maximize", metric_names = {"accuracy"}, storage = url_of "early",
    }
    study:enqueue(space.parameters(study_trials[9]), {user_attributes = {from = "trial 9"}})
    study.storage:disconnect()
    local code, _, err = process.run(command("early", "--trials 1 --resume"))
    assert.equal(0, code, err)
    local names = {}
    for i, trial in ipairs(trials_of "early") do names[i] = trial.user_attributes.from:match "%d" end
    assert.equal("987251463", table.concat(names))
    code, _, err = process.run(command("early", "--trials 2 --resume --seed 2"))
    assert.equal(1, code)
    assert.matches("seed 1, not 2", err)
  end)

  test("goes on after being killed, and with workers that join", function()
    for _ = 1, 3 do process.run(("timeout -s KILL 0.6 %s"):format(command("killed", "--trials 10 --resume"))) end
    local code, out, err = process.run(worker("killed", "--trials 12"))
    assert.equal(0, code, err)
    assert.equal("", out) -- it leaves the end to the other
    assert.equal(12, count_told(trials_of "killed"))
    code, out, err = process.run(command("killed", "--trials 12 --resume"))
    assert.equal(0, code, err)
    assert.matches("test accuracy [%d.]+", out)
  end)

  it("refuses what it cannot do, in a line", function()
    local code, _, err = process.run(command("refused", "--validation 0.001"))
    assert.equal(1, code)
    assert.equal("search.lua: option '--validation': 40 examples are too few to set 0.001 of them apart\n", err)
    for options, expected in pairs {
      ["--trials 0"] = "option '--trials': expected an integer of 1 or more, got '0'",
      ["--minutes 0"] = "option '--minutes': expected a number above 0, got '0'",
      ["--validation 1"] = "option '--validation': expected a number between 0 and 1, got '1'",
    } do
      code, _, err = process.run(command("refused", options))
      assert.equal(2, code)
      assert.equal("search.lua: " .. expected, err:sub(1, #expected + 12))
      assert.equal(1, select(2, err:gsub("\n", "")), err)
    end
  end)
end)
