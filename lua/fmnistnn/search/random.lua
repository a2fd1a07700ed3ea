--- A generator of random numbers for searches: SplitMix64 (Steele, Lea and Flood 2014).
--
--   local random = Random.new(seed, trial.number)
--
-- Its stream depends on the integers that it was made from, and on nothing else: what a trial draws is the same
-- whichever process draws it, and after a restart.
local Random = {}
Random.__index = Random
Random.__name = "fmnistnn.search.Random"

local golden <const> = 0x9e3779b97f4a7c15

local function mix(z)
  z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ~ (z >> 27)) * 0x94d049bb133111eb
  return z ~ (z >> 31)
end

--- A generator whose stream follows from the integers given.
function Random.new(...)
  local state = 0
  for i = 1, select("#", ...) do state = mix((state ~ (select(i, ...))) + golden) end
  return setmetatable({state = state}, Random)
end

--- 64 random bits, as an integer.
function Random:bits()
  self.state = self.state + golden
  return mix(self.state)
end

--- A float in [0, 1), a multiple of 2^-53.
function Random:uniform() return (self:bits() >> 11) * 0x1p-53 end

--- An integer of 1..n, each as likely.
function Random:integer(n)
  local top = math.maxinteger // n * n -- the bits above it would favour small results
  while true do
    local bits = self:bits() >> 1
    if bits < top then return bits % n + 1 end
  end
end

--- A float of the normal distribution with mean 0 and standard deviation 1 (Box and Muller 1958).
function Random:normal()
  local radius = math.sqrt(-2 * math.log(1 - self:uniform()))
  return radius * math.cos(2 * math.pi * self:uniform())
end

--- Puts a list into a random order, in place (Fisher and Yates), and returns it.
function Random:shuffle(list)
  for i = #list, 2, -1 do
    local j = self:integer(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

return Random
