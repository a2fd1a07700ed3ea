-- The live line beyond one fit: the sparkline of the losses, many fits in one display, a display of one's own.
local Progress = require "fmnistnn.progress"
local blobs = require "spec.support.blobs"
local check = require "spec.support.check"
local fnn = require "fmnistnn"
local process = require "spec.support.process"

local nn, quote = fnn.nn, process.quote

local function make()
  return fnn.Trainer {
    model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}, optimizer = fnn.optim.SGD {}, loss = "cross_entropy",
  }
end

describe("a sparkline", function()
  it("goes from the least to the greatest", function()
    assert.are.equal("▁▂▃▄▅▆▇█", Progress.sparkline({0, 1, 2, 3, 4, 5, 6, 7}, 8))
    assert.are.equal("█▅▁", Progress.sparkline({2, 1, 0}, 8))
    assert.are.equal("▁▁", Progress.sparkline({3, 3}, 8))
    assert.are.equal("█▁", Progress.sparkline({9, 2, 1}, 2))
    assert.are.equal("", Progress.sparkline({}, 5))
  end)

  it("has gaps for what is not finite", function()
    assert.are.equal("▁ █ ", Progress.sparkline({0, 0 / 0, 5, math.huge}, 8))
    assert.are.equal("  ", Progress.sparkline({0 / 0, -math.huge}, 8))
  end)
end)

describe("a display of many fits", function()
  local function refuses(text, f) check.refused(f, {"progress_spec", text}) end

  it("refuses what it cannot show", function()
    local function work(list) return function() fnn.Progress {epochs = 1, trials = 2, work = list} end end
    refuses("Progress: work: expected 2, one for each of trials, got 1", work {1})
    refuses("Progress: work: expected a list of numbers, got another table", work {1, x = 2})
    refuses("Progress: work: element 2: expected a number of 0 or more, got string 'a'", work {1, "a"})
    local progress = fnn.Progress {epochs = 1, trials = 2}
    refuses("begin_trial: number: expected an integer of 1 or more, got none", function() progress:begin_trial() end)
    refuses("begin_trial: number: expected 1..2, as Progress was made for, got 3", function()
      progress:begin_trial(3)
    end)
    refuses("begin_trial: epochs: expected an integer of 1 or more, got number 0", function()
      progress:begin_trial(1, 0)
    end)
  end)
end)

describe("a display of one's own", function()
  it("hears of epochs, batches and the end", function()
    local calls = {}
    local display = {}
    function display.begin_epoch(_, epoch, images, seen, history)
      calls[#calls + 1] = ("begin %d %d %d %d"):format(epoch, images, seen, #(history.loss or {}))
    end
    function display.advance(_, count, names, values)
      calls[#calls + 1] = ("advance %d %s %s"):format(count, table.concat(names, ","), math.type(values.loss))
    end
    function display.end_epoch(_, names, values, seconds, rate)
      calls[#calls + 1] = ("end %s %s"):format(table.concat(names, ","), math.type(values.val_loss))
      assert(seconds > 0 and rate > 0)
    end
    function display.stop() calls[#calls + 1] = "stop" end
    make():fit(blobs(30), {epochs = 2, batch_size = 20, validation = blobs(6), progress = display})
    assert.are.same({
      "begin 1 30 0 0", "advance 20 loss float", "advance 10 loss float", "end loss,val_loss float",
      "begin 2 30 0 1", "advance 20 loss float", "advance 10 loss float", "end loss,val_loss float", "stop",
    }, calls)
  end)

  it("is told what was done before a fit that goes on", function()
    local folder, seen = process.folder(), {}
    local display = {advance = function() end, end_epoch = function() end, stop = function() end}
    function display.begin_epoch(_, epoch, _, done, history) seen[#seen + 1] = {epoch, done, #(history.loss or {})} end
    local function go(fails)
      pcall(make().fit, make(), blobs(50), {
        epochs = 2, batch_size = 20, progress = display,
        callbacks = {fnn.callbacks.BackupAndRestore {folder .. "/b", every = 1}, {on_batch_end = function(_, t, batch)
          if fails and #(t.history.loss or {}) == 1 and batch == 3 then error "enough" end
        end}},
      })
    end
    go(true)
    seen = {}
    go(false)
    process.remove(folder)
    assert.are.same({{2, 40, 1}}, seen)
  end)

  it("needs all that is called", function()
    for _, given in ipairs {{}, {begin_epoch = print, advance = print, stop = print}, 1, "yes"} do
      assert.error_matches(function() make():fit(blobs(10), {progress = given}) end,
        "fit: progress: expected true, false, or an object with begin_epoch, advance, end_epoch and stop, got ")
    end
  end)
end)

-- A process on a terminal, which takes a while for each batch.
describe("on a terminal", function()
  local script = [[
    local Progress = require "fmnistnn.progress"
    local blobs = require "spec.support.blobs"
    local fnn = require "fmnistnn"
    local nn = fnn.nn
    local function wait() local before = fnn.now() repeat until fnn.now() - before > 0.11 end
    local progress = %s
    for trial = 1, 2 do
      if type(progress) == "table" then progress:begin_trial(trial) end
      local trainer = fnn.Trainer {
        model = nn.Sequential {nn.Flatten {}, nn.Dense {2}}, optimizer = fnn.optim.SGD {lr = 0.1},
        loss = "cross_entropy",
      }
      trainer:fit(blobs(20), {
        epochs = 4, batch_size = 20, seed = 1, progress = progress, callbacks = {{on_batch_begin = wait}},
      })
    end
  ]]

  -- What the terminal shows: the lines that were drawn, and those that stay.
  local function shown(columns, progress, locale)
    local folder = process.folder()
    process.write(folder .. "/script.lua", script:format(progress))
    local path = ("LC_ALL=%s LUA_PATH=%s"):format(locale, quote("./?.lua;" .. package.path))
    local command = ("stty cols %d; %s"):format(columns, process.lua(folder .. "/script.lua", path))
    local code, out = process.run("exec python3 spec/support/pty.py " .. quote(command))
    process.remove(folder)
    assert.are.equal(0, code, out)
    local drawn, kept = {}, {}
    for text in out:gmatch "\r([^\r\n\27]+)\27%[K" do drawn[#drawn + 1] = text end
    for text in out:gmatch "\27%[K([^\r\n]+)\r?\n" do kept[#kept + 1] = text end
    return drawn, kept
  end

  local with_trials = "Progress {epochs = 4, trials = 2}"

  it("a fit shows the losses of its epochs where there is room", function()
    if not process.has "python3" then return pending("python3 is needed") end
    local drawn = shown(120, "true", "C.UTF-8")
    assert.are.equal(8, #drawn)
    assert.matches("  loss %d%.%d%d%d%d  %d%d:%d%d left$", drawn[2]) -- a single loss is no line
    assert.matches("  loss %d%.%d%d%d%d  █▁  %d%d:%d%d left$", drawn[3])
    assert.matches("  loss %d%.%d%d%d%d  █[▁-█]+▁  %d%d:%d%d left$", drawn[4])
    for _, text in ipairs(drawn) do assert(utf8.len(text) <= 117) end
  end)

  it("no sparkline is shown in a narrow one, or where UTF-8 is not", function()
    if not process.has "python3" then return pending("python3 is needed") end
    for _, case in ipairs {{50, "C.UTF-8"}, {120, "C"}} do
      for _, text in ipairs((shown(case[1], "true", case[2]))) do
        assert.is_nil(text:find "[\128-\255]")
        assert(#text <= case[1] - 3)
      end
    end
  end)

  it("many fits are one display", function()
    if not process.has "python3" then return pending("python3 is needed") end
    local drawn, kept = shown(120, with_trials, "C.UTF-8")
    assert.are.equal(8, #drawn)
    for i, text in ipairs(drawn) do
      local trial, epoch = (i - 1) // 4 + 1, (i - 1) % 4 + 1
      assert.matches(("^trial %d/2, epoch %d/4 %%[=+%%] "):format(trial, epoch), text)
      assert.matches(("^trial %d/2, epoch %d/4  %%d%%d:%%d%%d  "):format(trial, epoch), kept[i])
    end
    assert.matches("00:00 left$", drawn[8])
    assert.is_nil(drawn[5]:find "[\128-\255]") -- another fit's losses are not this one's
  end)
end)
