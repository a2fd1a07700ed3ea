--- TensorBoard's event files: records of TFRecord, each an Event in protobuf's wire format.
--
-- A record is the length of its data (8 bytes), a checksum of these 8, the data, a checksum of it; the checksums are
-- CRC-32C, masked (tensorflow/core/lib/io/record_writer.h, lib/hash/crc32c.h). The messages are
-- Event {1 double wall_time, 2 int64 step, 3 string file_version, 5 Summary summary} (util/event.proto),
-- Summary {1 repeated Value {1 string tag, 2 float simple_value, 5 HistogramProto histo}} and HistogramProto {1 double
-- min, 2 max, 3 num, 4 sum, 5 sum_squares, 6 packed bucket_limit, 7 packed bucket} (framework/summary.proto).
local event_file = {}

-- ---- records ----

local crc_table = {}
for byte = 0, 255 do
  local crc = byte
  for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0x82F63B78 or crc >> 1 end
  crc_table[byte] = crc
end

--- The CRC-32C (Castagnoli, RFC 3720) of a text.
function event_file.crc32c(text)
  local crc = 0xFFFFFFFF
  for i = 1, #text do crc = crc_table[(crc ~ text:byte(i)) & 0xFF] ~ crc >> 8 end
  return crc ~ 0xFFFFFFFF
end

local function masked_crc(text)
  local crc = event_file.crc32c(text)
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
end

--- A record with this data.
function event_file.record(data)
  local length = string.pack("<I8", #data)
  return length .. string.pack("<I4", masked_crc(length)) .. data .. string.pack("<I4", masked_crc(data))
end

--- The text as far as it consists of whole records.
function event_file.whole(text)
  local at = 1
  while #text - at >= 15 do
    local length = string.unpack("<I8", text, at)
    if length < 0 or length > #text - at - 15 then break end
    local record = event_file.record(text:sub(at + 12, at + 11 + length))
    if text:sub(at, at + #record - 1) ~= record then break end
    at = at + #record
  end
  return text:sub(1, at - 1)
end

-- ---- messages ----

-- An integer in groups of seven bits, the lowest first.
local function varint(n)
  local bytes = {}
  while n > 127 or n < 0 do
    bytes[#bytes + 1] = string.char(n & 0x7F | 0x80)
    n = n >> 7
  end
  bytes[#bytes + 1] = string.char(n)
  return table.concat(bytes)
end

local VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5 -- wire types

local function key(field, wire_type) return varint(field << 3 | wire_type) end
local function integer(field, n) return key(field, VARINT) .. varint(n) end
local function double(field, x) return key(field, EIGHT_BYTES) .. string.pack("<d", x) end
local function float(field, x) return key(field, FOUR_BYTES) .. string.pack("<f", x) end
local function bytes_(field, text) return key(field, LENGTH) .. varint(#text) .. text end

local function doubles(field, list)
  local parts = {}
  for i, x in ipairs(list) do parts[i] = string.pack("<d", x) end
  return bytes_(field, table.concat(parts))
end

--- The record that every file begins with.
function event_file.version(time) return event_file.record(double(1, time) .. bytes_(3, "brain.Event:2")) end

-- A record of a list of Values.
local function summary(time, step, values)
  local parts = {}
  for i, value in ipairs(values) do parts[i] = bytes_(1, value) end
  return event_file.record(double(1, time) .. integer(2, step) .. bytes_(5, table.concat(parts)))
end

--- A record of one number at a step. time: seconds since 1970.
function event_file.scalar(time, step, tag, x)
  return summary(time, step, {bytes_(1, tag) .. float(2, x)})
end

--- A record of a histogram {min, max, count, sum, sum_squares, limits, counts} at a step: limits are the upper bounds
-- of the buckets.
function event_file.histogram(time, step, tag, h)
  local message = double(1, h.min) .. double(2, h.max) .. double(3, h.count) .. double(4, h.sum)
    .. double(5, h.sum_squares) .. doubles(6, h.limits) .. doubles(7, h.counts)
  return summary(time, step, {bytes_(1, tag) .. bytes_(5, message)})
end

return event_file
