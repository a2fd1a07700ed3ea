-- bin/fmnistnn-study and bin/fmnistnn-worker, as they are used from a shell.
local process = require "spec.support.process"
local json = require "fmnistnn.json"
local search = require "fmnistnn.search"

local has_sqlite = pcall(require, "luasql.sqlite3")
local folder

setup(function() folder = process.folder() end)
teardown(function() process.remove(folder) end)

local count = 0

local function new_url()
  count = count + 1
  return ("sqlite:///%s/%d.db"):format(folder, count)
end

-- The file of such a database.
local function path_of(url) return url:match "^sqlite:///(.*)" end

-- Runs a program with its words; `before` are assignments to the environment.
local function run(program, url, ...)
  local words = {process.lua("bin/" .. program, url and "FMNISTNN_STORAGE=" .. process.quote(url))}
  for _, word in ipairs {...} do words[#words + 1] = process.quote(word) end
  return process.run(table.concat(words, " "))
end

local function test(name, f)
  if has_sqlite then it(name, f) else pending(name .. " (LuaSQL for SQLite is not installed)") end
end

-- What a search of a script leaves, for workers.
local function script(url)
  local path = ("%s/%d.lua"):format(folder, count)
  process.write(path, ([[
    local search = require "fmnistnn.search"
    local study = search.study{name = "s", storage = %s, sampler = search.Random{seed = 1}}
    study:optimize(function(trial)
      require "fmnistnn.core".sleep(0.01)
      trial:set_user_attribute("words", table.concat(arg, " ", 0))
      return trial:float("x", 0, 1)
    end, {trials = 8, workers = 2})
    print(#study.trials, ...)]]):format(url and ("%q"):format(url) or "nil"))
  return path
end

describe("fmnistnn-study", function()
  test("asks and tells, shows and exports", function()
    local url = new_url()
    local function study(...)
      local code, out, err = run("fmnistnn-study", url, ...)
      assert(code == 0, err)
      return out
    end
    study("create", "it's", "--direction", "maximize")
    assert.are.equal("it's\n", study "list")
    local space = [[{"n": [1, "two"], "x": {"name": "FloatDistribution",
      "attributes": {"low": 2, "high": 3, "log": false, "step": null}}}]]
    local asked = json.decode((study("ask", "it's", space):gsub("\n", "")))
    assert.are.equal(0, asked.number)
    assert(asked.params.x >= 2 and asked.params.x <= 3 and (asked.params.n == 1 or asked.params.n == "two"))
    study("tell", "it's", "0", "0.5")
    study("enqueue", "it's", '{"n": 1}')
    assert.are.same(1, json.decode((study("ask", "it's", space):gsub("\n", ""))).params.n)
    study("tell", "it's", "1", "--state", "failed")
    study("ask", "it's")
    study("tell", "it's", "2", "-inf")
    local shown = study("show", "it's")
    assert(shown:find("3 trials: 2 complete, 1 failed", 1, true) and shown:find("best: trial 0, 0.5", 1, true), shown)
    assert.are.equal(0.5, json.decode((study("best", "it's"):gsub("\n", ""))).values[1])
    assert.are.equal("1\tfailed\t\t" .. '{"n":1,', study("trials", "it's", "--state", "failed"):sub(1, 17))
    assert.are.equal(search.load_study({name = "it's", storage = url}):csv(), study("export", "it's", "csv"))
    study("export", "it's", "json", folder .. "/out.json")
    assert.are.equal(3, #json.decode(process.read(folder .. "/out.json")).trials)
    study("render", "it's", folder .. "/out.html")
    assert(process.read(folder .. "/out.html"):find("<h1>it&#39;s</h1>", 1, true))
    study("delete", "it's")
    assert.are.equal("", study "list")
  end)

  test("renders again and again as long as trials run", function()
    local url, page = new_url(), folder .. "/live.html"
    local study = search.study {name = "s", storage = url, sampler = search.Random {seed = 1}}
    local trial = study:ask()
    trial:float("x", 0, 1)
    local program = process.lua("bin/fmnistnn-study", "FMNISTNN_STORAGE=" .. process.quote(url))
    local pipe = io.popen(("%s render s %s --every 1 2>&1; echo over"):format(program, page))
    local live = process.wait(function() return process.read(page) end)
    assert(live:find('data-seconds="1"', 1, true) and live:find("1 running", 1, true))
    study:tell(trial, 0.5)
    assert.are.equal("over\n", pipe:read "a")
    pipe:close()
    local last = process.read(page)
    assert(last:find("1 complete", 1, true) and not last:find('data-seconds="', 1, true))
  end)

  test("says what is wrong", function()
    local url = new_url()
    local function fails(words, ...)
      local code, out, err = run("fmnistnn-study", ...)
      assert(code == 2 and out == "" and err:find("fmnistnn-study: ", 1, true) == 1, err)
      assert(err:find(words, 1, true), err)
    end
    fails("expected a command, got none", url)
    fails("expected a command, got frob", url, "frob")
    fails("unknown option --frob", url, "list", "--frob")
    fails("expected --storage URL", nil, "list")
    for _, words in ipairs {
      {"list"}, {"show", "a"}, {"best", "a"}, {"trials", "a"}, {"export", "a", "csv"}, {"render", "a", folder .. "/x"},
      {"delete", "a"}, {"enqueue", "a"}, {"ask", "a"}, {"tell", "a", "0", "1"},
    } do
      fails("there is no file " .. path_of(url), url, table.unpack(words))
      assert.is_nil(process.read(path_of(url)))
    end
    assert.are.equal(0, (run("fmnistnn-study", url, "create", "b")))
    fails("there is no study 'a'", url, "show", "a")
    assert.are.equal(0, process.run(("test ! -e %s-wal -a ! -e %s-shm"):format(path_of(url), path_of(url))))
    fails("--direction: expected a value", url, "create", "a", "--direction")
    fails("--direction: expected minimize or maximize, got up", url, "create", "a", "--direction", "up")
    assert.are.equal(0, (run("fmnistnn-study", url, "create", "a")))
    fails("'a' exists already", url, "create", "a")
    fails("expected csv or json", url, "export", "a", "xml")
    fails("--state: expected complete, pruned, failed, running or waiting, got bogus", url, "trials", "a", "--state",
      "bogus")
    fails("--every: expected an integer of 1 or more, got x", url, "render", "a", folder .. "/x.html", "--every", "x")
    fails("nowhere/x.html", url, "render", "a", folder .. "/nowhere/x.html")
    fails("expected the number of a trial", url, "tell", "a", "x")
    fails("expected a number, got much", url, "tell", "a", "0", "much")
    fails("--state: expected complete, pruned or failed, got running", url, "tell", "a", "0", "--state", "running")
    fails("tell: a failed trial has no values", url, "tell", "a", "0", "1", "--state", "failed")
    for _, values in ipairs {{}, {"1", "2"}} do
      fails("tell: expected a value for each of 1 objectives, got " .. #values, url, "tell", "a", "0",
        table.unpack(values))
    end
    fails("expected a trial of the study or its number, got 9", url, "tell", "a", "9", "1")
    for _, text in ipairs {"[1]", "[]", "3", "null"} do
      fails("expected a JSON object, got " .. text, url, "enqueue", "a", text)
      fails("expected a JSON object, got " .. text, url, "ask", "a", text)
    end
    assert.are.equal(0, #search.load_study({name = "a", storage = url}).trials)
  end)

  test("refuses words and options that a command does not take", function()
    local url = new_url()
    local function fails(words, ...)
      local code, out, err = run("fmnistnn-study", url, ...)
      assert.are.same({2, "", "fmnistnn-study: " .. words .. "\n"}, {code, out, err})
    end
    for command, takes in pairs {
      create = "NAME", show = "NAME", best = "NAME", trials = "NAME", export = "NAME csv|json [FILE]",
      render = "NAME FILE", delete = "NAME", enqueue = "NAME [JSON]", ask = "NAME [JSON]",
      tell = "NAME NUMBER [VALUE ...]",
    } do
      fails(("%s: expected %s (--help tells more)"):format(command, takes), command)
    end
    fails("create: expected NAME, got also: maximize", "create", "a", "maximize")
    fails("export: expected NAME csv|json [FILE], got also: d e", "export", "a", "csv", "c", "d", "e")
    fails("ask: expected NAME [JSON], got also: c", "ask", "a", "{}", "c")
    fails("list: expected no words, got also: a", "list", "a")
    fails("list: it has no option --every (--help tells more)", "list", "--every", "2")
    fails("show: it has no option --state (--help tells more)", "show", "a", "--state", "complete")
    fails("--help: expected no value, got 1", "list", "--help=1")
    assert.is_nil(process.read(path_of(url)))
  end)

  test("shows values that JSON has no number for", function()
    local url = new_url()
    local study = search.study {name = "s", storage = url, directions = {"minimize", "maximize"}}
    study:tell(study:ask(), {-math.huge, 0.5})
    local code, out, err = run("fmnistnn-study", url, "best", "s")
    assert(code == 0, err)
    assert.are.same({"-inf", 0.5}, {table.unpack(json.decode((out:gsub("\n", ""))).values)})
  end)

  test("leaves no trial behind that it could not ask for", function()
    local url = new_url()
    assert.are.equal(0, (run("fmnistnn-study", url, "create", "s")))
    assert.are.equal(0, (run("fmnistnn-study", url, "ask", "s", '{"n": [1, 2]}')))
    local code, _, err = run("fmnistnn-study", url, "ask", "s", '{"n": [1, 3]}')
    assert(code == 2 and err:find("ask: n: earlier trials of the study had this parameter as", 1, true), err)
    assert.are.equal(1, #search.load_study({name = "s", storage = url}).trials)
  end)

  test("fails when its output cannot be written", function()
    if not os.execute "test -c /dev/full" then return pending "there is no /dev/full" end
    local url = new_url()
    assert.are.equal(0, (run("fmnistnn-study", url, "create", "s")))
    for _, words in ipairs {"export s csv", "export s json", "list", "show s", "--help"} do
      local program = process.lua("bin/fmnistnn-study", "FMNISTNN_STORAGE=" .. process.quote(url))
      local code, _, err = process.run(("%s %s >/dev/full"):format(program, words))
      assert(code == 2 and err:find("fmnistnn-study: standard output: ", 1, true) == 1, err)
    end
  end)
end)

describe("fmnistnn-worker", function()
  it("fails when its help cannot be written", function()
    if not os.execute "test -c /dev/full" then return pending "there is no /dev/full" end
    local code, _, err = process.run(process.lua "bin/fmnistnn-worker" .. " --help >/dev/full")
    assert.are.same({2, "fmnistnn-worker: standard output: No space left on device\n"}, {code, err})
  end)

  test("joins the search of a script, with others", function()
    local url = new_url()
    local path = script(nil)
    local worker = ("%s --storage %s --threads 1 %s a 'b c'"):format(process.lua "bin/fmnistnn-worker",
      process.quote(url), process.quote(path))
    local code, out, err = process.run(("(%s & %s & %s --workers 2 %s & wait)"):format(worker, worker,
      process.lua("bin/fmnistnn-worker", "FMNISTNN_STORAGE=" .. process.quote(url)), process.quote(path)))
    assert(code == 0, err)
    assert(out:find("8\ta\tb c\n", 1, true), out)
    local workers, words = {}, {}
    for _, trial in ipairs(search.load_study({name = "s", storage = url}).trials) do
      assert.are.equal("complete", trial.state)
      workers[trial.system_attributes["fmnistnn:worker"]] = true
      words[trial.user_attributes.words] = true
    end
    assert(next(workers, (next(workers))), "one process ran all")
    words[path .. " a b c"], words[path] = nil, nil
    assert.is_nil(next(words))
  end)

  test("leaves at TERM, and another takes its trial over", function()
    local url = new_url()
    local path, log = folder .. "/slow.lua", folder .. "/slow.log"
    process.write(path, ([[
      local search = require "fmnistnn.search"
      local study = search.study{name = "s", sampler = search.Random{seed = 1}}
      study:optimize(function(trial)
        local x = trial:float("x", 0, 1)
        if trial.number == 0 then
          local file = io.open(%q, "w")
          file:write "begun"
          file:close()
          require "fmnistnn.core".sleep(20)
        end
        return x
      end, {trials = 2})]]):format(log))
    local worker = ("%s --storage %s %s"):format(process.lua "bin/fmnistnn-worker", url, path)
    local pipe = io.popen(("exec 2>/dev/null; %s >/dev/null </dev/null & echo $!"):format(worker))
    local id = pipe:read "n"
    pipe:close()
    process.wait(function() return process.read(log) == "begun" end)
    os.execute(("kill -TERM %d"):format(id))
    local code, _, err = process.run(worker)
    assert(code == 0, err)
    local trials = search.load_study({name = "s", storage = url}).trials
    local states, again = {}, nil
    for i, trial in ipairs(trials) do
      states[i] = trial.state
      if trial.system_attributes.failed_trial == 0 then again = trial end
    end
    assert.are.same({"failed", "complete", "complete"}, states)
    assert.are.equal(trials[1].params.x, again.params.x)
  end)

  test("says what is wrong", function()
    local function fails(words, ...)
      local code, _, err = run("fmnistnn-worker", nil, ...)
      assert(code == 2 and err:find(words, 1, true), err)
    end
    fails "expected the name of a script"
    fails("cannot open", "nowhere.lua")
    fails("--workers: expected an integer of 1 or more, got x", "--workers=x", script(nil))
    fails("fmnistnn-worker: --threads: expected 1..", "--threads", "100000", script(nil))
    fails("--help: expected no value, got 1", "--help=1")
  end)

  it("tells its options", function()
    for _, program in ipairs {"fmnistnn-worker", "fmnistnn-study"} do
      local code, out = run(program, nil, "--help")
      assert(code == 0 and out:find("usage: " .. program, 1, true), out)
    end
  end)
end)
