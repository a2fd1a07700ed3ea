--- What a search costs beside its trials, in a SQLite file: asking for a trial and telling how it ended after so many
-- finished ones, by TPE, here and with Optuna on the same file; and one of the example's trials, with its draws,
-- reports and pruning.
--
--   PYTHON=peers/bin/python lua5.4 bench/search_speed.lua [finished]     10000 unless given
--
-- Without PYTHON Optuna is left out. Figures are medians; the sides take turns.
local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../examples/?.lua;" .. here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
package.cpath = here .. "../build/?.so;" .. package.cpath

local core = require "fmnistnn.core"
local search = require "fmnistnn.search"
local example = require "search.space"

local ROUNDS <const>, TRIALS <const> = 3, 20
local finished = math.tointeger(arg[1] or 10000) or error("expected a number of trials, got " .. arg[1])
local python = os.getenv "PYTHON"

local folder = os.tmpname()
os.remove(folder)
assert(os.execute(("mkdir '%s'"):format(folder)))
local function url(name) return ("sqlite:///%s/%s.db"):format(folder, name) end

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

-- ---- ask and tell ----

local space = {
  lr = search.float(1e-5, 1e-1, {log = true}), dropout = search.float(0, 0.8), filters = search.int(8, 128),
  units = search.int(16, 512, {log = true}), optimizer = search.categorical {"Adam", "SGD", "RMSprop"},
}

local function loss_of(params)
  return math.log(params.lr / 1e-3, 10) ^ 2 + (params.dropout - 0.3) ^ 2 + math.abs(params.filters - 40) / 100
    + math.log(params.units / 100) ^ 2 / 10 + (params.optimizer == "SGD" and 0.3 or 0)
end

local function asks_and_tells(study, count)
  local times = {}
  for i = 1, count do
    local began = core.now()
    local trial = study:ask(space)
    study:tell(trial, loss_of(trial.params))
    times[i] = core.now() - began
  end
  return times
end

local function peer_asks_and_tells(times)
  local pipe = io.popen(("%s %ssearch_peers.py ask %s speed %d"):format(python, here, url "speed", TRIALS))
  for line in pipe:lines() do times[#times + 1] = tonumber(line) end
  assert(pipe:close(), "bench/search_peers.py failed")
end

local function compare_asks_and_tells()
  local random = search.study {name = "speed", storage = url "speed", sampler = search.Random {seed = 1}}
  asks_and_tells(random, finished)
  local study = search.study {name = "speed", storage = url "speed", sampler = search.TPE {seed = 1}}
  asks_and_tells(study, 1) -- reads them all
  local ours, theirs = {}, {}
  for _ = 1, ROUNDS do
    table.move(asks_and_tells(study, TRIALS), 1, TRIALS, #ours + 1, ours)
    if python then peer_asks_and_tells(theirs) end
  end
  print(("ask and tell after %d trials: %.2f ms"):format(finished, median(ours) * 1e3))
  if not python then return end
  print(("Optuna's: %.1f ms, %.1f times as long"):format(median(theirs) * 1e3, median(theirs) / median(ours)))
end

-- ---- a trial of the example ----

local function trial_of_example(study)
  local trial = study:ask()
  example.draw(trial)
  for epoch = 1, 9 do
    trial:report(epoch / (10 + trial.number % 7), epoch)
    trial:should_prune()
  end
  study:tell(trial, 9 / (10 + trial.number % 7))
end

local function time_example()
  local study = search.study {
    name = "example", storage = url "example", direction = "maximize", sampler = search.TPE {seed = 1},
    pruner = search.ASHA {min_resource = 3, max_resource = 9, reduction = 2},
  }
  for _ = 1, 100 do trial_of_example(study) end
  local times = {}
  for i = 1, TRIALS do
    local began = core.now()
    trial_of_example(study)
    times[i] = core.now() - began
  end
  print(("a trial of the example, after 100: %.1f ms"):format(median(times) * 1e3))
end

time_example()
compare_asks_and_tells()
os.execute(("rm -r '%s'"):format(folder))
