-- examples/slurm.sh on a real Slurm: its tasks are workers of one search, which may be cancelled.
local postgres = require "spec.support.postgres"
local process = require "spec.support.process"
local search = require "fmnistnn.search"
local slurm = require "spec.support.slurm"
local quote = process.quote

local is_there = slurm.is_there() and postgres.is_there()
local cluster, server, folder

setup(function()
  if not is_there then return end
  folder, server, cluster = process.folder(), postgres.start(), slurm.start(3)
end)

teardown(function()
  if not is_there then return end
  cluster:stop()
  server:stop()
  process.remove(folder)
end)

local script = [[
local core, search = require "fmnistnn.core", require "fmnistnn.search"
local study = search.study{name = "s", sampler = search.Random{seed = 1}}
study:optimize(function(trial)
  local x = trial:float("x", 0, 1)
  trial:set_user_attribute("node", os.getenv "SLURMD_NODENAME")
  trial:set_user_attribute("threads", core.threads())
  core.sleep(tonumber(arg[2]))
  return x
end, {trials = tonumber(arg[1])})
]]

-- Submits examples/slurm.sh as an array of three, with other options of sbatch before it; returns the command's output.
local function submit(url, options, trials, seconds)
  process.write(folder .. "/script.lua", script)
  local environment = ("LUA_PATH=%s LUA_CPATH=%s FMNISTNN_STORAGE=%s"):format(quote(package.path), quote(package.cpath),
    quote(url))
  local words = ("--output=%s/%%a.log %s examples/slurm.sh %s/script.lua %d %g"):format(folder, options, folder, trials,
    seconds)
  return cluster:run(("%s sbatch --parsable --array=1-3 %s"):format(environment, words))
end

local function trials_at(url)
  local study = search.load_study {name = "s", storage = url}
  local trials = study and study.trials or {}
  if study then study.storage:disconnect() end
  return trials
end

local function of_state(trials, state)
  local list = {}
  for _, trial in ipairs(trials) do
    if trial.state == state then list[#list + 1] = trial end
  end
  return list
end

local function test(name, f)
  if is_there then it(name, f) else pending(name .. " (Slurm and PostgreSQL are needed, and root)") end
end

describe("a job array of Slurm #long", function()
  test("runs each trial once, on all nodes", function()
    local url = server:database "array"
    submit(url, "--wait", 12, 0.3)
    local trials, nodes = trials_at(url), {}
    assert(#trials == 12, #trials .. cluster:logs())
    for _, trial in ipairs(trials) do
      assert.are.equal("complete", trial.state)
      assert.are.equal(1, trial.user_attributes.threads)
      nodes[trial.user_attributes.node] = true
    end
    assert.are.same({n1 = true, n2 = true, n3 = true}, nodes)
  end)

  test("may be cancelled: its trials are taken over by the next", function()
    local url = server:database "cancelled"
    local id = submit(url, "", 4, 60):match "%d+"
    process.wait(function() return #of_state(trials_at(url), "running") == 3 end)
    cluster:run("scancel " .. id)
    process.wait(function() return cluster:run "squeue -h" == "" end)
    local cut_off = trials_at(url)
    submit(url, "--wait", 4, 0.1)
    local trials = trials_at(url)
    local complete = of_state(trials, "complete")
    assert.are.equal(4, #complete)
    local again = {}
    for _, trial in ipairs(complete) do
      if trial.system_attributes.failed_trial then again[trial.system_attributes.failed_trial] = trial.params.x end
    end
    for _, trial in ipairs(cut_off) do
      if trial.number < 3 then assert.are.equal(trial.params.x, again[trial.number]) end
    end
  end)
end)
