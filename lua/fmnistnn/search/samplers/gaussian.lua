--- Gaussian processes (Rasmussen and Williams 2006): regression with the Matern kernel of order 5/2 and a length scale
-- for each coordinate, and the expected improvement of a minimum.
--
-- Points are lists of coordinates. A coordinate of choices, listed in `kinds` as "categorical", counts as 0 or 1 apart.
-- Parameters are {weights = inverse squared length scales, scale = variance of the process, noise = variance}.
local lbfgs = require "fmnistnn.search.samplers.lbfgs"
local normal = require "fmnistnn.search.samplers.normal"

local Gaussian = {}
Gaussian.__index = Gaussian

local exp, log, sqrt = math.exp, math.log, math.sqrt
local root5 <const> = 2.23606797749979

-- The squared distance of two points in each coordinate.
local function squares(kinds, a, b)
  local d = {}
  for j, x in ipairs(a) do
    if kinds[j] == "categorical" then d[j] = x == b[j] and 0 or 1 else d[j] = (x - b[j]) ^ 2 end
  end
  return d
end

-- The kernel for a squared distance, and its derivative by that; both for scale 1.
local function matern(r2)
  local r = sqrt(r2)
  local e = exp(-root5 * r)
  return (1 + root5 * r + 5 / 3 * r2) * e, -5 / 6 * (1 + root5 * r) * e
end

-- ---- linear algebra on lower triangles ----

-- The Cholesky factor of K, whose rows end at the diagonal; nil when K is not positive definite.
local function cholesky(K)
  local L = {}
  for i, row in ipairs(K) do
    local Li = {}
    L[i] = Li
    for j = 1, i do
      local Lj, sum = L[j], row[j]
      for k = 1, j - 1 do sum = sum - Li[k] * Lj[k] end
      if i == j then
        if sum <= 0 or sum ~= sum then return nil end
        Li[j] = sqrt(sum)
      else
        Li[j] = sum / Lj[j]
      end
    end
  end
  return L
end

-- L^-1 b
local function forward(L, b)
  local x = {}
  for i, row in ipairs(L) do
    local sum = b[i]
    for k = 1, i - 1 do sum = sum - row[k] * x[k] end
    x[i] = sum / row[i]
  end
  return x
end

-- L^-T b
local function backward(L, b)
  local x = table.move(b, 1, #b, 1, {})
  for i = #L, 1, -1 do
    local row = L[i]
    local value = x[i] / row[i]
    x[i] = value
    for k = 1, i - 1 do x[k] = x[k] - row[k] * value end
  end
  return x
end

-- The inverse of L L^T, its lower triangle: rows of L^-1 first, then their products.
local function inverse(L)
  local n, columns = #L, {}
  for j = 1, n do -- column j of L^-1, from the diagonal down
    local column = {}
    columns[j] = column
    column[j] = 1 / L[j][j]
    for i = j + 1, n do
      local row, sum = L[i], 0
      for k = j, i - 1 do sum = sum - row[k] * column[k] end
      column[i] = sum / row[i]
    end
  end
  local inverted = {}
  for i = 1, n do
    local a, row = columns[i], {}
    inverted[i] = row
    for j = 1, i do
      local b, sum = columns[j], 0
      for k = i, n do sum = sum + a[k] * b[k] end
      row[j] = sum
    end
  end
  return inverted
end

-- ---- fitting ----

-- The lower triangle of the covariance of points whose squared distances are D; M without scale and noise, and the
-- derivatives.
local function covariance(D, p)
  local K, M, dM = {}, {}, {}
  for i, row in ipairs(D) do
    local Ki, Mi, di = {}, {}, {}
    K[i], M[i], dM[i] = Ki, Mi, di
    for k, d in ipairs(row) do
      local r2 = 0
      for j, w in ipairs(p.weights) do r2 = r2 + w * d[j] end
      Mi[k], di[k] = matern(r2)
      Ki[k] = p.scale * Mi[k]
    end
    Ki[i] = Ki[i] + p.noise
  end
  return K, M, dM
end

local function distances(kinds, X)
  local D = {}
  for i, x in ipairs(X) do
    D[i] = {}
    for k = 1, i do D[i][k] = squares(kinds, x, X[k]) end
  end
  return D
end

local function log_likelihood(L, y, alpha)
  local sum = -0.5 * #y * log(2 * math.pi)
  for i, each in ipairs(y) do sum = sum - 0.5 * each * alpha[i] - log(L[i][i]) end
  return sum
end

-- The gradient of the log likelihood by the logarithms of weights, scale and noise.
local function likelihood_gradient(D, p, M, dM, L, alpha)
  local inverted, g, d = inverse(L), {}, #p.weights
  for j = 1, d + 2 do g[j] = 0.0 end
  for i, row in ipairs(D) do
    local Mi, di, ai, Ii = M[i], dM[i], alpha[i], inverted[i]
    for k = 1, i do
      local part = ai * alpha[k] - Ii[k] -- counts twice, for (i, k) and (k, i), but on the diagonal
      if k == i then
        g[d + 1] = g[d + 1] + 0.5 * part * p.scale
        g[d + 2] = g[d + 2] + 0.5 * part * p.noise
      else
        local each, slope = row[k], part * p.scale * di[k]
        for j = 1, d do g[j] = g[j] + slope * each[j] end
        g[d + 1] = g[d + 1] + part * p.scale * Mi[k]
      end
    end
  end
  for j, w in ipairs(p.weights) do g[j] = g[j] * w end
  return g
end

local least_noise <const> = 1e-6

local function parameters_of(theta)
  local n, weights = #theta - 2, {}
  for j = 1, n do weights[j] = exp(theta[j]) end
  return {weights = weights, scale = exp(theta[n + 1]), noise = least_noise + exp(theta[n + 2])}
end

-- The logarithm of the prior and its gradient, as in Optuna: length scales near 1, scale Gamma(2, 1), noise
-- Gamma(1.1, 30).
local function prior(p)
  local sum, g, n = 0, {}, #p.weights
  for j, w in ipairs(p.weights) do
    sum = sum - 0.1 / w - 0.1 * w
    g[j] = 0.1 / w - 0.1 * w
  end
  sum = sum + log(p.scale) - p.scale + 0.1 * log(p.noise) - 30 * p.noise
  g[n + 1], g[n + 2] = 1 - p.scale, 0.1 - 30 * p.noise
  return sum, g
end

--- The parameters of largest posterior probability for points X and values y, which are about standardized.
function Gaussian.fit(kinds, X, y)
  local D, theta = distances(kinds, X), {}
  for j = 1, #kinds + 1 do theta[j] = 0.0 end
  theta[#kinds + 2] = log(1e-3)
  local function loss(at)
    local p = parameters_of(at)
    local K, M, dM = covariance(D, p)
    local L = cholesky(K)
    if not L then return math.huge end
    local alpha = backward(L, forward(L, y))
    local sum, g = prior(p)
    for j, each in ipairs(likelihood_gradient(D, p, M, dM, L, alpha)) do g[j] = -(g[j] + each) end
    g[#g] = g[#g] * (p.noise - least_noise) / p.noise
    return -(sum + log_likelihood(L, y, alpha)), g
  end
  return parameters_of((lbfgs.minimize(loss, theta, -12, 12, 50)))
end

--- A process through points X with values y.
function Gaussian.new(kinds, X, y, parameters)
  local self = setmetatable({kinds = kinds, X = X, parameters = parameters}, Gaussian)
  self.L = assert(cholesky((covariance(distances(kinds, X), parameters))), "not positive definite")
  self.alpha = backward(self.L, forward(self.L, y))
  self.log_likelihood = log_likelihood(self.L, y, self.alpha)
  return self
end

-- ---- prediction ----

-- The covariances of a point with those known, and their derivatives by the squared distances.
local function covariances(self, x)
  local p, k, slopes = self.parameters, {}, {}
  for i, known in ipairs(self.X) do
    local r2 = 0
    for j, w in ipairs(p.weights) do
      if self.kinds[j] ~= "categorical" then
        r2 = r2 + w * (x[j] - known[j]) ^ 2
      elseif x[j] ~= known[j] then
        r2 = r2 + w
      end
    end
    local value, slope = matern(r2)
    k[i], slopes[i] = p.scale * value, p.scale * slope
  end
  return k, slopes
end

local function mean_of(self, k)
  local mean = 0
  for i, each in ipairs(k) do mean = mean + each * self.alpha[i] end
  return mean
end

local function variance_of(self, v)
  local variance = self.parameters.scale
  for _, each in ipairs(v) do variance = variance - each * each end
  return math.max(variance, 1e-12)
end

--- The mean and the variance (without noise) at a point.
function Gaussian:predict(x)
  local k = covariances(self, x)
  return mean_of(self, k), variance_of(self, forward(self.L, k))
end

-- The logarithm of h(z) = density(z) + z cdf(z), and its derivative.
local function log_h(z)
  if z > -1 then
    local h = normal.density(z) + z * normal.cdf(z)
    return log(h), normal.cdf(z) / h
  end
  local rest -- h / density: 1 - t Mills(t), of which the leading terms cancel for large t = -z
  if z < -20 then
    rest = (1 - 3 / z ^ 2 + 15 / z ^ 4) / z ^ 2
  else
    rest = 1 + z * normal.cdf(z) / normal.density(z)
  end
  return -0.5 * z * z - 0.9189385332046727 + log(rest), (rest - 1) / (z * rest)
end

--- The logarithm of the expected improvement over `best`, the least value so far, at a point (Ament et al. 2023).
function Gaussian:log_improvement(x, best)
  local mean, variance = self:predict(x)
  local deviation = sqrt(variance)
  return (log_h((best - mean) / deviation)) + log(deviation)
end

--- The same and its gradient by the coordinates; 0 in those of choices.
function Gaussian:log_improvement_gradient(x, best)
  local k, slopes = covariances(self, x)
  local v = forward(self.L, k)
  local u, mean, deviation = backward(self.L, v), mean_of(self, k), sqrt(variance_of(self, v))
  local z = (best - mean) / deviation
  local value, by_z = log_h(z)
  local g = {}
  for j, w in ipairs(self.parameters.weights) do
    local by_mean, by_variance = 0, 0
    if self.kinds[j] ~= "categorical" then
      for i, known in ipairs(self.X) do
        local slope = slopes[i] * 2 * w * (x[j] - known[j])
        by_mean, by_variance = by_mean + self.alpha[i] * slope, by_variance - 2 * u[i] * slope
      end
    end
    local by_deviation = by_variance / (2 * deviation)
    g[j] = by_z * (-by_mean - z * by_deviation) / deviation + by_deviation / deviation
  end
  return value + log(deviation), g
end

return Gaussian
