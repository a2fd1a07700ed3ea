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
  for k, s in ipairs(sigma) do
    if s ~= last then last, log_last = s, kind == "grid" and 0 or log(s) + log_root_2pi end -- most are the same
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

local cells <const> = 64

-- Of many kernels few are near a point: a map of the narrowest, by cells along a dimension of numbers; nil when there
-- is none.
local function make_map(self)
  local d
  local map = {cells = {}, others = {}}
  for i, each in ipairs(self.dimensions) do
    if each.kind == "numeric" and not d then d, map.axis = each, i end
  end
  if not d then return nil end
  map.low, map.width, map.narrowness = d.low, (d.high - d.low) / cells, max(table.unpack(d.narrowness))
  for cell = 0, cells - 1 do map.cells[cell] = {} end
  for k, narrowness in ipairs(d.narrowness) do
    local list = map.others
    if narrowness >= 0.99 * map.narrowness then
      list = map.cells[min(max((d.mu[k] - d.low) // map.width, 0), cells - 1)]
    end
    list[#list + 1] = k
  end
  return map
end

--- A mixture over dimensions, a list of {name =, distribution =}, of kernels at the observations, which have all of
-- them, with these weights (1 where none is given); the prior's is 1.
function Parzen.new(dimensions, observations, weights)
  local self = setmetatable({
    count = #observations + 1, kernels = {}, dimensions = {}, cumulative = {}, constant = {}, most = -math.huge,
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
  for _, constant in ipairs(self.constant) do self.most = max(self.most, constant) end
  self.map = self.count > 100 and make_map(self) or nil
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

-- Each of these takes kernels `alive`, a list, and beside it the logarithms s of what they have gathered so far; it
-- adds a dimension's part, and returns the lists of those that stay above `floor`.

function adders.numeric(d, x, alive, s, floor)
  local mu, narrowness, left, still, sums = d.mu, d.narrowness, 0, {}, {}
  for i = 1, #alive do
    local k = alive[i]
    local z = (x - mu[k]) * narrowness[k]
    local sum = s[i] - z * z
    if sum >= floor then
      left = left + 1
      still[left], sums[left] = k, sum
    end
  end
  return still, sums
end

function adders.categorical(d, x, alive, s, floor)
  local mu, left, still, sums = d.mu, 0, {}, {}
  for i = 1, #alive do
    local k = alive[i]
    local sum = s[i] + (mu[k] == x and d.hit or mu[k] == -1 and d.prior or d.miss)
    if sum >= floor then
      left = left + 1
      still[left], sums[left] = k, sum
    end
  end
  return still, sums
end

-- The ends, on the inner scale, of the cell of a grid's value.
local function cell(distribution, x)
  local half = distribution.step / 2
  if not distribution.log then return x - half, x + half end
  local value = exp(x)
  return log(value - half), log(value + half)
end

-- The logarithm of a kernel's mass in a cell. Outside of the kernel's middle it is less than that of its density at the
-- nearer end: when that is too little already, it is that.
local function log_mass(from, to, mu, sigma, enough)
  local z = max(from - mu, mu - to) / sigma
  if z > 0 and -0.5 * z * z < enough then return -0.5 * z * z end
  return log(normal.mass((from - mu) / sigma, (to - mu) / sigma))
end

function adders.grid(d, x, alive, s, floor)
  local mu, sigma, left, still, sums = d.mu, d.sigma, 0, {}, {}
  local from, to = cell(d.distribution, x)
  for i = 1, #alive do
    local k = alive[i]
    local sum = s[i] + log_mass(from, to, mu[k], sigma[k], floor - s[i])
    if sum >= floor then
      left = left + 1
      still[left], sums[left] = k, sum
    end
  end
  return still, sums
end

-- Those of kernels that are not negligible at a point, beside what they come to.
local function gather(self, point, alive, s, floor)
  for i, d in ipairs(self.dimensions) do alive, s = adders[d.kind](d, point[i], alive, s, floor) end
  return s
end

-- The kernels that may be above the floor at a point, and their constants.
local function near(self, point, floor)
  local map, constant = self.map, self.constant
  if not map then return self.kernels, constant end
  local x, reach = point[map.axis] - map.low, math.sqrt(max(self.most - floor, 0)) / (0.99 * map.narrowness)
  local alive, count, s = table.move(map.others, 1, #map.others, 1, {}), #map.others, {}
  for place = max((x - reach) // map.width, 0), min((x + reach) // map.width, cells - 1) do
    local list = map.cells[place]
    table.move(list, 1, #list, count + 1, alive)
    count = count + #list
  end
  for i, k in ipairs(alive) do s[i] = constant[k] end
  return alive, s
end

--- The logarithm of the density at a point.
function Parzen:log_density(point)
  local prior = gather(self, point, {self.count}, {self.constant[self.count]}, -math.huge)[1]
  local floor = prior - negligible
  local alive, s = near(self, point, floor)
  local sums = gather(self, point, alive, s, floor)
  local top, total = prior, 0
  for _, sum in ipairs(sums) do top = max(top, sum) end
  for _, sum in ipairs(sums) do total = total + exp(sum - top) end
  return top + log(total)
end

return Parzen
