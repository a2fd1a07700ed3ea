-- Studies and trials, in memory: asking, telling, optimizing.
local process = require "spec.support.process"
local fnn = require "fmnistnn"
local search = require "fmnistnn.search"

local folder

setup(function() folder = process.folder() end)
teardown(function() process.remove(folder) end)

local count = 0

-- A new study in memory; the options may name others.
local function new(given)
  count = count + 1
  local o = {name = "s" .. count, sampler = search.Random {seed = 1}}
  for key, value in pairs(given or {}) do o[key] = value end
  return search.study(o)
end

-- study:optimize without its lines.
local function optimize(study, f, given)
  local o = {progress = false}
  for key, value in pairs(given) do o[key] = value end
  study:optimize(f, o)
end

local has_sqlite = pcall(require, "luasql.sqlite3")

local function fails(words, f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "there was no error")
  assert(tostring(message):find(words, 1, true), message)
end

local function states(study)
  local list = {}
  for i, trial in ipairs(study.trials) do list[i] = trial.state end
  return list
end

describe("a study", function()
  it("is told what was asked", function()
    local study = new {direction = "maximize"}
    assert.is_nil(study.best)
    for i, value in ipairs {1, 5, 3} do
      local trial = study:ask()
      assert.are.equal(i - 1, trial.number)
      local x = trial:float("x", 0, 1)
      assert(x >= 0 and x <= 1 and x == trial:float("x", 0, 1) and x == trial.params.x)
      assert.is_true(study:tell(trial, value))
    end
    local best = study.best
    assert.are.same({1, 5.0, {5.0}, "complete"}, {best.number, best.value, best.values, best.state})
    assert.are.equal(study.trials[2].params.x, best.params.x)
    assert.are.equal(1, #study.best_trials)
  end)

  it("is told by number too, once", function()
    local study = new()
    study:ask()
    study:ask()
    assert.is_true(study:tell(1, 2.5))
    local done, message = study:tell(1, 3.5)
    assert.is_nil(done)
    assert.are.equal("trial 1 is over already: it is complete", message)
    assert.are.equal(2.5, study.best.value)
    assert.is_true(study:tell(0, nil, {state = "failed", reason = "because"}))
    assert.are.equal("because", study:trial(0).system_attributes.fail_reason)
    study:enqueue {x = 1}
    assert.are.equal("trial 2 has not begun: it is waiting", select(2, study:tell(2, 1)))
    assert.are.equal("waiting", study:trial(2).state)
    fails("expected a trial of the study or its number, got 7", study.tell, study, 7, 1)
    fails("state: expected complete, pruned or failed", study.tell, study, 0, 1, {state = "waiting"})
    local trial = study:ask()
    fails("tell: values: expected none for a trial that is pruned, got number 0.5", study.tell, study, trial, 0.5,
      {state = "pruned"})
    fails("tell: reason: expected one only with", study.tell, study, trial, 0.5, {reason = "because"})
    assert.are.equal("running", study:trial(2).state)
    fails("trial: expected its number, got string 'x'", study.trial, study, "x")
    fails("trial: expected its number, got nil", study.trial, study)
  end)

  it("fails a trial whose value is none", function()
    local study = new()
    for _, value in ipairs {0 / 0, "0.5", {}, {1, 2}, false} do study:tell(study:ask(), value) end
    study:tell(study:ask(), nil)
    for i, trial in ipairs(study.trials) do
      assert.are.same({"failed", nil}, {trial.state, trial.value})
      assert(trial.system_attributes.fail_reason, i)
    end
    assert.are.equal("the value is NaN", study:trial(0).system_attributes.fail_reason)
    assert.are.equal("the value: expected a number, got nothing", study:trial(5).system_attributes.fail_reason)
    study:tell(study:ask(), fnn.tensor(0.5))
    assert.are.equal("the value: expected a number, got tensor", study:trial(6).system_attributes.fail_reason)
    study:tell(study:ask(), -math.huge)
    assert.are.equal(-math.huge, study.best.value)
  end)

  it("asks for a declared space at once", function()
    local study = new()
    local trial = study:ask {lr = search.float(1e-4, 1, {log = true}), name = {"Adam", "SGD"}}
    assert(trial.params.lr >= 1e-4 and (trial.params.name == "Adam" or trial.params.name == "SGD"))
  end)

  it("leaves no trial behind when it cannot ask for a space", function()
    local study = new()
    local function ask(space) return study:ask(space) end
    study:ask {n = {1, 2}}
    study:enqueue {n = 2}
    fails("ask: n: earlier trials of the study had this parameter as", ask, {n = {1, 3}, x = {1}})
    fails("ask: n: choice 2: 1 is there already", ask, {n = {1, 1}})
    fails("ask: expected names, got the key 1", ask, {{1, 2}})
    fails("ask: expected a table of distributions, got 3", ask, 3)
    assert.are.same({"running", "waiting"}, states(study))
    assert.are.same({n = 2, x = 0.5}, ask({n = {1, 2}, x = search.float(0.5, 0.5)}).params) -- x had no kind yet
    study:enqueue {n = 5}
    fails("n: the enqueued value 5 is not among those it can have", ask, {n = {1, 2}})
    assert.are.same({"running", "running", "failed"}, states(study))
    assert.matches("the enqueued value 5", study:trial(2).system_attributes.fail_reason)
  end)

  it("sees with a space what another connection has asked for", function()
    if not has_sqlite then return pending "LuaSQL for SQLite is not installed" end
    local url = ("sqlite:///%s/asked.db"):format(folder)
    local study = search.study {name = "s", storage = url}
    local other = search.study {name = "s", storage = (url:gsub("^%a+", "%0+2"))}
    study:ask {n = {1, 2}}
    fails("ask: n: earlier trials", other.ask, other, {n = {1, 3}})
    assert.are.equal(1, #other.trials)
  end)

  it("runs enqueued trials first, with their parameters", function()
    local study = new()
    assert.is_true(study:enqueue({x = 0.25, c = search.null}, {user_attributes = {from = "me"}}))
    assert.is_true(study:enqueue {x = 1})
    assert.is_false(study:enqueue({x = 1}, {skip_if_exists = true}))
    assert.is_true(study:enqueue({x = 0.75}, {skip_if_exists = true}))
    local function ask() local t = study:ask() return t, t:float("x", 0, 1), t:categorical("c", {"a", nil, n = 2}) end
    local trial, x, c = ask()
    assert.are.same({0.25, nil, {from = "me"}}, {x, c, trial.user_attributes})
    assert.is_nil(trial.params.c)
    assert.are.equal("1.0", tostring(select(2, ask())))
    study:ask()
    study:enqueue {n = 3.0}
    assert.are.equal("integer", math.type(study:ask():int("n", 1, 8)))
    study:enqueue {x = 3}
    fails("x: the enqueued value 3.0 is not among those it can have", ask)
    study:enqueue {x = "0.5"}
    fails('x: the enqueued value "0.5" is not among those it can have', ask)
  end)

  it("takes 3 and 3.0 for one value when it is to enqueue what is not there", function()
    local study = new()
    local once = {skip_if_exists = true}
    assert.is_true(study:enqueue {dropout = 0.0, n = 3.0, c = 1.0})
    assert.is_false(study:enqueue({dropout = 0, n = 3, c = 1}, once))
    local trial = study:ask()
    local params = trial:draw {dropout = search.float(0, 0.5), n = search.int(1, 4), c = {2, 1}}
    assert.are.same({"float", "integer", "integer"},
      {math.type(params.dropout), math.type(params.n), math.type(params.c)})
    assert.is_false(study:enqueue({dropout = 0, n = 3.0, c = 1}, once))
    study:tell(study:ask(), 1)
    for _, other in ipairs {{dropout = 0, n = 3}, {dropout = 0, n = 3, c = 1, x = 1}, {dropout = 0, n = 3, c = "1"}} do
      assert.is_true(study:enqueue(other, once))
    end
  end)

  it("keeps one kind of parameter for a name", function()
    local study = new()
    study:ask():float("x", 0, 1)
    study:ask():float("x", 0, 2) -- a wider range is no other kind
    study:ask():categorical("c", {1, 2})
    fails("x: earlier trials of the study had this parameter as", function() study:ask():int("x", 0, 1) end)
    fails("x: earlier trials", function() study:ask():float("x", 0.1, 2, {log = true}) end)
    fails("c: earlier trials", function() study:ask():categorical("c", {1, 2, 3}) end)
  end)

  it("has several objectives, and a front", function()
    local study = new {directions = {"minimize", "maximize"}, metric_names = {"seconds", "accuracy"}}
    local values = {{1, 1}, {2, 3}, {2, 2}, {3, 3}, {0, -5}, {seconds = 4, accuracy = 9}}
    for _, each in ipairs(values) do study:tell(study:ask(), each) end
    local numbers = {}
    for i, trial in ipairs(study.best_trials) do numbers[i] = trial.number end
    assert.are.same({0, 1, 4, 5}, numbers)
    fails("several objectives: see best_trials", function() return study.best end)
    study:tell(study:ask(), {1})
    assert.are.equal("accuracy: expected a number, got nothing", study:trial(6).system_attributes.fail_reason)
  end)

  it("finds its best among what is feasible", function()
    local study = new()
    local function tell(value, ...)
      local trial = study:ask()
      for i, constraint in ipairs {...} do trial:set_constraint("c" .. i, constraint) end
      study:tell(trial, value)
    end
    tell(1, 0.5)
    assert.is_nil(study.best)
    tell(3, 0, -1)
    tell(2, -1, 1e-9)
    tell(4)
    assert.are.equal(1, study.best.number)
    assert.are.same({0.0, -1.0}, study.best.constraints)
    fails("expected a finite number", function() study:ask():set_constraint("c", 0 / 0) end)
  end)

  it("keeps attributes and tags", function()
    local study = new()
    study:set_user_attribute("data", {rows = 60000})
    assert.are.equal(60000, study.user_attributes.data.rows)
    local trial = study:ask()
    trial:set_user_attribute("note", "good")
    trial:tag("a", "b")
    trial:tag "c"
    assert.are.same({"a", "b", "c"}, {table.unpack(study:trial(0).user_attributes.tags)})
    fails("tag: expected a string, got nil", trial.tag, trial, "d", nil, "e")
    fails("set_user_attribute: json: cannot write a function", trial.set_user_attribute, trial, "f", print)
    fails("set_user_attribute: expected texts of UTF-8", trial.set_user_attribute, trial, "f", "\xff")
    fails("set_user_attribute: name: expected a string, got nil", study.set_user_attribute, study, nil, 1)
    study:tell(trial, 1)
    assert.is_false(trial:set_user_attribute("late", 1))
    local copy = study:trial(0)
    copy.params.x, copy.user_attributes.note = 5, "changed"
    assert.are.equal("good", study:trial(0).user_attributes.note)
  end)

  it("keeps copies of what it is given, and gives copies", function()
    local study, params, list, directions = new(), {}, {1}, {"minimize", "minimize"}
    local several = new {directions = directions}
    directions[1] = "maximize"
    assert.are.equal("minimize", several.directions[1])
    for _, x in ipairs {0.25, 0.75} do
      params.x = x
      study:enqueue(params, {user_attributes = {list = list}})
    end
    study:set_user_attribute("list", list)
    local trial = study:ask()
    trial:set_user_attribute("own", {list = list})
    list[1], list[2] = 5, 6
    study:trial(0).user_attributes.list[1] = 7
    study.user_attributes.list[1], study.user_attributes.other = 7, 7
    trial.user_attributes.own.list[1] = 7
    assert.are.same({0.25, 0.75}, {trial:float("x", 0, 1), study:ask():float("x", 0, 1)})
    assert.are.same({list = {1}}, study.user_attributes)
    assert.are.same({list = {1}, own = {list = {1}}}, study:trial(0).user_attributes)
    assert.are.same({list = {1}, own = {list = {1}}}, trial.user_attributes)
    assert.are.same({list = {1}}, study:trial(1).user_attributes)
  end)

  it("refuses what a database could not keep", function()
    local study = new()
    fails("enqueue: user_attributes: json: cannot write a userdata", study.enqueue, study, {x = 1},
      {user_attributes = {f = fnn.zeros(1)}})
    fails("enqueue: user_attributes: expected texts of UTF-8", study.enqueue, study, {},
      {user_attributes = {f = "\xff"}})
    fails("enqueue: json: cannot write a function", study.enqueue, study, {x = print})
    fails("enqueue: name: expected a string, got number", study.enqueue, study, {0.5})
    fails("set_constraint: value: expected a finite number, got inf", function()
      study:ask():set_constraint("c", math.huge)
    end)
    local trial, words = study:ask(), ": name: expected a text of UTF-8 without zero bytes, got "
    for _, name in ipairs {"a\0", "\xff"} do
      fails("suggest" .. words, trial.float, trial, name, 0, 1)
      fails("ask: suggest" .. words, study.ask, study, {[name] = {1, 2}})
      fails("enqueue" .. words, study.enqueue, study, {[name] = 1})
      fails("set_user_attribute" .. words, trial.set_user_attribute, trial, name, 1)
      fails("set_constraint" .. words, trial.set_constraint, trial, name, 1)
    end
    local empty = ": name: expected a text, got an empty one"
    fails("suggest" .. empty, trial.float, trial, "", 0, 1)
    fails("ask: suggest" .. empty, study.ask, study, {[""] = {1, 2}})
    fails("enqueue" .. empty, study.enqueue, study, {[""] = 1})
    fails("set_user_attribute" .. empty, trial.set_user_attribute, trial, "", 1)
    assert.are.equal(2, #study.trials)
  end)

  it("is written as CSV and JSON", function()
    local study = new {metric_names = {"loss"}}
    local trial = study:ask()
    trial:categorical("name", {'a "b", c'})
    trial:float("x", 0.1, 0.1)
    trial:report(0 / 0, 3)
    trial:report(2, 1)
    trial:set_user_attribute("k", {1, 2})
    study:tell(trial, math.huge)
    study:ask()
    local lines = {}
    for line in study:csv():gmatch "([^\r]*)\r\n" do lines[#lines + 1] = line end
    assert.are.equal("number,value,datetime_start,datetime_complete,duration,params_name,params_x,user_attrs_k,state",
      lines[1])
    local row = '^0,inf,20%d%d%-%d%d%-%d%dT[%d:.]+Z,[^,]+Z,[%d.e-]+,"a ""b"", c",0%.1,"%[1,2%]",complete$'
    assert.is_truthy(lines[2]:find(row))
    assert.is_truthy(lines[3]:find "^1,,20[^,]+,,,,,,running$")
    local path = folder .. "/study.json"
    assert.is_true(study:json(path))
    local read = fnn.json.decode(process.read(path))
    assert.are.same({"minimize", "loss", "complete", "inf", 0.1}, {read.directions[1], read.metric_names[1],
      read.trials[1].state, read.trials[1].values[1], read.trials[1].params.x})
    assert.are.equal("nan", read.trials[1].intermediate[2][2])
    assert.are.equal("CategoricalDistribution", read.trials[1].distributions.name.name)
  end)

  it("is written with times to the nearest thousandth of a second", function()
    local study = new()
    study:tell(study:ask(), 1)
    local record = study:history().trials[1]
    record.started, record.finished = 1000.9996, 1001.0004
    assert.matches("1970%-01%-01T00:16:41%.000Z,1970%-01%-01T00:16:41%.000Z,", study:csv())
    record.started, record.finished = 1000.9994, 1059.9999
    local trial = fnn.json.decode(study:json()).trials[1]
    assert.are.same({"1970-01-01T00:16:40.999Z", "1970-01-01T00:17:40.000Z"}, {trial.started, trial.finished})
  end)

  it("is checked when it is made", function()
    local both = {"minimize", "maximize"}
    fails("study: name: expected", search.study, {})
    fails("study: direction: expected minimize or maximize, got up", new, {direction = "up"})
    fails("either direction or directions", new, {direction = "minimize", directions = {"minimize"}})
    fails("metric_names: expected 1", new, {metric_names = {"a", "b"}})
    fails("metric_names: element 2: a is there already", new, {directions = both, metric_names = {"a", "a"}})
    fails("metric_names: element 1: expected a text of UTF-8 without zero bytes, got number 1", new,
      {metric_names = {1}})
    fails('metric_names: element 1: expected a text of UTF-8 without zero bytes, got "\xff"', new,
      {metric_names = {"\xff"}})
    fails("metric_names: expected a list, got another table", new, {metric_names = {loss = 1}})
    for _, directions in ipairs {{"minimize", nil, "maximize"}, {"minimize", accuracy = "maximize"}} do
      fails("study: directions: expected a list, got another table", new, {directions = directions})
    end
    fails('study: name: expected a text of UTF-8 without zero bytes, got "\xff"', new, {name = "\xff"})
    fails('study: checkpoints: expected a folder, got ""', new, {checkpoints = ""})
    fails("study: checkpoints: expected a folder", new, {checkpoints = "a\0b"})
    fails("study: unknown option", new, {directon = "minimize"})
    fails("study: unknown option", new, {"x", storrage = 1})
    local maker = ", got a class that makes one: call it, as in "
    fails("sampler: expected a sampler, which has begin and sample" .. maker .. "TPE{...}", new, {sampler = search.TPE})
    fails("pruner: expected a pruner, which has prune" .. maker .. "Median{...}", new, {pruner = search.Median})
    fails("sampler: expected a sampler, which has begin and sample, got table", new, {sampler = search.Median {}})
    fails("study: pruner: expected a pruner, which has prune, got table", new, {pruner = search.TPE {}})
    fails("load_study: sampler: expected a sampler, which has begin and sample, got table", search.load_study,
      {name = "s", sampler = {}})
  end)
end)

describe("a trial", function()
  it("has a seed that follows from the study's and its number", function()
    local a, b = new {seed = 7}, new {seed = 7}
    local first, second, other = a:ask(), a:ask(), b:ask()
    assert.are.equal(first.seed, other.seed)
    assert(first.seed ~= second.seed and math.type(first.seed) == "integer")
    assert(first.seed >= 0 and first.seed < 2 ^ 31)
    assert.are_not.equal(first.seed, new {seed = 8}:ask().seed)
  end)

  it("draws the same whatever the others do", function()
    local a, b = new {seed = 7}, new {seed = 7}
    for _ = 1, 3 do a:ask() end
    local third = a:ask()
    b:ask():float("y", 0, 1)
    for _ = 1, 2 do b:tell(b:ask(), 1) end
    assert.are.equal(third:float("x", 0, 1), b:ask():float("x", 0, 1))
  end)

  it("draws by the study's seed with every sampler that has none of its own, and by its own else", function()
    for _, name in ipairs {"Random", "QuasiRandom", "TPE", "CMAES", "GP", "NSGA2", "PBT"} do
      local function draws(seed, of_sampler)
        local study = new {seed = seed, sampler = search[name] {seed = of_sampler}}
        optimize(study, function(trial) return trial:float("x", 0, 1) + trial:float("y", 0, 1) end, {trials = 13})
        local list = {}
        for i, trial in ipairs(study.trials) do list[i] = trial.params end
        return list
      end
      local expected = draws(9)
      assert.are.same(expected, draws(9), name)
      assert.are_not.same(expected, draws(8), name)
      assert.are.same(expected, draws(nil, 9), name)
      assert.are.same(draws(9, 4), draws(9, 4), name)
    end
    local function first(o) return new(o):ask():float("x", 0, 1) end
    assert.are.equal(first {seed = 4, sampler = search.QuasiRandom {}},
      first {seed = 9, sampler = search.QuasiRandom {seed = 4}})
    assert.are_not.equal(first {sampler = search.QuasiRandom {}}, first {sampler = search.QuasiRandom {}})
  end)

  it("checks its arguments", function()
    local trial = new():ask()
    fails("float: x: expected low <= high, got 2 and 1", trial.float, trial, "x", 2, 1)
    fails("int: n: low: expected an integer, got 0.5", trial.int, trial, "n", 0.5, 1)
    fails("categorical: c: expected at least one choice", trial.categorical, trial, "c", {})
    fails("suggest: name: expected a string", trial.float, trial, 5, 0, 1)
    fails("expected a distribution, got table", trial.suggest, trial, "x", {})
    fails("expected a distribution, got table", trial.suggest, trial, "x", {kind = "float"})
    fails("report: value: expected a number, got nil", trial.report, trial, nil, 1)
    fails("report: step: expected an integer of 0 or more, got 1.5", trial.report, trial, 1, 1.5)
  end)

  it("keeps the first report of a step", function()
    local study = new()
    local trial = study:ask()
    for _, each in ipairs {{5, 1}, {6, 1}, {7, 2}} do trial:report(each[1], each[2]) end
    assert.are.same({5.0, 7.0}, study:trial(0).intermediate)
  end)

  it("is pruned by the pruner, which says why", function()
    local asked = {}
    local study = new {pruner = {prune = function(_, history, record)
      asked = {#history.trials, history.directions[1], record.intermediate[1]}
      return record.intermediate[1] > 1, "too large"
    end}}
    optimize(study, function(trial)
      trial:report(trial.number, 1)
      if trial:should_prune() then search.prune() end
      return 10
    end, {trials = 3})
    assert.are.same({3, "minimize", 2.0}, asked)
    assert.are.same({"complete", "complete", "pruned"}, states(study))
    assert.are.same({2.0, "too large"}, {study:trial(2).value, study:trial(2).system_attributes.prune_reason})
    optimize(study, function() search.prune "too slow" end, {trials = 4})
    assert.are.same({"pruned", "too slow"}, {study:trial(3).state, study:trial(3).system_attributes.prune_reason})
    fails("prune: reason: expected a string, got number", search.prune, 5)
  end)

  it("keeps what samplers write into its attributes", function()
    local study = new {sampler = {
      begin = function(_, _, record)
        record.system_attributes["mine"] = record.number
        return {x = 0.5, y = 7}
      end,
      sample = function() return 0.25 end,
    }}
    local trial = study:ask()
    assert.are.same({0.5, 0.25}, {trial:float("x", 0, 1), trial:float("y", 0, 1)}) -- 7 is no value of y
    assert.are.equal(0, study:trial(0).system_attributes.mine)
  end)

  it("has a folder for checkpoints", function()
    local study = new {name = "a/b: ü", checkpoints = folder .. "/x/y"}
    local path = study:ask():checkpoint_path "model"
    assert.are.equal(folder .. "/x/y/0/model", path)
    process.write(path, "")
    assert(new {name = "../a/b"}.checkpoints:find "^checkpoints/%%2e.%%2fa%%2fb$")
  end)

  it("begins trials without the checkpoints that an earlier study of its name left", function()
    local checkpoints = folder .. "/left"
    for round = 1, 3 do
      local trial = new {checkpoints = checkpoints}:ask()
      local path = trial:checkpoint_path()
      assert.is_nil(process.read(path))
      process.write(path, tostring(round))
      assert.are.equal(path, trial:checkpoint_path())
      assert.are.equal(tostring(round), process.read(path))
    end
    assert.are.equal("1", process.read(checkpoints .. "/0.1/checkpoint"))
    assert.are.equal("2", process.read(checkpoints .. "/0.2/checkpoint"))
  end)
end)

describe("optimize", function()
  it("runs until there are so many trials in all", function()
    local study = new()
    local calls = 0
    local function f(trial)
      calls = calls + 1
      return trial:float("x", 0, 1)
    end
    for _, trials in ipairs {3, 3, 5} do optimize(study, f, {trials = trials}) end
    assert.are.same({5, 5}, {calls, #study.trials})
  end)

  it("keeps failed trials with their message and goes on", function()
    local study = new()
    optimize(study, function(trial)
      if trial.number == 1 then error "this went wrong" end
      if trial.number == 2 then return 0 / 0 end
      if trial.number == 3 then error {code = 5} end
      return 1
    end, {trials = 5})
    assert.are.same({"complete", "failed", "failed", "failed", "complete"}, states(study))
    local reason = study:trial(1).system_attributes.fail_reason
    assert(reason:find("this went wrong", 1, true) and reason:find("search_study_spec.lua", 1, true), reason)
  end)

  it("keeps a message that is no UTF-8 as one that is, in a database too", function()
    for _, storage in ipairs {false, has_sqlite and "sqlite:///" .. folder .. "/bytes.db"} do
      local study = new {storage = storage or nil}
      optimize(study, function(trial)
        if trial.number == 0 then error("\xff bad", 0) end
        return 1
      end, {trials = 2})
      assert.are.same({"failed", "complete"}, states(study))
      assert.matches("^\u{FFFD} bad", study:trial(0).system_attributes.fail_reason)
    end
  end)

  it("ends with the error when it is told not to catch", function()
    local study = new()
    fails("this went wrong", optimize, study, function() error "this went wrong" end, {trials = 5, catch = false})
    assert.are.same({"failed"}, states(study))
  end)

  it("ends when every trial fails", function()
    local study = new()
    fails("3 trials in a row failed (max_failures), the last one with: ", optimize, study,
      function() error "oops" end, {trials = 100, max_failures = 3})
    assert.are.equal(3, #study.trials)
  end)

  it("tries failed trials again", function()
    local study, seen = new {checkpoints = folder .. "/again"}, {}
    optimize(study, function(trial)
      local x = trial:float("x", 0, 1)
      seen[#seen + 1] = {x, trial.seed, trial:checkpoint_path():match "(%d+)/checkpoint"}
      if trial.number < 2 then error "once more" end
      return x
    end, {trials = 2, retries = 2})
    assert.are.same({"failed", "failed", "complete", "complete"}, states(study))
    assert.are.same(seen[1], seen[2])
    assert.are.same(seen[1], seen[3])
    assert.are_not.same(seen[1], seen[4])
    assert.are.same({0, 1}, {table.unpack(study:trial(2).system_attributes.retry_history)})
  end)

  it("an attempt that begins again forgets later reports of the one before", function()
    local study = new()
    optimize(study, function(trial)
      for step = trial.number == 0 and 1 or 3, trial.number == 0 and 5 or 4 do trial:report(step, step) end
      if trial.number == 0 then error "oops" end
      return 1
    end, {trials = 1, retries = 1})
    assert.are.same({1.0, 2.0, 3.0, 4.0}, study:trial(1).intermediate)
  end)

  it("stops by the time, or when nothing gets better", function()
    local study = new()
    optimize(study, function() return 1 end, {timeout = 1e-9})
    assert.are.equal(0, #study.trials)
    optimize(study, function(trial) return math.max(5 - trial.number, 2) end, {no_improvement = 4, trials = 100})
    assert.are.equal(8, #study.trials) -- the best is trial 3, and four came after it
    local several = new {directions = {"minimize", "minimize"}}
    optimize(several, function(trial) return math.min(trial.number, 2), -math.min(trial.number, 2) end,
      {no_improvement = 3, trials = 9})
    assert.are.equal(9, #several.trials) -- equal ones belong to the front
  end)

  it("stops when the sampler has no more", function()
    local study = new {sampler = search.Grid {space = {a = {1, 2, 3}, b = {true, false}}}}
    local seen = {}
    optimize(study, function(trial)
      seen[#seen + 1] = trial:categorical("a", {1, 2, 3}) .. tostring(trial:categorical("b", {true, false}))
      return 1
    end, {})
    table.sort(seen)
    assert.are.equal("1false 1true 2false 2true 3false 3true", table.concat(seen, " "))
  end)

  it("calls back, also to stop", function()
    local study, told = new(), {}
    optimize(study, function(trial) return trial.number end, {trials = 10, callbacks = {function(given, trial)
      told[#told + 1] = trial.value
      if trial.number == 3 then given:stop() end
    end}})
    assert.are.same({0.0, 1.0, 2.0, 3.0}, told)
  end)

  it("reuses, redraws or allows duplicates", function()
    local calls
    local function run(duplicates, trials)
      local study = new()
      calls = 0
      optimize(study, function(trial)
        local kind = trial:categorical("kind", {"a", "b"})
        local n = kind == "a" and trial:int("n", 1, 2) or 0
        calls = calls + 1
        return n
      end, {trials = trials, duplicates = duplicates})
      return study
    end
    run("allow", 12)
    assert.are.equal(12, calls)
    local study = run("reuse", 12)
    assert.are.equal(3, calls) -- a 1, a 2 and b
    local reused = 0
    for _, trial in ipairs(study.trials) do
      local of = trial.system_attributes["fmnistnn:duplicate_of"]
      if of then
        reused = reused + 1
        assert.are.equal(study:trial(of).value, trial.value)
        assert.are.same(study:trial(of).params, trial.params)
      end
    end
    assert.are.equal(9, reused)
    study = run("redraw", 3)
    local seen = {}
    for _, trial in ipairs(study.trials) do seen[trial.params.kind .. (trial.params.n or "")] = true end
    assert.are.same({a1 = true, a2 = true, b = true}, seen)
    assert.are.equal(4, #run("redraw", 4).trials) -- when there are no others, a duplicate will do
  end)

  it("seeds the generator for each trial", function()
    local function draws()
      local list = {}
      optimize(new(), function() list[#list + 1] = fnn.rand(1):item() return 1 end, {trials = 2})
      return list
    end
    local first = draws()
    fnn.manual_seed(99)
    assert.are.same(first, draws())
    assert(first[1] ~= first[2])
  end)

  it("tells how it goes, a line for each trial", function()
    local code, out, err = process.run_lua [[
      local search = require "fmnistnn.search"
      local study = search.study{name = "s", sampler = search.Random{seed = 1}, direction = "maximize"}
      study:optimize(function(trial)
        trial:int("n", 5, 5)
        if trial.number == 1 then error "oops" end
        return trial.number
      end, {trials = 3})]]
    assert.are.same({0, ""}, {code, out})
    local lines = {}
    for line in err:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.are.equal(4, #lines, err)
    assert(lines[1]:find "^trial 0 complete 0 .*n 5.*best 0 %(trial 0%)", lines[1])
    assert(lines[2]:find "^trial 1 failed %(.*oops%)", lines[2])
    assert(lines[4]:find "^3/3 trials  best 2 %(trial 2%)  0 running, 2 done, 0 pruned, 1 failed", lines[4])
  end)

  it("writes its page from its beginning on", function()
    local study, path = new(), folder .. "/page.html"
    optimize(study, function()
      local page = process.read(path)
      assert(page:find("There are no trials yet", 1, true) and page:find('data-seconds="20"', 1, true))
      return 1
    end, {trials = 2, report = path, catch = false})
    local page = process.read(path)
    assert(page:find("2 trials, 2 complete", 1, true) and not page:find('data-seconds="', 1, true))
    fails("optimize: report: " .. folder .. "/none/page.html", optimize, study, print,
      {trials = 3, report = folder .. "/none/page.html"})
    assert.are.equal(2, #study.trials)
  end)

  it("checks its arguments", function()
    local study = new()
    fails("optimize: expected a function, got nil", study.optimize, study)
    fails("optimize: duplicates: expected allow, reuse or redraw", optimize, study, print, {duplicates = "drop"})
    fails("optimize: callbacks: expected a list of functions", optimize, study, print, {callbacks = {5}})
    for _, callbacks in ipairs {{print, nil, print}, {after = print}} do
      fails("callbacks: expected a list of functions, got another table", optimize, study, print,
        {callbacks = callbacks})
    end
    fails("a study in memory is seen by one process alone", optimize, study, print, {workers = 2})
    fails("optimize: trials: expected an integer of 1 or more", optimize, study, print, {trials = 0})
    fails("optimize: unknown option", optimize, study, print, {n_trials = 5})
  end)
end)

describe("search", function()
  it("goes on with the same seed, whoever goes on", function()
    if not has_sqlite then return pending "LuaSQL for SQLite is not installed" end
    local url = "sqlite:///" .. folder .. "/seeds.db"
    local function objective(trial) return trial:float("x", 0, 1) + trial:float("y", 0, 1) end
    for _, name in ipairs {"QuasiRandom", "CMAES", "GP"} do
      local study
      for trials = 2, 6, 2 do -- each time as another process, with a sampler that knows nothing
        study = search.study {name = name, storage = url, sampler = search[name] {}}
        optimize(study, objective, {trials = trials})
      end
      local whole = new {seed = study.seed, sampler = search[name] {}}
      optimize(whole, objective, {trials = 6})
      for i, trial in ipairs(study.trials) do assert.are.same(whole.trials[i].params, trial.params, name) end
    end
  end)

  it("prunes only in an objective", function()
    local ok, message = pcall(search.prune)
    assert(not ok and tostring(message):find("study:optimize", 1, true))
  end)

  it("goes on with studies, lists and deletes them", function()
    if not has_sqlite then return pending "LuaSQL for SQLite is not installed" end
    local url = "sqlite:///" .. folder .. "/studies.db"
    local first = new {name = "one", storage = url, direction = "maximize", metric_names = {"accuracy"}, seed = 5}
    first:tell(first:ask(), 1)
    local again = search.load_study {name = "one", storage = url}
    assert.are.same({1, "maximize", "accuracy", 5},
      {#again.trials, again.directions[1], again.metric_names[1], again.seed})
    assert.are.equal(1, #new {name = "one", storage = url, direction = "maximize"}.trials)
    fails("'one' exists, with the directions maximize", new, {name = "one", storage = url, direction = "minimize"})
    fails("'one' exists already", new, {name = "one", storage = url, load_if_exists = false})
    assert.are.same({"one"}, search.studies(url))
    local missing, message = search.load_study {name = "two", storage = url}
    assert(missing == nil and message:find("there is no study 'two'", 1, true), message)
    fails("load_study: load_if_exists: expected none, or true", search.load_study,
      {name = "one", storage = url, load_if_exists = false})
    assert.is_true(search.delete_study {name = "one", storage = url})
    assert.is_nil((search.delete_study {name = "one", storage = url}))
    assert.are.same({}, search.studies(url))
  end)

  it("are given the names of their objectives later too, if they have none", function()
    if not has_sqlite then return pending "LuaSQL for SQLite is not installed" end
    local url = "sqlite:///" .. folder .. "/names.db"
    new {name = "one", storage = url}
    assert.are.same({"loss"}, new({name = "one", storage = url, metric_names = {"loss"}}).metric_names)
    assert.are.same({"loss"}, {table.unpack(search.load_study({name = "one", storage = url}).metric_names)})
    fails("study: 'one' exists, with the metric_names loss", new, {name = "one", storage = url, metric_names = {"x"}})
    fails("directions: expected a list", new, {name = "two", storage = url, directions = {"minimize", nil, "maximize"}})
    assert.are.same({"one"}, search.studies(url))
  end)

  it("makes no file where one is only looked for", function()
    if not has_sqlite then return pending "LuaSQL for SQLite is not installed" end
    local path = folder .. "/mistyped.db"
    local given = {name = "s", storage = "sqlite:///" .. path}
    assert.are.same({nil, "there is no file " .. path}, {search.load_study(given)})
    assert.are.same({nil, "there is no file " .. path}, {search.delete_study(given)})
    fails("search: there is no file " .. path, search.studies, given.storage)
    assert.is_nil(process.read(path))
    new(given)
    assert.are.same({"s"}, search.studies(given.storage))
  end)
end)
