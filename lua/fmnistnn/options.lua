--- Checks the tables of options that layers and optimizers are made with.
--
--   options.check("Conv2d", given, {
--     {"filters", "count"},              -- given[1] or given.filters; required
--     {"stride", "pair", default = 1},   -- given.stride
--   })
--
-- returns a table of all of them. The first option may be given by position, unless the spec is marked `by_name`, or
-- `list`: then what stands there by position is no option but the caller's business. Raises an error that names the
-- option.
local Module = require "fmnistnn.nn.module"
local core = require "fmnistnn.core"
local refuse = require "fmnistnn.refuse"

local options = {}

local function is_integer(value) return math.type(value) == "integer" end
local function is_pair(value, least)
  if is_integer(value) then return value >= least end
  return type(value) == "table" and #value == 2 and is_integer(value[1]) and is_integer(value[2]) and value[1] >= least
    and value[2] >= least
end

local function is_margin(value)
  if is_pair(value, 0) then return true end
  if type(value) ~= "table" or #value ~= 4 then return false end
  return is_pair({value[1], value[2]}, 0) and is_pair({value[3], value[4]}, 0)
end

--- Whether a value can be called.
function options.is_callable(value)
  local metatable = type(value) == "table" and getmetatable(value)
  return type(value) == "function" or metatable and metatable.__call ~= nil
end

-- ---- what makes things, in the place of what it makes ----

local makers = setmetatable({}, {__mode = "k"})

--- Notes how a function that makes something is called ("Cosine{...}"), for messages where it stands itself in the
-- place of what it makes. Returns it.
function options.maker(f, call)
  makers[f] = call
  return f
end

-- How a value is called that makes something, a class or a function that options.maker knows; nil of others.
local function call_of(value)
  if type(value) ~= "table" then return makers[value] end
  if rawget(value, "__index") == nil or not options.is_callable(value) then return nil end
  local name = value.class_name or value.name or tostring(value.__name or "it"):match("[^.]*$")
  return name .. "{...}"
end

--- Whether a value is a class, or a function that makes something, rather than what it makes.
function options.is_maker(value) return value ~= nil and call_of(value) ~= nil end

--- What stands for a thing by its name, alone or first in a table of its settings, or by a function likewise: the name
-- or function, and the settings, a table of their own.
function options.take_apart(given)
  if type(given) ~= "table" then return given, {} end
  local settings = {}
  for key, value in pairs(given) do
    if key ~= 1 then settings[key] = value end
  end
  return given[1], settings
end

-- ---- checks ----

-- The kind of an object with these methods, no class.
local function object(expected, ...)
  local methods = {...}
  return {expected, function(v)
    if type(v) ~= "table" or options.is_maker(v) then return false end
    for _, method in ipairs(methods) do
      if not v[method] then return false end
    end
    return true
  end}
end

-- Each kind: what is expected, in words, and the test.
local kinds = {
  any = {"a value", function() return true end},
  boolean = {"true or false", function(v) return type(v) == "boolean" end},
  number = {"a number", function(v) return type(v) == "number" and v == v end}, -- NaN is none
  positive = {"a number above 0", function(v) return type(v) == "number" and v > 0 end},
  nonnegative = {"a number of 0 or more", function(v) return type(v) == "number" and v >= 0 end},
  lr = {"a number of 0 or more, or a schedule", function(v)
    return type(v) == "number" and v >= 0 or options.is_callable(v) and not options.is_maker(v)
  end},
  rate = {"0 <= rate < 1", function(v) return type(v) == "number" and v >= 0 and v < 1 end},
  fraction = {"0..1", function(v) return type(v) == "number" and v >= 0 and v <= 1 end},
  interval = {"a number of 0 or more, or {low, high}", function(v)
    if type(v) ~= "table" then return type(v) == "number" and v >= 0 end
    return #v == 2 and type(v[1]) == "number" and type(v[2]) == "number" and v[1] <= v[2]
  end},
  count = {"an integer of 1 or more", function(v) return is_integer(v) and v >= 1 end},
  whole = {"an integer of 0 or more", function(v) return is_integer(v) and v >= 0 end},
  integer = {"an integer", is_integer},
  string = {"a string", function(v) return type(v) == "string" end},
  sha256 = {"64 hexadecimal digits", function(v) return type(v) == "string" and #v == 64 and not v:find("%X") end},
  ["function"] = {"a function", function(v) return type(v) == "function" end},
  module = {"a module", Module.is_module},
  optimizer = object("one of fnn.optim", "attach"),
  sampler = object("a sampler, which has begin and sample", "begin", "sample"),
  pruner = object("a pruner, which has prune", "prune"),
  table = {"a table", function(v) return type(v) == "table" end},
  pair = {"an integer of 1 or more, or two of them", function(v) return is_pair(v, 1) end},
  pair0 = {"an integer of 0 or more, or two of them", function(v) return is_pair(v, 0) end},
  callable = {"a name, a function or a table", function(v)
    return type(v) == "string" or type(v) == "function" or type(v) == "table"
  end},
  initializer = {"an initializer's name, a table that begins with one, or a function", function(v)
    return require "fmnistnn.initializers".exists(v)
  end},
  margin = {"an integer, {rows, columns} or {top, bottom, left, right}", is_margin},
  padding = {'"valid", "same", an integer, {rows, columns} or {top, bottom, left, right}', function(v)
    return v == "valid" or v == "same" or is_margin(v)
  end},
  upsampling = {'"nearest" or "bilinear"', function(v) return v == "nearest" or v == "bilinear" end},
}

--- What a value is, in words, for messages.
function options.describe(value)
  if type(value) == "string" then return ("string '%s'"):format(value) end
  if type(value) == "number" then return "number " .. tostring(value) end
  if core.is_tensor(value) then return "tensor" end
  if not options.is_maker(value) then return type(value) end
  local kind = type(value) == "table" and "a class" or "function"
  return ("%s that makes one: call it, as in %s"):format(kind, call_of(value))
end

local describe = options.describe

-- The kinds whose values may be short lists, of which a copy is taken: layers look at them again when they are called.
local may_be_list = {
  interval = true, pair = true, pair0 = true, margin = true, padding = true, initializer = true,
}

local function copied(list)
  local copy = {}
  for key, value in pairs(list) do copy[key] = value end
  return copy
end

-- Whether the first option may be given by position.
local function takes_position(spec) return spec[1] ~= nil and not spec.list and not spec.by_name end

local function check_names(who, given, spec)
  local known = {}
  for _, entry in ipairs(spec) do known[entry[1]] = true end
  for name in pairs(given) do
    local by_position = name == 1 and takes_position(spec) or spec.list and is_integer(name) and name >= 1
    if not by_position and not known[name] then
      local names = {}
      for i, entry in ipairs(spec) do names[i] = entry[1] end
      local list = #names > 0 and table.concat(names, ", ") or "none"
      refuse("%s: unknown option %s (there are %s)", who, tostring(name), list)
    end
  end
end

function options.check(who, given, spec)
  if given == nil then given = {} end
  if type(given) ~= "table" then refuse("%s: expected a table of options, got %s", who, describe(given)) end
  check_names(who, given, spec)
  local checked = {}
  for i, entry in ipairs(spec) do
    local name, kind = entry[1], kinds[entry[2]]
    local value = given[name]
    if i == 1 and takes_position(spec) and given[1] ~= nil then
      if value ~= nil then refuse("%s: %s: expected it by position or by name, got both", who, name) end
      value = given[1]
    end
    if value == nil then value = entry.default end
    if value == nil and not entry.optional then
      refuse("%s: %s: expected %s, got none", who, name, kind[1])
    elseif value ~= nil and not kind[2](value) then
      refuse("%s: %s: expected %s, got %s", who, name, kind[1], describe(value))
    end
    checked[name] = may_be_list[entry[2]] and type(value) == "table" and copied(value) or value
  end
  return checked
end

--- Raises unless what stands by position in a list are modules; returns them.
function options.modules(who, given)
  local count, list = 0, {}
  for key in pairs(given or {}) do
    if is_integer(key) then count = math.max(count, key) end
  end
  for i = 1, count do -- #given may end at a nil, which is a mistake and not the end
    list[i] = given[i]
    if not Module.is_module(list[i]) then
      refuse("%s: element %d: expected a module, got %s", who, i, describe(list[i]))
    end
  end
  return list
end

--- Raises unless x is a tensor, of least..most axes where these are given: `expected` says which.
function options.input(who, x, expected, least, most)
  if not core.is_tensor(x) then refuse("%s: expected a tensor, got %s", who, describe(x)) end
  local rank = x:dim()
  if rank < (least or 0) or rank > (most or math.huge) then
    refuse("%s: expected %s, got (%s)", who, expected, table.concat(x.shape, ","))
  end
end

--- Raises unless x is a matrix with as many rows as columns, one for each class.
function options.square(who, x)
  options.input(who, x, "(classes, classes)", 2, 2)
  if x:size(1) ~= x:size(2) then refuse("%s: expected (classes, classes), got (%d,%d)", who, x:size(1), x:size(2)) end
end

return options
