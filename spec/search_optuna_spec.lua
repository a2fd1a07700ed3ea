-- Optuna opens our studies and we its, in SQLite and PostgreSQL. It is looked for in Debian's Python and in the
-- interpreters that OPTUNA_PYTHONS names.
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local json = require "fmnistnn.json"
local search = require "fmnistnn.search"
local space = require "fmnistnn.search.space"

local folder, server

local function version_of(python)
  local code, out = process.run(python .. " -c 'import optuna; print(optuna.__version__)'")
  return code == 0 and out:match "[%d.]+"
end

local has_client = pcall(require, "luasql.sqlite3")
local peers = {}
for python in ("/usr/bin/python3 " .. (os.getenv "OPTUNA_PYTHONS" or "")):gmatch "%S+" do
  local version = has_client and version_of(python)
  if version then peers[#peers + 1] = {python = python, version = version} end
end

setup(function()
  folder = process.folder()
  if #peers > 0 and postgres.is_there() then server = postgres.start() end
end)

teardown(function()
  process.remove(folder)
  if server then server:stop() end
end)

local function run(peer, ...)
  local words = {peer.python, "spec/support/optuna_peer.py"}
  for _, word in ipairs {...} do words[#words + 1] = process.quote(word) end
  local code, out, err = process.run(table.concat(words, " "))
  assert(code == 0, err)
  return out ~= "" and assert(json.decode(out)) or nil
end

local databases = 0

local function sqlite()
  databases = databases + 1
  local url = ("sqlite:///%s/%d.db"):format(folder, databases)
  return url, url
end

-- Ours, and as SQLAlchemy wants it.
local function postgresql()
  databases = databases + 1
  local url = server:database("optuna" .. databases)
  return url, (url:gsub("^postgresql:", "postgresql+psycopg2:"))
end

-- To the bit; what JSON cannot hold comes as a text.
local function text(value)
  if type(value) ~= "number" then return value end
  return value == value and ("%.17g"):format(value) or "nan"
end

local function same_numbers(expected, values)
  assert.are.equal(#expected, #(values or {}))
  for i, value in ipairs(expected) do assert.are.equal(text(value), text(values[i])) end
end

-- A study with all that there is.
local function write_ours(url, optuna)
  local study = search.study {
    name = "ours 'ü\\", storage = {url, optuna = optuna}, directions = {"maximize"}, metric_names = {"accuracy"},
    sampler = search.TPE {seed = 1},
  }
  study:set_user_attribute("who", {name = "O'Brien \\ ü", list = json.array {1, 2.5, json.null, true}})
  study:enqueue {x = 0.1 + 0.2, n = 7, c = search.null}
  study:optimize(function(trial)
    trial:float("x", -5, 5)
    trial:float("lr", 1e-5, 1e-1, {log = true})
    trial:int("n", 1, 64, {log = true})
    trial:int("step", 8, 32, {step = 8})
    trial:float("y", 0, 1, {step = 0.25})
    trial:categorical("c", {"a", nil, true, 3, 2.5, n = 5})
    trial:report(0 / 0, 1)
    trial:report(trial.number, 2)
    trial:tag("first", "ü")
    trial:set_constraint("size", trial.number == 3 and 1 or -1)
    if trial.number == 1 then error "oops" end
    if trial.number == 2 then search.prune() end
    if trial.number == 4 then return math.huge end
    return 1 - trial.number / 10
  end, {trials = 14, progress = false})
  study:ask()
  study:enqueue {x = 1}
  return study
end

local function compare(study, theirs)
  local records = study:history().trials
  assert.are.equal(#records, #theirs.trials)
  for i, record in ipairs(records) do
    local their = theirs.trials[i]
    local state = record.state == "failed" and "fail" or record.state
    assert.are.same({record.number, state}, {their.number, their.state})
    if record.values then same_numbers(record.values, their.values) else assert.are.equal(json.null, their.values) end
    local params = 0
    for name, value in pairs(record.params) do
      params = params + 1
      assert.are.equal(value, their.params[name])
      assert.is_true(space.equal(record.distributions[name], space.decode(their.distributions[name])))
    end
    for _ in pairs(their.params) do params = params - 1 end
    assert.are.equal(0, params)
    local reports = 0
    for _, report in ipairs(their.intermediate) do
      reports = reports + 1
      same_numbers({record.intermediate[report[1]]}, {report[2]})
    end
    for _ in pairs(record.intermediate) do reports = reports - 1 end
    assert.are.equal(0, reports)
    assert.are.same(json.encode(record.user_attributes), json.encode(their.user_attributes))
    assert.are.equal(record.state ~= "waiting", their.started)
    if record.finished then
      assert(math.abs(their.seconds - (record.finished - record.started)) < 0.01, their.seconds)
    end
  end
end

for _, peer in ipairs(peers) do
  local is_old = peer.version:find "^3%.1%." ~= nil
  for kind, make in pairs {sqlite = sqlite, postgresql = postgresql} do
    local function test(name, f)
      it(("Optuna %s, %s: %s"):format(peer.version, kind, name), function()
        if kind == "postgresql" and not server then return pending "PostgreSQL is not installed" end
        if kind == "postgresql" and process.run(peer.python .. " -c 'import psycopg2'") ~= 0 then
          return pending "psycopg2 is not installed"
        end
        f(make())
      end)
    end

    test("opens a study of ours, and goes on with it", function(url, their_url)
      local study = write_ours(url, is_old and "3.1" or "5")
      local theirs = run(peer, "read", their_url, study.name)
      assert.are.same({study.name, "maximize"}, {theirs.name, theirs.directions[1]})
      assert.are.equal("O'Brien \\ ü", theirs.user_attributes.who.name)
      compare(study, theirs)
      if not is_old then
        assert.are.same({"accuracy"}, {table.unpack(theirs.metric_names)})
        assert.are.equal(study.best.number, theirs.best[1])
        assert.are.equal(1.0, theirs.trials[4].constraints[1])
      end
      study:enqueue {x = 0.5, n = 3, c = "a"}
      study.storage:disconnect()
    end)

    test("shows a study of ours in its dashboard", function(url, their_url)
      if process.run(peer.python .. " -c 'import optuna_dashboard'") ~= 0 then
        return pending "optuna-dashboard is not installed"
      end
      local study = write_ours(url, is_old and "3.1" or "5")
      local shown = run(peer, "dashboard", their_url, study.name)
      assert.are.same({study.name, "maximize"}, {shown.name, shown.directions[1]})
      assert.are.equal(study.best.number, shown.best_trials[1].number)
      assert.are.equal(16, #shown.trials)
      for i, trial in ipairs(study.trials) do
        local their = shown.trials[i]
        assert.are.same({trial.number, trial.state == "failed" and "fail" or trial.state},
          {their.number, their.state:lower()})
        local params = {}
        for _, param in ipairs(their.params) do params[param.name] = param.param_external_value end
        assert.are.equal(trial.params.n and tostring(trial.params.n), params.n)
        assert.are.equal(trial.params.x, tonumber(params.x))
        if trial.state == "complete" and trial.number ~= 4 then same_numbers(trial.values, their.values) end
      end
      study.storage:disconnect()
    end)

    test("makes a study that we open and go on with", function(url, their_url)
      run(peer, "write", their_url)
      local study = assert(search.load_study {name = "theirs", storage = url, sampler = search.TPE {seed = 1}})
      assert.are.same({"minimize"}, study.directions)
      assert.are.equal("O'Brien \\ ü", study.user_attributes.who.name)
      compare(study, run(peer, "read", their_url, "theirs"))
      assert.are.equal(0.1 + 0.2, study:trial(0).params.x)
      local waiting = study:ask()
      assert.are.same({1.25, "Optuna"}, {waiting:float("x", -5, 5), waiting.user_attributes.from})
      study:tell(waiting, 3)
      local null = study:ask()
      assert.is_nil(null:categorical("c", {"a", nil, true, 3, 2.5, n = 5}))
      study:tell(null, 4)
      study:optimize(function(trial)
        return trial:float("x", -5, 5) ^ 2 + trial:int("n", 1, 64, {log = true})
      end, {trials = #study.trials + 15, progress = false})
      if not is_old then assert.are.same({2.0}, study:trial(9).constraints) end
      local count = #study.trials
      local theirs = run(peer, "go-on", their_url, "theirs")
      assert.are.equal(count + 3, #theirs.trials)
      compare(study, theirs)
      study.storage:disconnect()
    end)

    test("opens what is made for any version", function(url, their_url)
      local study = search.study {name = "any", storage = {url, optuna = "any"}, sampler = search.Random {seed = 1}}
      study:tell(study:ask {x = {1, 2}}, 1)
      assert.are.equal(1, #run(peer, "read", their_url, "any").trials)
      study:tell(study:ask {x = {1, 2}}, 2)
      study.storage:disconnect()
      local again = search.load_study {name = "any", storage = (url:gsub("^(%a+):", "%1+again:"))}
      assert.are.equal(2, #again.trials)
      again.storage:disconnect()
    end)
  end
end

if #peers == 0 then
  pending "Optuna is not installed"
end
