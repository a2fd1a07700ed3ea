--- The covariance matrix adaptation evolution strategy (Hansen 2016, "The CMA evolution strategy: a tutorial"), apart
-- from studies: a distribution N(mean, sigma^2 C) that moves towards the better ones of each population.
local linear = require "fmnistnn.search.samplers.linear"

local CMA = {}
CMA.__index = CMA

local log, sqrt, max, min = math.log, math.sqrt, math.max, math.min

-- The numbers that follow from dimension n and population size (the tutorial's table 1), into self.
local function set_constants(self, n, population)
  local raw, positive, positive_squares, negative, negative_squares = {}, 0, 0, 0, 0
  for i = 1, population do
    local w = log((population + 1) / 2) - log(i)
    raw[i] = w
    if w > 0 then
      positive, positive_squares = positive + w, positive_squares + w * w
    else
      negative, negative_squares = negative - w, negative_squares + w * w
    end
  end
  local mu_eff = positive ^ 2 / positive_squares
  self.mu_eff = mu_eff
  self.c_sigma = (mu_eff + 2) / (n + mu_eff + 5)
  self.d_sigma = 1 + 2 * max(0, sqrt((mu_eff - 1) / (n + 1)) - 1) + self.c_sigma
  self.c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
  self.c_1 = 2 / ((n + 1.3) ^ 2 + mu_eff)
  self.c_mu = min(1 - self.c_1, 2 * (mu_eff - 2 + 1 / mu_eff) / ((n + 2) ^ 2 + mu_eff))
  self.chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)) -- the expected norm of N(0, I)
  local alpha = min(1 + self.c_1 / self.c_mu, 1 + 2 * (negative ^ 2 / negative_squares) / (mu_eff + 2),
    (1 - self.c_1 - self.c_mu) / (n * self.c_mu))
  self.weights, self.weight_sum = {}, 0
  for i, w in ipairs(raw) do
    self.weights[i] = w > 0 and w / positive or alpha * w / max(negative, 1e-300)
    self.weight_sum = self.weight_sum + self.weights[i]
  end
end

--- A distribution around a mean; population: how many points make a generation.
function CMA.new(mean, sigma, population)
  local n = #mean
  local self = setmetatable({
    n = n, mean = mean, sigma = sigma, first_sigma = sigma, population = population, generation = 0,
    path_sigma = linear.zeros(n), path_c = linear.zeros(n), C = linear.identity(n), bests = {},
  }, CMA)
  set_constants(self, n, population)
  self.scales, self.axes = linear.zeros(n), linear.identity(n)
  for i = 1, n do self.scales[i] = 1.0 end
  return self
end

--- The point of a vector z of N(0, I).
function CMA:point(z)
  local scaled, x = {}, {}
  for i = 1, self.n do scaled[i] = self.scales[i] * z[i] end
  local y = linear.multiply(self.axes, scaled)
  for i = 1, self.n do x[i] = self.mean[i] + self.sigma * y[i] end
  return x
end

-- C^(-1/2) y
local function whiten(self, y)
  local z = linear.multiply_transposed(self.axes, y)
  for i = 1, self.n do z[i] = z[i] / self.scales[i] end
  return linear.multiply(self.axes, z)
end

-- The paths and sigma, after a step of the mean by sigma y_w; whether the rank-one update goes ahead.
local function update_paths(self, y_w)
  local z_w, keep = whiten(self, y_w), 1 - self.c_sigma
  local gain = sqrt(self.c_sigma * (2 - self.c_sigma) * self.mu_eff)
  for i = 1, self.n do self.path_sigma[i] = keep * self.path_sigma[i] + gain * z_w[i] end
  local norm = linear.norm(self.path_sigma)
  self.sigma = self.sigma * math.exp(min(1, self.c_sigma / self.d_sigma * (norm / self.chi - 1)))
  local limit = (1.4 + 2 / (self.n + 1)) * self.chi
  local moving = norm / sqrt(1 - keep ^ (2 * (self.generation + 1))) < limit
  gain = moving and sqrt(self.c_c * (2 - self.c_c) * self.mu_eff) or 0
  for i = 1, self.n do self.path_c[i] = (1 - self.c_c) * self.path_c[i] + gain * y_w[i] end
  return moving
end

-- C by rank one along the path, and by rank mu from the steps y of the population, the bad ones with negative weights.
local function update_covariance(self, steps, moving)
  local lost = moving and 0 or self.c_1 * self.c_c * (2 - self.c_c)
  local keep = 1 + lost - self.c_1 - self.c_mu * self.weight_sum
  local weights = {}
  for k, y in ipairs(steps) do
    local w = self.weights[k]
    weights[k] = w >= 0 and w or w * self.n / (linear.norm(whiten(self, y)) ^ 2 + 1e-8)
  end
  for i = 1, self.n do
    for j = 1, i do
      local sum = keep * self.C[i][j] + self.c_1 * self.path_c[i] * self.path_c[j]
      for k, y in ipairs(steps) do sum = sum + self.c_mu * weights[k] * y[i] * y[j] end
      self.C[i][j], self.C[j][i] = sum, sum
    end
  end
end

-- Widens a coordinate whose standard deviation fell below its least one, if there is one.
local function keep_widths(self, least)
  for i, width in pairs(least) do
    local factor = width / (self.sigma * sqrt(self.C[i][i]))
    if factor > 1 then
      for j = 1, self.n do
        self.C[i][j] = self.C[i][j] * factor
        self.C[j][i] = self.C[j][i] * factor
      end
    end
  end
end

local function decompose(self)
  local values, axes = linear.eigen(self.C)
  self.axes, self.largest, self.smallest = axes, 0, math.huge
  for i, value in ipairs(values) do
    self.scales[i] = sqrt(max(value, 1e-20))
    self.largest, self.smallest = max(self.largest, self.scales[i]), min(self.smallest, self.scales[i])
  end
end

--- Moves on by a population: a list of {x =, loss =}, best first. `least` gives some coordinates a least standard
-- deviation.
function CMA:tell(population, least)
  local steps, y_w = {}, linear.zeros(self.n)
  for k, each in ipairs(population) do
    steps[k] = {}
    for i = 1, self.n do
      steps[k][i] = (each.x[i] - self.mean[i]) / self.sigma
      if self.weights[k] > 0 then y_w[i] = y_w[i] + self.weights[k] * steps[k][i] end
    end
  end
  for i = 1, self.n do self.mean[i] = self.mean[i] + self.sigma * y_w[i] end
  self.generation = self.generation + 1
  update_covariance(self, steps, update_paths(self, y_w))
  keep_widths(self, least or {})
  decompose(self)
  self.bests[self.generation], self.last_best = population[1].loss, population[1].loss
  self.spread = population[#population].loss - population[1].loss
end

--- Whether there is nothing left to find around here: the points or their losses are all the same, or C is degenerate.
function CMA:is_done()
  if self.generation == 0 then return false end
  if self.largest > 1e7 * self.smallest then return true end
  if self.sigma * self.largest < 1e-12 * self.first_sigma then return true end
  local recent = 10 + math.ceil(30 * self.n / self.population)
  if self.generation < recent then return false end
  local low, high = math.huge, -math.huge
  for i = self.generation - recent + 1, self.generation do
    low, high = min(low, self.bests[i]), max(high, self.bests[i])
  end
  return max(high - low, self.spread) < 1e-12
end

return CMA
