--- SAM, sharpness-aware minimization (Foret et al. 2020): the gradient of each step is taken where the loss is about
-- the highest within a distance rho, at w + rho g / |g|.
--
--   local optimizer = fnn.optim.SAM{fnn.optim.SGD{model = model, lr = 0.1, momentum = 0.9}, rho = 0.05}
--   local loss = optimizer:step(function()
--     local loss = nn.functional.cross_entropy(model(images), labels)
--     optimizer:zero_grad()
--     loss:backward()
--     return loss
--   end)
--
-- optimizer; rho 0.05. The second of the two passes leaves the buffers of a model (running statistics) as the first
-- made them; of an optimizer of plain tensors no model is known.
local core = require "fmnistnn.core"
local on_close = require "fmnistnn.on_close"
local refuse = require "fmnistnn.refuse"
local wrapper = require "fmnistnn.optim.wrapper"

local SAM = wrapper.class("SAM", {{"rho", "positive", default = 0.05}}, function(self, o) self.rho = o.rho end)

-- Copies of tensors: a list of {tensor, copy}.
local function keep(list, kept)
  for _, tensor in ipairs(list) do kept[#kept + 1] = {tensor, core.no_grad(tensor.clone, tensor)} end
end

-- Puts the copies back. What was stopped in it goes on at a second call.
local function put_back(kept)
  while #kept > 0 do
    local tensor, copy = table.unpack(kept[#kept])
    core.no_grad(tensor.copy_, tensor, copy)
    kept[#kept] = nil
    copy:close()
  end
end

-- Goes up the gradient by rho (section 3, equation 2).
local function climb(self, list)
  local scale = self.rho / (core.optim.grad_norm(list) + 1e-12)
  local states = {}
  for i = 1, #list do states[i] = {} end
  core.optim.step("sgd", list, states, {1, math.huge, -scale, 0})
end

-- Calls closure up there; the model is then as it was.
local function call_above(self, closure)
  local list, kept = self:_parameters(), {}
  local _ <close> = on_close(function() put_back(kept) end)
  keep(list, kept)
  for _, group in ipairs(self.groups) do
    if group.model then keep(group.model:buffers(), kept) end
  end
  climb(self, list)
  closure()
end

--- closure computes the loss and its gradients; it is called twice. Returns what it does the first time.
function SAM:step(closure)
  if type(closure) ~= "function" then
    refuse("SAM: step: expected a function that computes the gradients, got %s", type(closure))
  end
  local loss = closure()
  call_above(self, closure)
  self.optimizer:step()
  return loss
end

--- The state of the optimizer within: SAM keeps nothing.
function SAM:state() return self.optimizer:state() end

--- As of the optimizer within.
function SAM:set_state(given) self.optimizer:set_state(given) end

return SAM
