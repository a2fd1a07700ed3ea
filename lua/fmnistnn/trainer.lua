--- fnn.Trainer: the training loop that most scripts need.
--
--   local trainer = fnn.Trainer{
--     model = model, optimizer = fnn.optim.Adam{}, loss = "categorical_crossentropy", metrics = {"accuracy"},
--   }
--   local history = trainer:fit(train, {epochs = 10, batch_size = 128, validation = test})
--   print(trainer:evaluate(test).accuracy)
--
-- All that it uses is public: a loop of one's own is a dozen lines (README.md).
local core = require "fmnistnn.core"
local inference = require "fmnistnn.inference"
local losses = require "fmnistnn.losses"
local metrics = require "fmnistnn.metrics"
local options = require "fmnistnn.nn.options"
local traceback = require "fmnistnn.traceback"
local Metric = require "fmnistnn.metrics.metric"
local Module = require "fmnistnn.nn.module"
local Progress = require "fmnistnn.progress"

local Trainer = {}
Trainer.__index = Trainer
Trainer.__name = "fmnistnn.Trainer"

-- ---- making one ----

-- The last layer of a chain (of an ensemble, that of its last member), or nil.
local function last_layer(model)
  local last = model[#model]
  if last and (last.class_name == "Sequential" or last.class_name == "Ensemble") then return last_layer(last) end
  return last
end

-- Whether a model is known to end in probabilities: the loss must then not apply a softmax of its own.
local function gives_probabilities(model)
  local last = last_layer(model)
  if not last then return false end
  local name = last._options and last._options.activation or last._arguments[1]
  if type(name) == "table" then name = name.activation or name[1] end
  return name == "softmax" or name == "sigmoid"
end

-- The losses over probabilities, and what outputs are to them that are not probabilities yet.
local over_probabilities = {
  categorical_crossentropy = "logits", cross_entropy = "logits", kullback_leibler_divergence = "logits",
  focal = "logits", binary_crossentropy = "binary_logits",
}

local function make_loss(given, model)
  if type(given) == "function" then return given end
  local loss = losses[given]
  if not loss then error("Trainer: loss: expected a function or the name of a loss, got " .. tostring(given), 4) end
  if over_probabilities[given] and gives_probabilities(model) then
    return function(prediction, target) return loss(prediction, target, {from_logits = false}) end
  end
  return loss
end

--- Trainer{model, optimizer, loss, metrics}. optimizer: one that has no parameters yet trains the model's. loss: a
-- name of fnn.losses or a function (prediction, target); a named loss over probabilities, and named metrics, take the
-- model's outputs as logits unless its last layer is a softmax or sigmoid. metrics: a list of names or metrics
-- (fnn.metrics).
local function new(_, given)
  local o = options.check("Trainer", given, {
    {"model", "table"},
    {"optimizer", "table", optional = true},
    {"loss", "callable"},
    {"metrics", "table", default = {}},
  })
  if not Module.is_module(o.model) then error("Trainer: model: expected a module", 2) end
  if o.optimizer and not o.optimizer.attach then
    error("Trainer: optimizer: expected one of fnn.optim, got a table", 2)
  end
  local self = setmetatable({model = o.model, optimizer = o.optimizer, metrics = {}, history = {}}, Trainer)
  self.loss = make_loss(o.loss, o.model)
  self.own_loss = type(o.loss) == "function"
  local from_logits = not gives_probabilities(o.model)
  self.output_kind = from_logits and over_probabilities[o.loss] or "values"
  if self.optimizer then self.optimizer:attach(self.model) end
  self.names = {"loss"}
  for i, metric in ipairs(o.metrics) do
    self.metrics[i] = metrics.get(metric, {from_logits = from_logits})
    self.own_metric = self.own_metric or not Metric.is_own(self.metrics[i])
    self.names[i + 1] = self.metrics[i].name
  end
  return self
end

-- ---- running averages over batches ----

local Averages = {}
Averages.__index = Averages

-- New ones for one pass over data, with metrics of their own: an evaluation may run in the middle of an epoch.
local function start_averages(self)
  local averages = setmetatable({total = 0, count = 0, metrics = {}}, Averages)
  for i, metric in ipairs(self.metrics) do
    averages.metrics[i] = setmetatable({}, {__index = metric})
    averages.metrics[i]:reset()
  end
  return averages
end

function Averages:update(loss, prediction, target)
  self.total = self.total + loss:item() * #target
  self.count = self.count + #target
  local plain = prediction:detach()
  for _, metric in ipairs(self.metrics) do metric:update(plain, target) end
end

-- Those so far, without metrics that take long to tell.
function Averages:so_far()
  local values = {loss = self.count > 0 and self.total / self.count or 0}
  for _, metric in ipairs(self.metrics) do
    if not metric.costly then values[metric.name] = metric:value() end
  end
  return values
end

function Averages:values()
  local values = self:so_far()
  for _, metric in ipairs(self.metrics) do
    if metric.costly then values[metric.name] = metric:value() end
  end
  return values
end

-- Closes a batch and what was made of it, unless something of the user's has seen it and may have kept it.
local function let_go(self, ...)
  if self.own_loss or self.own_metric or not self.model:keeps_nothing() then return end
  for _, tensor in ipairs {...} do tensor:close() end
end

-- ---- training ----

local function train_batch(self, examples, target, averages)
  local prediction = self.model(examples)
  local loss = self.loss(prediction, target)
  self.optimizer:zero_grad()
  loss:backward()
  self.optimizer:step()
  averages:update(loss, prediction, target)
  let_go(self, examples, target, prediction, loss)
end

local function check_callbacks(callbacks)
  for key, callback in pairs(callbacks) do
    if math.type(key) ~= "integer" or type(callback) ~= "table" then
      error("fit: callbacks: expected a list of tables, got " .. tostring(key) .. " = " .. tostring(callback), 3)
    end
  end
end

local function call_back(o, event, ...)
  for _, callback in ipairs(o.callbacks) do
    if callback[event] then callback[event](callback, ...) end
  end
end

local function train_epoch(self, data, o, epoch, progress)
  self.model:train()
  local averages = start_averages(self)
  local pass = {size = o.batch_size, shuffle = o.shuffle, seed = o.seed, epoch = epoch}
  for examples, target in data:batches(pass) do
    local count = #target
    train_batch(self, examples, target, averages)
    if progress then progress:advance(count, self.names, averages:so_far()) end
    call_back(o, "on_batch_end", self)
    if core.interrupted(o.interruptible) then error("interrupted!", 0) end
  end
  return averages:values()
end

local function add_to_history(history, values, prefix)
  for name, value in pairs(values) do
    local list = history[prefix .. name] or {}
    list[#list + 1] = value
    history[prefix .. name] = list
  end
end

local function run_epochs(self, data, o, progress)
  local history, names = self.history, {table.unpack(self.names)}
  for _, name in ipairs(self.names) do names[#names + 1] = "val_" .. name end
  call_back(o, "on_train_begin", self)
  for epoch = 1, o.epochs do
    if progress then progress:begin_epoch(epoch, #data) end
    call_back(o, "on_epoch_begin", self, epoch)
    local started = core.now()
    local values = train_epoch(self, data, o, epoch, progress)
    local seconds = core.now() - started
    if o.validation then
      local results = self:evaluate(o.validation, {batch_size = o.batch_size})
      for name, value in pairs(results) do values["val_" .. name] = value end
    end
    local rate = #data / seconds
    if progress then progress:end_epoch(names, values, seconds, rate) end
    values.seconds, values.images_per_second = seconds, rate
    add_to_history(history, values, "")
    call_back(o, "on_epoch_end", self, epoch, values)
    if self.stop then break end
  end
end

--- Trains the model on a data set (or {examples, labels}). Options:
--
--   epochs 1, batch_size 32, shuffle true
--   seed             seeds the generator first: weights that are not built yet, dropout and the order of batches follow
--                    from it
--   validation       a data set that is evaluated after each epoch; validation_split: so large a part of the end of the
--                    data instead
--   callbacks        a list of tables with any of on_train_begin(self, trainer), on_epoch_begin(self, trainer, epoch),
--                    on_batch_end(self, trainer), on_epoch_end(self, trainer, epoch, values) and
--                    on_train_end(self, trainer); trainer.stop = true ends training after the epoch
--   progress true    tells how it goes on standard error
--   interruptible    Ctrl-C ends training as if its epochs were over, and history.interrupted says so; else it is
--                    raised as usual
--
-- Returns the history: lists with a value an epoch: loss, val_loss, accuracy ..., seconds, images_per_second. Training
-- seconds do not count the validation. trainer.history keeps it, also of a fit that was ended by an error.
function Trainer:fit(data, given)
  local o = options.check("fit", given or {}, {
    {"epochs", "count", default = 1},
    {"batch_size", "count", default = 32},
    {"shuffle", "boolean", default = true},
    {"seed", "integer", optional = true},
    {"validation", "table", optional = true},
    {"validation_split", "number", optional = true},
    {"callbacks", "table", default = {}},
    {"progress", "boolean", default = true},
    {"interruptible", "boolean", default = false},
  })
  if not self.optimizer then error("fit: the Trainer was made without an optimizer", 2) end
  check_callbacks(o.callbacks)
  data = inference.as_data_set("fit", data)
  if #data == 0 then error("fit: the data set is empty", 2) end
  if o.validation then o.validation = inference.as_data_set("fit: validation", o.validation) end
  if o.validation_split then data, o.validation = data:split(o.validation_split) end
  if o.seed then core.manual_seed(o.seed) end
  local progress = o.progress and Progress.new(o.epochs)
  self.history, self.stop = {}, false
  local ok, message = xpcall(run_epochs, traceback.add, self, data, o, progress)
  if progress then progress:stop() end
  if not ok then
    if not (o.interruptible and traceback.is_interrupt(message)) then error(message, 0) end
    self.history.interrupted = true
  end
  call_back(o, "on_train_end", self)
  return self.history
end

-- ---- using ----

--- The loss and metrics on a data set, an augmented one without its changes: a table by name. batch_size and augment as
-- of Trainer:predict.
function Trainer:evaluate(data, given)
  local o = inference.options("evaluate", given)
  data = inference.as_data_set("evaluate", data):plain()
  local averages = start_averages(self)
  inference.evaluating(self.model, function()
    for examples, target in data:batches {size = o.batch_size} do
      local prediction = inference.outputs(self.model, examples, o.augment, self.output_kind)
      local loss = self.loss(prediction, target)
      averages:update(loss, prediction, target)
      let_go(self, target, prediction, loss, #o.augment == 0 and examples or nil) -- a function may have kept them
    end
  end)
  return averages:values()
end

--- The model's outputs for a data set (an augmented one without its changes), {examples, labels} or a tensor of
-- examples, as one tensor. Options:
--
--   batch_size 256
--   augment         a list of functions of a batch of images that return another, such as nn.functional.hflip: outputs
--                   are then averaged over the images and what each function makes of them (test-time augmentation).
--                   Where a named loss takes the outputs as logits, it is the probabilities that are averaged, and what
--                   is given are their logits; else the mean of the outputs.
function Trainer:predict(examples, given) return inference.predict(self.model, examples, given, self.output_kind) end

return setmetatable(Trainer, {__call = new})
