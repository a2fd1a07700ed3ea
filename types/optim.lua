---@meta _

-- Optimizers move parameters by their gradients. Formulas and defaults are those of Keras 3: g is the gradient, w the
-- parameter, t the number of the step, from 1 on.
--
--   local optimizer = fnn.optim.Adam{model = model, lr = 0.001}
--   optimizer:zero_grad()
--   loss:backward()
--   optimizer:step()

--- The classes of optimizers. A Trainer gives its model to one that was made without any.
---@class fmnistnn.optim
local optim = {}

--- Gradient descent, w = w - lr g. With momentum, v = momentum v - lr g and w = w + v, or, with nesterov,
--- w = w + momentum v - lr g (Sutskever et al. 2013). PyTorch's v has no lr in it: the same steps while lr is constant.
---@param options? fmnistnn.optim.SGDOptions
---@return fmnistnn.Optimizer
function optim.SGD(options) end

--- Options of SGD.
---@class fmnistnn.optim.SGDOptions: fmnistnn.optim.Options
---@field lr? fmnistnn.LearningRate (default 0.01) Learning rate.
---@field momentum? number (default 0) 0 <= momentum < 1.
---@field nesterov? boolean (default false) Look ahead (needs momentum).

--- Options of all optimizers. Lists of parameters that are empty, and parameters that are there twice, raise an error.
---@class fmnistnn.optim.Options
---@field model? fmnistnn.nn.Module Whose parameters to train, those that it has at each step: it need not be built yet.
---@field parameters? fmnistnn.Tensor[]|fmnistnn.optim.Options[] Instead: tensors, or groups with options of their own.
---@field weight_decay? number (default: 0) Decoupled: w = w (1 - lr weight_decay) first (Loshchilov and Hutter 2017).
---@field clip_value? number (default: none) A bound on each element of the gradients.
---@field clip_norm? number (default: none) A bound on the Euclidean norm of each gradient.
---@field global_clip_norm? number (default: none) A bound on the norm of all gradients together; not with clip_norm.

--- m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
--- w = w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon) (Kingma and Ba 2014, end of section 2). PyTorch
--- adds epsilon, 1e-8, to sqrt(v / (1 - beta2^t)) instead.
---@param options? fmnistnn.optim.AdamOptions
---@return fmnistnn.Optimizer
function optim.Adam(options) end

--- Options of Adam, Adamax, Nadam, LAMB and RAdam.
---@class fmnistnn.optim.AdamOptions: fmnistnn.optim.Options
---@field lr? fmnistnn.LearningRate (default 0.001) Learning rate.
---@field beta1? number (default 0.9) 0 <= beta1 < 1.
---@field beta2? number (default 0.999) 0 <= beta2 < 1.
---@field epsilon? number (default 1e-7) Keeps the divisor from 0.

--- Adam with weight decay (Loshchilov and Hutter 2017).
---@param options? fmnistnn.optim.AdamWOptions
---@return fmnistnn.Optimizer
function optim.AdamW(options) end

--- Options of AdamW.
---@class fmnistnn.optim.AdamWOptions: fmnistnn.optim.AdamOptions
---@field weight_decay? number (default 0.004) PyTorch: 0.01.

--- m as in Adam, u = max(beta2 u, |g|), w = w - lr / (1 - beta1^t) m / (u + epsilon) (Kingma and Ba 2014, section 7.1).
--- PyTorch: lr 0.002, and epsilon within the maximum.
---@param options? fmnistnn.optim.AdamOptions
---@return fmnistnn.Optimizer
function optim.Adamax(options) end

--- Adam with Nesterov's momentum, on the schedule beta1 (1 - 0.5 * 0.96^t) (Dozat 2016). PyTorch: lr 0.002.
---@param options? fmnistnn.optim.AdamOptions
---@return fmnistnn.Optimizer
function optim.Nadam(options) end

--- v = rho v + (1 - rho) g^2, w = w - lr g / sqrt(v + epsilon) (Hinton 2012). PyTorch: lr 0.01, alpha (rho) 0.99,
--- epsilon 1e-8 outside the root.
---@param options? fmnistnn.optim.RMSpropOptions
---@return fmnistnn.Optimizer
function optim.RMSprop(options) end

--- Options of RMSprop.
---@class fmnistnn.optim.RMSpropOptions: fmnistnn.optim.Options
---@field lr? fmnistnn.LearningRate (default 0.001) Learning rate.
---@field rho? number (default 0.9) 0 <= rho < 1.
---@field momentum? number (default 0) Of the steps; 0 <= momentum < 1.
---@field epsilon? number (default 1e-7) Keeps the root from 0.
---@field centered? boolean (default false) Subtract the square of the mean gradient from v (Graves 2013).

--- v = v + g^2, w = w - lr g / sqrt(v + epsilon) (Duchi et al. 2011). PyTorch: lr 0.01, accumulator 0, epsilon 1e-10
--- outside the root.
---@param options? fmnistnn.optim.AdagradOptions
---@return fmnistnn.Optimizer
function optim.Adagrad(options) end

--- Options of Adagrad.
---@class fmnistnn.optim.AdagradOptions: fmnistnn.optim.Options
---@field lr? fmnistnn.LearningRate (default 0.001) Learning rate.
---@field initial_accumulator? number (default 0.1) v at the start.
---@field epsilon? number (default 1e-7) Keeps the root from 0.

--- v = rho v + (1 - rho) g^2, d = g sqrt((u + epsilon) / (v + epsilon)), u = rho u + (1 - rho) d^2, w = w - lr d
--- (Zeiler 2012). PyTorch: lr 1, rho 0.9, epsilon 1e-6.
---@param options? fmnistnn.optim.AdadeltaOptions
---@return fmnistnn.Optimizer
function optim.Adadelta(options) end

--- Options of Adadelta.
---@class fmnistnn.optim.AdadeltaOptions: fmnistnn.optim.Options
---@field lr? fmnistnn.LearningRate (default 0.001) Learning rate.
---@field rho? number (default 0.95) 0 <= rho < 1.
---@field epsilon? number (default 1e-7) Lets the steps begin.

--- w = w - lr sign(beta1 m + (1 - beta1) g), then m = beta2 m + (1 - beta2) g (Chen et al. 2023). Its authors take a
--- third to a tenth of Adam's lr, and three to ten times its weight_decay.
---@param options? fmnistnn.optim.LionOptions
---@return fmnistnn.Optimizer
function optim.Lion(options) end

--- Options of Lion.
---@class fmnistnn.optim.LionOptions: fmnistnn.optim.Options
---@field lr? fmnistnn.LearningRate (default 0.001) Learning rate.
---@field beta1? number (default 0.9) 0 <= beta1 < 1.
---@field beta2? number (default 0.99) 0 <= beta2 < 1.

--- For large batches (You et al. 2019): d = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w,
--- with Adam's m and v, and w = w - lr |w| / |d| d, where the ratio of norms is 1 if one of them is 0. Keras takes
--- weight_decay from w before, not into d.
---@param options? fmnistnn.optim.AdamOptions
---@return fmnistnn.Optimizer
function optim.LAMB(options) end

--- Adam with its step made smaller while the variance of it is uncertain, and steps by m / (1 - beta1^t) in the very
--- first ones (Liu et al. 2019): no warm-up is needed. PyTorch: epsilon 1e-8.
---@param options? fmnistnn.optim.AdamOptions
---@return fmnistnn.Optimizer
function optim.RAdam(options) end

--- Momentum made orthogonal for matrices, AdamW for other parameters (Jordan 2024):
--- w = w (1 - lr weight_decay) - lr 0.2 sqrt(max(rows, columns)) O(momentum), where O makes singular values about 1.
--- The factor lets both share lr and weight_decay (Liu et al. 2025), as in Keras and PyTorch's "match_rms_adamw".
--- Weights of convolutions are matrices of (filters, all else). Embeddings and the last layer had better go by AdamW:
--- give them a group with use_muon = false.
---@param options? fmnistnn.optim.MuonOptions
---@return fmnistnn.Optimizer
function optim.Muon(options) end

--- Options of Muon.
---@class fmnistnn.optim.MuonOptions: fmnistnn.optim.Options
---@field lr? fmnistnn.LearningRate (default 0.001) Learning rate.
---@field momentum? number (default 0.95) 0 <= momentum < 1.
---@field nesterov? boolean (default true) Look ahead.
---@field use_muon? boolean (default true) False: AdamW for all.
---@field beta1? number (default 0.9) Of AdamW; 0 <= beta1 < 1.
---@field beta2? number (default 0.999) Of AdamW; 0 <= beta2 < 1.
---@field epsilon? number (default 1e-7) Of AdamW.
---@field weight_decay? number (default 0.004) Of both; PyTorch: 0.1.

--- Around another optimizer (Zhang et al. 2019): after every `steps` steps of it, slow weights go the part alpha of the
--- way to where it has come, and it goes on from there.
---@param options fmnistnn.optim.LookaheadOptions
---@return fmnistnn.Optimizer
function optim.Lookahead(options) end

--- Options of Lookahead.
---@class fmnistnn.optim.LookaheadOptions
---@field optimizer? fmnistnn.Optimizer (required) The optimizer that steps; may be given by position.
---@field steps? integer (default 5) After how many of its steps the slow weights move.
---@field alpha? number (default 0.5) 0..1.

--- Around another optimizer: sharpness-aware minimization (Foret et al. 2020). Gradients are taken where the loss is
--- about the highest within a distance rho, at w + rho g / |g|, and so computed twice a step: `step` needs the function
--- that does so, and a Trainer gives it one. The second time leaves a model's running statistics as they are.
---@param options fmnistnn.optim.SAMOptions
---@return fmnistnn.Optimizer
function optim.SAM(options) end

--- Options of SAM.
---@class fmnistnn.optim.SAMOptions
---@field optimizer? fmnistnn.Optimizer (required) The optimizer that steps; may be given by position.
---@field rho? number (default 0.05) Above 0.

--- An optimizer. Changes of its options, such as `optimizer.options.lr = 0.0001`, hold from the next step on. Lookahead
--- and SAM have those of the optimizer within.
---@class fmnistnn.Optimizer
---@field name string The name of its class.
---@field options table Its options, with their defaults.
---@field groups table[] A table for each group, with the options of its own; these may be changed too.
---@field steps integer How many steps it has done.
local Optimizer = {}

--- Forgets the gradients of all parameters.
function Optimizer:zero_grad() end

--- Moves every parameter that has a gradient.
---@param closure? fun(): any Is called first, to compute a loss and its gradients anew: zero_grad, forward, backward.
---@return any # what closure returns
function Optimizer:step(closure) end

--- Trains this model from now on, if it was made without a model and parameters. Raises when it trains another one
--- that it was attached to.
---@param model fmnistnn.nn.Module
function Optimizer:attach(model) end

--- A copy of all that `set_state` needs to go on bit for bit: how many steps were done, learning rates, and what the
--- formulas keep for each parameter. Other options are not in it.
---@return fmnistnn.State
function Optimizer:state() end

--- What changes from step to step, to be written to a file: `numbers` as JSON, `tensors` as safetensors. The names that
--- an optimizer gives are "Adam.steps", "lr", "2.lr" of the second group (while that is 0, "2.proportion" to the
--- optimizer's), and "2.3.1" for the first tensor that is kept for the third parameter of the second group; frozen ones
--- count, and "2.3.frozen" is 1 where one has nothing yet.
---@class fmnistnn.State
---@field numbers table<string, number> Numbers by name.
---@field tensors table<string, fmnistnn.Tensor> Tensors by name.

--- Goes on from a state that an optimizer of the same class gave, over parameters of the same shapes in the same order.
--- It may come before the first step, but the model must have been built; what was frozen then and is now does not
--- matter. Raises when it does not fit; all is then as it was.
---@param state fmnistnn.State
function Optimizer:set_state(state) end
