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
--                            lr = ...} with options of their own; no list is empty, and no parameter there twice
--   lr                       learning rate: a number of 0 or more, or a schedule (fnn.schedules) or another function of
--                            how many steps were done before this one
--   weight_decay 0           decoupled, w = w (1 - lr weight_decay) before the step, as in Keras (Loshchilov and Hutter
--                            2017); PyTorch's SGD, Adam and others add weight_decay w to the gradient instead
--   clip_value, clip_norm, global_clip_norm   bounds on each element, on each tensor's norm, on the norm of all; one of
--                            the norms at most
local adam = require "fmnistnn.optim.adam"
local optimizer = require "fmnistnn.optim.optimizer"

local optim = {
  Muon = require "fmnistnn.optim.muon",
  Lookahead = require "fmnistnn.optim.lookahead",
  SAM = require "fmnistnn.optim.sam",
}

-- A class and its name in this table; see optimizer.class.
local function class(name, ...) optim[name] = optimizer.class(name, ...) end

local function lr(value) return {"lr", "lr", default = value} end
local beta1, beta2 = {"beta1", "rate", default = 0.9}, {"beta2", "rate", default = 0.999}
local epsilon = {"epsilon", "nonnegative", default = 1e-7}

--- SGD: w = w - lr g; with momentum, v = momentum v - lr g and w = w + v, or, with nesterov, w = w + momentum v - lr g
-- (Sutskever et al. 2013). PyTorch's v does not have lr in it: the same steps while lr is constant.
-- lr 0.01, momentum 0.
class("SGD", {lr(0.01), {"momentum", "rate", default = 0}, {"nesterov", "boolean", default = false}}, function(group, h)
  if group.momentum == 0 then return "sgd" end
  h[5], h[6] = group.momentum, group.nesterov and 1 or 0
  return "momentum"
end)

--- Adam (Kingma and Ba 2014): w = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon). lr 0.001, beta1
-- 0.9, beta2 0.999, epsilon 1e-7. PyTorch adds epsilon (1e-8) to sqrt(v / (1 - beta2^t)) instead.
class("Adam", {lr(0.001), beta1, beta2, epsilon}, adam)

--- AdamW: Adam with weight_decay 0.004 (PyTorch: 0.01).
class("AdamW", {lr(0.001), beta1, beta2, epsilon, {"weight_decay", "nonnegative", default = 0.004}}, adam)

--- Adamax (Kingma and Ba 2014, section 7.1): u = max(beta2 u, |g|), w = w - lr / (1 - beta1^t) m / (u + epsilon). lr
-- 0.001; PyTorch: lr 0.002, and epsilon inside the maximum.
class("Adamax", {lr(0.001), beta1, beta2, epsilon}, function(group, h, t)
  h[3] = h[3] / (1 - group.beta1 ^ t)
  h[5], h[6], h[7] = 1 - group.beta1, group.beta2, group.epsilon
  return "adamax"
end)

--- Nadam (Dozat 2016): Adam with Nesterov's momentum, on the schedule beta1 (1 - 0.5 * 0.96^t). lr 0.001; PyTorch:
-- lr 0.002 and 0.96^(0.004 t).
class("Nadam", {lr(0.001), beta1, beta2, epsilon}, function(group, h, t)
  local now = group.beta1 * (1 - 0.5 * 0.96 ^ t)
  local later = group.beta1 * (1 - 0.5 * 0.96 ^ (t + 1))
  group.product = group.product * now
  h[5], h[6], h[7] = 1 - group.beta1, 1 - group.beta2, group.epsilon
  h[8] = later / (1 - group.product * later)
  h[9] = (1 - now) / (1 - group.product)
  h[10] = 1 / (1 - group.beta2 ^ t)
  return "nadam"
end, {product = 1.0}) -- of the momenta of all steps so far

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
class("Adagrad", {lr(0.001), {"initial_accumulator", "nonnegative", default = 0.1}, epsilon}, function(group, h)
  h[5], h[6], h[7] = 0, 0, group.epsilon
  return "adagrad"
end)

--- Adadelta (Zeiler 2012): lr 0.001, rho 0.95, epsilon 1e-7; PyTorch: lr 1, rho 0.9, epsilon 1e-6.
class("Adadelta", {lr(0.001), {"rho", "rate", default = 0.95}, epsilon}, function(group, h)
  h[5], h[6], h[7] = 1 - group.rho, 0, group.epsilon
  return "adadelta"
end)

--- Lion (Chen et al. 2023): w = w - lr sign(beta1 m + (1 - beta1) g), then m = beta2 m + (1 - beta2) g. lr 0.001, beta1
-- 0.9, beta2 0.99. The authors take a third to a tenth of Adam's lr, and three to ten times its weight_decay.
class("Lion", {lr(0.001), beta1, {"beta2", "rate", default = 0.99}}, function(group, h)
  h[5], h[6] = 1 - group.beta1, 1 - group.beta2
  return "lion"
end)

--- LAMB (You et al. 2019, algorithm 2): d is Adam's step, m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon), plus
-- weight_decay w; w = w - lr |w| / |d| d, where the ratio of each tensor's norms is 1 if one of them is 0. lr 0.001.
-- Here weight_decay is within d, as in the paper; Keras takes it from w first.
class("LAMB", {lr(0.001), beta1, beta2, epsilon}, function(group, h, t)
  h[4] = 0
  h[5], h[6], h[7] = 1 - group.beta1, 1 - group.beta2, group.epsilon
  h[8], h[9] = 1 / (1 - group.beta1 ^ t), 1 / (1 - group.beta2 ^ t)
  h[10] = group.weight_decay or 0
  return "lamb"
end)

--- RAdam (Liu et al. 2019, algorithm 2): Adam times how far the variance of its step can be trusted, r; w = w - lr
-- m / (1 - beta1^t) in the first steps, where that is not known. lr 0.001; PyTorch: epsilon 1e-8.
class("RAdam", {lr(0.001), beta1, beta2, epsilon}, function(group, h, t)
  local most = 2 / (1 - group.beta2) - 1
  local now = most - 2 * t * group.beta2 ^ t / (1 - group.beta2 ^ t)
  local trusted = now > 5
  local r = trusted and math.sqrt((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)) or 1
  h[3] = h[3] * r / (1 - group.beta1 ^ t)
  if trusted then h[3] = h[3] * math.sqrt(1 - group.beta2 ^ t) end
  h[5], h[6], h[7] = 1 - group.beta1, 1 - group.beta2, trusted and group.epsilon or 1
  h[8], h[9], h[10] = 1, 0, trusted and 1 or 0 -- Nadam's form with m alone, and with or without v
  return "nadam"
end)

return optim
