--- fnn.Trainer: the training loop that most scripts need.
--
--   local trainer = fnn.Trainer{
--     model = model, optimizer = fnn.optim.Adam{}, loss = "categorical_crossentropy", metrics = {"accuracy"},
--   }
--   local history = trainer:fit(train, {epochs = 10, batch_size = 128, validation = test})
--   print(trainer:evaluate(test).accuracy)
--
-- Training needs nothing that is private: a loop of one's own is a dozen lines (README.md).
local core = require "fmnistnn.core"
local events = require "fmnistnn.callbacks.events"
local inference = require "fmnistnn.inference"
local is_list = require "fmnistnn.is_list"
local losses = require "fmnistnn.losses"
local metrics = require "fmnistnn.metrics"
local on_close = require "fmnistnn.on_close"
local options = require "fmnistnn.options"
local over_probabilities = require "fmnistnn.over_probabilities"
local refuse = require "fmnistnn.refuse"
local traceback = require "fmnistnn.traceback"
local Averages = require "fmnistnn.batch_averages"
local Checkpoint = require "fmnistnn.checkpoint"
local Metric = require "fmnistnn.metrics.metric"
local Progress = require "fmnistnn.progress"

local Trainer = {}
Trainer.__index = Trainer
Trainer.__name = "fmnistnn.Trainer"

-- ---- making one ----

-- The function, its name where it has one, and whether the model's outputs are logits: not where its last layer is a
-- softmax or sigmoid, or where the loss's options say so.
local function make_loss(given, model)
  local from_logits = not model:_gives_probabilities()
  if type(given) == "function" and not options.is_maker(given) then return given, nil, from_logits end
  local name, settings = options.take_apart(given)
  local loss = losses[name]
  if not loss then
    local got = type(name) == "string" and name or options.describe(given)
    refuse("Trainer: loss: expected a function, the name of a loss or {name, option = ...}, got %s", got)
  end
  if over_probabilities[name] then
    if settings.from_logits == nil then settings.from_logits = from_logits end
    from_logits = settings.from_logits
  end
  return function(prediction, target) return loss(prediction, target, settings) end, name, from_logits
end

-- Raises unless a metric's name is free in histories, logs and the names of files.
local function check_metric_name(taken, name)
  if name:find("^val_") then
    refuse("Trainer: metrics: the name %s: val_ is for the values of the validation", name)
  end
  if taken[name] then refuse("Trainer: metrics: the name %s is taken already", name) end
end

--- Trainer{model, optimizer, loss, metrics, mixed_precision}. optimizer: one that has no parameters yet trains the
-- model's. loss: a name of fnn.losses, {name, option = ...} or a function (prediction, target); a named loss over
-- probabilities, and named metrics, take the model's outputs as logits unless its last layer is a softmax or sigmoid,
-- or the loss has the option from_logits; a function may take a table of tensors from the model, and so may metrics of
-- one's own. metrics: a list of names (of losses too), {name, function (prediction, target)} or metrics (fnn.metrics),
-- whose names must differ and not begin with "val_". mixed_precision: true lets the model multiply as bfloat16
-- (Module:mixed_precision).
local function new(_, given)
  local o = options.check("Trainer", given, {
    {"model", "module"},
    {"optimizer", "optimizer", optional = true},
    {"loss", "callable"},
    {"metrics", "table", default = {}},
    {"mixed_precision", "boolean", optional = true},
  })
  local self = setmetatable({model = o.model, optimizer = o.optimizer, metrics = {}, history = {}}, Trainer)
  if o.mixed_precision ~= nil then o.model:mixed_precision(o.mixed_precision) end
  local from_logits
  self.loss, self.loss_name, from_logits = make_loss(o.loss, o.model)
  self.output_kind = from_logits and over_probabilities[self.loss_name] or "values"
  if self.optimizer then self.optimizer:attach(self.model) end
  if not is_list(o.metrics) then refuse("Trainer: metrics: expected a list, got another table") end
  self.names = {"loss"}
  local taken = {
    loss = true, seconds = true, images_per_second = true, interrupted = true, stopped = true, epoch = true,
  }
  for i, given_metric in ipairs(o.metrics) do
    local metric = metrics.get(given_metric, {from_logits = from_logits})
    check_metric_name(taken, metric.name)
    taken[metric.name] = true
    self.metrics[i], self.names[i + 1] = metric, metric.name
    self.own_metric = self.own_metric or not Metric.is_own(metric)
  end
  return self
end

local function refuse_output(what, output)
  error(("Trainer: %s: expected a tensor from the model, got %s"):format(what, type(output)), 0)
end

-- The loss of a batch. Functions of the user's may take any outputs of the model; ours take tensors alone, which is
-- said here, before a step.
local function loss_of(self, prediction, target)
  if not core.is_tensor(prediction) then
    if self.loss_name then refuse_output("loss: " .. self.loss_name, prediction) end
    for _, metric in ipairs(self.metrics) do
      if Metric.is_own(metric) then refuse_output("metrics: " .. metric.name, prediction) end
    end
  end
  local loss = self.loss(prediction, target)
  if core.is_tensor(loss) and loss:numel() == 1 then return loss end
  local got = core.is_tensor(loss) and "shape (" .. table.concat(loss.shape, ",") .. ")" or type(loss)
  error("Trainer: loss: expected a tensor of one element from the function, got " .. got, 0)
end

-- Closes a batch and what was made of it, unless something of the user's has seen it and may have kept it.
local function let_go(self, ...)
  if not self.loss_name or self.own_metric or not self.model:keeps_nothing() then return end
  for _, given in ipairs {...} do
    for _, tensor in ipairs(core.is_tensor(given) and {given} or given) do tensor:close() end
  end
end

-- ---- training ----

-- What Trainer:halt raises.
local Halt = {__name = "fmnistnn.Halt", __tostring = function(self) return self.text end}

local is_event = {}
for _, event in ipairs(events) do is_event[event] = true end

-- Raises where a callback has an event that is none, or no function for it.
local function check_events(i, callback)
  for key, value in pairs(callback) do
    local who = ("fit: callbacks: element %d: %s"):format(i, tostring(key))
    if is_event[key] and not options.is_callable(value) then
      refuse("%s: expected a function, got %s", who, options.describe(value))
    elseif type(key) == "string" and key:find("^on_") and not is_event[key] and options.is_callable(value) then
      refuse("%s: there is no such event (there are %s)", who, table.concat(events, ", "))
    end
  end
end

local function check_callbacks(callbacks)
  local count = 0
  for key, callback in pairs(callbacks) do
    if math.type(key) ~= "integer" or type(callback) ~= "table" then
      refuse("fit: callbacks: expected a list of tables, got %s = %s", tostring(key), tostring(callback))
    end
    if options.is_maker(callback) then
      refuse("fit: callbacks: element %d: expected a table, got %s", key, options.describe(callback))
    end
    check_events(key, callback)
    count = count + 1
  end
  for i = 1, count do
    if not callbacks[i] then refuse("fit: callbacks: expected a list, but element %d is nil", i) end
  end
end

local function call_back(o, event, ...)
  for _, callback in ipairs(o.callbacks) do
    if callback[event] then callback[event](callback, ...) end
  end
end

local function has_event(o, event)
  for _, callback in ipairs(o.callbacks) do
    if callback[event] then return true end
  end
end

-- Raises where the optimizer was given other parameters than the model's. These are all there once it has been called.
local function check_trains(self)
  local parameters, is_trained = self.model:parameters(), {}
  for _, tensor in ipairs(self.optimizer:_parameters()) do is_trained[tensor] = true end
  for _, tensor in ipairs(parameters) do
    if is_trained[tensor] then return end
  end
  if #parameters > 0 then error("fit: the optimizer trains none of the model's parameters, but others", 0) end
end

-- One step. An optimizer may ask for the gradients more than once (SAM): prediction and loss are the first ones.
local function train_batch(self, o, batch, examples, target)
  local prediction, loss
  call_back(o, "on_batch_begin", self, batch)
  self.optimizer:step(function()
    local new_prediction = self.model(examples)
    if not o.is_checked then check_trains(self) end
    o.is_checked = true
    local new_loss = loss_of(self, new_prediction, target)
    if o.looks_at_loss and not loss then call_back(o, "on_loss", self, batch, new_loss:item(), examples, target) end
    self.optimizer:zero_grad()
    new_loss:backward()
    if loss then
      let_go(self, new_prediction, new_loss)
    else
      prediction, loss = new_prediction, new_loss
    end
  end)
  self._position.averages:update(loss, prediction, target)
  let_go(self, examples, target, prediction, loss)
end

-- After a step: tells those who want to know how it went.
local function end_batch(self, o, batch, count, progress)
  local position = self._position
  position.batch = batch
  local values = (progress or o.looks_at_values) and position.averages:so_far()
  if progress then progress:advance(count, self.names, values) end
  call_back(o, "on_batch_end", self, batch, values)
  call_back(o, "on_save_point", self, batch)
  if core.interrupted(o.interruptible) then error("interrupted!", 0) end
end

-- One pass over the data. In an epoch that another fit began, the batches that this one did are passed over: the order
-- is that of the generator at the epoch's begin, and after it the generator goes on where it was.
local function train_epoch(self, data, o, epoch, progress)
  local position = self._position
  local done, batch, generator = position.batch, 0, position.generator
  self.model:train()
  if done > 0 then core.set_generator_state(table.unpack(position.order)) end
  position.order = {core.generator_state()}
  position.averages = Averages.new(self.metrics, position.saved_averages)
  local pass = {size = o.batch_size, shuffle = o.shuffle, seed = o.seed, epoch = epoch}
  for examples, target in data:batches(pass) do
    local count = #target
    batch = batch + 1
    if batch > done then
      train_batch(self, o, batch, examples, target)
      end_batch(self, o, batch, count, progress)
    elseif batch == done then
      core.set_generator_state(table.unpack(generator))
    end
  end
  return position.averages:values()
end

-- Calls on_evaluate_end of those where it is still to come, the last one first.
local function end_evaluation(self, o)
  while o.evaluating > 0 do
    local callback = o.callbacks[o.evaluating]
    if callback.on_evaluate_end then callback:on_evaluate_end(self) end
    o.evaluating = o.evaluating - 1
  end
end

-- Adds what the validation comes to, if there is one.
local function validate(self, o, values)
  call_back(o, "on_evaluate_begin", self)
  if not o.validation then return end
  local validation = self:evaluate(o.validation, {batch_size = o.batch_size})
  for name, value in pairs(validation) do values["val_" .. name] = value end
end

local function add_to_history(history, values)
  for name, value in pairs(values) do
    local list = history[name] or {}
    list[#list + 1] = value
    history[name] = list
  end
end

-- Where a fit is before the first batch of an epoch.
local function before_epoch(epoch) return {epoch = epoch, batch = 0, seconds = 0} end

-- From the last batch of an epoch to its place in the history and to those who want to know what it came to.
local function judge_epoch(self, data, o, progress, values)
  local epoch = self._position.epoch
  local seconds = core.now() - self._position.started
  local rate = #data / seconds
  local ok, message = xpcall(validate, traceback.add, self, o, values)
  if progress then progress:end_epoch(self.value_names, values, seconds, rate) end
  values.seconds, values.images_per_second = seconds, rate
  add_to_history(self.history, values) -- of a validation that failed too: the epoch itself was over
  if not ok then error(message, 0) end
  self._position = before_epoch(epoch + 1)
  call_back(o, "on_epoch_end", self, epoch, values)
end

-- Who puts other weights in for the validation (averages) leaves them there for on_epoch_end, so that what is saved is
-- what was judged, and gets to put the model's back whatever happens; several of them in the opposite order.
local function evaluate_epoch(self, data, o, progress, values)
  o.evaluating = #o.callbacks
  local _ <close> = on_close(function() end_evaluation(self, o) end)
  judge_epoch(self, data, o, progress, values)
end

-- An epoch from its first batch, or from where another fit was stopped in it, to its place in the history.
local function run_epoch(self, data, o, progress)
  local position = self._position
  local epoch = position.epoch
  local examples_done = math.min(position.batch * o.batch_size, #data)
  if progress then progress:begin_epoch(epoch, #data, examples_done, self.history) end
  if position.batch == 0 then call_back(o, "on_epoch_begin", self, epoch) end
  position.started = core.now() - position.seconds
  local values = train_epoch(self, data, o, epoch, progress)
  evaluate_epoch(self, data, o, progress, values)
  call_back(o, "on_save_point", self)
end

-- Who has not begun does not get to end: Ctrl-C may come before.
local function begin_train(self, o)
  for i, callback in ipairs(o.callbacks) do
    if callback.on_train_begin then callback:on_train_begin(self) end
    o.begun = i
  end
end

local function end_train(self, o)
  for i = 1, o.begun do
    local callback = o.callbacks[i]
    if callback.on_train_end then callback:on_train_end(self) end
  end
end

local function run_epochs(self, data, o, progress)
  begin_train(self, o)
  call_back(o, "on_restore", self)
  while self._position.epoch <= o.epochs and not self.stop do run_epoch(self, data, o, progress) end
end

-- Whether that came to its end, and if not, what it raised; the fit is then over.
local function try_epochs(self, data, o, progress)
  local _ <close> = on_close(function()
    self._fit = nil
    if progress then progress:stop() end
  end)
  local ok, message = xpcall(run_epochs, traceback.add, self, data, o, progress)
  if traceback.is_interrupt(message) then end_evaluation(self, o) end -- it may have come in between, but once only
  return ok, message
end

local function progress_of(o)
  if type(o.progress) == "table" then return o.progress end
  return o.progress and Progress {epochs = o.epochs}
end

local function check_progress(progress)
  local ok = type(progress) == "boolean"
  if type(progress) == "table" and not options.is_maker(progress) then
    ok = progress.begin_epoch and progress.advance and progress.end_epoch and progress.stop
  end
  if not ok then
    local expected = "true, false, or an object with begin_epoch, advance, end_epoch and stop"
    refuse("fit: progress: expected %s, got %s", expected, options.describe(progress))
  end
end

-- The names of the values of an epoch.
local function value_names(self, o)
  local names = {table.unpack(self.names)}
  if o.validation then
    for _, name in ipairs(self.names) do names[#names + 1] = "val_" .. name end
  end
  return names
end

-- What ended training, other than the last epoch: an error, unless it is one that fit takes for an end.
local function note_end(self, o, message)
  if getmetatable(message) == Halt then
    self.history.stopped = message.text
    if o.progress == true then io.stderr:write("training stopped: ", message.text, "\n") end
  elseif o.interruptible and traceback.is_interrupt(message) then
    self.history.interrupted = true
  else
    error(message, 0)
  end
end

local function begin_fit(self, data, o)
  o.begun, o.evaluating = 0, 0
  o.looks_at_values, o.looks_at_loss = has_event(o, "on_batch_end"), has_event(o, "on_loss")
  if o.seed then core.manual_seed(o.seed) end
  self.history, self.stop = {}, false
  self.value_names = value_names(self, o)
  self._position = before_epoch(1)
  self._fit = {
    callbacks = o.callbacks,
    progress = o.progress,
    -- what an epoch's order of batches depends on
    settings = {batch_size = o.batch_size, shuffle = o.shuffle, seed = o.seed, examples = #data},
  }
end

--- Trains the model on a data set (or {examples, labels}). Options:
--
--   epochs 1, batch_size 32, shuffle true
--   seed             seeds the generator first: weights that are not built yet, dropout and the order of batches follow
--                    from it
--   validation       a data set that is evaluated after each epoch; validation_split: so large a part of the end of the
--                    data instead
--   callbacks        a list of those of fnn.callbacks, or of tables with any of the functions that are called there
--                    (lua/fmnistnn/callbacks/init.lua); trainer.stop = true ends training after the epoch
--   progress true    tells how it goes on standard error; an object with the methods of Progress does so its own way
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
    {"progress", "any", default = true},
    {"interruptible", "boolean", default = false},
  })
  if not self.optimizer then refuse("fit: the Trainer was made without an optimizer") end
  check_callbacks(o.callbacks)
  check_progress(o.progress)
  data = inference.as_data_set("fit", data)
  if #data == 0 then refuse("fit: the data set is empty") end
  if o.validation and o.validation_split then refuse("fit: expected either validation or validation_split") end
  if o.validation then
    o.validation = inference.as_data_set("fit: validation", o.validation)
    if #o.validation == 0 then refuse("fit: validation: the data set is empty") end
  end
  if o.validation_split then data, o.validation = data:split(o.validation_split) end
  begin_fit(self, data, o)
  local progress = progress_of(o)
  local ok, message = try_epochs(self, data, o, progress)
  if not ok then note_end(self, o, message) end
  end_train(self, o)
  return self.history
end

--- Ends training at once, from within a callback: fit returns, and history.stopped is this text.
function Trainer:halt(text)
  if type(text) ~= "string" then refuse("halt: expected a text, got %s", type(text)) end
  error(setmetatable({text = text}, Halt), 0)
end

-- ---- the whole state ----

--- Writes all that a fit needs to go on, atomically, into one file: weights and buffers, the optimizer's state, the
-- generator, the history, where in which epoch the fit is, and the state of its callbacks. The place for it is
-- on_save_point. Returns true, or nil and a message.
function Trainer:save(path) return Checkpoint.save(self, path) end

--- Reads what save wrote, into this trainer of the same model and optimizer. Within on_restore, the fit goes on from
-- there. Returns true, or nil and a message when the file is damaged or does not fit; nothing has then changed, unless
-- it is the state of a callback that does not fit. A model fits that has modules of the same names and classes, with
-- tensors of the same shapes; one that has not made its tensors yet must have been made with the same options.
function Trainer:load(path)
  local state, message = Checkpoint.read(path)
  if not state then return nil, message end
  local ok
  ok, message = pcall(Checkpoint.apply, self, state)
  if ok then return true end
  traceback.pass_interrupt(message)
  return nil, ("%s: %s"):format(path, message)
end

-- ---- using ----

--- The loss and metrics on a data set, an augmented one without its changes: a table by name. batch_size and augment as
-- of Trainer:predict.
function Trainer:evaluate(data, given)
  local o = inference.options("evaluate", given)
  data = inference.as_data_set("evaluate", data):plain()
  if #data == 0 then refuse("evaluate: the data set is empty") end
  local averages = Averages.new(self.metrics)
  inference.evaluating(self.model, function()
    for examples, target in data:batches {size = o.batch_size} do
      local prediction = inference.outputs(self.model, examples, o.augment, self.output_kind)
      local loss = loss_of(self, prediction, target)
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
