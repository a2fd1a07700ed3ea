--- PED-ANOVA (Watanabe et al. 2023): how much the best trials' distribution of a parameter differs from that of all. It
-- takes conditional parameters as well, by the share of trials that have them.
--
--   local list = ped_anova(history, {quantile = 0.1})   -- {{name = "lr", importance = 0.6}, ...}, the largest first
--
-- Options:
--   quantile    0.1: which part of the trials are the best
--   objective   1: common.lua
--
-- The Pearson divergence of kernel density estimates over 50 cells at most, as in Optuna 5.
local common = require "fmnistnn.search.importance.common"
local normal = require "fmnistnn.search.samplers.normal"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local space = require "fmnistnn.search.space"

-- ---- cells ----

local most_cells <const> = 50

-- How many cells a distribution is cut into.
local function cells_of(d)
  if d.kind == "categorical" then return d.count end
  if d.kind == "int" and d.log then
    return math.min(math.ceil(math.log(d.high - d.low + 1, 2)) + 1, most_cells)
  end
  return math.min(space.size(d), most_cells)
end

-- How many of the records are in each cell, 0-based. The outer cells' middles are the distribution's ends.
local function count(records, name, d, cells)
  local counts, low, width = {}, nil, nil
  if d.kind ~= "categorical" then
    low = space.to_inner(d, d.low)
    width = (space.to_inner(d, d.high) - low) / (cells - 1)
  end
  for cell = 0, cells - 1 do counts[cell] = 0 end
  for _, record in ipairs(records) do
    local x = space.to_inner(d, record.params[name])
    local cell = low and math.ceil((x - low) / width - 0.5) or x // 1 | 0
    cell = math.min(math.max(cell, 0), cells - 1)
    counts[cell] = counts[cell] + 1
  end
  return counts
end

-- ---- densities ----

-- Each choice's kernels, of which the prior is one more, mixed in the proportion of their numbers.
local function categorical_density(counts, cells)
  local kernels, total = 1, 1
  for cell = 0, cells - 1 do
    kernels = kernels + (counts[cell] > 0 and 1 or 0)
    total = total + counts[cell]
  end
  local other, density = 1 / kernels, {}
  for cell = 0, cells - 1 do
    local hit, miss = counts[cell], total - 1 - counts[cell]
    density[cell] = (1 / cells + (hit * (1 + other) + miss * other) / (1 + cells * other)) / total
  end
  return density
end

-- The first of the cells up to which the sum of the counts is at least (or, `above`, more than) a bound.
local function cell_at(seen, cumulative, bound, above)
  for i, sum in ipairs(cumulative) do
    if sum > bound or sum == bound and not above then return seen[i] end
  end
  return seen[#seen]
end

-- The width of kernels by Scott's rule (1992), at least so much that most of one fits into a cell.
local function bandwidth(seen, counts)
  local cumulative, total, mean, variance = {}, 0, 0, 0
  for i, cell in ipairs(seen) do
    total = total + counts[cell]
    cumulative[i], mean = total, mean + counts[cell] * cell
  end
  mean = mean / total
  for _, cell in ipairs(seen) do variance = variance + counts[cell] * (cell - mean) ^ 2 end
  local deviation = math.sqrt(variance / math.max(1, total - 1))
  local range = cell_at(seen, cumulative, total * 3 // 4, true) - cell_at(seen, cumulative, total // 4)
  return math.max(1.059 * math.min(range / 1.34, deviation) * total ^ -0.2, 0.5 / 1.64)
end

-- The mass of a kernel in a cell, of that in all cells.
local function mass(cell, cells, mu, sigma)
  local inside = normal.mass((cell - 0.5 - mu) / sigma, (cell + 0.5 - mu) / sigma)
  return inside / normal.mass((-0.5 - mu) / sigma, (cells - 0.5 - mu) / sigma)
end

local function numeric_density(counts, cells)
  local seen, total, density = {}, 1, {}
  for cell = 0, cells - 1 do
    if counts[cell] > 0 then seen[#seen + 1] = cell end
    total = total + counts[cell]
  end
  local sigma = bandwidth(seen, counts)
  for cell = 0, cells - 1 do
    local sum = mass(cell, cells, (cells - 1) / 2, cells) -- the prior
    for _, mu in ipairs(seen) do sum = sum + counts[mu] * mass(cell, cells, mu, sigma) end
    density[cell] = sum / total
  end
  return density
end

local function density_of(records, name, d)
  local cells = cells_of(d)
  local make = d.kind == "categorical" and categorical_density or numeric_density
  return make(count(records, name, d, cells), cells), cells
end

local function divergence(top, all, name, d)
  local p, cells = density_of(top, name, d)
  local q, sum = density_of(all, name, d), 0
  for cell = 0, cells - 1 do sum = sum + (q[cell] + 1e-12) * ((p[cell] + 1e-12) / (q[cell] + 1e-12) - 1) ^ 2 end
  return sum
end

-- ---- all parameters ----

-- The records with a loss of at most the quantile's, as a set, and how many they are.
local function best_of(records, losses, quantile)
  local sorted, set, size = table.move(losses, 1, #losses, 1, {}), {}, 0
  table.sort(sorted)
  local bound = sorted[math.ceil(quantile * #sorted)]
  for i, record in ipairs(records) do
    if losses[i] <= bound then set[record], size = true, size + 1 end
  end
  return set, size
end

-- Lists of the records by the distribution that a parameter had in them: {distribution =, records =, top =}.
local function regimes_of(records, best, name)
  local regimes = {}
  for _, record in ipairs(records) do
    local d, found = record.distributions[name], nil
    for _, regime in ipairs(d and regimes or {}) do
      if space.equal(regime.distribution, d) then found = regime end
    end
    if d and not found then
      found = {distribution = d, records = {}, top = {}}
      regimes[#regimes + 1] = found
    end
    if found then
      found.records[#found.records + 1] = record
      if best[record] then found.top[#found.top + 1] = record end
    end
  end
  return regimes
end

return function(history, given)
  local o = options.check("ped_anova", given, common.options {{"quantile", "fraction", default = 0.1}})
  if o.quantile == 0 or o.quantile == 1 then refuse("ped_anova: quantile: expected 0 < quantile < 1") end
  local records, losses = common.trials("ped_anova", history, o.objective)
  local best, size = best_of(records, losses, o.quantile)
  local importances = {}
  for _, record in ipairs(records) do
    for name in pairs(record.params) do importances[name] = 0.0 end
  end
  for name in pairs(importances) do
    for _, regime in ipairs(#records > 1 and regimes_of(records, best, name) or {}) do
      if #regime.records > 1 and #regime.top > 0 and not space.single(regime.distribution) then
        local part = (#regime.top / size) ^ 2 / (#regime.records / #records)
        importances[name] = importances[name] + part * divergence(regime.top, regime.records, name, regime.distribution)
      end
    end
  end
  return common.ranked(importances)
end
