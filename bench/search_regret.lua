--- Regret of the samplers after so many trials: median and quartiles over seeds, beside random search; and what is
-- missing to the hypervolume of two fronts after ten times as many, by NSGA-II.
--
--   lua5.4 bench/search_regret.lua [trials [seeds [sampler ...]]]
local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "../?.lua;" .. here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
package.cpath = here .. "../build/?.so;" .. package.cpath

local loop = require "spec.support.search_loop"
local pareto = require "fmnistnn.search.samplers.pareto"
local functions = require "spec.support.search_functions"

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

-- A sampler's class by its name.
local function class_of(sampler)
  local file = sampler == "QuasiRandom" and "quasi_random" or sampler:lower()
  return require("fmnistnn.search.samplers." .. file)
end

local function print_row(problem, sampler, found, random, seconds)
  print(("%-10s %-12s %8.4g (%.4g - %.4g)  p against random %.2g  %.2f ms a trial"):format(problem, sampler,
    quantile(found, 0.5), quantile(found, 0.25), quantile(found, 0.75), rank_sum_p(found, random), seconds * 1000))
end

-- A row for each sampler, random search first, of what `measure` finds; less is better.
local function compare(problem, samplers, trials, seeds, measure)
  local random
  for _, sampler in ipairs {"Random", table.unpack(samplers)} do
    local began, found = os.clock(), {}
    for seed = 1, seeds do found[seed] = measure(class_of(sampler), functions[problem], trials, seed) end
    table.sort(found)
    random = random or found
    print_row(problem, sampler, found, random, (os.clock() - began) / (seeds * trials))
  end
end

local function regret(Sampler, problem, trials, seed)
  local history = loop.run(loop.history("minimize"), Sampler {seed = seed}, trials, problem.objective)
  local best = math.huge
  for _, record in ipairs(history.trials) do best = math.min(best, record.values[1]) end
  return best - problem.minimum
end

-- The hypervolume that is missing to the whole front's.
local function missing_volume(Sampler, problem, trials, seed)
  local history = loop.run(loop.history("minimize", "minimize"), Sampler {seed = seed}, trials, problem.objective)
  local points = {}
  for i, record in ipairs(history.trials) do points[i] = record.values end
  return problem.volume - pareto.hypervolume(points, problem.reference)
end

local trials, seeds = math.tointeger(arg[1] or 100), math.tointeger(arg[2] or 30)
local chosen = #arg > 2 and table.move(arg, 3, #arg, 1, {}) or {"TPE", "CMAES", "GP", "QuasiRandom"}
for _, problem in ipairs {"branin", "hartmann6", "ackley5"} do compare(problem, chosen, trials, seeds, regret) end
for _, problem in ipairs {"zdt1", "zdt2"} do compare(problem, {"NSGA2"}, 10 * trials, seeds, missing_volume) end
