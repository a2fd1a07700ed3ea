--- Where the first number appeared that is not finite, in words: for the message of a training that broke.
local Module = require "fmnistnn.nn.module"
local core = require "fmnistnn.core"
local on_close = require "fmnistnn.on_close"

local not_finite = {}

local function is_broken(tensor)
  return core.is_tensor(tensor) and tensor.dtype == "float32" and tensor:isfinite():all():item() == 0
end

-- "3 (Dense)", or the class alone for the model itself.
local function name_of(model, module)
  for name, each in model:named_modules() do
    if each == module then return name == "" and module.class_name or ("%s (%s)"):format(name, module.class_name) end
  end
  return module.class_name
end

--- The parameter or buffer that is not finite, or nil where all are. The last step made it so: where gradients have it
-- too, these come first, from the model's end on, as backward goes.
function not_finite.in_weights(model)
  local state, first, gradient = model:state(), nil, nil
  for _, entry in ipairs(state) do
    local name, tensor = entry[1], entry[2]
    if is_broken(tensor) then
      first = first or name
      if tensor.requires_grad and is_broken(tensor.grad) then gradient = name end
    end
  end
  if not first then return nil end
  if gradient then return ("first not finite: the gradient of %s, in the step before"):format(gradient) end
  return ("first not finite: %s, before the batch"):format(first)
end

-- The first module whose output is not finite, when the model is called once more, and whether the loss is.
local function find_output(trainer, examples, target)
  local found
  local _ <close> = on_close(function() Module.set_recorder(nil) end)
  Module.set_recorder(function(module, ...)
    local results = table.pack(module:forward(...))
    for i = 1, results.n do
      if not found and is_broken(results[i]) then found = module end
    end
    return table.unpack(results, 1, results.n)
  end)
  local prediction = core.no_grad(trainer.model, examples)
  if found then return found end
  return nil, is_broken(core.no_grad(trainer.loss, prediction, target))
end

--- The same for a batch whose loss is not finite, which is run once more.
function not_finite.in_batch(trainer, examples, target)
  for _, tensor in ipairs(core.is_tensor(examples) and {examples} or examples) do
    if is_broken(tensor) then return "first not finite: the examples of the batch" end
  end
  if is_broken(target) then return "first not finite: the targets of the batch" end
  local weights = not_finite.in_weights(trainer.model)
  if weights then return weights end
  local module, loss = find_output(trainer, examples, target)
  if module then return "first not finite: the output of " .. name_of(trainer.model, module) end
  return loss and "first not finite: the loss itself" or "it was finite when the batch was run once more"
end

return not_finite
