---@meta _

-- Averages of a model's weights over the steps of its training often do better than the weights of the last step.
--
--   local ema = fnn.averages.EMA{model = model, decay = 0.999}
--   trainer:fit(train, {epochs = 10, validation = test, callbacks = {ema}}) -- or ema:update() after each step
--   ema:apply(function() print(trainer:evaluate(test).accuracy) end)
--   ema:copy_to(model)
--
-- Averaged are the parameters and the buffers of type float32, so that the running statistics of batch normalization go
-- with the weights; other buffers are copied. The first update copies all.

--- What makes averages.
---@class fmnistnn.averages
local averages = {}

--- The exponential moving average a = a + (1 - decay) (w - a). As a callback of `Trainer:fit` it is updated after each
--- step, and the validation is of the average, as is what callbacks keep at the end of an epoch (`ModelCheckpoint`,
--- `EarlyStopping`), with a validation or without; of several, it is the last in the list. The model goes on with the
--- weights that it trains with.
---@param options fmnistnn.averages.EMAOptions
---@return fmnistnn.Average
function averages.EMA(options) end

--- Options of EMA.
---@class fmnistnn.averages.EMAOptions
---@field model? fmnistnn.nn.Module (required) The model; may be given by position.
---@field decay? number (default 0.999) How much of the average stays at each update; 0 <= decay < 1.
---@field warmup? boolean (default false) min(decay, (1 + t) / (10 + t)) instead, after t updates.

--- Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights of all updates. As a callback of
--- `Trainer:fit` it is updated after each epoch; the validation is of the model's own weights. Call `update_batch_norm`
--- before you use the average.
---@param options fmnistnn.averages.SWAOptions
---@return fmnistnn.Average
function averages.SWA(options) end

--- Options of SWA.
---@class fmnistnn.averages.SWAOptions
---@field model? fmnistnn.nn.Module (required) The model; may be given by position.
---@field start? integer (default 1) As a callback: the first epoch that counts.

--- An average of a model's weights; also a callback for `Trainer:fit`.
---@class fmnistnn.Average: fmnistnn.Callback
---@field name string The name of its class.
---@field model fmnistnn.nn.Module The model.
---@field updates integer How many updates there were.
---@field tensors table<string, fmnistnn.Tensor> The average, by the names of the model's parameters and buffers.
local Average = {}

--- Takes the model's weights into the average: its own also while another average is in it.
function Average:update() end

--- f(...) with the averaged weights in the model, which gets its own back whatever happens.
---@param f function
---@param ... any Its arguments.
---@return any # what f returns
function Average:apply(f, ...) end

--- Copies the average into the model, or into another one of the same names and shapes.
---@param model fmnistnn.nn.Module
function Average:copy_to(model) end

--- Options of update_batch_norm.
---@class fmnistnn.averages.UpdateBatchNormOptions
---@field batch_size? integer (default 32) Examples in a batch; that of the training.

--- Makes the average's running statistics of batch normalization anew: the means of those of the batches of a data set,
--- in one pass over it with the averaged weights and the model in training (Izmailov et al. 2018, section 3.2).
---@param data fmnistnn.Dataset
---@param options? fmnistnn.averages.UpdateBatchNormOptions
function Average:update_batch_norm(data, options) end

--- A copy of all that `set_state` needs to go on bit for bit. Numbers: "EMA.updates". Tensors have the model's names.
---@return fmnistnn.State
function Average:state() end

--- Goes on from a state that an average of the same class and an equal model gave; the model must have been built.
--- Raises when it does not fit; all is then as it was.
---@param state fmnistnn.State
function Average:set_state(state) end
