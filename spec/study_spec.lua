-- The study as a program, on a few small images: what it writes, that it goes on after being killed, what it refuses.
local fnn = require "fmnistnn"
local idx = require "spec.support.idx"
local process = require "spec.support.process"
local quote = process.quote

local here -- copies of the examples, away from any build/, and the data

setup(function()
  here = process.folder()
  os.execute("cp -r examples/* " .. quote(here))
  local contents = idx.contents(64, 30, 28, 28)
  for key, name in pairs(idx.names) do process.write(here .. "/" .. name, contents[key]) end
end)

teardown(function() process.remove(here) end)

local function command(options)
  return ("%s %s"):format(process.lua(here .. "/study.lua", "FMNISTNN_DATA=" .. quote(here)), options)
end

local function study(out, options)
  return process.run(command(("--out %s %s"):format(quote(here .. "/" .. out), options)))
end

local function file(out, name) return process.read(("%s/%s/%s"):format(here, out, name)) end
local function results(out) return assert(fnn.json.decode(assert(file(out, "study.json")))) end

-- The results of runs without what the clock says.
local function without_times(out)
  local found = results(out)
  for _, row in ipairs(found.rows) do row.minutes = nil end
  for _, run in ipairs(found.runs) do
    run.seconds, run.history.seconds, run.history.images_per_second = nil, nil, nil
  end
  return found
end

describe("the study #long", function() -- each case trains in processes of its own
  it("trains networks with several seeds and tells what they came to", function()
    local code, out, err = study("some", "--trials 1,resnet,cured --seeds 2 --epochs 2 --limit 48 --report")
    assert.equal(0, code, err)
    assert.matches("trial 6/6, epoch 2/2", err)
    local found = results("some")
    assert.equal(6, #found.runs)
    assert.equal(3, #found.rows)
    local html, csv = file("some", "study.html"), file("some", "study.csv")
    for i, row in ipairs(found.rows) do
      local name = ({"1", "resnet", "cured"})[i]
      assert.equal(name, row.name)
      assert.equal(2, row.runs)
      local sum, first, second = 0, found.runs[2 * i - 1], found.runs[2 * i]
      for _, run in ipairs {first, second} do
        assert.equal(name, run.trial)
        assert.equal(2, #run.history.val_loss)
        local right, all = 0, 0
        for class, counts in ipairs(run.confusion) do
          for taken, count in ipairs(counts) do right, all = right + (class == taken and count or 0), all + count end
        end
        assert.equal(30, all)
        assert.equal(name == "resnet" and 7 or 3, #run.filters[1][1])
        assert.is_true(math.abs(right / all - run.accuracy) < 1e-9)
        sum = sum + run.accuracy
        for _, wrong in ipairs(run.wrong) do assert.is_true(wrong.is ~= wrong.taken and wrong.image <= 30) end
      end
      assert.is_true(math.abs(sum / 2 - row.accuracy) < 1e-9)
      assert.is_true(math.abs(math.abs(first.accuracy - second.accuracy) / math.sqrt(2) - row.deviation) < 1e-9)
      assert.matches(("\n%s +%.4f  %.4f"):format(name, row.accuracy, row.deviation), "\n" .. out)
      assert.truthy(html:find(("%.4f"):format(row.accuracy), 1, true))
      assert.equal(row.accuracy, tonumber(csv:match(("\n%s,2,2,([%%d.]+),"):format(name))))
      assert.truthy(html:find(first.summary:match("parameters  [^\n]*"), 1, true))
      local mean = (first.history.val_loss[1] + second.history.val_loss[1]) / 2
      assert.truthy(html:find(("%.10g"):format(mean):sub(1, -2), 1, true), mean) -- in the data below a chart
    end
    assert.equal("<svg", file("some", "plots/val_accuracy.svg"):sub(1, 4))
    assert.same({
      "1, seed 1.json", "1, seed 2.json", "cured, seed 1.json", "cured, seed 2.json", "resnet, seed 1.json",
      "resnet, seed 2.json",
    }, process.list(here .. "/some/runs"))
  end)

  it("refuses to mix its results with others, and goes on where it is told to", function()
    assert.equal(0, (study("twice", "--trials 1 --epochs 1 --limit 16")))
    local code, _, err = study("twice", "--trials 1 --epochs 1 --limit 16")
    assert.equal(1, code)
    assert.matches("study.lua: [^\n]*/twice: there are results in it: go on with them by %-%-resume", err)
    code, _, err = study("twice", "--trials 1 --epochs 2 --limit 16 --resume")
    assert.equal(1, code)
    assert.matches("a run with epochs 1, not 2", err)
    code, _, err = study("twice", "--trials 1 --seeds 2 --epochs 1 --limit 16 --resume")
    assert.equal(0, code, err)
    assert.is_nil(err:find("1, seed 1\n", 1, true))
    assert.equal(2, #results("twice").runs)
  end)

  it("refuses to mix an interrupted run with others, and goes on with it where it is told to", function()
    if not process.has "python3" then return pending("python3 is needed") end
    local run = here .. "/stopped/runs/1, seed 1"
    local code, _, err = process.interrupt(command("--trials 1 --epochs 100000 --limit 16 --out " ..
      quote(here .. "/stopped")), run .. "/state.safetensors")
    assert.equal(1, code, err)
    assert.matches("study.lua: stopped; %-%-resume goes on\n$", err)
    local backup = process.read(run .. "/state.safetensors")
    code, _, err = study("stopped", "--trials 1 --epochs 100000 --limit 16")
    assert.equal(1, code)
    assert.matches("study.lua: [^\n]*/stopped: there are results in it: go on with them by %-%-resume", err)
    for options, expected in pairs {
      ["--epochs 1 --limit 16"] = "a run with epochs 100000, not 1",
      ["--epochs 100000 --limit 32"] = "a run with images 16, not 32",
      ["--epochs 100000 --limit 32 --validation 0.5"] = "a run with validation_images 30, not 16",
    } do
      code, _, err = study("stopped", "--trials 1 --resume " .. options)
      assert.equal(1, code)
      assert.matches("^study.lua: [^\n]*/1, seed 1/run.json: " .. expected .. ": [^\n]*\n$", err)
    end
    assert.equal(backup, process.read(run .. "/state.safetensors"))

    os.remove(run .. "/run.json") -- as older versions left it
    assert.equal(1, (study("stopped", "--trials 1 --epochs 1 --limit 16")))
    process.write(run .. "/run.json", '{"trial": "1", "epochs": 1}')
    code, _, err = study("stopped", "--trials 1 --epochs 1 --limit 16 --resume")
    assert.equal(0, code, err)
    assert.same({"1, seed 1.json"}, process.list(here .. "/stopped/runs"))
  end)

  it("ends in the same numbers when it is killed again and again", function()
    local options = "--trials 1,9,cured --epochs 3 --limit 64 --threads 1"
    assert.equal(0, (study("whole", options)))
    local killed, code = 0, nil
    for attempt = 1, 40 do
      local again = command(("%s --out %s --resume"):format(options, quote(here .. "/parts")))
      code = process.run(("timeout -s KILL %.2f %s"):format(0.2 + attempt * 0.05, again))
      if code == 0 then break end
      killed = killed + 1
    end
    assert.equal(0, code)
    assert.is_true(killed > 1, "it was never killed")
    assert.same(without_times("whole"), without_times("parts"))
  end)

  it("keeps a network whose loss is no number, with the words why, and goes on", function()
    local trials = process.read(here .. "/study/trials.lua")
    process.write(here .. "/study/trials.lua", (trials:gsub("optimizer = \"Adam\", pools = {1, 2}, dense = {64}",
      "optimizer = \"SGD\", lr = 1e30, pools = {1, 2}, dense = {64}")))
    local code, out, err = study("nan", "--trials 1,2 --epochs 2 --limit 64")
    process.write(here .. "/study/trials.lua", trials)
    assert.equal(0, code, err)
    local found = results("nan")
    assert.matches("epoch 1, batch %d", found.runs[1].stopped)
    assert.is_nil(found.runs[1].accuracy)
    assert.is_number(found.runs[2].accuracy)
    assert.matches(found.runs[1].stopped, out, 1, true)
    assert.matches(found.runs[1].stopped, file("nan", "study.html"), 1, true)
  end)

  it("runs the study's findings as experiments, judged by images set apart", function()
    local code, out, err = study("pooling", "--experiments pooling --epochs 1 --limit 40 --validation 0.25")
    assert.equal(0, code, err)
    assert.matches("8, pooling AvgPool2d", out)
    local found = results("pooling")
    assert.equal(30, found.runs[1].images)
    for i, result in ipairs(found.runs) do -- ten images judge
      assert.equal(result.history.val_accuracy[1], result.validation_accuracy)
      assert.matches(("pooling %%S+  +%.4f  +%.4f"):format(result.validation_accuracy, result.accuracy), out)
      assert.equal(result.validation_accuracy, found.rows[i].validation_accuracy)
    end
    assert.truthy(file("pooling", "study.html"):find(">validation<", 1, true))
    assert.matches("Accuracy on validation images", file("pooling", "study.html"), 1, true)
  end)

  it("trains rows that differ in one thing differently", function()
    local code, _, err = study("rows", "--experiments recipe --epochs 2 --limit 20")
    assert.equal(0, code, err)
    local trial_of = {}
    for _, run in ipairs(results("rows").runs) do
      local came = fnn.json.encode {run.history.loss, run.history.val_loss, run.wrong}
      local is_same = run.trial == "cured, in single precision" and not fnn.info().bf16
      assert.equal(is_same and "cured, all of it" or nil, trial_of[came], run.trial)
      trial_of[came] = run.trial
    end
    assert.equal("cured, all of it", results("rows").runs[1].trial)
  end)

  it("refuses what it cannot do, in a line and before it begins", function()
    os.execute("mkdir " .. quote(here .. "/kept"))
    process.write(here .. "/kept/probe.tmp", "kept")
    assert.equal(1, (study("kept", "--trials bogus")))
    assert.equal("kept", file("kept", "probe.tmp"))
    for options, expected in pairs {
      ["--trials 1,bogus"] = {1, "option '--trials': there is no trial 'bogus'"},
      ["--trials ''"] = {1, "option '--trials': expected names, got ''"},
      ["--trials '1, 2,1'"] = {1, "option '--trials': '1' is there twice"},
      ["--trials 1 --experiments lr"] = {1, "option '--experiments': expected no '--trials' beside it"},
      ["--experiments ,"] = {1, "option '--experiments': expected names, got ','"},
      ["--limit 9 --validation 0.01"] = {1, "option '--validation': 9 examples are too few to set 0.01 of them apart"},
      ["--experiments bogus"] = {1, "option '--experiments': there is no experiment 'bogus'"},
      ["--validation 1.5"] = {2, "option '--validation': expected a number between 0 and 1, got '1.5'"},
      ["--seeds 0"] = {2, "option '--seeds': expected an integer of 1 or more, got '0'"},
      ["--out /proc/nowhere"] = {2, "option '--out': /proc/nowhere: "},
    } do
      local code, _, err = process.run(command(options))
      assert.equal(expected[1], code, options)
      assert.equal("study.lua: " .. expected[2], err:sub(1, #expected[2] + 11))
      assert.equal(1, select(2, err:gsub("\n", "")), err)
    end
  end)
end)
