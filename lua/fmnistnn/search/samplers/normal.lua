--- The standard normal distribution, to double precision.
local normal = {}

local exp, abs, sqrt, log = math.exp, math.abs, math.sqrt, math.log

--- The density at x.
function normal.density(x) return 0.3989422804014327 * exp(-0.5 * x * x) end

-- The probability of a value beyond x >= 0 (Hart's rational approximation, as in West 2005: "Better approximations to
-- cumulative normal functions").
local function tail(x)
  if x > 37 then return 0.0 end
  local e = exp(-0.5 * x * x)
  if x >= 7.07106781186547 then
    return e / (2.506628274631 * (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))))))
  end
  local above = (((((3.52624965998911e-2 * x + 0.700383064443688) * x + 6.37396220353165) * x + 33.912866078383) * x
    + 112.079291497871) * x + 221.213596169931) * x + 220.206867912376
  local below = ((((((8.83883476483184e-2 * x + 1.75566716318264) * x + 16.064177579207) * x + 86.7807322029461) * x
    + 296.564248779674) * x + 637.333633378831) * x + 793.826512519948) * x + 440.413735824752
  return e * above / below
end

--- The probability of a value of at most x.
function normal.cdf(x)
  if x > 0 then return 1 - tail(x) end
  return tail(-x)
end

--- The probability of a value of a..b, exact in the tails too.
function normal.mass(a, b)
  if a > 0 then return tail(a) - tail(b) end
  if b < 0 then return tail(-b) - tail(-a) end
  return 1 - tail(-a) - tail(b)
end

-- A polynomial, its coefficients from the constant one upwards.
local function polynomial(c, x)
  local sum = c[#c]
  for i = #c - 1, 1, -1 do sum = sum * x + c[i] end
  return sum
end

-- Coefficients of algorithm AS 241 (Wichura 1988): the middle, the tails, the far tails.
local middle = {
  {3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, 45921.953931549871457,
    67265.770927008700853, 33430.575583588128105, 2509.0809287301226727},
  {1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077, 21213.794301586595867,
    39307.895800092710610, 28729.085735721942674, 5226.4952788528545610},
}
local outer = {
  {1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
    1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4},
  {1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550, 0.148103976427480074590,
    0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9},
}
local far = {
  {6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 0.296560571828504891230,
    0.0265321895265761230930, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
  {1.0, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525, 7.86869131145613259100e-4,
    1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15},
}

--- The x below which a value lies with probability p: -inf for 0, inf for 1.
function normal.quantile(p)
  local q = p - 0.5
  if abs(q) <= 0.425 then
    local r = 0.180625 - q * q
    return q * polynomial(middle[1], r) / polynomial(middle[2], r)
  end
  local r = sqrt(-log(q < 0 and p or 1 - p))
  if r == math.huge then return q < 0 and -r or r end
  local x
  if r <= 5 then
    x = polynomial(outer[1], r - 1.6) / polynomial(outer[2], r - 1.6)
  else
    x = polynomial(far[1], r - 5) / polynomial(far[2], r - 5)
  end
  return q < 0 and -x or x
end

return normal
