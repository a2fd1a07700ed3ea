--- JSON (RFC 8259), as strict as the files that it reads are hostile: for model files and results.
--
-- Tables are arrays when they have a first element or json.array made them, else objects, whose keys are written in
-- order. Integers stay integers and floats floats. null is json.null. Strings are bytes: what is no UTF-8 is passed
-- on as it is.
local decimal = require "fmnistnn.decimal"
local refuse = require "fmnistnn.refuse"

local json = {}

json.null = setmetatable({}, {__name = "json.null", __tostring = function() return "null" end})
local array_mark = {__name = "json.array"}

--- Marks a table as an array, which an empty one does not show by itself.
function json.array(list)
  if list ~= nil and type(list) ~= "table" then refuse("json.array: expected a table, got %s", type(list)) end
  return setmetatable(list or {}, array_mark)
end

--- Whether a value is an array that json.array or decode made.
function json.is_array(value) return getmetatable(value) == array_mark end

-- ---- writing ----

local escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function quote(text)
  return '"' .. text:gsub('[\0-\31\127"\\]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function number(x)
  if math.type(x) == "integer" then return ("%d"):format(x) end
  if x ~= x or x == math.huge or x == -math.huge then error("json: a number must be finite, got " .. x, 0) end
  for digits = 15, 17 do
    local text = decimal("%." .. digits .. "g", x)
    if tonumber(text) == x then return text:find("[.e]") and text or text .. ".0" end
  end
end

local write

local function write_list(indent, level, open, close, items)
  if #items == 0 then return open .. close end
  if not indent then return open .. table.concat(items, ",") .. close end
  local inline = open .. table.concat(items, ", ") .. close
  if open == "[" and not inline:find("\n", 1, true) and #inline < 100 then return inline end
  local pad = "\n" .. indent:rep(level + 1)
  return open .. pad .. table.concat(items, "," .. pad) .. "\n" .. indent:rep(level) .. close
end

local function write_array(value, indent, level)
  local items, count = {}, #value
  for key in pairs(value) do
    if math.type(key) ~= "integer" or key < 1 or key > count then
      error("json: an array cannot have the key " .. tostring(key), 0)
    end
  end
  for i = 1, count do items[i] = write(value[i], indent, level + 1) end
  return write_list(indent, level, "[", "]", items)
end

local function write_object(value, indent, level)
  local items, keys = {}, {}
  for key in pairs(value) do
    if type(key) ~= "string" then error("json: an object's key must be a string, got " .. type(key), 0) end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    items[i] = quote(key) .. (indent and ": " or ":") .. write(value[key], indent, level + 1)
  end
  return write_list(indent, level, "{", "}", items)
end

function write(value, indent, level)
  local kind = type(value)
  if value == json.null then return "null" end
  if kind == "string" then return quote(value) end
  if kind == "number" then return number(value) end
  if kind == "boolean" then return tostring(value) end
  if kind ~= "table" then error("json: cannot write a " .. kind, 0) end
  if level > 200 then error("json: nested too deeply (or in a circle)", 0) end
  local is_array = json.is_array(value) or value[1] ~= nil
  return (is_array and write_array or write_object)(value, indent, level)
end

--- The text of a value; with `indent`, such as "  ", on several lines. Raises for what JSON cannot hold.
function json.encode(value, indent)
  if indent ~= nil and (type(indent) ~= "string" or indent:find "[^ \t]") then
    local got = type(indent) == "string" and ("'%s'"):format(indent) or type(indent)
    refuse("json: indent: expected a string of spaces, got %s", got)
  end
  return write(value, indent, 0)
end

-- ---- reading ----

-- What is wrong with a text, as an error of its own: others, such as Ctrl-C or want of memory, say nothing of it.
local Failure = {}

local function fail(text, at, what)
  local _, line = text:sub(1, at - 1):gsub("\n", "")
  error(setmetatable({message = ("json: line %d: %s"):format(line + 1, what)}, Failure))
end

local function skip(text, at) return text:find("[^ \t\r\n]", at) or #text + 1 end

local unescapes = {['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}

local function read_unicode(text, at)
  local code = tonumber(text:match("^%x%x%x%x", at) or fail(text, at, "expected four hexadecimal digits after \\u"), 16)
  at = at + 4
  if code >= 0xD800 and code < 0xDC00 then
    local low = tonumber(text:match("^\\u(%x%x%x%x)", at) or fail(text, at, "half of a surrogate pair"), 16)
    if low < 0xDC00 or low > 0xDFFF then fail(text, at, "half of a surrogate pair") end
    return utf8.char(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), at + 6
  end
  if code >= 0xDC00 and code <= 0xDFFF then fail(text, at, "half of a surrogate pair") end
  return utf8.char(code), at
end

local function read_string(text, at)
  local parts = {}
  at = at + 1
  while true do
    local stop = text:find('[\0-\31"\\]', at) or fail(text, #text, "a string without an end")
    parts[#parts + 1] = text:sub(at, stop - 1)
    local c = text:sub(stop, stop)
    if c == '"' then return table.concat(parts), stop + 1 end
    if c ~= "\\" then fail(text, stop, "a control character in a string") end
    local escape = text:sub(stop + 1, stop + 1)
    if escape == "u" then
      parts[#parts + 1], at = read_unicode(text, stop + 2)
    else
      parts[#parts + 1] = unescapes[escape] or fail(text, stop, "an unknown escape")
      at = stop + 2
    end
  end
end

local function read_number(text, at)
  local whole = text:match("^-?%d+", at)
  if not whole or whole:match("^-?0%d") then fail(text, at, "expected a value") end
  local rest = text:match("^%.%d+", at + #whole) or ""
  local exponent = text:match("^[eE][+-]?%d+", at + #whole + #rest) or ""
  local literal = whole .. rest .. exponent
  return tonumber(literal), at + #literal
end

local read

local function read_array(text, at, depth)
  local list = json.array()
  at = skip(text, at + 1)
  if text:sub(at, at) == "]" then return list, at + 1 end
  while true do
    list[#list + 1], at = read(text, at, depth + 1)
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "]" then return list, at + 1 end
    if c ~= "," then fail(text, at, "expected , or ]") end
    at = at + 1
  end
end

local function read_object(text, at, depth)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == "}" then return object, at + 1 end
  while true do
    at = skip(text, at)
    if text:sub(at, at) ~= '"' then fail(text, at, "expected a string as a key") end
    local key
    key, at = read_string(text, at)
    at = skip(text, at)
    if text:sub(at, at) ~= ":" then fail(text, at, "expected :") end
    if object[key] ~= nil then fail(text, at, "the key " .. key .. " stands there twice") end
    object[key], at = read(text, at + 1, depth + 1)
    at = skip(text, at)
    local c = text:sub(at, at)
    if c == "}" then return object, at + 1 end
    if c ~= "," then fail(text, at, "expected , or }") end
    at = at + 1
  end
end

local words = {t = {"true", true}, f = {"false", false}, n = {"null", json.null}}

function read(text, at, depth)
  if depth > 200 then fail(text, at, "nested too deeply") end
  at = skip(text, at)
  local c = text:sub(at, at)
  if c == "{" then return read_object(text, at, depth) end
  if c == "[" then return read_array(text, at, depth) end
  if c == '"' then return read_string(text, at) end
  local word = words[c]
  if word and text:sub(at, at + #word[1] - 1) == word[1] then return word[2], at + #word[1] end
  return read_number(text, at)
end

--- The value of a text, or nil and what is wrong with it.
function json.decode(text)
  if type(text) ~= "string" then return nil, "json: expected a text, got " .. type(text) end
  local ok, value, at = pcall(read, text, 1, 0)
  if not ok then
    if getmetatable(value) == Failure then return nil, value.message end
    error(value, 0)
  end
  if skip(text, at) <= #text then return nil, "json: more after the value" end
  return value
end

return json
