--- Models as files: safetensors, with the architecture as JSON in the metadata.
--
-- The architecture is how the model was made: the class and the arguments of each module, modules among the arguments
-- likewise. Loading calls the same constructors and then gives them the saved tensors. A module that occurs twice is
-- written once and referred to after that; a tensor with several names too. The metadata names every tensor, so that
-- none goes missing unnoticed.
local Module = require "fmnistnn.nn.module"
local core = require "fmnistnn.core"
local json = require "fmnistnn.json"
local packing = require "fmnistnn.packing"
local refuse = require "fmnistnn.refuse"
local safetensors = require "fmnistnn.safetensors"
local traceback = require "fmnistnn.traceback"

local FORMAT = "fmnistnn 1"

-- ---- architecture to JSON and back ----

-- What a module would be made of again. The class whose `init` it has tells: by its own `_made_of`, or else it is what
-- the module was called with.
local function arguments_of(module)
  local class = getmetatable(module)
  while not rawget(class, "_made_of") and not rawget(class, "init") do class = class.super end
  local made_of = rawget(class, "_made_of") or Module._made_of
  return made_of(module)
end

-- Whether a text comes before another by its bytes: `<` goes by the locale.
local function comes_before(a, b)
  local i = 1
  while a:byte(i) and a:byte(i) == b:byte(i) do i = i + 1 end
  return (a:byte(i) or -1) < (b:byte(i) or -1)
end

-- Names in an order that is the same when a table is written and when it is read, wherever that is.
local function sorted_names(fields)
  local names = {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names, comes_before)
  return names
end

-- The fields of a table that are not its list.
local function fields_of(value, where)
  local fields = {}
  for key, element in pairs(value) do
    if type(key) == "string" then
      fields[key] = element
    elseif math.type(key) ~= "integer" or key < 1 or key > #value then
      error(("%s: a table with the key %s cannot be saved"):format(where, tostring(key)), 0)
    end
  end
  return fields
end

-- Plain values are themselves; {class =, arguments =, id =} is a module, {same = id} one that came before,
-- {list = {...}, fields = {...}} a table, {number = "-inf"} a number that JSON does not know (packing.lua).
local function encode(value, where, seen)
  local kind = type(value)
  if kind == "string" or kind == "boolean" then return value end
  if kind == "number" then return packing.pack(value, where) end
  if value == nil then return json.null end
  if Module.is_module(value) then
    if seen[value] then return {same = seen[value]} end
    seen.count = seen.count + 1
    seen[value] = seen.count
    local arguments = json.array()
    local given = arguments_of(value)
    for i = 1, given.n do arguments[i] = encode(given[i], ("%s: argument %d"):format(value.class_name, i), seen) end
    return {class = value.class_name, arguments = arguments, id = seen[value]}
  end
  if kind ~= "table" then error(("%s: a %s cannot be saved"):format(where, kind), 0) end
  if seen[value] then error(where .. ": a table that contains itself cannot be saved", 0) end
  seen[value] = true
  local list, fields = json.array(), {}
  for i = 1, #value do list[i] = encode(value[i], where, seen) end
  local given = fields_of(value, where)
  for _, name in ipairs(sorted_names(given)) do
    fields[name] = encode(given[name], ("%s: %s"):format(where, name), seen)
  end
  seen[value] = nil
  return {list = list, fields = fields}
end

local function find_class(name, classes)
  if classes and classes[name] then return classes[name] end
  local nn = require "fmnistnn.nn"
  local own = nn.layers[name] and nn[name]
  if type(own) == "table" and rawget(own, "class_name") == name then return own end
  error(("the class %s is not known: give it to nn.load(path, {%s = %s})"):format(name, name, name), 0)
end

local decode

local function decode_module(value, classes, made)
  if type(value.class) ~= "string" or type(value.arguments) ~= "table" then error("its architecture is damaged", 0) end
  local class, arguments = find_class(value.class, classes), {n = #value.arguments}
  for i = 1, arguments.n do arguments[i] = decode(value.arguments[i], classes, made) end
  local module = class(table.unpack(arguments, 1, arguments.n))
  made[value.id or 0] = module
  return module
end

function decode(value, classes, made)
  if value == json.null then return nil end
  if type(value) ~= "table" then return value end
  if value.class then return decode_module(value, classes, made) end
  if value.same then return made[value.same] or error("its architecture is damaged", 0) end
  if value.number then
    local ok, number = packing.unpack(value, {})
    return ok and number or error("its architecture is damaged", 0)
  end
  if type(value.list) ~= "table" or type(value.fields) ~= "table" then error("its architecture is damaged", 0) end
  local result = {}
  for i, element in ipairs(value.list) do result[i] = decode(element, classes, made) end
  for _, name in ipairs(sorted_names(value.fields)) do result[name] = decode(value.fields[name], classes, made) end
  return result
end

-- ---- tensors into a model that was just made ----

-- The names of the module and of the field in a tensor's name: "4.conv1", "weight".
local function split(name)
  local prefix, field = name:match("^(.*)%.([^.]*)$")
  return prefix or "", field or name
end

-- The module and the field that a tensor's name means.
local function field_of(modules, name)
  local prefix, field = split(name)
  local module = modules[prefix]
  if not module then error(("the model has no module for the tensor %s"):format(name), 0) end
  local key = field:find("^[1-9]%d*$") and tonumber(field) or field
  local existing = module[key]
  if field:find("^_") or existing ~= nil and not core.is_tensor(existing) then
    error(("the tensor %s has the name of something else"):format(name), 0)
  end
  return module, key, existing
end

local function modules_by_name(model)
  local modules = {}
  for name, module in model:named_modules() do modules[name] = module end
  return modules
end

local function set_trained(entry, tensor)
  if entry.trained then tensor:requires_grad_() end
  if entry.frozen then Module._freeze(tensor) end
end

-- ---- the two functions ----

local files = {}

--- What a file says of a model's tensors: a list of {name, tensor}, each tensor once, and the list of all names, in
-- order, with whether they are trained, that goes into the metadata.
function files.describe(model)
  local tensors, state, first_name = {}, json.array(), {}
  for i, entry in ipairs(model:state(true)) do
    local name, tensor = entry[1], entry[2]
    state[i] = {
      name = name,
      trained = tensor.requires_grad,
      frozen = Module._is_frozen(tensor) or nil,
      same = first_name[tensor],
    }
    if not first_name[tensor] then
      first_name[tensor] = name
      tensors[#tensors + 1] = entry
    end
  end
  return tensors, state
end

-- What a module was made of, as JSON, or nil where a file cannot hold it.
local function made_of(module)
  local ok, text = pcall(function() return json.encode(encode(module, module.class_name, {count = 0})) end)
  if ok then return text end
  traceback.pass_interrupt(text)
  return nil
end

--- What a file says of a model's modules: a list of {name =, class =}, and of those that have tensors also what they
-- were made of, where that can be written.
function files.describe_modules(model)
  local with_tensors, modules = {}, json.array()
  for _, entry in ipairs(model:state(true)) do with_tensors[split(entry[1])] = true end
  for name, module in model:named_modules() do
    modules[#modules + 1] = {name = name, class = module.class_name, made_of = with_tensors[name] and made_of(module)}
  end
  return modules
end

--- Writes a model; see Module:save.
function files.save(model, path)
  if type(path) ~= "string" then refuse("save: expected a path, got %s", type(path)) end
  local architecture = encode(model, model.class_name, {count = 0})
  local tensors, state = files.describe(model)
  return safetensors.save(path, tensors, {
    format = FORMAT,
    architecture = json.encode(architecture),
    state = json.encode(state),
  })
end

-- Raises unless a list of a model's tensors is one, and all of the tensors are there, and no others.
local function check_entries(state, tensors)
  local used = {}
  for _, entry in ipairs(state) do
    if type(entry) ~= "table" or type(entry.name) ~= "string" then error("its list of tensors is damaged", 0) end
    local source = entry.same or entry.name
    if not tensors[source] then error(("the tensor %s is missing"):format(tostring(source)), 0) end
    used[source] = true
  end
  for name in pairs(tensors) do
    if not used[name] then error(("the tensor %s is not one of the model's"):format(name), 0) end
  end
end

-- Gives the tensors of a file to a model that was just made, in the order in which they were saved: fields of tensors
-- are made when a module is first called, so they are put there by name.
local function place_all(model, state, tensors)
  local modules = modules_by_name(model)
  check_entries(state, tensors)
  for _, entry in ipairs(state) do
    local tensor = tensors[entry.same or entry.name]
    local module, key = field_of(modules, entry.name)
    set_trained(entry, tensor)
    module[key] = tensor
  end
end

local function check_fits(name, tensor, existing)
  local function words(t) return ("%s (%s)"):format(t.dtype, table.concat(t.shape, ",")) end
  if words(tensor) ~= words(existing) then
    error(("the tensor %s: expected %s, got %s"):format(name, words(existing), words(tensor)), 0)
  end
end

-- An encoded value as it might be written in Lua: "Dense {8, activation = relu}".
local function words(value)
  if type(value) ~= "table" then return tostring(value) end
  if value == json.null or value.same then return value.same and "..." or "nil" end
  if value.number then return value.number end
  local parts = {}
  for i, element in ipairs(value.arguments or value.list) do parts[i] = words(element) end
  for _, name in ipairs(sorted_names(value.fields or {})) do
    parts[#parts + 1] = name .. " = " .. words(value.fields[name])
  end
  local text = table.concat(parts, ", ")
  if not value.class then return "{" .. text .. "}" end
  return #parts == 1 and text:find("^{") and value.class .. " " .. text or ("%s(%s)"):format(value.class, text)
end

local function refuse_module(name, expected, got)
  local which = name == "" and "the model" or "the module " .. name
  error(("%s: it was saved as %s, and this one is %s"):format(which, expected, got), 0)
end

-- The modules of a model that have not made all of the tensors of these names yet, as a set.
local function find_unbuilt(modules, state)
  local unbuilt = {}
  for _, entry in ipairs(state) do
    local module = modules[split(entry.name)]
    if module and not select(3, field_of(modules, entry.name)) then unbuilt[module] = true end
  end
  return unbuilt
end

-- Raises unless a model has the modules that files.describe_modules told of. Where tensors are still to be made, their
-- shapes cannot tell whether a module is the same: what it was made of must be.
local function check_modules(modules, saved, state)
  local known, unbuilt = {}, find_unbuilt(modules, state)
  for _, entry in ipairs(saved) do
    local module = modules[entry.name]
    known[entry.name] = true
    if not module then error(("the model has no module %s (%s)"):format(entry.name, entry.class), 0) end
    if module.class_name ~= entry.class then refuse_module(entry.name, entry.class, module.class_name) end
    local made = unbuilt[module] and entry.made_of and made_of(module)
    if made and made ~= entry.made_of then
      refuse_module(entry.name, words(json.decode(entry.made_of)), words(json.decode(made)))
    end
  end
  for _, name in ipairs(sorted_names(modules)) do
    if not known[name] then
      error(("the model has a module %s (%s), which was not saved"):format(name, modules[name].class_name), 0)
    end
  end
end

-- A function that makes the tensors of these names in a model what they are now, or takes them away again.
local function keep(modules, state)
  local kept = {}
  for i, entry in ipairs(state) do
    local module, key, tensor = field_of(modules, entry.name)
    kept[i] = {module, key, tensor, tensor and core.no_grad(tensor.clone, tensor), tensor and tensor.requires_grad}
  end
  return function()
    for _, each in ipairs(kept) do
      local module, key, tensor, copy, trained = table.unpack(each, 1, 5)
      rawset(module, key, tensor)
      if tensor then
        core.no_grad(tensor.copy_, tensor, copy)
        if tensor.requires_grad ~= trained then tensor.requires_grad = trained end
      end
    end
  end
end

--- Gives tensors that files.describe told of to a model that may be in use: those that it has are written over, so that
-- whoever holds them sees it; those that it has not made yet are put there. saved: what files.describe_modules told, or
-- nil, where a file does not have it. Returns a function that undoes it. Raises when something does not fit; nothing
-- has then changed.
function files.restore(model, state, tensors, saved)
  local modules, named = modules_by_name(model), {}
  check_entries(state, tensors)
  if saved then check_modules(modules, saved, state) end
  for _, entry in ipairs(state) do
    local _, _, existing = field_of(modules, entry.name)
    if existing then check_fits(entry.name, tensors[entry.same or entry.name], existing) end
    named[entry.name] = true
  end
  for _, entry in ipairs(model:state(true)) do
    if not named[entry[1]] then error(("there is no tensor for the model's %s"):format(entry[1]), 0) end
  end

  local undo = keep(modules, state)
  for _, entry in ipairs(state) do
    local module, key, existing = field_of(modules, entry.name)
    local tensor = tensors[entry.same or entry.name]
    if existing then core.no_grad(existing.copy_, existing, tensor) end
    set_trained(entry, existing or tensor)
    if not existing then module[key] = tensor end
  end
  return undo
end

local function rebuild(tensors, metadata, classes)
  if metadata.format ~= FORMAT then
    error(("expected a model of the format %s, got %s"):format(FORMAT, tostring(metadata.format)), 0)
  end
  local architecture = json.decode(metadata.architecture or "")
  local state = json.decode(metadata.state or "")
  if type(architecture) ~= "table" then error("its architecture is damaged", 0) end
  if not json.is_array(state) then error("its list of tensors is damaged", 0) end
  local model = decode(architecture, classes, {})
  if not Module.is_module(model) then error("its architecture is damaged", 0) end
  place_all(model, state, tensors)
  return model
end

--- Reads a model that was saved. `classes` gives the classes of one's own by name: nn.load(path, {Block = Block}).
-- Returns the model, or nil and a message.
function files.load(path, classes)
  if type(path) ~= "string" then refuse("load: expected a path, got %s", type(path)) end
  if classes ~= nil and type(classes) ~= "table" then
    refuse("load: classes: expected a table of classes by name, got %s", type(classes))
  end
  local tensors, metadata = safetensors.load(path)
  if not tensors then return nil, metadata end
  local ok, model = pcall(rebuild, tensors, metadata, classes)
  if ok then return model end
  traceback.pass_interrupt(model)
  return nil, ("%s: %s"):format(path, model)
end

return files
