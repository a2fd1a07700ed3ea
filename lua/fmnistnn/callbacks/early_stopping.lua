--- EarlyStopping{monitor, min_delta, patience, mode, baseline, restore_best, start_from_epoch}: ends training when a
-- value has not become better for `patience` epochs. Rules and defaults are Keras's.
--
--   monitor "val_loss"   its name
--   min_delta 0          what is better by no more than this is not better
--   patience 0           epochs without a better value that are put up with
--   mode "auto"          "min", "max": whether low or high values are better; "auto" goes by the name
--   baseline             only what is better than this, too, begins the patience anew
--   restore_best false   whether the model gets the weights of its best epoch at the end
--   start_from_epoch 0   so many epochs at the begin do not count
local class = require "fmnistnn.class"
local core = require "fmnistnn.core"
local monitor = require "fmnistnn.callbacks.monitor"

local EarlyStopping = class("EarlyStopping", {
  {"monitor", "string", default = "val_loss"},
  {"min_delta", "number", default = 0},
  {"patience", "whole", default = 0},
  {"mode", "string", default = "auto"},
  {"baseline", "number", optional = true},
  {"restore_best", "boolean", default = false},
  {"start_from_epoch", "whole", default = 0},
})

EarlyStopping.init = monitor.check_mode

local function weights_of(model)
  local weights = {}
  for _, entry in ipairs(model:state()) do weights[entry[1]] = core.no_grad(entry[2].clone, entry[2]) end
  return weights
end

function EarlyStopping:on_train_begin(trainer)
  monitor.begin(self, trainer)
  self.wait, self.best, self.best_epoch, self.best_weights, self.stopped_epoch = 0, nil, nil, nil, nil
end

local function keep(self, trainer, epoch)
  self.best_epoch = epoch
  if self.restore_best then self.best_weights = weights_of(trainer.model) end
end

function EarlyStopping:on_epoch_end(trainer, epoch, values)
  local value = monitor.value(self, values)
  if epoch <= self.start_from_epoch then return end
  if self.restore_best and not self.best_weights then keep(self, trainer, epoch) end
  self.wait = self.wait + 1
  if monitor.better(self, value, self.best) then
    self.best = value
    keep(self, trainer, epoch)
    if not self.baseline or monitor.better(self, value, self.baseline) then self.wait = 0 end
  elseif self.wait >= self.patience and epoch > 1 then
    self.stopped_epoch = epoch
    trainer.stop = true
  end
end

function EarlyStopping:on_train_end(trainer)
  if self.best_weights then trainer.model:load_state(self.best_weights) end
end

function EarlyStopping:state()
  return {
    wait = self.wait,
    best = self.best,
    best_epoch = self.best_epoch,
    best_weights = self.best_weights,
    stopped_epoch = self.stopped_epoch,
  }
end

function EarlyStopping:set_state(state)
  for _, name in ipairs {"wait", "best", "best_epoch", "best_weights", "stopped_epoch"} do self[name] = state[name] end
end

return EarlyStopping
