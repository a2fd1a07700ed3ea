--- PNG (ISO/IEC 15948) of small images, stored without compression: what a page needs to show an image in one line.
local core = require "fmnistnn.core"

local png = {}

local function adler32(text)
  local a, b = 1, 0
  for i = 1, #text do
    a = (a + text:byte(i)) % 65521
    b = (b + a) % 65521
  end
  return b << 16 | a
end

-- With a CRC-32 (annex D).
local function chunk(kind, data)
  return (">I4"):pack(#data) .. kind .. data .. (">I4"):pack(core.data.crc32(kind .. data))
end

-- Deflate blocks (RFC 1951, 3.2.4) in a zlib stream (RFC 1950).
local function stored(data)
  local parts, at = {"\x78\x01"}, 1
  repeat
    local part = data:sub(at, at + 65534)
    at = at + #part
    parts[#parts + 1] = ("<I1I2I2"):pack(at > #data and 1 or 0, #part, ~#part & 0xFFFF) .. part
  until at > #data
  parts[#parts + 1] = (">I4"):pack(adler32(data))
  return table.concat(parts)
end

--- The file of an image: bytes row by row, of one channel (grey) or three (red, green, blue for each pixel).
function png.encode(bytes, width, height, channels)
  local rows, stride = {}, width * channels
  for y = 0, height - 1 do rows[y + 1] = "\0" .. bytes:sub(y * stride + 1, (y + 1) * stride) end -- \0: unfiltered
  local header = (">I4I4I1I1I1I1I1"):pack(width, height, 8, channels == 3 and 2 or 0, 0, 0, 0)
  return "\x89PNG\r\n\x1A\n" .. chunk("IHDR", header) .. chunk("IDAT", stored(table.concat(rows))) .. chunk("IEND", "")
end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local parts = {}
  for i = 1, #text, 3 do
    local a, b, c = text:byte(i, i + 2)
    local bits = a << 16 | (b or 0) << 8 | (c or 0)
    for shift = 18, 0, -6 do
      local at = bits >> shift & 63
      parts[#parts + 1] = alphabet:sub(at + 1, at + 1)
    end
    if not b then parts[#parts - 1] = "=" end
    if not c then parts[#parts] = "=" end
  end
  return table.concat(parts)
end

--- The same as an address that holds it.
function png.data_uri(...) return "data:image/png;base64," .. base64(png.encode(...)) end

return png
