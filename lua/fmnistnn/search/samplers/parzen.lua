--- Mixtures of products of kernels, one kernel for each observation and a broad one, the prior, as in Optuna's TPE:
-- truncated normal distributions, on grids their mass in a cell, and for choices the observed one with the others
-- mixed in.
--
-- An observation is a table with `inner`, name = x on the inner scale of the name's distribution (space.lua).
local normal = require "fmnistnn.search.samplers.normal"
local space = require "fmnistnn.search.space"

local Parzen = {}
Parzen.__index = Parzen

local log, exp, max, min = math.log, math.exp, math.max, math.min

-- A kernel that is exp(-negligible) of the largest adds nothing to a sum of floats.
local negligible <const> = 40

-- ---- kernels ----

-- The widths of kernels at mu: the larger distance to a neighbour, within bounds that shrink with their number (the
-- "magic clip").
local function widths(mu, low, high)
  local n, first, sigma = #mu, {}, {}
  local sorted, least = table.move(mu, 1, n, 1, {}), (high - low) / min(100, n + 2)
  table.sort(sorted)
  for i = n, 1, -1 do first[sorted[i]] = i end
  for k, x in ipairs(mu) do
    local i = first[x]
    first[x] = i + 1 -- equal ones take the places one after the other
    local left, right = x - (sorted[i - 1] or low), (sorted[i + 1] or high) - x
    if n > 1 and i == 1 then left = right elseif n > 1 and i == n then right = left end
    sigma[k] = min(max(left, right, least), high - low)
  end
  return sigma
end

-- The share of a kernel that lies within the bounds.
local function share(mu, sigma, low, high)
  local left, right = (low - mu) / sigma, (high - mu) / sigma
  if left < -9 and right > 9 then return 1.0 end
  return normal.mass(left, right)
end

local log_root_2pi <const> = 0.9189385332046727

-- A dimension of numbers: mu and sigma of each kernel, the prior's last; adds to each kernel's constant.
local function numeric(distribution, mu, constant)
  local low, high = space.bounds(distribution)
  local sigma, n = widths(mu, low, high), #mu
  mu[n + 1], sigma[n + 1] = (low + high) / 2, high - low
  local kind = distribution.step and "grid" or "numeric"
  for k = 1, n + 1 do
    local c = constant[k] - log(share(mu[k], sigma[k], low, high))
    constant[k] = kind == "grid" and c or c - log(sigma[k]) - log_root_2pi
  end
  return {kind = kind, distribution = distribution, mu = mu, sigma = sigma, low = low, high = high}
end

-- A dimension of choices: the index that each kernel observed, and the logarithms of the probabilities.
local function categorical(distribution, mu)
  local count, other = distribution.count, 1 / (#mu + 1)
  mu[#mu + 1] = -1 -- the prior: none
  return {
    kind = "categorical", distribution = distribution, mu = mu, count = count,
    hit = log((1 + other) / (1 + count * other)), miss = log(other / (1 + count * other)), prior = -log(count),
  }
end

--- A mixture over dimensions, a list of {name =, distribution =}, of kernels at the observations, which have all of
-- them, with these weights (1 where none is given); the prior's is 1.
function Parzen.new(dimensions, observations, weights)
  local self = setmetatable({count = #observations + 1, dimensions = {}, cumulative = {}, constant = {}}, Parzen)
  local sum = 0
  for k = 1, self.count do
    sum = sum + (weights[k] or 1)
    self.cumulative[k] = sum
  end
  for k = 1, self.count do self.constant[k] = log((weights[k] or 1) / sum) end
  for i, dimension in ipairs(dimensions) do
    local mu, make = {}, dimension.distribution.kind == "categorical" and categorical or numeric
    for k, observation in ipairs(observations) do mu[k] = observation.inner[dimension.name] end
    self.dimensions[i] = make(dimension.distribution, mu, self.constant)
  end
  return self
end

-- ---- sampling ----

local function pick(self, random)
  local target = random:uniform() * self.cumulative[self.count]
  for k, sum in ipairs(self.cumulative) do
    if target < sum then return k end
  end
  return self.count
end

local function sample_choice(d, k, random)
  local u = random:uniform()
  if k == #d.mu then return u * d.count // 1 end
  local hit = exp(d.hit)
  if u < hit then return d.mu[k] end
  local other = (u - hit) / (1 - hit) * (d.count - 1) // 1 -- among the others
  return other >= d.mu[k] and other + 1 or other
end

local function sample_number(d, k, random)
  local mu, sigma = d.mu[k], d.sigma[k]
  local below, above = normal.cdf((d.low - mu) / sigma), normal.cdf((d.high - mu) / sigma)
  local x = mu + sigma * normal.quantile(below + random:uniform() * (above - below))
  x = min(max(x, d.low), d.high)
  if d.kind == "grid" then return space.to_inner(d.distribution, space.from_inner(d.distribution, x)) end
  return x
end

--- A point of the mixture: a list of x on the inner scales.
function Parzen:sample(random)
  local k, point = pick(self, random), {}
  for i, d in ipairs(self.dimensions) do
    local sample = d.kind == "categorical" and sample_choice or sample_number
    point[i] = sample(d, k, random)
  end
  return point
end

-- ---- density ----

local adders = {}

-- Each of these adds a dimension's part to the logarithms s of the kernels listed in `alive`, drops those that fall
-- below `floor`, and returns how many are left.

function adders.numeric(d, x, s, alive, count, floor)
  local mu, sigma, left = d.mu, d.sigma, 0
  for i = 1, count do
    local k = alive[i]
    local z = (x - mu[k]) / sigma[k]
    local sum = s[k] - 0.5 * z * z
    if sum >= floor then
      left = left + 1
      alive[left], s[k] = k, sum
    end
  end
  return left
end

function adders.categorical(d, x, s, alive, count, floor)
  local mu, left = d.mu, 0
  for i = 1, count do
    local k = alive[i]
    local sum = s[k] + (mu[k] == x and d.hit or mu[k] == -1 and d.prior or d.miss)
    if sum >= floor then
      left = left + 1
      alive[left], s[k] = k, sum
    end
  end
  return left
end

-- The ends, on the inner scale, of the cell of a grid's value.
local function cell(distribution, x)
  local half = distribution.step / 2
  if not distribution.log then return x - half, x + half end
  local value = exp(x)
  return log(value - half), log(value + half)
end

function adders.grid(d, x, s, alive, count, floor)
  local mu, sigma, left = d.mu, d.sigma, 0
  local from, to = cell(d.distribution, x)
  local last_mu, last_sigma, part
  for i = 1, count do
    local k = alive[i]
    if mu[k] ~= last_mu or sigma[k] ~= last_sigma then
      last_mu, last_sigma = mu[k], sigma[k]
      part = log(normal.mass((from - last_mu) / last_sigma, (to - last_mu) / last_sigma))
    end
    local sum = s[k] + part
    if sum >= floor then
      left = left + 1
      alive[left], s[k] = k, sum
    end
  end
  return left
end

-- The logarithm of the prior kernel's part.
local function prior(self, point)
  local s = {[self.count] = self.constant[self.count]}
  for i, d in ipairs(self.dimensions) do adders[d.kind](d, point[i], s, {self.count}, 1, -math.huge) end
  return s[self.count]
end

--- The logarithm of the density at a point.
function Parzen:log_density(point)
  local top = prior(self, point)
  local floor, count = top - negligible, self.count
  local s, alive = table.move(self.constant, 1, count, 1, {}), {}
  for k = 1, count do alive[k] = k end
  for i, d in ipairs(self.dimensions) do count = adders[d.kind](d, point[i], s, alive, count, floor) end
  for i = 1, count do top = max(top, s[alive[i]]) end
  local sum = 0
  for i = 1, count do sum = sum + exp(s[alive[i]] - top) end
  return top + log(sum)
end

return Parzen
