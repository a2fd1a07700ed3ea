--- Regret of the samplers after so many trials: median and quartiles over seeds, beside random search.
--
--   lua5.4 bench/search_regret.lua [trials [seeds [sampler ...]]]
local loop = require "spec.support.search_loop"
local functions = require "spec.support.search_functions"

local samplers = {
  Random = "random", TPE = "tpe", QuasiRandom = "quasi_random", CMAES = "cmaes", GP = "gp",
}
local names = {"branin", "hartmann6", "ackley5"}

-- The sorted regrets of a sampler, one for each seed.
local function regrets(Sampler, problem, trials, seeds)
  local list = {}
  for seed = 1, seeds do
    local history = loop.run(loop.history("minimize"), Sampler {seed = seed}, trials, problem.objective)
    local best = math.huge
    for _, record in ipairs(history.trials) do best = math.min(best, record.values[1]) end
    list[seed] = best - problem.minimum
  end
  table.sort(list)
  return list
end

local function quantile(sorted, q)
  local at = 1 + q * (#sorted - 1)
  local low = math.floor(at)
  return sorted[low] + (at - low) * ((sorted[low + 1] or sorted[low]) - sorted[low])
end

-- The one-sided p of Mann and Whitney's rank-sum test that `a` is less than `b`, by its normal approximation.
local function rank_sum_p(a, b)
  local wins = 0
  for _, x in ipairs(a) do
    for _, y in ipairs(b) do wins = wins + (x < y and 1 or x == y and 0.5 or 0) end
  end
  local mean, variance = #a * #b / 2, #a * #b * (#a + #b + 1) / 12
  return require("fmnistnn.search.samplers.normal").cdf((mean - wins) / math.sqrt(variance))
end

local trials, seeds = math.tointeger(arg[1] or 100), math.tointeger(arg[2] or 15)
local chosen = #arg > 2 and table.move(arg, 3, #arg, 1, {}) or {"TPE", "CMAES", "GP", "QuasiRandom"}
for _, name in ipairs(names) do
  local random
  for _, sampler in ipairs {"Random", table.unpack(chosen)} do
    local began = os.clock()
    local found = regrets(require("fmnistnn.search.samplers." .. samplers[sampler]), functions[name], trials, seeds)
    random = random or found
    print(("%-10s %-12s %8.4g (%.4g - %.4g)  p against random %.2g  %.1f ms a trial"):format(name, sampler,
      quantile(found, 0.5), quantile(found, 0.25), quantile(found, 0.75), rank_sum_p(found, random),
      (os.clock() - began) * 1000 / (seeds * trials)))
  end
end
