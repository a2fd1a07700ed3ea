--- Sobol's sequence, of up to 40 dimensions, with the direction numbers of Joe and Kuo (2008): of its first 2^k points,
-- each of 2^k equal intervals of an axis holds one.
local Random = require "fmnistnn.search.random"

local sobol = {}

-- For each dimension but the first: its primitive polynomial, as bits, and the first direction numbers.
local table_of_directions = {
  {3, 1}, {7, 1, 3}, {11, 1, 3, 1}, {13, 1, 1, 1}, {19, 1, 1, 3, 3}, {25, 1, 3, 5, 13}, {37, 1, 1, 5, 5, 17},
  {41, 1, 1, 5, 5, 5}, {47, 1, 1, 7, 11, 19}, {55, 1, 1, 5, 1, 1}, {59, 1, 1, 1, 3, 11}, {61, 1, 3, 5, 5, 31},
  {67, 1, 3, 3, 9, 7, 49}, {91, 1, 1, 1, 15, 21, 21}, {97, 1, 3, 1, 13, 27, 49}, {103, 1, 1, 1, 15, 7, 5},
  {109, 1, 3, 1, 15, 13, 25}, {115, 1, 1, 5, 5, 19, 61}, {131, 1, 3, 7, 11, 23, 15, 103},
  {137, 1, 3, 7, 13, 13, 15, 69}, {143, 1, 1, 3, 13, 7, 35, 63}, {145, 1, 3, 5, 9, 1, 25, 53},
  {157, 1, 3, 1, 13, 9, 35, 107}, {167, 1, 3, 1, 5, 27, 61, 31}, {171, 1, 1, 5, 11, 19, 41, 61},
  {185, 1, 3, 5, 3, 3, 13, 69}, {191, 1, 1, 7, 13, 1, 19, 1}, {193, 1, 3, 7, 5, 13, 19, 59},
  {203, 1, 1, 3, 9, 25, 29, 41}, {211, 1, 3, 5, 13, 23, 1, 55}, {213, 1, 3, 7, 3, 13, 59, 17},
  {229, 1, 3, 1, 3, 5, 53, 69}, {239, 1, 1, 5, 5, 23, 33, 13}, {241, 1, 1, 7, 7, 1, 61, 123},
  {247, 1, 1, 7, 9, 13, 61, 49}, {253, 1, 3, 3, 5, 3, 55, 33}, {285, 1, 3, 1, 15, 31, 13, 49, 245},
  {299, 1, 3, 5, 15, 31, 59, 63, 97}, {301, 1, 3, 1, 11, 11, 11, 77, 249},
}

--- How many dimensions there are.
sobol.dimensions = #table_of_directions + 1

local bits <const> = 32

-- The direction numbers of a dimension, as integers of 32 bits, by the polynomial's recurrence.
local function expand(dimension)
  local v = {}
  if dimension == 1 then
    for i = 1, bits do v[i] = 1 << (bits - i) end
    return v
  end
  local row = table_of_directions[dimension - 1]
  local polynomial, degree = row[1], #row - 1
  for i = 1, degree do v[i] = row[i + 1] << (bits - i) end
  for i = degree + 1, bits do
    v[i] = v[i - degree] ~ (v[i - degree] >> degree)
    for k = 1, degree - 1 do
      if polynomial >> (degree - k) & 1 == 1 then v[i] = v[i] ~ v[i - k] end
    end
  end
  return v
end

local expanded = {}

local function bits_of(index, dimension)
  expanded[dimension] = expanded[dimension] or expand(dimension)
  local gray, x = index ~ (index >> 1), 0
  for i, direction in ipairs(expanded[dimension]) do
    if gray >> (i - 1) & 1 == 1 then x = x ~ direction end
  end
  return x
end

--- A coordinate in [0, 1) of a point: index from 0 (below 2^32), dimension from 1.
function sobol.coordinate(index, dimension) return bits_of(index, dimension) / 2 ^ bits end

-- ---- scrambling ----

local mask <const> = 0xffffffff

local function reverse(x)
  x = (x & 0x55555555) << 1 | x >> 1 & 0x55555555
  x = (x & 0x33333333) << 2 | x >> 2 & 0x33333333
  x = (x & 0x0f0f0f0f) << 4 | x >> 4 & 0x0f0f0f0f
  x = (x & 0x00ff00ff) << 8 | x >> 8 & 0x00ff00ff
  return x << 16 & mask | x >> 16
end

-- Each bit flipped or not by a hash of those below it (Laine and Karras 2011, with Vegdahl's constants).
local function permute(x, seed)
  x = (x ~ x * 0x3d20adea) & mask
  x = (x + seed) & mask
  x = (x * (seed >> 16 | 1)) & mask
  x = (x ~ x * 0x05526c56) & mask
  return (x ~ x * 0x53a22864) & mask
end

--- The same after Owen's scrambling (1995), by hashing (Burley 2020): random, but as even as before. In (0, 1).
function sobol.scrambled(index, dimension, seed)
  local hash = Random.new(seed, dimension):bits() & mask
  return (reverse(permute(reverse(bits_of(index, dimension)), hash)) + 0.5) / 2 ^ bits
end

return sobol
