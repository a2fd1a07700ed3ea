-- A search whose trials take 5 steps, each with a checkpoint: STORAGE, TRIALS, WORKERS, STEP (seconds) in the environment.
-- Each step is a line "number step" in LOG.
local core = require "fmnistnn.core"
local search = require "fmnistnn.search"

local study = search.study {
  name = "s", storage = os.getenv "STORAGE", sampler = search.Random {seed = 1}, checkpoints = os.getenv "CHECKPOINTS",
}

local function log(...)
  local file <close> = assert(io.open(os.getenv "LOG", "a"))
  file:write(table.concat({...}, " "), "\n")
end

study:optimize(function(trial)
  local x = trial:float("x", 0, 1)
  local path = trial:checkpoint_path()
  local file = io.open(path)
  local done = file and file:read "n" or 0
  if file then file:close() end
  for step = done + 1, 5 do
    log(trial.number, step, core.process_id(), core.threads())
    core.sleep(tonumber(os.getenv "STEP"))
    trial:report(x * step, step)
    assert(require "fmnistnn.write_file"(path, tostring(step)))
  end
  return x
end, {trials = tonumber(os.getenv "TRIALS"), workers = tonumber(os.getenv "WORKERS"), restarts = 1000})
print(study.best.value)
