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

-- A kernel that is exp(-negligible) of the prior's adds nothing that could be seen.
local negligible <const> = 32

-- ---- kernels ----

-- The first and the last of mu in each of so many cells of the width `least`: their indices.
local function extremes(mu, low, least, cells)
  local first, last = {}, {}
  for k, x in ipairs(mu) do
    local cell = min(max((x - low) // least, 0), cells - 1)
    if not first[cell] or x < mu[first[cell]] then first[cell] = k end
    if not last[cell] or x >= mu[last[cell]] then last[cell] = k end
  end
  return first, last
end

-- The widths of kernels at mu: the larger distance to a neighbour, but at least a part of the range that shrinks with
-- their number (the "magic clip"). So of those in a cell of the least width only the outer ones can be wider.
local function widths(mu, low, high)
  local n = #mu
  local cells = min(100, n + 2)
  local least, sigma = (high - low) / cells, {}
  for k = 1, n do sigma[k] = least end
  local first, last = extremes(mu, low, least, cells)
  local before -- the kernel on the left
  for cell = 0, cells - 1 do
    local k = first[cell]
    if k then
      local gap = mu[k] - (before and mu[before] or low)
      if before then sigma[before] = max(sigma[before], gap) end
      if before or n == 1 then sigma[k] = max(sigma[k], gap) end
      before = last[cell]
    end
  end
  if n == 1 then sigma[1] = max(sigma[1], high - mu[1]) end
  return sigma
end

-- The logarithm of the share of a kernel that lies within the bounds.
local function log_share(mu, sigma, low, high)
  if mu - low > 9 * sigma and high - mu > 9 * sigma then return 0.0 end
  return log(normal.mass((low - mu) / sigma, (high - mu) / sigma))
end

local log_root_2pi <const> = 0.9189385332046727

-- A dimension of numbers: mu and sigma of each kernel, the prior's last; adds to each kernel's constant.
local function numeric(distribution, mu, constant)
  local low, high = space.bounds(distribution)
  local sigma, narrowness, n = widths(mu, low, high), {}, #mu
  mu[n + 1], sigma[n + 1] = (low + high) / 2, high - low
  local kind = distribution.step and "grid" or "numeric"
  local last, log_last
  for k = 1, n + 1 do
    local s = sigma[k]
    if s ~= last then last, log_last = s, kind == "grid" and 0 or log(s) + log_root_2pi end -- most are alike
    constant[k] = constant[k] - log_share(mu[k], s, low, high) - log_last
    narrowness[k] = 0.7071067811865476 / s -- a density is exp(-(narrowness (x - mu))^2)
  end
  return {
    kind = kind, distribution = distribution, mu = mu, sigma = sigma, narrowness = narrowness, low = low, high = high,
  }
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
  local self = setmetatable({
    count = #observations + 1, kernels = {}, dimensions = {}, cumulative = {}, constant = {},
    still = {}, sums = {}, -- what log_density works on
  }, Parzen)
  local sum = 0
  for k = 1, self.count do
    sum = sum + (weights[k] or 1)
    self.kernels[k], self.cumulative[k] = k, sum
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

-- Each of these takes the kernels alive[from..to] and beside them the logarithms s of what they have gathered so far,
-- adds a dimension's part, writes those that stay above `floor` into the lists `still` and `sums`, which may be the
-- same ones, and returns how many they are.

function adders.numeric(d, x, alive, s, from, to, floor, still, sums)
  local mu, narrowness, left = d.mu, d.narrowness, 0
  for i = from, to do
    local k = alive[i]
    local z = (x - mu[k]) * narrowness[k]
    local sum = s[i] - z * z
    if sum >= floor then
      left = left + 1
      still[left], sums[left] = k, sum
    end
  end
  return left
end

function adders.categorical(d, x, alive, s, from, to, floor, still, sums)
  local mu, left = d.mu, 0
  for i = from, to do
    local k = alive[i]
    local sum = s[i] + (mu[k] == x and d.hit or mu[k] == -1 and d.prior or d.miss)
    if sum >= floor then
      left = left + 1
      still[left], sums[left] = k, sum
    end
  end
  return left
end

-- The ends, on the inner scale, of the cell of a grid's value, and its width, which the ends do not tell when it is
-- narrow.
local function cell(distribution, x)
  local half = distribution.step / 2
  if not distribution.log then return x - half, x + half, distribution.step end
  local value = exp(x)
  return log(value - half), log(value + half), distribution.step / value
end

-- A cell narrower than so many sigma has the mass of the density in its middle, to more digits than the difference of
-- two distributions has there.
local narrow <const> = 1e-6

-- The logarithm of a kernel's mass in a cell. Outside of the kernel's middle it is less than that of its density at the
-- nearer end: when that is too little already, it is that.
local function log_mass(low, high, width, mu, sigma, enough)
  local z = max(low - mu, mu - high) / sigma
  if z > 0 and -0.5 * z * z < enough then return -0.5 * z * z end
  if width < narrow * sigma then
    z = (0.5 * (low + high) - mu) / sigma
    return log(width / sigma) - 0.5 * z * z - log_root_2pi
  end
  return log(normal.mass((low - mu) / sigma, (high - mu) / sigma))
end

function adders.grid(d, x, alive, s, from, to, floor, still, sums)
  local mu, sigma, left = d.mu, d.sigma, 0
  local low, high, width = cell(d.distribution, x)
  for i = from, to do
    local k = alive[i]
    local sum = s[i] + log_mass(low, high, width, mu[k], sigma[k], floor - s[i])
    if sum >= floor then
      left = left + 1
      still[left], sums[left] = k, sum
    end
  end
  return left
end

-- Those of the kernels from..to that stay above the floor at a point: how many, and the list of what they come to.
local function gather(self, point, from, to, floor)
  local alive, s, still, sums = self.kernels, self.constant, self.still, self.sums
  for i, d in ipairs(self.dimensions) do
    to = adders[d.kind](d, point[i], alive, s, from, to, floor, still, sums)
    alive, s, from = still, sums, 1
  end
  return to, sums
end

local portion <const> = 64

--- The logarithm of the density at a point; nil when it is more than `most`, if that is given, which some of many
-- kernels may tell already.
function Parzen:log_density(point, most)
  local _, sums = gather(self, point, self.count, self.count, -math.huge)
  local prior = sums[1]
  local top, total, limit = prior, 0, most or math.huge
  for to = self.count, 1, -portion do -- the newest first, which weigh most
    local count = gather(self, point, max(to - portion + 1, 1), to, prior - negligible)
    local before = top
    for i = 1, count do top = max(top, sums[i]) end
    total = total * exp(before - top)
    for i = 1, count do total = total + exp(sums[i] - top) end
    if top + log(total) > limit then return nil end
  end
  return top + log(total)
end

return Parzen
