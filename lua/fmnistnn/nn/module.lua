--- nn.Module: what all layers and models are.
--
--   local Block = nn.Module:extend("Block")
--   function Block:init(channels) self.conv = nn.Conv2d{channels, kernel = 3, padding = "same"} end
--   function Block:forward(x) return self.conv(x):relu() + x end
--   local block = Block(16)
--   local y = block(x)
--
-- The fields of a module decide what belongs to it: modules (and lists of modules) are its children; tensors that
-- require a gradient its parameters; other tensors its buffers, which are saved with it but not trained. Names that
-- begin with "_" are private: they hold what does not belong to the model's state. Nor do lists of tensors, and what
-- was computed with a gradient: a new value of a buffer has to be detached. Tensors' names have no dot.
local core = require "fmnistnn.core"
local on_close = require "fmnistnn.on_close"
local refuse = require "fmnistnn.refuse"

local Module = {class_name = "Module"}

-- ---- classes and instances ----

local recorder -- nn/summary.lua listens to calls through this

local function call(self, ...)
  if recorder then return recorder(self, ...) end
  return self:forward(...)
end

-- Tensors that are or were parameters: once they are frozen, nothing else tells them from buffers.
local parameters = setmetatable({}, {__mode = "k"})

-- Raises where a file could not tell a tensor's field from its module's name: "a.b" would be b in the module a.
local function check_field(self, key)
  local is_name = type(key) == "string" and not key:find(".", 1, true) or math.type(key) == "integer"
  if is_name or type(key) == "string" and key:sub(1, 1) == "_" then return end
  refuse("%s: %s: expected a name without a dot, or an integer, for a tensor", self.class_name, tostring(key))
end

-- Fields are kept in the order of their first assignment, so that parameters have one order everywhere.
local function assign(self, key, value)
  if core.is_tensor(value) then check_field(self, key) end
  local order, known = rawget(self, "_order"), rawget(self, "_known")
  if not known[key] then
    known[key] = true
    order[#order + 1] = key
  end
  if core.is_tensor(value) and value.requires_grad then parameters[value] = true end
  rawset(self, key, value)
end

local function describe(self) return self.class_name end

-- Plain tables, and those in them, are copied: what a module was made of stays, whatever its maker does with them.
local function copied(value, copies)
  if type(value) ~= "table" or getmetatable(value) then return value end
  if copies[value] then return copies[value] end
  local copy = {}
  copies[value] = copy
  for key, element in next, value do copy[key] = copied(element, copies) end
  return copy
end

local function new(class, ...)
  local arguments = copied(table.pack(...), {})
  local instance = setmetatable({_order = {}, _known = {}, _arguments = arguments, training = true}, class)
  instance:init(...)
  return instance
end

local function prepare(class, parent)
  class.__index = class
  class.__newindex = assign
  class.__call = call
  class.__tostring = describe
  class.__name = "fmnistnn.Module"
  return setmetatable(class, {__index = parent, __call = new, __tostring = describe})
end
prepare(Module)

--- A new class derived from this one. Its instances are made by calling it; they then run `init` with the same
-- arguments.
function Module:extend(name)
  if type(name) ~= "string" then refuse("extend: expected the name of the class, got %s", type(name)) end
  return prepare({class_name = name, super = self, fresh = false}, self)
end

--- Whether a value is an instance of a class derived from nn.Module.
function Module.is_module(value)
  local class = type(value) == "table" and getmetatable(value)
  return class and rawget(class, "__call") == call or false
end

function Module:init() end

--- Whether the layer's result is always a tensor that nobody else holds (or the input itself); see Sequential.
Module.fresh = false

--- Whether this is true of the module as it stands: of one that is made of others, when it is true of all of them.
function Module:keeps_nothing() return self.fresh and rawget(self, "forward") == nil end

--- For modules that hand tensors from one layer to the next: self(x), and whether x and the result are known to be kept
-- by none. Those that call others find out on the way.
function Module:_pass(x) return self(x), self:keeps_nothing() end

--- Whether a call is `forward` of this class and no more: nobody derived another, and no recorder is to see the call.
function Module:_runs_as(class)
  return not recorder and self.forward == class.forward and self.keeps_nothing == class.keeps_nothing
end

--- Whether the layer has a method _with_relu(x, addend) that gives relu(self(x) + addend), or relu(self(x)) without an
-- addend, in fewer passes over memory, and what _pass gives besides.
function Module:_fuses_relu() return false end -- luacheck: no unused args

--- Whether the layer has a method _with_max_pool(x, relu) that gives the maximum over windows of 2 x 2 side by side of
-- self(x), or with `relu` of relu(self(x)), in fewer passes over memory, and what _pass gives besides.
function Module:_fuses_max_pool(relu) return false end -- luacheck: no unused args

--- Whether a call is relu and no more.
function Module:_is_relu() return false end -- luacheck: no unused args

--- Whether a call is the maximum over windows of 2 x 2 side by side and no more.
function Module:_is_two_by_two() return false end -- luacheck: no unused args

--- Whether what comes out is known to be probabilities: a softmax or sigmoid is last.
function Module:_gives_probabilities() return false end

--- The type of the numbers that the module takes, as far as it is known: int64 where an embedding is first.
function Module:_takes_type() return "float32" end

--- The arguments that would make the module anew, for files; modules within it may have been exchanged since it was
-- made. Of the class itself and of those derived from it that have no `init` of their own.
function Module:_made_of() return self._arguments end

function Module:forward() refuse("%s: forward is not defined", self.class_name) end

-- ---- what belongs to a module ----

local is_module, is_tensor = Module.is_module, core.is_tensor

local function is_public(key) return type(key) ~= "string" or key:sub(1, 1) ~= "_" end

-- Calls visit(name, value) for each field that is a tensor or a module, lists of modules taken apart.
local function each_field(self, visit)
  for _, key in ipairs(rawget(self, "_order")) do
    local value = rawget(self, key)
    local is_list = type(value) == "table" and getmetatable(value) == nil
    if is_public(key) and (is_tensor(value) or is_module(value)) then
      visit(tostring(key), value)
    elseif is_public(key) and is_list then
      for i, element in ipairs(value) do
        if is_module(element) then visit(key .. "." .. i, element) end
      end
    end
  end
end

-- All modules from this one down, each once, with its name: {name, module} in order.
local function collect_modules(self, prefix, seen, list)
  if seen[self] then return list end
  seen[self] = true
  list[#list + 1] = {prefix, self}
  each_field(self, function(name, value)
    if is_module(value) then collect_modules(value, prefix == "" and name or prefix .. "." .. name, seen, list) end
  end)
  return list
end

local role = core.role

-- What a field's tensor is to the model, "parameter" or "buffer", or nil where it was computed. A closed one is an
-- error: tensors that a module keeps to look at are closed by others.
local function role_of(module, name, tensor)
  local kind = role(tensor)
  if kind == "closed" then
    error(("%s: %s: tensor is closed (a field that is not the model's must have a name that begins with _)"):format(
      module.class_name, tostring(name)), 0)
  end
  return kind
end

-- {name, tensor} of every leaf that `accept` takes, in order, each once (or under each of its names).
local function collect_tensors(self, accept, each_name)
  local list, seen = {}, {}
  for _, entry in ipairs(collect_modules(self, "", {}, {})) do
    local prefix, module = entry[1], entry[2]
    each_field(module, function(name, value)
      local kind = is_tensor(value) and (each_name or not seen[value]) and role_of(module, name, value)
      if kind and accept(kind) then
        seen[value] = true
        list[#list + 1] = {prefix == "" and name or prefix .. "." .. name, value}
      end
    end)
  end
  return list
end

-- The parameters in the same order without their names, for each training step asks for them.
local function gather_parameters(self, seen, list)
  if seen[self] then return list end
  seen[self] = true
  local order = rawget(self, "_order")
  for i = 1, #order do
    local key = order[i]
    local value = rawget(self, key)
    if type(value) == "userdata" and is_public(key) and is_tensor(value) and not seen[value] then
      if role_of(self, key, value) == "parameter" then
        seen[value] = true
        list[#list + 1] = value
      end
    end
  end
  for i = 1, #order do
    local value = rawget(self, order[i])
    if type(value) == "table" and is_public(order[i]) then
      local elements = is_module(value) and {value} or getmetatable(value) == nil and value or {}
      for _, element in ipairs(elements) do
        if is_module(element) then gather_parameters(element, seen, list) end
      end
    end
  end
  return list
end

local function iterate(list)
  local i = 0
  return function()
    i = i + 1
    if list[i] then return list[i][1], list[i][2] end
  end
end

local function second(list)
  local values = {}
  for i, entry in ipairs(list) do values[i] = entry[2] end
  return values
end

local function is_parameter(kind) return kind == "parameter" end
local function is_buffer(kind) return kind == "buffer" end
local function any() return true end

--- for name, module in model:named_modules() do: the model itself (named "") and all below it.
function Module:named_modules() return iterate(collect_modules(self, "", {}, {})) end
--- for name, tensor in model:named_parameters() do
function Module:named_parameters() return iterate(collect_tensors(self, is_parameter)) end
--- for name, tensor in model:named_buffers() do
function Module:named_buffers() return iterate(collect_tensors(self, is_buffer)) end
--- A list of the tensors that are trained.
function Module:parameters() return gather_parameters(self, {}, {}) end
--- A list of the tensors that are saved but not trained.
function Module:buffers() return second(collect_tensors(self, is_buffer)) end

--- How many float32 numbers the model has, parameters and buffers, and how many of them are trained.
function Module:count_parameters()
  local all, trained = 0, 0
  for _, tensor in ipairs(second(collect_tensors(self, any))) do
    local count = tensor.dtype == "float32" and tensor:numel() or 0
    all = all + count
    if tensor.requires_grad then trained = trained + count end
  end
  return all, trained
end

--- The parameters and buffers: a list of {name, tensor}. A tensor that has several names is there once, under the
-- first, or with `each_name` under all of them.
function Module:state(each_name) return collect_tensors(self, any, each_name) end

-- A list of {name, tensor}, as state gives it, as a table by name.
local function by_name(list)
  local tensors = {}
  for i, entry in ipairs(list) do
    if type(entry) ~= "table" or type(entry[1]) ~= "string" then
      refuse("load_state: element %d: expected {name, tensor}, got %s", i, type(entry))
    end
    if tensors[entry[1]] then refuse("load_state: there are two tensors named %s", entry[1]) end
    tensors[entry[1]] = entry[2]
  end
  return tensors
end

--- Copies tensors, a table by name or a list as state gives it, into the parameters and buffers of the same names.
-- Layers that have not been called yet have none; load files with nn.load. Raises when a name or a shape does not fit;
-- all is then as it was.
function Module:load_state(tensors)
  if type(tensors) ~= "table" then
    refuse("load_state: expected a table of tensors by name, got %s", type(tensors))
  end
  if tensors[1] ~= nil then tensors = by_name(tensors) end
  local unused, state = {}, self:state()
  for name in pairs(tensors) do unused[name] = true end
  for _, entry in ipairs(state) do
    local name, own = entry[1], entry[2]
    local given = tensors[name]
    if not is_tensor(given) then refuse("load_state: there is no tensor named %s", name) end
    local shape, expected = table.concat(given.shape, ","), table.concat(own.shape, ",")
    if shape ~= expected then refuse("load_state: %s: expected (%s), got (%s)", name, expected, shape) end
    unused[name] = nil
  end
  if next(unused) then refuse("load_state: the model has no tensor named %s", next(unused)) end
  for _, entry in ipairs(state) do core.no_grad(entry[2].copy_, entry[2], tensors[entry[1]]) end
  return self
end

-- ---- modes ----

-- The value of an argument that is true unless false is given.
local function true_or_false(who, value)
  if value == nil then return true end
  if type(value) ~= "boolean" then refuse("%s: expected true or false, got %s", who, type(value)) end
  return value
end

--- Whether the model and all below it train (dropout drops, batch normalization uses the batch); true unless told
-- otherwise.
function Module:train(training)
  training = true_or_false("train", training)
  for _, entry in ipairs(collect_modules(self, "", {}, {})) do rawset(entry[2], "training", training) end
  return self
end

--- The same as train(false).
function Module:eval() return self:train(false) end

--- For who changes these modes for a while: a value that is to be closed, which puts back what they are now.
function Module:_kept_modes()
  local modes = {}
  for _, entry in ipairs(collect_modules(self, "", {}, {})) do modes[entry[2]] = entry[2].training end
  return on_close(function()
    for module, training in pairs(modes) do rawset(module, "training", training) end
  end)
end

--- Whether convolutions and dense layers of the model and all below it multiply as bfloat16, in less time
-- (csrc/ops/conv2d.c, linear.c); false unless told otherwise, true unless false is given.
function Module:mixed_precision(mixed)
  local precision = true_or_false("mixed_precision", mixed) and "bf16" or "float32"
  for _, entry in ipairs(collect_modules(self, "", {}, {})) do rawset(entry[2], "_precision", precision) end
  return self
end

--- Freezes (false) or thaws all parameters. Those that the first call will make are not among them yet. Running
-- statistics of batch normalizations are none: they move in training, whatever is frozen.
function Module:requires_grad_(value)
  value = true_or_false("requires_grad_", value)
  for _, tensor in ipairs(second(collect_tensors(self, any))) do
    if tensor.requires_grad then parameters[tensor] = true end
    if parameters[tensor] then tensor.requires_grad = value end
  end
  return self
end

-- For optimizers: the parameters and those that are frozen, in the same order whatever is frozen.
function Module:_all_parameters()
  local list = {}
  for _, tensor in ipairs(second(collect_tensors(self, any))) do
    if tensor.requires_grad or parameters[tensor] then list[#list + 1] = tensor end
  end
  return list
end

-- For files: whether a tensor is a parameter that was frozen.
function Module._is_frozen(tensor) return parameters[tensor] ~= nil and not tensor.requires_grad end

-- For files: freezes a tensor as requires_grad_ does.
function Module._freeze(tensor)
  parameters[tensor] = true
  tensor.requires_grad = false
end

function Module:zero_grad()
  core.optim.zero_grad(self:parameters())
  return self
end

-- ---- the rest is loaded when it is used ----

--- Prints layers, output shapes, parameters, memory and multiply-adds for an input of this shape (without the batch
-- axis). Returns the totals, and that text, as a table. {print = false}: prints nothing. dtype: of the input, "float32"
-- or, for a model that begins with an nn.Embedding, "int64". For a model of several inputs, which is called with a list
-- of them, a list of shapes, and of types where they differ.
function Module:summary(shape, given) return require "fmnistnn.nn.summary"(self, shape, given) end

--- A copy for inference, in which layers do the batch normalizations that follow or precede them in an nn.Sequential
-- (nn/fold.lua), and a large batch of images is done in parts: the same results but for rounding, in less time. It is
-- in evaluation, shares all other parameters, is not to be trained and cannot be saved. Raises where a batch
-- normalization has not been called yet.
function Module:folded() return require "fmnistnn.nn.fold"(self) end

--- The model's outputs for a data set, {examples, labels}, {examples} or a tensor of examples, as one tensor: in
-- evaluation, a batch at a time, without a gradient. Examples may be a list of tensors, as in {{images, texts}}.
-- batch_size 256; augment: a list of functions of a batch of images that return another: outputs are then averaged over
-- the images and what each function makes of them (see Trainer:predict, which knows whether they are logits).
function Module:predict(examples, given)
  return require "fmnistnn.inference".predict(self, examples, given, "values")
end

--- Writes the model, its architecture, weights and buffers, to a safetensors file, atomically. Returns true, or nil
-- and a message.
function Module:save(path) return require "fmnistnn.nn.files".save(self, path) end

--- For summary: f(module, ...) is called for every call of a module until it is set to nil.
function Module.set_recorder(f) recorder = f end

return Module
