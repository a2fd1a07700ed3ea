--- Files of named tensors in the safetensors format (github.com/huggingface/safetensors): the length of a JSON head
-- in eight bytes, the head, the elements. Other programs read them too.
local core = require "fmnistnn.core"
local is_list = require "fmnistnn.is_list"
local json = require "fmnistnn.json"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local write_file = require "fmnistnn.write_file"

local safetensors = {}

local MAX_HEAD = 100 * 1024 * 1024 -- the format's own limit
local dtype_names = {float32 = "F32", uint8 = "U8", int64 = "I64"}
local dtypes = {F32 = "float32", U8 = "uint8", I64 = "int64"}
local sizes = {float32 = 4, uint8 = 1, int64 = 8}

-- ---- checksum ----
-- The CRC-32 of the head, with zeros in the checksum's place, and of the data; in the metadata as eight hexadecimal
-- digits. Quotes within other strings have a backslash before them, so its place is found by its text.

local NO_CHECKSUM = ("0"):rep(8)

-- A head with one checksum in the place of another.
local function exchange(head, old, new)
  local at, last = head:find(('"crc32":"%s"'):format(old), 1, true)
  return at and head:sub(1, at - 1) .. ('"crc32":"%s"'):format(new) .. head:sub(last + 1) or head
end

local function with_checksum(head, tensors)
  local crc = core.data.crc32(head)
  for _, tensor in ipairs(tensors) do crc = core.data.crc32(tensor:tobytes(), crc) end
  return exchange(head, NO_CHECKSUM, ("%08x"):format(crc))
end

-- ---- writing ----

--- Tensors by name as a list of {name, tensor}, in the order of the names.
function safetensors._sorted(by_name)
  local list = {}
  for name, tensor in pairs(by_name) do list[#list + 1] = {name, tensor} end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

local function refuse_save(format, ...) refuse("safetensors.save: " .. format, ...) end

-- What save was given as a list of {name, tensor}.
local function list_of(tensors)
  if type(tensors) ~= "table" then refuse_save("tensors: expected a list, got %s", type(tensors)) end
  if is_list(tensors) then return tensors end
  for name, tensor in pairs(tensors) do
    if type(name) ~= "string" then
      refuse_save("tensors: expected a list of {name, tensor} or a table by name, got one with the key %s",
        tostring(name))
    end
    if not core.is_tensor(tensor) then refuse_save("tensors: %s: expected a tensor, got %s", name, type(tensor)) end
  end
  return safetensors._sorted(tensors)
end

-- The tensors as entries of a head, and in the order of their elements.
local function describe(list)
  local head, pieces, offset = {}, {}, 0
  for i, entry in ipairs(list) do
    local name, tensor
    if type(entry) == "table" then name, tensor = entry[1], entry[2] end
    if type(name) ~= "string" or not core.is_tensor(tensor) then
      refuse_save("tensors: element %d: expected {name, tensor}", i)
    end
    if head[name] or name == "__metadata__" then refuse_save("the name %s is used twice", name) end
    local bytes = tensor:numel() * sizes[tensor.dtype]
    head[name] = {
      dtype = dtype_names[tensor.dtype],
      shape = json.array(tensor.shape),
      data_offsets = json.array {offset, offset + bytes},
    }
    offset = offset + bytes
    pieces[i] = tensor
  end
  return head, pieces
end

-- The metadata of a head, nil without any; one with a checksum has a place for it.
local function metadata_of(given, checksum)
  if given == nil then return checksum and {crc32 = NO_CHECKSUM} or nil end
  if type(given) ~= "table" then refuse_save("metadata: expected a table, got %s", type(given)) end
  local metadata = {}
  for name, value in pairs(given) do
    if type(name) ~= "string" then refuse_save("metadata: expected names, got the key %s", tostring(name)) end
    if type(value) ~= "string" then refuse_save("metadata: %s: expected a string, got %s", name, type(value)) end
    metadata[name] = value
  end
  if checksum then metadata.crc32 = NO_CHECKSUM end
  return metadata
end

-- Raises unless a text is UTF-8, as the format has it: other programs refuse a file with anything else.
local function check_text(what, text)
  if not utf8.len(text) then refuse_save("%s: expected a text of UTF-8, got %q", what, text) end
end

--- As safetensors.save, but for a checked path and a list of tensors, and with texts of any bytes: for files that
-- nobody else reads.
function safetensors._write(path, list, metadata, checksum)
  local head, pieces = describe(list)
  head.__metadata__ = metadata_of(metadata, checksum)
  local text = json.encode(head)
  text = text .. (" "):rep(-#text % 8)
  if checksum then text = with_checksum(text, pieces) end
  return write_file(path, table.move(pieces, 1, #pieces, 3, {string.pack("<I8", #text), text}))
end

--- Writes tensors, a list of {name, tensor} or a table by name (in the order of the names), and a table of strings,
-- all texts of UTF-8, atomically. `checksum`: with one, as metadata.crc32; load then refuses the file when anything in
-- it has changed. Metadata that has one already, as load gives it, gets that of the new file. Returns true, or nil and
-- a message; raises for what load, or another program, would refuse.
function safetensors.save(path, tensors, metadata, checksum)
  if type(path) ~= "string" then refuse("safetensors.save: expected a path, got %s", type(path)) end
  options.check("safetensors.save", {checksum = checksum}, {{"checksum", "boolean", optional = true}})
  checksum = checksum or type(metadata) == "table" and metadata.crc32 ~= nil
  local list = list_of(tensors)
  for name in pairs(describe(list)) do check_text("tensors: name", name) end
  for name, value in pairs(metadata_of(metadata) or {}) do
    check_text("metadata: name", name)
    check_text("metadata: " .. name, value)
  end
  return safetensors._write(path, list, metadata, checksum)
end

-- ---- reading ----

local function is_object(value) return type(value) == "table" and value ~= json.null and not json.is_array(value) end
local function is_size(value) return math.type(value) == "integer" and value >= 0 end

-- The bytes that a shape takes, or nil where it is none, or is too large to address even without its axes of size 0.
local function bytes_of(shape, dtype)
  local bytes, empty = sizes[dtype], false
  for _, size in ipairs(shape) do
    if not is_size(size) or size > 0 and bytes > math.maxinteger // size then return nil end
    if size == 0 then empty = true else bytes = bytes * size end
  end
  return empty and 0 or bytes
end

-- One entry of the head, checked: {name, dtype, shape, first, last}.
local function check_entry(name, entry, room)
  local given = is_object(entry) and entry.dtype
  local dtype = dtypes[given]
  if not dtype then
    local got = type(given) == "string" and given or "none"
    return nil, ("tensor %s: expected dtype F32, U8 or I64, got %s"):format(name, got)
  end
  local shape, offsets = entry.shape, entry.data_offsets
  if not json.is_array(shape) or #shape > 8 then
    return nil, ("tensor %s: expected a shape of at most 8 sizes"):format(name)
  end
  local bytes = bytes_of(shape, dtype)
  if not bytes or bytes > room then return nil, ("tensor %s: its shape does not fit into the file"):format(name) end
  if not json.is_array(offsets) or #offsets ~= 2 or not is_size(offsets[1]) or not is_size(offsets[2])
    or offsets[2] > room or offsets[2] - offsets[1] ~= bytes then
    return nil, ("tensor %s: its data_offsets do not fit its shape and the file"):format(name)
  end
  local plain_shape = table.move(shape, 1, #shape, 1, {})
  return {name = name, dtype = dtype, shape = plain_shape, first = offsets[1], last = offsets[2]}
end

local function check_metadata(metadata)
  if not is_object(metadata) then return nil, "__metadata__: expected an object" end
  for name, value in pairs(metadata) do
    if type(value) ~= "string" then return nil, ("__metadata__: %s: expected a string"):format(name) end
  end
  return metadata
end

local function check_head(head, room)
  local entries, metadata = {}, {}
  for name, entry in pairs(head) do
    if name == "__metadata__" then
      local message
      metadata, message = check_metadata(entry)
      if not metadata then return nil, message end
    else
      local checked, message = check_entry(name, entry, room)
      if not checked then return nil, message end
      entries[#entries + 1] = checked
    end
  end
  table.sort(entries, function(a, b) return a.first < b.first or a.first == b.first and a.last < b.last end)
  local at = 0
  for _, entry in ipairs(entries) do
    if entry.first ~= at then
      return nil, ("tensor %s: the data has a gap or an overlap before it"):format(entry.name)
    end
    at = entry.last
  end
  if at ~= room then return nil, ("%d bytes of data belong to no tensor"):format(room - at) end
  return entries, metadata
end

local function read_head(file)
  local size, message = file:seek("end")
  if not size or not file:seek("set") then return nil, message end
  local prefix
  prefix, message = file:read(8)
  if not prefix or #prefix < 8 then
    return nil, message or "truncated: expected the eight bytes of the head's length"
  end
  local length = string.unpack("<I8", prefix)
  if length < 0 or length > MAX_HEAD or length > size - 8 then
    return nil, ("expected a head of at most %d bytes, its length says %d"):format(math.min(MAX_HEAD, size - 8), length)
  end
  local head
  local text = file:read(length) or ""
  head, message = json.decode(text)
  if head == nil then return nil, "its head is not JSON: " .. message end
  if not is_object(head) then return nil, "its head is not a JSON object" end
  return head, size - 8 - length, text
end

local function read_file(file)
  local head, room, text = read_head(file)
  if not head then return nil, room end
  local entries, metadata = check_head(head, room)
  if not entries then return nil, metadata end
  local tensors, checksum = {}, metadata.crc32
  local crc = checksum and core.data.crc32(exchange(text, checksum, NO_CHECKSUM))
  for _, entry in ipairs(entries) do
    local bytes = entry.last > entry.first and file:read(entry.last - entry.first) or ""
    if #(bytes or "") ~= entry.last - entry.first then return nil, ("truncated within tensor %s"):format(entry.name) end
    tensors[entry.name] = core.frombytes(bytes, entry.shape, entry.dtype)
    crc = crc and core.data.crc32(bytes, crc)
  end
  if checksum and checksum ~= ("%08x"):format(crc) then return nil, "its checksum is wrong" end
  return tensors, metadata
end

--- Reads a file: a table of tensors by name and one of metadata, or nil and a message that names the file. A damaged
-- or hostile file is refused before anything of the size that it claims is allocated.
function safetensors.load(path)
  if type(path) ~= "string" then refuse("safetensors.load: expected a path, got %s", type(path)) end
  local opened, message = io.open(path, "rb")
  if not opened then return nil, message end
  local file <close> = opened -- also when memory is short
  local tensors, metadata = read_file(file)
  if not tensors then return nil, path .. ": " .. metadata end
  return tensors, metadata
end

return safetensors
