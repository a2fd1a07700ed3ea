--- Optimizers. Formulas and defaults are those of Keras 3 (csrc/kernels/update.c); where PyTorch differs, the class
-- says so.
--
--   local optimizer = optim.Adam{model = model, lr = 0.001}
--   optimizer:zero_grad()
--   loss:backward()
--   optimizer:step()
--
-- Options of all:
--   model                    whose parameters to train; they are asked for at each step, so a model may be given before
--                            it has been built by its first call
--   parameters               instead of a model: a list of tensors, or of groups {model = m, or parameters = {...},
--                            lr = ...} with options of their own
--   lr                       learning rate
--   weight_decay 0           decoupled, w = w (1 - lr weight_decay) before the step, as in Keras (Loshchilov and Hutter
--                            2017); PyTorch's SGD, Adam and others add weight_decay w to the gradient instead
--   clip_value, clip_norm, global_clip_norm   bounds on each element, on each tensor's norm, on the norm of all; one of
--                            the norms at most
local core = require "fmnistnn.core"
local options = require "fmnistnn.nn.options"

local Optimizer = {}
Optimizer.__index = Optimizer

local common = {
  {"model", "table", optional = true},
  {"parameters", "table", optional = true},
  {"weight_decay", "number", optional = true},
  {"clip_value", "positive", optional = true},
  {"clip_norm", "positive", optional = true},
  {"global_clip_norm", "positive", optional = true},
}

-- ---- groups of parameters ----

-- A function that lists what `source`, which has a model or parameters, gives to train.
local function lister(self, source)
  local model, list = source.model, source.parameters
  if model then
    if type(model.parameters) ~= "function" then options.refuse("%s: model: expected a module", self.name) end
    return function() return model:parameters() end
  end
  for i, tensor in ipairs(list) do
    if not core.is_tensor(tensor) then
      options.refuse("%s: parameters: element %d: expected a tensor, got %s", self.name, i, type(tensor))
    end
  end
  return function() return list end
end

local function check_norms(self, given)
  if given.clip_norm and given.global_clip_norm then
    options.refuse("%s: expected either clip_norm or global_clip_norm", self.name)
  end
end

-- Adds a group with options of its own; the others are the optimizer's, also when these change later.
local function add_group(self, source, own)
  local group = setmetatable({list = lister(self, source)}, {__index = self.options})
  for name, value in pairs(own) do
    if name ~= "model" and name ~= "parameters" then group[name] = value end
  end
  check_norms(self, group)
  self.groups[#self.groups + 1] = group
end

local function add_own_groups(self, list)
  for i, each in ipairs(list) do
    local who = ("%s: parameters: element %d"):format(self.name, i)
    if type(each) ~= "table" then options.refuse("%s: expected a table, as element 1, got %s", who, type(each)) end
    options.check(self.name, each, self.spec)
    if (each.model == nil) == (each.parameters == nil) then
      options.refuse("%s: expected either a model or parameters", who)
    end
    if each.global_clip_norm then options.refuse("%s: global_clip_norm: expected it for all groups together", who) end
    add_group(self, each, each)
  end
end

local function make_groups(self)
  local given = self.options
  local list = given.parameters
  self.groups = {}
  check_norms(self, given)
  if given.model and list then options.refuse("%s: expected either a model or parameters", self.name) end
  if list and type(list[1]) == "table" then
    add_own_groups(self, list)
  elseif given.model or list then
    add_group(self, given, {})
  end
end

--- Trains this model from now on, if no parameters were given before (a Trainer calls this).
function Optimizer:attach(model)
  if #self.groups == 0 then add_group(self, {model = model}, {}) end
end

local function check_attached(self)
  if #self.groups == 0 then error(self.name .. ": nothing to train: give it a model or parameters", 3) end
end

--- Forgets the gradients of all parameters.
function Optimizer:zero_grad()
  check_attached(self)
  for _, group in ipairs(self.groups) do core.optim.zero_grad(group.list()) end
end

-- ---- a step ----

-- The tensors that a rule keeps for a parameter. They come when they are needed: another rule may need more.
local function states_of(self, group, tensor, rule)
  local states = self.states[tensor] or {}
  local start = group.initial_accumulator or 0
  for i = #states + 1, core.optim.states[rule] do states[i] = core.full(tensor.shape, start) end
  self.states[tensor] = states
  return states
end

-- The factor that brings a norm down to `bound`.
local function shrink(norm, bound) return norm > bound and bound / norm or 1 end

local function step_group(self, group, all_norm)
  local list, lr = group.list(), group.lr
  local factor = group.global_clip_norm and shrink(all_norm, group.global_clip_norm) or 1
  local numbers = {factor, group.clip_value or math.huge, lr, lr * (group.weight_decay or 0)}
  local rule = self.rule(group, numbers, self.steps)
  if not group.clip_norm then
    local states = {}
    for i, tensor in ipairs(list) do states[i] = states_of(self, group, tensor, rule) end
    core.optim.step(rule, list, states, numbers)
    return
  end
  for _, tensor in ipairs(list) do
    numbers[1] = shrink(core.optim.grad_norm {tensor}, group.clip_norm)
    core.optim.step(rule, {tensor}, {states_of(self, group, tensor, rule)}, numbers)
  end
end

--- Moves every parameter that has a gradient.
function Optimizer:step()
  check_attached(self)
  local all, all_norm = {}, 0
  if self.options.global_clip_norm then
    for _, group in ipairs(self.groups) do
      for _, tensor in ipairs(group.list()) do all[#all + 1] = tensor end
    end
    all_norm = core.optim.grad_norm(all)
  end
  self.steps = self.steps + 1
  for _, group in ipairs(self.groups) do step_group(self, group, all_norm) end
end

-- ---- classes ----

local optim = {}

-- A class of optimizers. rule(group, h, t) fills the numbers h of csrc/optim/optim.h for step t, which begin at h[1]
-- here, and returns the name of the rule that takes them.
local function class(name, own, rule)
  local spec = table.move(own, 1, #own, #common + 1, table.move(common, 1, #common, 1, {}))
  local Class = {name = name, rule = rule, spec = spec, __name = "fmnistnn.Optimizer"}
  Class.__index = Class
  optim[name] = setmetatable(Class, {
    __index = Optimizer,
    __call = function(_, given)
      local self = setmetatable({steps = 0, states = setmetatable({}, {__mode = "k"})}, Class)
      self.options = options.check(name, given, spec)
      make_groups(self)
      return self
    end,
  })
end

local function lr(value) return {"lr", "number", default = value} end
local beta1, beta2 = {"beta1", "rate", default = 0.9}, {"beta2", "rate", default = 0.999}
local epsilon = {"epsilon", "number", default = 1e-7}

--- SGD: w = w - lr g; with momentum, v = momentum v - lr g and w = w + v, or, with nesterov, w = w + momentum v - lr g
-- (Sutskever et al. 2013). PyTorch's v does not have lr in it: the same steps while lr is constant.
-- lr 0.01, momentum 0.
class("SGD", {lr(0.01), {"momentum", "rate", default = 0}, {"nesterov", "boolean", default = false}}, function(group, h)
  if group.momentum == 0 then return "sgd" end
  h[5], h[6] = group.momentum, group.nesterov and 1 or 0
  return "momentum"
end)

local function adam(group, h, t)
  h[3] = group.lr * math.sqrt(1 - group.beta2 ^ t) / (1 - group.beta1 ^ t)
  h[5], h[6], h[7] = 1 - group.beta1, 1 - group.beta2, group.epsilon
  return "adam"
end

--- Adam (Kingma and Ba 2014): w = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon). lr 0.001, beta1
-- 0.9, beta2 0.999, epsilon 1e-7. PyTorch adds epsilon (1e-8) to sqrt(v / (1 - beta2^t)) instead.
class("Adam", {lr(0.001), beta1, beta2, epsilon}, adam)

--- AdamW: Adam with weight_decay 0.004 (PyTorch: 0.01).
class("AdamW", {lr(0.001), beta1, beta2, epsilon, {"weight_decay", "number", default = 0.004}}, adam)

--- Adamax (Kingma and Ba 2014, section 7.1): u = max(beta2 u, |g|), w = w - lr / (1 - beta1^t) m / (u + epsilon). lr
-- 0.001; PyTorch: lr 0.002, and epsilon inside the maximum.
class("Adamax", {lr(0.001), beta1, beta2, epsilon}, function(group, h, t)
  h[3] = group.lr / (1 - group.beta1 ^ t)
  h[5], h[6], h[7] = 1 - group.beta1, group.beta2, group.epsilon
  return "adamax"
end)

--- Nadam (Dozat 2016): Adam with Nesterov's momentum, on the schedule beta1 (1 - 0.5 * 0.96^t). lr 0.001; PyTorch:
-- lr 0.002 and 0.96^(0.004 t).
class("Nadam", {lr(0.001), beta1, beta2, epsilon}, function(group, h, t)
  local now = group.beta1 * (1 - 0.5 * 0.96 ^ t)
  local later = group.beta1 * (1 - 0.5 * 0.96 ^ (t + 1))
  group.product = (group.product or 1) * now -- of the momenta of all steps so far
  h[5], h[6], h[7] = 1 - group.beta1, 1 - group.beta2, group.epsilon
  h[8] = later / (1 - group.product * later)
  h[9] = (1 - now) / (1 - group.product)
  h[10] = 1 / (1 - group.beta2 ^ t)
  return "nadam"
end)

--- RMSprop (Hinton 2012): v = rho v + (1 - rho) g^2, step lr g / sqrt(v + epsilon), with momentum on the steps;
-- centered subtracts the square of the mean gradient from v (Graves 2013). lr 0.001, rho 0.9, momentum 0, epsilon 1e-7;
-- PyTorch: lr 0.01, alpha 0.99, epsilon 1e-8 outside the root.
class("RMSprop", {
  lr(0.001),
  {"rho", "rate", default = 0.9},
  {"momentum", "rate", default = 0},
  epsilon,
  {"centered", "boolean", default = false},
}, function(group, h)
  h[5], h[6], h[7] = 1 - group.rho, group.momentum, group.epsilon
  if group.momentum == 0 and not group.centered then return "rmsprop" end
  h[8] = group.centered and 1 or 0
  return "rmsprop_full"
end)

--- Adagrad (Duchi et al. 2011): v = v + g^2, w = w - lr g / sqrt(v + epsilon). lr 0.001, initial_accumulator 0.1,
-- epsilon 1e-7; PyTorch: lr 0.01, accumulator 0, epsilon 1e-10 outside the root.
class("Adagrad", {lr(0.001), {"initial_accumulator", "number", default = 0.1}, epsilon}, function(group, h)
  h[5], h[6], h[7] = 0, 0, group.epsilon
  return "adagrad"
end)

--- Adadelta (Zeiler 2012): lr 0.001, rho 0.95, epsilon 1e-7; PyTorch: lr 1, rho 0.9, epsilon 1e-6.
class("Adadelta", {lr(0.001), {"rho", "rate", default = 0.95}, epsilon}, function(group, h)
  h[5], h[6], h[7] = 1 - group.rho, 0, group.epsilon
  return "adadelta"
end)

return optim
