-- The study: its ten networks on Fashion-MNIST and a cured one, each with some seeds, and a page that shows what
-- happened.
--
--   lua5.4 examples/study.lua                         all of study/trials.lua
--   lua5.4 examples/study.lua --trials 1,9,resnet --seeds 3
--   lua5.4 examples/study.lua --experiments pooling,dropout
--   lua5.4 examples/study.lua --help                  its options
--
-- Stopped at any moment and started again with --resume, it goes on from the last finished epoch, and ends in the same
-- numbers. The folder (--out) then has study.html, study.json, study.csv, the plots as SVG, and each run's results.
local options = dofile((arg[0]:match("^(.*/)") or "") .. "options.lua")

local parser = options.parser("Train the study's networks on Fashion-MNIST, and make a page that compares them.")
parser:option("--trials", "NAMES", "Which of 1 to 9, resnet, cured (all unless given).")
parser:option("--experiments", "NAMES",
  "Instead: variations of a trial. Of optimizers, losses, pooling, dropout,\n" ..
  "lr, batch, epochs, precision, recipe, long.")
parser:option("--seeds", "N", "So many runs of each, with seeds from 1 on.", "integer", 1, "1")
parser:option("--epochs", "N", "Epochs of each run (else those of the study).", "integer", 1)
parser:option("--limit", "N", "Use the first N training images only.", "integer", 1)
parser:option("--validation", "X", "Set this part of the training images apart, and show and choose by these.", "share")
parser:option("--threads", "N", "Threads to use (all CPUs unless given).", "threads")
parser:option("--out", "DIR", "The folder for results.", "folder", nil, "study-results")
parser:flag("--resume", "Go on with what is in the folder.")
parser:flag("--report", "Write the page after each epoch, not only after each run.")
local given = parser:parse()

local fnn = require "fmnistnn"
local folder = require "fmnistnn.folder"
local networks = require "study.networks"
local report = require "study.report"
local run = require "study.run"
local table_of = require "study.trials"

-- ---- what is to be done ----

local function each_name(option, text)
  local names, seen = {}, {}
  for word in text:gmatch("[^,]+") do
    local name = word:match("^%s*(.-)%s*$")
    options.check(not seen[name], ("option '%s': '%s' is there twice"):format(option, name))
    names[#names + 1], seen[name] = name, true
  end
  options.check(#names > 0, ("option '%s': expected names, got '%s'"):format(option, text))
  return names
end

local function rows_of_trials(names)
  if not names then return table_of.trials end
  local rows = {}
  for _, name in ipairs(each_name("--trials", names)) do
    local found
    for _, row in ipairs(table_of.trials) do found = row.name == name and row or found end
    options.check(found, ("option '--trials': there is no trial '%s'"):format(name))
    rows[#rows + 1] = found
  end
  return rows
end

local function rows_of_experiments(names)
  local rows = {}
  for _, name in ipairs(each_name("--experiments", names)) do
    local more = options.check(table_of.experiments[name],
      ("option '--experiments': there is no experiment '%s'"):format(name))
    table.move(more, 1, #more, #rows + 1, rows)
  end
  return rows
end

options.check(not (given.trials and given.experiments), "option '--experiments': expected no '--trials' beside it")
local rows = given.experiments and rows_of_experiments(given.experiments) or rows_of_trials(given.trials)
for _, row in ipairs(rows) do row.epochs = given.epochs or row.epochs end

local train, test = options.check(fnn.data.fashion_mnist())
if given.limit then train = train:first(given.limit) end
local data = {train = train, test = test, validation = test}
if given.validation then data.train, data.validation = options.split(train, given.validation) end

-- ---- doing it ----

local function path_of(row, seed)
  return ("%s/runs/%s, seed %d"):format(given.out, row.name, seed)
end

local results = {} -- by row: a list of runs

local function earlier_runs()
  local some
  for i, row in ipairs(rows) do
    results[i] = {row = row}
    for seed = 1, given.seeds do
      local ok, begun, result = pcall(run.earlier, path_of(row, seed), row, seed, data)
      options.check(ok, begun)
      results[i][seed] = result
      some = some or begun
    end
  end
  if some and not given.resume then
    options.check(nil, given.out .. ": there are results in it: go on with them by --resume, or choose another folder")
  end
end

-- more: whether runs are still to come.
local function write_report(more)
  options.check(report.write(given.out, results, data, {
    refresh = more and 10 or nil, seeds = given.seeds, validation = given.validation,
  }))
end

-- How long each run takes beside the others.
local function work_of_runs()
  local work = {}
  for _, row in ipairs(rows) do
    local totals = networks.make(row):summary({1, 28, 28}, {print = false})
    for _ = 1, given.seeds do work[#work + 1] = row.epochs * totals.multiply_adds end
  end
  return work
end

options.check(folder.make(given.out .. "/runs"))
earlier_runs()
local progress = fnn.Progress{epochs = 1, trials = #rows * given.seeds, work = work_of_runs()}

local function train_one(i, row, seed)
  io.stderr:write(("%s, seed %d\n"):format(row.name, seed))
  progress:begin_trial((i - 1) * given.seeds + seed, row.epochs)
  results[i][seed] = options.check(run.train(row, seed, data, path_of(row, seed), progress, function(so_far)
    results[i][seed] = so_far
    if given.report then write_report(true) end
  end))
  if results[i][seed].interrupted then
    write_report(false)
    options.check(nil, "stopped; --resume goes on")
  end
end

for i, row in ipairs(rows) do
  for seed = 1, given.seeds do
    if not results[i][seed] then
      train_one(i, row, seed)
      if i < #rows or seed < given.seeds then write_report(true) end
    end
  end
end
write_report(false)
print(report.text(results, given.seeds))
