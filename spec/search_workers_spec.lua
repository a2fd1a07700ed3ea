-- Processes of a search: workers, what becomes of their trials when they are killed, Ctrl-C.
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local core = require "fmnistnn.core"
local rules = require "fmnistnn.search.storage.rules"
local search = require "fmnistnn.search"

local has_sqlite, has_postgres = pcall(require, "luasql.sqlite3"), postgres.is_there()
local folder, server

setup(function()
  folder = process.folder()
  if has_postgres then server = postgres.start() end
end)

teardown(function()
  process.remove(folder)
  if server then server:stop() end
end)

local function test(name, f)
  if has_sqlite then it(name, f) else pending(name .. " (LuaSQL for SQLite is not installed)") end
end

local count = 0

-- A place for a search: its files, and the command that runs spec/scripts/search.lua there.
local function place(given)
  count = count + 1
  local at = {log = ("%s/%d.log"):format(folder, count)}
  at.url = given.url or ("sqlite:///%s/%d.db"):format(folder, count)
  local words = ("STORAGE=%s LOG=%s CHECKPOINTS=%s TRIALS=%d WORKERS=%d STEP=%g"):format(process.quote(at.url), at.log,
    ("%s/%d.checkpoints"):format(folder, count), given.trials, given.workers, given.step)
  at.command = process.lua("spec/scripts/search.lua", words)
  return at
end

-- The trials as the database has them, not as they were read before.
local function study_at(at)
  count = count + 1
  local study = assert(search.load_study {name = "s", storage = (at.url:gsub("^%a+", "%0+" .. count))})
  local trials = study.trials
  study.storage:disconnect()
  return trials
end

-- Starts a command in the background; returns its process id.
local function start(command)
  local pipe = assert(io.popen(("exec 2>/dev/null; %s >/dev/null </dev/null & echo $!"):format(command)))
  local id = math.tointeger(pipe:read "n")
  pipe:close()
  return id
end

local function is_there(id) return os.execute(("kill -0 %d 2>/dev/null"):format(id)) == true end

-- The processes that a process has started.
local function children(id)
  local list = {}
  for each in process.output(("cat /proc/%d/task/%d/children 2>/dev/null"):format(id, id)):gmatch "%d+" do
    list[#list + 1] = math.tointeger(tonumber(each))
  end
  return list
end

local function wait_for_steps(at, n)
  process.wait(function() return select(2, (process.read(at.log) or ""):gsub("\n", "")) >= n end)
end

-- Asserts that so many trials were completed, each once, with all of its steps; failed ones have another attempt.
local function check_complete(at, expected)
  local origins, complete = {}, 0
  for _, trial in ipairs(study_at(at)) do
    assert(trial.state == "complete" or trial.state == "failed", trial.state)
    if trial.state == "complete" then
      complete = complete + 1
      local origin = rules.origin(trial)
      assert(not origins[origin], "it was counted twice")
      origins[origin] = true
      assert.are.equal(trial.params.x, trial.value)
      for step = 1, 5 do assert.are.equal(trial.params.x * step, trial.intermediate[step]) end
    end
  end
  assert.are.equal(expected, complete)
end

-- The trials that are over, by number: their state and values.
local function finished(at)
  local found = {}
  local ok, trials = pcall(study_at, at)
  for _, trial in ipairs(ok and trials or {}) do
    if trial.finished then found[trial.number] = trial.state .. tostring(trial.value) end
  end
  return found
end

describe("workers", function()
  test("share out the trials and the threads", function()
    local at = place {trials = 6, workers = 2, step = 0.01}
    local code, out, err = process.run(at.command)
    assert(code == 0, err)
    check_complete(at, 6)
    local processes, lines = {}, 0
    for id, threads in process.read(at.log):gmatch "%d+ %d+ (%d+) (%d+)\n" do
      processes[id], lines = true, lines + 1
      assert.are.equal(math.max(1, core.threads() // 2), tonumber(threads))
    end
    local first = next(processes)
    assert(first and next(processes, first) and not next(processes, next(processes, first)))
    assert.are.equal(30, lines)
    assert(tonumber(out) and err:find("6/6 trials", 1, true), err)
    assert.are.equal(0, (process.run(at.command))) -- nothing is left to do
    check_complete(at, 6)
  end)

  test("show in a live line how it goes, and the time left until their timeout", function()
    if not process.has "python3" then return pending "python3 is needed" end
    local path = folder .. "/live.lua"
    process.write(path, ([[
      require "fmnistnn.search".study{name = "s", storage = "sqlite:///%s/live.db"}:optimize(function(trial)
        io.popen("sleep 0.5"):close()
        return trial.number
      end, {trials = 1000, timeout = 1.5, workers = 2})]]):format(folder))
    local command = "stty cols 100; " .. process.lua(path)
    local code, shown = process.run("exec python3 spec/support/pty.py " .. process.quote(command))
    assert.are.equal(0, code, shown)
    local line = "%d/1000 trials  best %d %(trial %d%)  %d running, %d done, 0 pruned, 0 failed  00:0[01] left"
    assert.matches("\r\27%[K" .. line, shown)
    local last = shown:match "([^\r\n]+)\r\n$"
    assert.matches("%d+/1000 trials  best 0 %(trial 0%)  0 running, %d+ done, 0 pruned, 0 failed", last)
    assert.is_nil(last:find("left", 1, true))
  end)

  test("see what was there before, and leave the caller's process alone", function()
    local before = {}
    local study = search.study {name = "s", storage = ("sqlite:///%s/shared.db"):format(folder),
      sampler = search.Random {seed = 1}}
    study:ask()
    local id = core.process_id()
    study:optimize(function(trial)
      before[1] = trial.number
      return core.process_id() == id and 1 or 0
    end, {trials = 3, workers = 2, progress = false})
    assert.are.same({{}, 0.0, id}, {before, study.best.value, core.process_id()})
    assert.are.equal(3, #study.trials)
  end)

  for _, workers in ipairs {1, 2} do
    test(("leave signals held that were held before, %d at a time"):format(workers), function()
      local code, out, err = process.run_lua(([[
        local core = require "fmnistnn.core"
        local host <close> = core.hold_signals("INT", "TERM")
        local study = require "fmnistnn.search".study{name = "%d", storage = "sqlite:///%s/held.db"}
        study:optimize(function(trial) return trial.number end, {trials = 2, workers = %d, progress = false})
        for _, name in ipairs{"INT", "TERM"} do
          core.kill(core.process_id(), name)
          print(core.next_signal(0))
        end]]):format(workers, folder, workers))
      assert(code == 0, err)
      assert.are.equal("INT\nTERM\n", out)
    end)
  end

  it("wait for a signal as long as they are told, for ever too", function()
    local code, out, err = process.run_lua [[
      local core = require "fmnistnn.core"
      local held <close> = core.hold_signals("TERM")
      if core.fork("KILL") == 0 then
        core.sleep(0.05)
        core.kill(core.parent_id(), "TERM")
        core.leave(0)
      end
      print(core.next_signal(math.huge))
      print(core.next_signal(-math.huge) or core.next_signal(0/0))]]
    assert(code == 0, err)
    assert.are.equal("TERM\nnil\n", out)
  end)

  test("stop together when one says so, or fails", function()
    local study = search.study {name = "stop", storage = ("sqlite:///%s/stop.db"):format(folder),
      sampler = search.Random {seed = 1}}
    study:optimize(function(trial)
      core.sleep(0.02)
      return trial.number
    end, {trials = 1000, workers = 2, progress = false, callbacks = {function(given, trial)
      if trial.number == 3 then given:stop() end
    end}})
    local stopped = #study.trials
    assert(stopped >= 4 and stopped < 30, stopped)
    local code, _, err = process.run_lua(([[
      local search = require "fmnistnn.search"
      local study = search.study{name = "stop", storage = "sqlite:///%s/stop.db"}
      study:optimize(function() error "no way" end, {workers = 2, catch = false, progress = false})]]):format(folder))
    assert(code ~= 0 and err:find("no way", 1, true) and err:find("a worker ended with an error", 1, true), err)
    assert(#study.trials < stopped + 3)
  end)

  test("that are killed are replaced, and their trials go on where they were", function()
    local at = place {trials = 6, workers = 2, step = 0.05}
    local id = start(at.command)
    wait_for_steps(at, 4)
    core.kill(children(id)[1], "KILL")
    wait_for_steps(at, 15)
    core.kill(children(id)[2], "KILL")
    process.wait(function() return not is_there(id) end)
    check_complete(at, 6)
    local lines = select(2, process.read(at.log):gsub("\n", ""))
    assert(lines >= 30 and lines <= 32, lines) -- at most the step that ran is done again
    local failed = 0
    for _, trial in ipairs(study_at(at)) do
      if trial.state == "failed" then
        failed = failed + 1
        assert.are.equal("the worker was ended by signal 9", trial.system_attributes.fail_reason)
      end
    end
    assert.are.equal(2, failed)
  end)

  local function dying(name, how)
    return ([[
      local core = require "fmnistnn.core"
      local study = require "fmnistnn.search".study{name = "s", storage = "sqlite:///%s/%s.db"}
      print(pcall(study.optimize, study, function(trial)
        trial:float("x", 0, 1)
        %s
      end, {workers = 2, max_failures = 4, progress = false}))
      for _, trial in ipairs(study.trials) do
        print(trial.system_attributes.fail_reason)
      end]]):format(folder, name, how)
  end

  for name, given in pairs {
    killed = {'core.kill(core.process_id(), "KILL")', "the worker was ended by signal 9"},
    leaving = {"os.exit(5)", "the worker ended with code 5"},
    quiet = {"os.exit(0)", "the worker ended with code 0"},
  } do
    test("that die in trial after trial end the search with an error: " .. name, function()
      local code, out, err = process.run_lua(dying(name, given[1]))
      assert(code == 0, err)
      local message = "^false\toptimize: [456] trials in a row failed %(max_failures%), the last one with: "
      assert.matches(message .. given[2], out)
      local failed = select(2, out:gsub("\n" .. given[2] .. "%f[\n]", ""))
      assert(failed >= 4 and failed <= 6, out)
    end)
  end

  test("may die now and then, when trials are told between", function()
    local code, out, err = process.run_lua(([[
      local core = require "fmnistnn.core"
      local study = require "fmnistnn.search".study{name = "s", storage = "sqlite:///%s/now_and_then.db"}
      study:optimize(function(trial)
        if trial.number %% 3 == 0 then os.exit(5) end
        return trial:float("x", 0, 1)
      end, {trials = 12, workers = 2, max_failures = 3, restarts = 20, progress = false})
      local counts = {complete = 0, failed = 0}
      for _, trial in ipairs(study.trials) do counts[trial.state] = counts[trial.state] + 1 end
      print(counts.complete, counts.failed >= 3)]]):format(folder))
    assert(code == 0, err)
    assert.are.equal("12\ttrue\n", out)
  end)

  test("that die before they begin a trial end the search with an error", function()
    local study = search.study {name = "s", storage = ("sqlite:///%s/idle.db"):format(folder)}
    local parent, sampler = core.process_id(), study.sampler
    study.sampler = setmetatable({exhausted = function()
      if core.process_id() ~= parent then core.leave(7) end
      return false
    end}, {__index = sampler})
    local ok, message = pcall(study.optimize, study, print, {workers = 2, progress = false})
    assert(not ok and message:find("workers die before they begin a trial", 1, true), message)
    assert(message:find("the worker ended with code 7", 1, true), message)
    assert.are.equal(0, #study.trials)
  end)

  for _, workers in ipairs {1, 2} do
    test(("that die with all others, %d of them, are missed at the next start"):format(workers), function()
      local at = place {trials = 4, workers = workers, step = 0.03}
      local id = start(at.command)
      wait_for_steps(at, 7)
      local others = children(id)
      core.kill(id, "KILL")
      process.wait(function()
        for _, each in ipairs(others) do
          if is_there(each) then return false end
        end
        return true
      end)
      local before = finished(at)
      assert.are.equal(0, (process.run(at.command)))
      check_complete(at, 4)
      local after = finished(at)
      for number, what in pairs(before) do assert.are.equal(what, after[number]) end
    end)
  end

  test("take each combination of a grid once", function()
    local study = search.study {name = "s", storage = ("sqlite:///%s/grid.db"):format(folder)}
    local grid = search.Grid {space = {x = {1, 2}}}
    study.sampler = setmetatable({exhausted = function(_, history)
      local answer = grid:exhausted(history)
      core.sleep(0.2) -- others may ask meanwhile
      return answer
    end}, {__index = grid})
    study:optimize(function(trial) return trial:categorical("x", {1, 2}) end, {workers = 4, progress = false})
    local values = {}
    for i, trial in ipairs(study.trials) do values[i] = trial.value end
    table.sort(values)
    assert.are.same({1.0, 2.0}, values)
  end)

  test("of several searches make so many trials in all", function()
    local at = place {trials = 12, workers = 2, step = 0.01}
    local code, _, err = process.run(("(%s & %s & wait)"):format(at.command, at.command))
    assert(code == 0, err)
    check_complete(at, 12)
  end)

  -- Kills a process of the search, the first one too, again and again.
  local function torment(at, times, trials)
    local seen, id = {}, start(at.command)
    for _ = 1, times do
      core.sleep(math.random() * 0.4)
      if not is_there(id) then id = start(at.command) end
      local all = children(id)
      all[#all + 1] = id
      core.kill(all[math.random(#all)], "KILL")
      for number, what in pairs(finished(at)) do
        assert(seen[number] == nil or seen[number] == what, "a trial that was over has changed")
        seen[number] = what
      end
    end
    if is_there(id) then core.kill(id, "KILL") end
    assert.are.equal(0, (process.run(at.command)))
    check_complete(at, trials)
    local after = finished(at)
    for number, what in pairs(seen) do assert.are.equal(what, after[number]) end
  end

  test("lose nothing that is over, killed 8 times, in SQLite", function()
    torment(place {trials = 12, workers = 2, step = 0.02}, 8, 12)
  end)

  test("lose nothing that is over, killed 100 times, in SQLite #long", function()
    torment(place {trials = 250, workers = 3, step = 0.02}, 100, 250)
  end)

  test("lose nothing that is over, killed 100 times, in PostgreSQL #long", function()
    if not server then return pending "PostgreSQL is not installed" end
    torment(place {trials = 250, workers = 3, step = 0.02, url = server:database "torment"}, 100, 250)
  end)

  test("tell of a full disk, and lose nothing", function()
    local disk = folder .. "/disk"
    os.execute("mkdir " .. disk)
    if process.run("mount -t tmpfs -o size=400k tmpfs " .. disk) ~= 0 then return pending "mounting is not allowed" end
    local at = place {trials = 300, workers = 2, step = 0, url = ("sqlite:///%s/s.db"):format(disk)}
    local code, _, err = process.run(at.command)
    local before = finished(at)
    process.run(("mount -o remount,size=40m %s"):format(disk))
    local again, _, trouble = process.run(at.command)
    local after = finished(at)
    local ok, message = pcall(check_complete, at, 300)
    process.run("umount " .. disk)
    assert(code == 1 and err:find("is full", 1, true), err)
    assert(again == 0, trouble)
    assert(next(before))
    for number, what in pairs(before) do assert.are.equal(what, after[number]) end
    assert(ok, message)
  end)

  test("wait for a server that is away", function()
    if not server then return pending "PostgreSQL is not installed" end
    local at = place {trials = 8, workers = 2, step = 0.03, url = server:database "comes_back"}
    local id = start(at.command)
    wait_for_steps(at, 8)
    server:down()
    server:up()
    process.wait(function() return not is_there(id) end)
    check_complete(at, 8)
  end)
end)

describe("Ctrl-C", function()
  local function press(times, at)
    return process.run(("python3 spec/support/press.py %d %s %s"):format(times, at.log, process.quote(at.command)))
  end

  for _, workers in ipairs {1, 2} do
    test(("once lets the trials end that run, %d at a time"):format(workers), function()
      local at = place {trials = 100, workers = workers, step = 0.05}
      local code, out = press(1, at)
      assert(code == 0, out)
      assert(out:find("Ctrl-C again stops now", 1, true), out)
      assert(out:find("0%.%d+\r\n$"), out) -- the script goes on
      local begun = #study_at(at) -- before it was pressed: by all workers, or by those that were quick enough
      assert(begun >= 1 and begun <= workers, begun)
      check_complete(at, begun)
    end)

    -- not with the thread sanitizer, whose own thread takes the signal that tells of a parent's death
    test(("twice stops them, to go on another time, %d at a time #long"):format(workers), function()
      local at = place {trials = 2, workers = workers, step = 0.1}
      local code, out = press(2, at)
      assert(code == (workers == 1 and 130 or 1), out)
      local states
      process.wait(function()
        states = {failed = 0, waiting = 0}
        for _, trial in ipairs(study_at(at)) do states[trial.state] = (states[trial.state] or 0) + 1 end
        return not states.running and states.waiting > 0
      end)
      assert.are.equal(states.failed, states.waiting)
      assert(not states.complete and states.failed <= workers)
      assert.are.equal(0, (process.run(at.command)))
      check_complete(at, 2)
      local lines = select(2, process.read(at.log):gsub("\n", ""))
      assert(lines <= 10 + workers, lines)
    end)
  end
end)
