-- The page of a search: it is well-formed whatever is in the study, says what the study says, and stays small.
local charts = require "fmnistnn.search.page.charts"
local check = require "spec.support.check"
local loop = require "spec.support.search_loop"
local numbers = require "fmnistnn.page.numbers"
local process = require "spec.support.process"
local Random = require "fmnistnn.search.random"
local search = require "fmnistnn.search"
local space = require "fmnistnn.search.space"
local Subject = require "fmnistnn.search.page.subject"
local page_of = require "fmnistnn.search.page"
local xml = require "spec.support.xml"

local inf = math.huge

-- ---- studies ----

-- A study, as far as pages know it, of records that are as given.
local function study_of(records, fields)
  local study = {name = "made up", directions = {"minimize"}, metric_names = {}, user_attributes = {}}
  for key, value in pairs(fields or {}) do study[key] = value end
  local history = {directions = study.directions, trials = {}}
  for i, fields_ in ipairs(records) do
    local record = loop.add(history, {state = "complete", started = 1000 + i, finished = 1001 + i})
    for key, value in pairs(fields_) do record[key] = value end
    if record.state == "running" then record.finished = nil end
  end
  function study.history() return history end
  return study
end

-- A real study in memory, of f in so many trials.
local function run(trials, f, fields)
  local o = {name = "run", sampler = search.Random {seed = 1}}
  for key, value in pairs(fields or {}) do o[key] = value end
  local study = search.study(o)
  study:optimize(f, {trials = trials, progress = false, max_failures = 1000})
  return study
end

-- All that can be special about a study with one objective.
local function special()
  return run(60, function(trial)
    local lr = trial:float("lr", 1e-5, 1e-1, {log = true})
    local kind = trial:categorical("<kind> & \"co\"", {"SGD", "nil", nil, true, 32, n = 5})
    local momentum = kind == "SGD" and trial:float("momentum", 0, 0.9) or 0
    local units = trial:int("units", 8, 64, {step = 8})
    trial:set_user_attribute("note", {a = 1})
    trial:tag("<b>", "c")
    if trial.number == 3 then error "first\nsecond <line>" end
    if trial.number % 10 == 4 then error("nothing", 0) end
    if trial.number == 6 then return -inf end
    if trial.number == 7 then return inf end
    for step = 1, 3 do trial:report(step == 2 and trial.number == 8 and 0 / 0 or units / step, step) end
    if trial.number % 7 == 5 then
      trial.prune_reason = "too slow"
      search.prune()
    end
    return (math.log(lr, 10) + 3) ^ 2 - momentum + units / 100
  end)
end

local function several(count)
  local directions = {"minimize", "maximize", "minimize", "maximize"}
  return run(40, function(trial)
    local x, y = trial:float("x", 0, 1), trial:int("y", 1, 5)
    trial:set_constraint("c", x - 0.9)
    if trial.number == 9 then return table.unpack({inf, 1, 1, 1}, 1, count) end
    return table.unpack({x, x ^ 2 - y, y - x, x * y}, 1, count)
  end, {directions = table.move(directions, 1, count, 1, {}), metric_names = count == 2 and {"<time>", "size"} or nil})
end

-- ---- reading pages ----

local function tree_of(study) return xml.parse(page_of(study):html()) end

local function captions(tree)
  local list = {}
  for i, caption in ipairs(xml.all(tree, "figcaption")) do list[i] = xml.text(caption) end
  return list
end

local function contains(list, wanted)
  for _, each in ipairs(list) do
    if each == wanted then return true end
  end
  return false
end

-- The table with a caption: titles, and rows of {text or number}.
local function table_with(tree, caption)
  for _, element in ipairs(xml.all(tree, "table")) do
    if element.attributes["aria-label"] == caption then
      local titles = {}
      for i, heading in ipairs(xml.all(xml.all(element, "thead")[1], "th")) do titles[i] = xml.text(heading) end
      local rows = {}
      for i, row in ipairs(xml.all(xml.all(element, "tbody")[1], "tr")) do
        rows[i] = {}
        for j, cell in ipairs(row) do rows[i][titles[j]] = cell.attributes["data-value"] or xml.text(cell) end
      end
      return rows, element
    end
  end
  error("there is no table " .. caption)
end

-- The texts beside the pointer of a chart.
local function tips(chart)
  local list = {}
  for i, title in ipairs(xml.all(xml.parse(chart:svg()), "title")) do list[i] = xml.text(title) end
  return list
end

-- ---- ----

describe("the page of a search", function()
  it("of no trial says so", function()
    local html = page_of(run(1, function() return 1 end)):html()
    assert.truthy(xml.parse(html))
    local tree = tree_of(study_of {})
    assert.same({}, xml.all(tree, "table"))
    assert.truthy(xml.text(tree):find("There are no trials yet.", 1, true))
    assert.truthy(xml.text(tree):find("No trial is complete and feasible yet.", 1, true))
  end)

  it("begins with the best trial", function()
    local study = special()
    local tree, best = tree_of(study), study:trial(6)
    local rows = table_with(tree, "Its parameters")
    assert.equal("Its parameters", captions(tree)[1])
    assert.equal(numbers.exact(best.params.lr), rows[2].value)
    assert.equal("1e-05 to 0.1, logarithmic", rows[2].range)
    assert.equal('SGD, "nil", nil, true, 32', rows[1].range)
    assert.matches("Trial 6 is the best so far: value %-inf", xml.text(tree))
  end)

  it("has a table of all trials, to the last digit, with the reasons of failures", function()
    local study = special()
    local tree = tree_of(study)
    local rows, element = table_with(tree, "All trials")
    assert.equal("", element.attributes["data-filter"])
    assert.equal(60, #rows)
    for i, trial in ipairs(study.trials) do
      assert.equal(tostring(i - 1), rows[i].trial)
      assert.equal(trial.state, rows[i].state)
      local value = trial.value and numbers.exact(trial.value):gsub("inf", "Infinity") or ""
      assert.equal(value, rows[i].value)
      assert.equal(numbers.exact(trial.params.lr), rows[i].lr)
      assert.equal(numbers.exact_or_text(trial.params.momentum), rows[i].momentum)
      assert.equal('{"a":1}', rows[i].note)
      assert.equal("<b>, c", rows[i].tags)
    end
    local nils = 0
    for i, trial in ipairs(study.trials) do
      local shown = rows[i]['<kind> & "co"']
      local kind = trial.params['<kind> & "co"']
      nils = nils + (shown == "nil" and 1 or 0)
      assert.equal(kind == nil and "nil" or kind == "nil" and '"nil"' or tostring(kind), shown)
    end
    assert.is_true(nils > 0)
    assert.equal("nothing", rows[5]["why it ended"])
    assert.equal("too slow", rows[13]["why it ended"])
    local shown = {}
    for i, code in ipairs(xml.all(tree, "pre")) do shown[i] = xml.text(code) end
    assert.matches("^nothing\nstack traceback:\n[^x]*$", shown[1]) -- six times, so it comes first; without our frames
    assert.matches("first\nsecond <line>", shown[2])
    assert.matches("Failed: trials 4, 14, 24, 34, 44, 54", xml.text(tree))
  end)

  it("has each kind of chart", function()
    local shown = captions(tree_of(special()))
    for _, caption in ipairs {
      "History of value", "Intermediate values", "Importance by fANOVA", "Importance by PED-ANOVA", "lr", "momentum",
      "units", '<kind> & "co"', "Parallel coordinates", "When trials ran",
    } do
      assert(contains(shown, caption), caption .. " is not there")
    end
  end)

  it("shows the importances that the study tells", function()
    local study = special()
    local tree = tree_of(study)
    for method, caption in pairs {fanova = "fANOVA", ped_anova = "PED-ANOVA"} do
      local rows = table_with(tree, "Data of Importance by " .. caption)
      for i, one in ipairs(study:importances {method = method}) do
        assert.same({name = one.name, share = numbers.exact(one.importance)}, rows[i])
      end
    end
  end)

  it("is made of studies with one trial, with failures alone, with trials that run or wait", function()
    tree_of(run(1, function(trial) return trial:float("x", 0, 1) end))
    local tree = tree_of(run(3, function() error "no" end))
    assert.is_false(contains(captions(tree), "History of value"))
    local study = search.study {name = "asked", sampler = search.Random {seed = 1}}
    study:enqueue {x = 1}
    study:ask():float("x", 0, 1)
    study:enqueue {x = 2}
    tree = tree_of(study)
    local rows = table_with(tree, "All trials")
    assert.same({"running", "waiting"}, {rows[1].state, rows[2].state})
    assert.truthy(xml.text(tree):find("2 trials, 1 running, 1 waiting", 1, true))
    tree_of(run(10, function() return 1 end)) -- no parameters, always the same value
    tree_of(run(10, function(trial) return trial:categorical("one", {"a"}) and inf end))
    tree_of(run(10, function(trial) return 10 ^ trial:float("x", -300, 300) end))
  end)

  it("of several objectives has the front", function()
    for count = 2, 4 do
      local study = several(count)
      local tree = tree_of(study)
      local rows, numbers_shown = table_with(tree, "The front"), {}
      for i, row in ipairs(rows) do numbers_shown[i] = row.trial end
      for i, trial in ipairs(study.best_trials) do assert.equal(tostring(trial.number), numbers_shown[i]) end
      assert.equal(#study.best_trials, #rows)
      local shown = captions(tree)
      assert.equal(count == 2, contains(shown, "<time> and size"))
      assert.equal(count == 3, contains(shown, "objective 2 and objective 3"))
      assert.equal(count > 2, contains(shown, "The front across the objectives"))
      for i = 1, count do
        assert.is_true(contains(shown, "History of " .. (count == 2 and ({"<time>", "size"})[i] or "objective " .. i)))
      end
    end
  end)

  it("stays small with thousands of trials, and says what it leaves out", function()
    local random, records, distributions = Random.new(1), {}, {}
    for k = 1, 12 do distributions["parameter_" .. k] = space.float(0, 1) end
    for i = 1, 3000 do
      local record = {params = {}, distributions = distributions, intermediate = {}}
      for k = 1, 12 do record.params["parameter_" .. k] = random:uniform() end
      for step = 1, 50 do record.intermediate[step] = random:uniform() end
      record.values = {random:uniform()}
      record.state = i % 50 == 0 and "failed" or i % 3 == 0 and "pruned" or "complete"
      record.system_attributes = {fail_reason = i % 50 == 0 and "message " .. i or nil}
      records[i] = record
    end
    local html = page_of(study_of(records)):html()
    assert.is_true(#html < 1e6, #html)
    local shown = table.concat(captions(xml.parse(html)), "\n")
    assert.truthy(shown:find("Intermediate values (100 of 3000 trials)", 1, true))
    assert.truthy(shown:find("All trials (", 1, true))
    assert.truthy(html:find("There are 50 further messages.", 1, true))
  end)

  it("is written, and loads itself anew when it is told to", function()
    local folder, study = process.folder(), run(2, function(trial) return trial:float("x", 0, 1) end)
    assert.is_true(study:report(folder .. "/a.html"))
    assert.same({}, xml.all(xml.parse(process.read(folder .. "/a.html")), "p", "live"))
    assert.is_true(study:report(folder .. "/a.html", {refresh = 7}))
    local live = xml.all(xml.parse(process.read(folder .. "/a.html")), "p", "live")
    assert.equal("7", live[1].attributes["data-seconds"])
    local ok, message = study:report(folder .. "/nowhere/a.html")
    assert.is_nil(ok)
    assert.matches("nowhere/a.html", message)
    process.remove(folder)
    check.refused(study.report, {"report: path: expected a string, got nil"}, study)
    check.refused(study.report, {"report: unknown option every"}, study, "a.html", {every = 5})
  end)
end)

describe("what is shown of many trials", function()
  it("are the best half, and others evenly, in their order", function()
    local records = {}
    for i = 1, 100 do records[i] = {values = {i % 2 == 0 and i or 1000 + i}, state = "complete"} end
    local subject = Subject.new(study_of(records))
    local shown = {}
    for i, record in ipairs(subject:thin(subject.records, 10, 1)) do shown[i] = record.number end
    -- the best are 1, 3, 5, 7, 9; the others 0, 2, 4, 6, 8, 10, 11, 12 ..., of which every nineteenth is shown
    assert.same({0, 1, 3, 5, 7, 9, 24, 43, 62, 81}, shown)
    assert.equal(subject.records, subject:thin(subject.records, 100, 1))
  end)
end)

describe("the timeline", function()
  it("has a row for each worker at a time, and leaves pauses out", function()
    local function by(worker, start, finish, state)
      return {
        started = start, finished = finish, state = state, system_attributes = {["fmnistnn:worker"] = worker},
        values = state == "complete" and {1} or nil,
      }
    end
    local subject = Subject.new(study_of {
      by("host/1/x/y", 100, 110, "complete"), by("host/2/x/y", 100, 104, "failed"),
      by("host/1/x/y", 110, 112, "pruned"),
      by("host/3/x/y", 1000, 1010, "complete"), -- after a pause
      by("other/1/x/y", 1005, nil, "running"),
    })
    assert.same({
      "0\ncomplete\nhost 1\n0 to 10", "2\npruned\nhost 1\n10 to 12", "3\ncomplete\nhost 1\n12 to 22",
      "1\nfailed\nhost 2\n0 to 4", "4\nrunning\nother 1\n17 to 27",
    }, {table.unpack(tips(charts.timeline(subject, 1015)), 2)})
  end)
end)

describe("importances of a study", function()
  it("are those of the measures, for each objective", function()
    local study = several(2)
    local fanova = require "fmnistnn.search.importance.fanova"
    local ped_anova = require "fmnistnn.search.importance.ped_anova"
    assert.same(fanova(study:history()), study:importances())
    assert.same(fanova(study:history(), {objective = 2}), study:importances {objective = 2})
    assert.same(ped_anova(study:history(), {objective = 2}), study:importances {method = "ped_anova", objective = 2})
  end)

  it("refuse what they do not know", function()
    local study = several(2)
    check.refused(study.importances, {"importances: method: expected fanova or ped_anova, got shap"}, study,
      {method = "shap"})
    check.refused(study.importances, {"objective: expected 1..2, got 3"}, study, {objective = 3})
  end)
end)

-- ---- with a browser ----

describe("in a browser #long", function()
  it("pages of searches have no problem", function()
    local folder, paths = process.folder(), {}
    for name, study in pairs {
      none = study_of {}, special = special(), failed = run(3, function() error "no" end), two = several(2),
      three = several(3), one = run(1, function(trial) return trial:float("x", 0, 1) end),
    } do
      paths[#paths + 1] = ("%s/%s.html"):format(folder, name)
      process.write(paths[#paths], page_of(study, 600):html())
    end
    local code, out, err = process.run("scripts/check_page " .. table.concat(paths, " "))
    process.remove(folder)
    if code == 77 then return pending(err) end
    assert.equal(0, code, out .. err)
  end)
end)
