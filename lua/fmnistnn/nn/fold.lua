--- model:folded(): a copy for inference without the batch normalizations that a neighbouring layer can do. In
-- evaluation they are y = scale x + shift for each channel, and so
--
--   Conv2d, BatchNorm2d      become a Conv2d: its weights times scale, its bias times scale plus shift
--   BatchNorm2d, ..., Conv2d become a Conv2d of x where no zeros are padded, past poolings, dropout and Flatten
--
-- and likewise for Dense and BatchNorm1d. Only neighbours in an nn.Sequential can be told to be some.
--
-- A large batch of images then goes through the model in parts, so that a layer finds in the CPU's caches what the one
-- before it wrote; but not where there are so many weights that reading them for each part would take longer.
local Conv2d = require "fmnistnn.nn.conv2d"
local Dense = require "fmnistnn.nn.dense"
local Module = require "fmnistnn.nn.module"
local Sequential = require "fmnistnn.nn.sequential"
local core = require "fmnistnn.core"
local normalizations = require "fmnistnn.nn.batch_norm"
local nn = require "fmnistnn.nn"
local refuse = require "fmnistnn.refuse"

-- Whether a module is of that class, and does what the class does.
local function is(module, class) return getmetatable(module) == class and rawget(module, "forward") == nil end

-- The name of the library's class that a module is of, or "".
local function kind_of(module)
  local name = module.class_name
  return nn.layers[name] and is(module, nn[name]) and name or ""
end

local function is_batch_norm(module)
  return is(module, normalizations.BatchNorm2d) or is(module, normalizations.BatchNorm1d)
end

-- ---- copies ----

local function is_list(value) return type(value) == "table" and getmetatable(value) == nil end

-- A module with the same fields, its modules replaced by what `replace` makes of them.
local function copy(module, replace)
  local twin = {}
  for key, value in next, module do
    if Module.is_module(value) then
      value = replace(value)
    elseif is_list(value) then
      local list = {}
      for i, element in next, value do list[i] = Module.is_module(element) and replace(element) or element end
      value = list
    end
    twin[key] = value
  end
  return setmetatable(twin, getmetatable(module))
end

-- A layer like this with other weights.
local function with_weights(layer, weight, bias)
  local twin = copy(layer)
  twin.weight, twin.bias = weight, bias
  return twin
end

-- ---- what a batch normalization does in evaluation ----

local function affine_of(norm)
  if not norm.running_mean then refuse("%s: it has not been called yet", norm.class_name) end
  local scale = 1 / (norm.running_variance + norm._options.epsilon):sqrt()
  if norm.weight then scale = scale * norm.weight end
  local shift = -norm.running_mean * scale
  if norm.bias then shift = shift + norm.bias end
  return {scale = scale:detach(), shift = shift:detach()}
end

-- `vector` along the first axis of a tensor like `weight`.
local function along_first(vector, weight)
  local shape = {#vector}
  for i = 2, weight:dim() do shape[i] = 1 end
  return vector:reshape(shape)
end

-- scale * layer(x) + shift
local function before(layer, affine)
  local bias = layer.bias and layer.bias * affine.scale + affine.shift or affine.shift
  return with_weights(layer, (layer.weight * along_first(affine.scale, layer.weight)):detach(), bias:detach())
end

-- layer(scale * x + shift), where each of the channels has as many neighbouring inputs
local function after(layer, affine)
  local weight, bias = layer.weight, layer.bias
  local taps = weight:flatten(2):reshape {weight:size(1), #affine.scale, -1}
  local scaled = taps * affine.scale:reshape {1, -1, 1}
  local shift = (taps * affine.shift:reshape {1, -1, 1}):sum {2, 3}
  return with_weights(layer, scaled:reshape(weight.shape):detach(), (bias and bias + shift or shift):detach())
end

-- ---- a chain of layers ----

local function has_activation(layer) return layer._options.activation ~= nil end

-- Whether nothing is padded around the images.
local function pads_nothing(layer)
  local padding = layer._options.padding
  if type(padding) ~= "table" then return padding == "valid" or padding == 0 end
  for _, count in ipairs(padding) do
    if count ~= 0 then return false end
  end
  return true
end

-- Layers that are passed by scale * x + shift: whether it may be done after this one instead.
local passed = {
  Dropout = function() return true end,
  Dropout2d = function() return true end,
  Flatten = function() return true end,
  Identity = function() return true end,
  AvgPool2d = function(layer) return not layer._options.count_padding end,
  GlobalAvgPool2d = function() return true end,
  MaxPool2d = function(_, affine) return affine.scale:min():item() > 0 end,
  GlobalMaxPool2d = function(_, affine) return affine.scale:min():item() > 0 end,
}

-- Whether the axes of a result are (examples, features) alone, so that Dense and BatchNorm1d mean the same ones;
-- `rows`: whether those of the input are.
local makes_rows = {Flatten = true, GlobalAvgPool2d = true, GlobalMaxPool2d = true}
local keeps_rows = {Dense = true, BatchNorm1d = true, Activation = true, Dropout = true, Identity = true}

local function gives_rows(layer, rows)
  local kind = kind_of(layer)
  return makes_rows[kind] or rows and keeps_rows[kind] and layer:keeps_nothing() or false
end

local function takes_affine(layer, rows)
  if is(layer, Conv2d) then return layer.weight ~= nil and layer._options.groups == 1 and pads_nothing(layer) end
  return is(layer, Dense) and layer.weight ~= nil and rows
end

-- The batch normalization at `at` into a layer further on; whether that was possible.
local function push(layers, at, rows)
  local affine = affine_of(layers[at])
  for i = at + 1, #layers do
    local layer = layers[i]
    if takes_affine(layer, rows) then
      layers[i] = after(layer, affine)
      table.remove(layers, at)
      return true
    end
    local passes = passed[kind_of(layer)]
    if not (passes and passes(layer, affine)) then return false end
    rows = gives_rows(layer, rows)
  end
  return false
end

-- Whether the layer's result is what the batch normalization after it sees channel by channel.
local function gives_channels(layer, rows)
  return (is(layer, Conv2d) or is(layer, Dense) and rows) and layer.weight ~= nil and not has_activation(layer)
end

local function fold_chain(layers)
  local rows, i = false, 1
  while i <= #layers do
    local layer = layers[i]
    if gives_channels(layer, rows) and is_batch_norm(layers[i + 1]) then
      layers[i] = before(layer, affine_of(table.remove(layers, i + 1)))
    elseif not (is_batch_norm(layer) and push(layers, i, rows)) then
      rows = gives_rows(layer, rows)
      i = i + 1
    end
  end
  return layers
end

-- ---- models ----

-- The layers of a chain, those of chains in it among them.
local function flatten(chain, list)
  for _, layer in ipairs(chain) do
    if is(layer, Sequential) then flatten(layer, list) else list[#list + 1] = layer end
  end
  return list
end

local function fold(module, seen)
  if seen[module] then return seen[module] end
  local function replace(child) return fold(child, seen) end
  if is(module, Sequential) then
    local layers = {}
    for i, layer in ipairs(flatten(module, {})) do layers[i] = replace(layer) end
    seen[module] = Sequential(fold_chain(layers))
  else
    seen[module] = copy(module, replace)
  end
  return seen[module]
end

-- ---- batches in parts ----

local PART = 96      -- images whose activations the caches hold; a part has half as many at least
local WEIGHTS = 2^20 -- that are worth reading again for each part, at most

-- Whether what a layer makes of an image is known not to depend on the others of the batch.
local function takes_each_alone(layer)
  local kind = kind_of(layer)
  if kind == "Concat" and layer._dim == 1 or is_batch_norm(layer) and layer.training then return false end
  return kind ~= "" and layer:keeps_nothing()
end

local function can_part(model)
  for _, layer in model:named_modules() do
    if layer ~= model and not takes_each_alone(layer) then return false end
  end
  return not model.training and model:count_parameters() <= WEIGHTS
end

-- What `forward` makes of the images of x, a part of them at a time.
local function in_parts(model, forward, x)
  local results, first, images = {}, 1, x:size(1)
  while first <= images do
    local last = first + PART - 1
    if images - last < PART // 2 then last = images end
    results[#results + 1] = forward(model, x:narrow(1, first, last - first + 1))
    first = last + 1
  end
  local all = core.ops.cat(results, 1)
  for _, result in ipairs(results) do result:close() end
  return all
end

local function take_parts(model)
  local forward = model.forward
  rawset(model, "forward", function(self, x, ...)
    local images = core.is_tensor(x) and select("#", ...) == 0 and x:dim() == 4 and x:size(1) or 0
    if images < 2 * PART or not can_part(self) then return forward(self, x, ...) end
    return in_parts(self, forward, x)
  end)
end

return function(model)
  local folded = fold(model, {}):eval()
  if takes_each_alone(folded) then take_parts(folded) end
  rawset(folded, "save", function()
    refuse("save: a folded model is not saved: save the model that it was made of, and fold it after loading")
  end)
  return folded
end
