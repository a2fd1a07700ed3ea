--- Averages of a model's weights over the steps of its training, which often do better than the last ones.
--
--   local ema = fnn.averages.EMA{model = model, decay = 0.999}
--   optimizer:step()
--   ema:update()                                     -- after each step
--   ema:apply(function() trainer:evaluate(test) end) -- with the averaged weights
--   ema:copy_to(model)                               -- for good
--
-- As a callback of fnn.Trainer, fit{callbacks = {ema}}, an EMA follows each step, and the validation is of the average,
-- as is what other callbacks keep at the end of an epoch, with a validation or without; of several, that is the last in
-- the list. SWA follows each epoch. The model keeps the weights that it trains with, and averages are of these.
--
-- Averaged are the parameters and the buffers of type float32, so that running statistics of batch normalization go
-- with the weights; other buffers are copied. The first update copies all. SWA:update_batch_norm makes the statistics
-- anew.
local core = require "fmnistnn.core"
local on_close = require "fmnistnn.on_close"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"
local saved_state = require "fmnistnn.saved_state"

local Average = {}

-- The models' own weights, as copies, while averages are in their tensors.
local own_weights = setmetatable({}, {__mode = "k"})

-- ---- averaging ----

--- Takes the model's weights into the average: its own also while another average is in it.
function Average:update()
  if self._kept then refuse("%s: update: the averaged weights are in the model", self.name) end
  local averages, tensors = {}, {}
  for _, entry in ipairs(self.model:state()) do
    local name, tensor = entry[1], own_weights[entry[2]] or entry[2]
    local average = self.tensors[name]
    if not average then
      self.tensors[name] = core.no_grad(tensor.clone, tensor)
    elseif self.updates == 0 or tensor.dtype ~= "float32" then
      core.no_grad(average.copy_, average, tensor)
    else
      averages[#averages + 1], tensors[#tensors + 1] = average, tensor
    end
  end
  core.optim.average(averages, tensors, self:_weight())
  self.updates = self.updates + 1
end

-- ---- using the average ----

local function check_begun(self, who)
  if self.updates == 0 then
    refuse("%s: %s: there is no average before the first update", self.name, who)
  end
end

local function check_out(self)
  if self._kept then refuse("%s: apply: the averaged weights are in the model already", self.name) end
end

-- Puts the averaged weights into the model and keeps its own.
local function put_in(self)
  local kept = {}
  for i, entry in ipairs(self.model:state()) do
    local tensor = entry[2]
    kept[i] = {tensor, core.no_grad(tensor.clone, tensor), self.tensors[entry[1]]}
  end
  self._kept = kept
  for _, each in ipairs(kept) do
    own_weights[each[1]] = own_weights[each[1]] or each[2] -- what another average put in is not its own
    if each[3] then core.no_grad(each[1].copy_, each[1], each[3]) end
  end
end

-- Puts the weights back that were in the model before, if they were kept. Who was stopped in it goes on at a second
-- call.
local function put_back(self)
  local kept = self._kept
  while kept and #kept > 0 do
    local tensor, own = kept[#kept][1], kept[#kept][2]
    core.no_grad(tensor.copy_, tensor, own)
    if rawequal(own_weights[tensor], own) then own_weights[tensor] = nil end
    kept[#kept] = nil
    own:close()
  end
  self._kept = nil
end

--- f(...) with the averaged weights in the model, which gets its own back whatever happens. Returns what f does.
function Average:apply(f, ...)
  check_begun(self, "apply")
  check_out(self)
  local _ <close> = on_close(function() put_back(self) end)
  put_in(self)
  return f(...)
end

--- Copies the average into a model: the same one, or another of the same names and shapes.
function Average:copy_to(model)
  check_begun(self, "copy_to")
  if not require "fmnistnn.nn.module".is_module(model) then
    refuse("%s: copy_to: expected a module, got %s", self.name, type(model))
  end
  model:load_state(self.tensors)
end

-- ---- the statistics of batch normalization ----

-- The modules with running statistics: {module =, mean =, variance =}, the last two averages that are still to come.
local function find_norms(model)
  local norms = {}
  for _, module in model:named_modules() do
    if module.running_mean and module.running_variance and module.batches then norms[#norms + 1] = {module = module} end
  end
  return norms
end

-- Takes the statistics of batch number `count` into the averages.
local function add_statistics(norms, count)
  for _, norm in ipairs(norms) do
    local mean, variance = norm.module.running_mean, norm.module.running_variance
    if count == 1 then
      norm.mean, norm.variance = mean:clone(), variance:clone()
    else
      core.optim.average({norm.mean, norm.variance}, {mean, variance}, 1 / count)
    end
  end
end

-- Runs the model in training over the data. A count of 0 batches makes a layer's statistics those of the next batch.
local function measure(model, norms, data, batch_size)
  local count = 0
  model:train()
  for examples, target in data:batches {size = batch_size} do
    for _, norm in ipairs(norms) do norm.module.batches:fill_(0) end
    local prediction = model(examples)
    count = count + 1
    add_statistics(norms, count)
    if model:keeps_nothing() then
      for _, tensor in ipairs {prediction, examples, target} do tensor:close() end
    end
  end
  return count
end

-- What the norms have found, by the names of the model's tensors.
local function keep_statistics(self, norms, count)
  local found = {}
  for _, norm in ipairs(norms) do
    found[norm.module.running_mean], found[norm.module.running_variance] = norm.mean, norm.variance
    found[norm.module.batches] = core.full({}, count, "int64")
  end
  for _, entry in ipairs(self.model:state()) do
    local statistics = found[entry[2]]
    if statistics then self.tensors[entry[1]]:copy_(statistics) end
  end
end

--- Makes the average's running statistics of batch normalization anew: the means of those of the batches of a data set,
-- in one pass over it with the averaged weights (Izmailov et al. 2018, section 3.2). batch_size 32.
function Average:update_batch_norm(data, given)
  local o = options.check("update_batch_norm", given or {}, {{"batch_size", "count", default = 32}})
  check_begun(self, "update_batch_norm")
  if not require "fmnistnn.data".is_dataset(data) or #data == 0 then
    refuse("%s: update_batch_norm: expected a data set with examples, got %s", self.name, type(data))
  end
  local _ <close> = self.model:_kept_modes()
  local norms = find_norms(self.model)
  local count = self:apply(core.no_grad, measure, self.model, norms, data, o.batch_size)
  keep_statistics(self, norms, count)
end

-- ---- state ----

local function own_state(self)
  local tensors = {}
  for _, entry in ipairs(self.model:state()) do
    local name, tensor = entry[1], entry[2]
    self.tensors[name] = self.tensors[name] or core.no_grad(tensor.clone, tensor)
    tensors[name] = self.tensors[name]
  end
  return {numbers = {[self.name .. ".updates"] = {self, "updates", "integer"}}, tensors = tensors}
end

--- A copy of all that a later set_state needs to go on bit for bit, as of an optimizer: {numbers =, tensors =}; tensors
-- have the model's names.
function Average:state() return saved_state.copy(own_state(self)) end

--- Goes on from a state that an average of the same class and an equal model gave. The model must have been built.
-- Raises when it does not fit; all is then as it was.
function Average:set_state(given) saved_state.restore(self.name .. ": set_state", given, own_state(self)) end

-- ---- classes ----

local averages = {}

-- A class of averages. weight(self): how much of an average the weights of an update become.
local function class(name, spec, weight)
  local Class = {name = name, _weight = weight}
  Class.__index = Class
  averages[name] = setmetatable(Class, {
    __index = Average,
    __call = function(_, given)
      local self = setmetatable(options.check(name, given, spec), Class)
      self.updates, self.tensors = 0, {}
      return self
    end,
  })
  return Class
end

--- The exponential moving average, a = a + (1 - decay) (w - a) (Polyak and Juditsky 1992 average alike). decay 0.999;
-- with warmup (false), min(decay, (1 + t) / (10 + t)) after t updates, so that the first weights are soon forgotten.
local EMA = class("EMA", {
  {"model", "module"},
  {"decay", "rate", default = 0.999},
  {"warmup", "boolean", default = false},
}, function(self)
  local t = self.updates
  return 1 - (self.warmup and math.min(self.decay, (1 + t) / (10 + t)) or self.decay)
end)

function EMA:on_batch_end() self:update() end

function EMA:on_evaluate_begin()
  check_out(self)
  if self.updates > 0 then put_in(self) end
end

function EMA:on_evaluate_end() put_back(self) end

--- Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights of all updates. As a callback it is
-- updated after each epoch from number `start` (1) on.
local SWA = class("SWA", {{"model", "module"}, {"start", "count", default = 1}}, function(self)
  return 1 / (self.updates + 1)
end)

function SWA:on_epoch_end(_, epoch)
  if epoch >= self.start then self:update() end
end

return averages
