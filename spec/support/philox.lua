--- Philox4x32-10 (Salmon et al. 2011), and the stream of random numbers that the library makes of it.
local philox = {}

local MASK = 0xFFFFFFFF

--- The four 32-bit numbers for a 128-bit counter and a 64-bit key, both as lists of 32-bit words.
function philox.block(counter, key)
  local c0, c1, c2, c3 = table.unpack(counter)
  local k0, k1 = table.unpack(key)
  for _ = 1, 10 do
    local p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
    c0, c1, c2, c3 = (p1 >> 32) ~ c1 ~ k0, p1 & MASK, (p0 >> 32) ~ c3 ~ k1, p0 & MASK
    k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
  end
  return {c0, c1, c2, c3}
end

--- Number i (from 0) of the stream of a seed that begins at counter `first`, uniform in [0, 1).
function philox.uniform(seed, i, first)
  local counter = (first or 0) + i // 4
  local block = philox.block({counter & MASK, counter >> 32, 0, 0}, {seed & MASK, seed >> 32})
  return (block[i % 4 + 1] >> 8) / 2 ^ 24
end

return philox
