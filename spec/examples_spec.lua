-- The examples, as programs: their options, what they print, and the files that they write, on a few small images; and
-- the scripts of README.md and of spec/scripts, which stand for what users write.
local fnn = require "fmnistnn"
local core = require "fmnistnn.core"
local idx = require "spec.support.idx"
local process = require "spec.support.process"
local quote = process.quote

local here -- copies of the examples, away from any build/, and the data
local scripts = {"cnn", "resnet"}

setup(function()
  here = process.folder()
  os.execute("cp examples/*.lua " .. quote(here))
  local contents = idx.contents(64, 30, 28, 28)
  for key, name in pairs(idx.names) do process.write(here .. "/" .. name, contents[key]) end
end)

teardown(function() process.remove(here) end)

local function command(script, options)
  return ("%s %s"):format(process.lua(("%s/%s.lua"):format(here, script), "FMNISTNN_DATA=" .. quote(here)), options)
end

local function run(script, options) return process.run(command(script, options)) end

describe("an example", function()
  for _, script in ipairs(scripts) do
    it("trains, tells the results and writes them: " .. script, function()
      local save, json = here .. "/" .. script .. ".safetensors", here .. "/" .. script .. ".json"
      local options = "--epochs 2 --batch 16 --lr 0.002 --seed 3 --threads 1 --limit 40 --save %s --json %s"
      local code, out, err = run(script, options:format(quote(save), quote(json)))
      assert.equal(0, code, err)
      local epochs = select(2, err:gsub("epoch %d/2  [^\n]*val_accuracy [%d.]+\n", ""))
      assert.equal(2, epochs, err)
      for _, expected in ipairs {
        "multiply%-adds", "\ntest accuracy [%d.]+, test loss [%d.]+\n", "class +precision +recall +F1", "\nAnkle boot ",
        "\ntrue \\ predicted ",
      } do
        assert.matches(expected, out)
      end

      local results = assert(fnn.json.decode(process.read(json)))
      assert.equal(2, #results.epochs)
      for _, epoch in ipairs(results.epochs) do
        for _, name in ipairs {"loss", "accuracy", "val_loss", "val_accuracy", "seconds", "images_per_second"} do
          assert.is_number(epoch[name], name)
        end
      end
      local right, all = 0, 0
      for i, row in ipairs(results.confusion) do
        assert.equal(10, #row)
        for j, count in ipairs(row) do
          right, all = right + (i == j and count or 0), all + count
        end
      end
      assert.same({10, 30}, {#results.confusion, all})
      assert.is_true(math.abs(right / all - results.test_accuracy) < 1e-12)
      assert.is_number(results.test_loss)

      if script == "cnn" then -- resnet's blocks are classes of its own
        local model = assert(fnn.nn.load(save))
        assert.equal(results.parameters, (model:count_parameters()))
        local _, test = assert(fnn.data.fashion_mnist(here))
        local trainer = fnn.Trainer {model = model, loss = "categorical_crossentropy", metrics = {"accuracy"}}
        assert.equal(results.test_accuracy, trainer:evaluate(test).accuracy)
      else
        local model, message = fnn.nn.load(save)
        assert.is_nil(model)
        assert.matches("ConvolutionalBlock", message)
      end
    end)
  end

  it("trains otherwise with another value of an option, and the same with the same", function()
    local json = here .. "/options.json"
    local function loss(script, options)
      local code, _, err = run(script, ("%s --epochs 1 --threads 1 --json %s"):format(options, quote(json)))
      assert.equal(0, code, err)
      return assert(fnn.json.decode(process.read(json))).epochs[1].loss
    end
    local options = "--limit 40 --batch 16 --lr 0.002 --seed 3"
    for _, script in ipairs(scripts) do
      local expected = loss(script, options)
      assert.equal(expected, loss(script, options))
      for value, other in pairs {["40"] = "41", ["16"] = "15", ["0.002"] = "0.001", ["3"] = "4"} do
        local changed = options:gsub("%f[%d.]" .. value .. "%f[^%d.]", other)
        assert.not_equal(options, changed)
        assert.not_equal(expected, loss(script, changed), script .. " " .. changed)
      end
    end
  end)

  it("writes null for a loss that is no number", function()
    local json = here .. "/nan.json"
    local code, _, err = run("cnn", "--epochs 2 --limit 16 --lr 1e30 --json " .. quote(json))
    assert.equal(0, code, err)
    local results = assert(fnn.json.decode(process.read(json)))
    assert.same({fnn.json.null, fnn.json.null, 2}, {results.test_loss, results.epochs[2].loss, #results.epochs})
    assert.is_number(results.test_accuracy)
  end)

  it("has the study's parameters", function()
    local _, out = run("cnn", "--epochs 1 --limit 16")
    assert.matches("parameters +1,862,516", out) -- 15,800 + 1,843,456 + 2,570 + 350 + 340 of batch normalization
  end)

  it("tells its options", function()
    for _, script in ipairs(scripts) do
      local code, out = run(script, "--help")
      assert.equal(0, code)
      for _, name in ipairs {"epochs", "batch", "lr", "seed", "threads", "limit", "save", "json", "help"} do
        assert.matches("--" .. name, out, 1, true)
      end
    end
  end)

  it("refuses what is no option or no value of one, with a line that names it", function()
    local folder = quote(here)
    for options, expected in pairs {
      ["--bogus"] = "unknown option '--bogus'",
      ["--epoch 3"] = "unknown option '--epoch'",
      ["extra"] = "too many arguments",
      ["--epochs"] = "option '--epochs' requires an argument",
      ["--epochs 0"] = "option '--epochs': expected an integer of 1 or more, got '0'",
      ["--epochs 1.5"] = "option '--epochs': expected an integer of 1 or more, got '1.5'",
      ["--epochs="] = "option '--epochs': expected an integer of 1 or more, got ''",
      ["--batch -5"] = "option '--batch': expected an integer of 1 or more, got '-5'",
      ["--lr -0.1"] = "option '--lr': expected a number above 0, got '-0.1'",
      ["--lr -.1"] = "option '--lr': expected a number above 0, got '-.1'",
      ["--lr nan"] = "option '--lr': expected a number above 0, got 'nan'",
      ["--lr 1e400"] = "option '--lr': expected a number above 0, got '1e400'",
      ["--seed -1"] = "option '--seed': expected an integer of 0 or more, got '-1'",
      ["--limit 0"] = "option '--limit': expected an integer of 1 or more, got '0'",
      ["--threads 0"] = "option '--threads': expected 1..",
      ["--threads 1e9"] = "option '--threads': expected 1..",
      ["--threads many"] = "option '--threads': expected an integer",
      ["--save " .. folder] = "option '--save': expected the name of a file, got '" .. here .. "'",
      ["--save " .. folder .. "/"] = "option '--save': expected the name of a file, got '" .. here .. "/'",
      ["--json ''"] = "option '--json': expected the name of a file, got ''",
      ["--json /nowhere/at/all"] = "option '--json': /nowhere/at/all: No such file or directory",
    } do
      local code, out, err = run("cnn", options)
      assert.same({2, ""}, {code, out}, options)
      assert.equal(1, select(2, err:gsub("\n", "")), err)
      assert.equal("cnn.lua: " .. expected, err:sub(1, #expected + 9))
    end
    assert.is_nil(table.concat(process.list(here), "\n"):find(".tmp", 1, true))
  end)

  it("writes to devices and pipes", function()
    local code, out = run("cnn", "--epochs 1 --limit 16 --json /proc/self/fd/2 --save /dev/null 2>&1 >/dev/null | cat")
    assert.equal(0, code)
    assert.matches('"test_accuracy": ', out)
    assert(os.execute "test -c /dev/null")
  end)

  it("fails at the end when its output cannot be written, and saves the model before", function()
    if not os.execute "test -c /dev/full" then return pending "there is no /dev/full" end
    local save = here .. "/full.safetensors"
    for to, expected in pairs {[">/dev/full"] = "No space left on device", [">&-"] = "Bad file descriptor"} do
      os.remove(save)
      local code, _, err = run("cnn", ("--epochs 1 --limit 16 --save %s %s"):format(quote(save), to))
      assert.equal(1, code)
      assert.matches("\ncnn.lua: standard output: " .. expected .. "\n$", err)
      assert.is_true(core.file_size(save) > 0)
    end
  end)

  it("finds out whether it can write where a link leads", function()
    os.execute("ln -s nowhere/some.json " .. quote(here .. "/link"))
    local code, _, err = run("cnn", "--json " .. quote(here .. "/link"))
    assert.equal(2, code)
    assert.matches("^cnn.lua: option '%-%-json': [^\n]*/link: No such file or directory", err)
  end)

  it("says what is wrong with the data, in a line", function()
    local empty = process.folder()
    local code, _, err = process.run(process.lua(here .. "/cnn.lua", "FMNISTNN_DATA=" .. quote(empty)))
    process.remove(empty)
    assert.equal(1, code)
    assert.matches("^cnn.lua: [^\n]*train%-images%-idx3%-ubyte[^\n]*\n$", err)
  end)

  it("ends at Ctrl-C with the results so far, and saves them", function()
    if not process.has "python3" then return pending("python3 is needed") end
    local save, json, log = here .. "/stopped.safetensors", here .. "/stopped.json", here .. "/log"
    local options = ("--epochs 100000 --batch 16 --limit 32 --save %s --json %s 2>%s"):format(quote(save), quote(json),
      quote(log))
    local code, out = process.interrupt(command("cnn", options), log)
    assert.equal(0, code)
    assert.matches("stopped; the results so far:\n$", process.read(log))
    assert.matches("\ntest accuracy ", out)
    local results = assert(fnn.json.decode(process.read(json)))
    assert.is_true(#results.epochs >= 1 and #results.epochs < 100000)
    assert.truthy(fnn.nn.load(save))
  end)

  it("ends at Ctrl-C before training with a line", function()
    if not process.has "python3" then return pending("python3 is needed") end
    local wrapper, log = here .. "/wrapper.lua", here .. "/log"
    -- runs a script whose options take for ever to be read
    process.write(wrapper, ([[
      arg = {[0] = arg[1]}
      local load_file = dofile
      function dofile(path)
        local result = load_file(path)
        if path:find "options.lua" then
          io.open(%q, "w"):write("here"):close()
          repeat until false
        end
        return result
      end
      dofile(arg[0])
    ]]):format(log))
    for _, script in ipairs(scripts) do
      os.remove(log)
      local code, out, err = process.interrupt(("%s %s/%s.lua"):format(process.lua(wrapper), quote(here), script), log)
      assert.same({130, "", script .. ".lua: stopped\n"}, {code, out, err})
    end
  end)

  it("says that the library is missing, in a line", function()
    for _, script in ipairs(scripts) do
      local code, out, err = process.run(("LUA_PATH=';;' LUA_CPATH=/nowhere/?.so lua5.4 %s/%s.lua"):format(quote(here),
        script))
      assert.same({2, ""}, {code, out})
      assert.matches("^fmnistnn was not found: build it [^\n]*\n$", err)
    end
  end)

  it("says that it needs Lua 5.4 to an older one", function()
    if not process.has "lua5.1" then return pending("lua5.1 is needed") end
    for _, script in ipairs(scripts) do
      local code, out, err = process.run(("lua5.1 %s/%s.lua"):format(quote(here), script))
      assert.same({2, ""}, {code, out})
      assert.matches("^[^\n]*needs Lua 5.4, and this is Lua 5.1[^\n]*\n$", err)
    end
  end)
end)

describe("a search of small networks", function()
  local has_sqlite = pcall(require, "luasql.sqlite3")

  -- spec/scripts/small_cnn.lua with fewer images and trials.
  local function script()
    local text, changes = process.read "spec/scripts/small_cnn.lua", 0
    for pattern, replacement in pairs {
      ["first%(6000%)"] = "first(48)", ["first%(2000%)"] = "first(20)", ["trials = 30"] = "trials = 7",
    } do
      local count
      text, count = text:gsub(pattern, replacement)
      changes = changes + count
    end
    assert.equal(3, changes)
    process.write(here .. "/small_cnn.lua", text)
    return process.lua(here .. "/small_cnn.lua", "STUDY_DB=small.db FMNISTNN_DATA=" .. quote(here))
  end

  it("goes on until all trials are done, and leaves a page", function()
    if not has_sqlite then return pending "LuaSQL for SQLite is needed" end
    local command_ = ("cd %s && exec %s"):format(quote(here), script())
    process.run(("timeout -s KILL 0.5 sh -c %s"):format(quote(command_)))
    local code, out, err = process.run(command_)
    assert.equal(0, code, err)
    local best, value, lr = out:match "^(%d+)\t([%d.]+)\t([%d.e-]+)\n$"
    assert.truthy(best, out)
    assert.matches("7/7 trials  best ", err)
    local study = assert(fnn.search.load_study {name = "small-cnn", storage = ("sqlite:///%s/small.db"):format(here)})
    local told = 0
    for _, trial in ipairs(study.trials) do
      if trial.state == "complete" or trial.state == "pruned" then told = told + 1 end
    end
    assert.equal(7, told)
    local trial = study:trial(math.tointeger(best))
    assert.same({trial.value, ("%.14g"):format(trial.params.lr)}, {tonumber(value), lr})
    assert.truthy(process.read(here .. "/small-cnn.html"):find("<h1>small-cnn</h1>", 1, true))
    study.storage:disconnect()
    local _, again = process.run(command_)
    assert.equal(out, again)
  end)
end)

-- #long: real training, too slow under a sanitizer, where smaller specs run the same code
describe("a script #long", function()
  it("of README.md runs", function()
    local count = 0
    for text in process.read("README.md"):gmatch("\n```lua\n(.-)\n```") do
      count = count + 1
      process.write(here .. "/readme.lua", text)
      local command_ = process.lua(here .. "/readme.lua", "FMNISTNN_DATA=" .. quote(here))
      local code, out, err = process.run(("cd %s && %s"):format(quote(here), command_))
      assert.equal(0, code, err)
      assert.truthy(#out > 0)
    end
    assert.equal(3, count)
    assert.truthy(fnn.nn.load(here .. "/clothes.safetensors"))
  end)

  it("of all the blocks of docs/from-pytorch.md runs", function()
    local parts = {}
    for text in process.read("docs/from-pytorch.md"):gmatch("\n```lua\n(.-)\n```") do
      parts[#parts + 1] = text
      if #parts == 1 then -- what the page speaks of besides
        parts[2] = "local train, test = assert(fnn.data.fashion_mnist())"
        parts[3] = "local model = nn.Sequential{nn.Flatten{}, nn.Dense{16}, nn.Dense{10}}"
      end
    end
    assert.equal(9, #parts)
    parts[10] = "model = nn.Sequential{nn.Conv2d{4, kernel = 3}, Block(4), nn.Flatten{}, Center(2704), nn.Dense{10}}"
    parts[11] = "trainer = fnn.Trainer{model = model, optimizer = fnn.optim.Adam{}, loss = 'cross_entropy'}"
    parts[12] = "trainer:fit(train, {epochs = 2})"
    parts[13] = "assert(#model:parameters() == 7 and #model:buffers() == 1 and model[4].mean:any())"
    process.write(here .. "/from-pytorch.lua", table.concat(parts, "\n"))
    local command_ = process.lua(here .. "/from-pytorch.lua", "FMNISTNN_DATA=" .. quote(here))
    local code, _, err = process.run(("cd %s && %s"):format(quote(here), command_))
    assert.equal(0, code, err)
  end)

  for _, name in ipairs {"tensors", "loop", "trainer"} do
    it("that learns from the real images, or needs none, runs: " .. name, function()
      if name ~= "tensors" and not fnn.data.fashion_mnist {download = false} then
        return pending("Fashion-MNIST is needed")
      end
      local code, _, err = process.run(process.lua(("spec/scripts/%s.lua"):format(name)))
      assert.equal(0, code, err)
    end)
  end
end)
