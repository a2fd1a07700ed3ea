--- ReduceLROnPlateau{monitor, factor, patience, mode, min_delta, cooldown, min_lr}: a lower learning rate when a value
-- has not become better for `patience` epochs. Rules and defaults are Keras's. The history gets learning_rate: what
-- each epoch was trained with.
--
--   monitor "val_loss"   its name
--   factor 0.1           the rate is multiplied by this
--   patience 10          epochs without a better value before that
--   mode "auto"          "min", "max": whether low or high values are better; "auto" goes by the name
--   min_delta 1e-4       what is better by no more than this is not better
--   cooldown 0           so many epochs after a reduction do not count
--   min_lr 0             the rate never gets lower
local class = require "fmnistnn.class"
local learning_rate = require "fmnistnn.callbacks.learning_rate"
local monitor = require "fmnistnn.callbacks.monitor"

local ReduceLROnPlateau = class("ReduceLROnPlateau", {
  {"monitor", "string", default = "val_loss"},
  {"factor", "rate", default = 0.1},
  {"patience", "whole", default = 10},
  {"mode", "string", default = "auto"},
  {"min_delta", "number", default = 1e-4},
  {"cooldown", "whole", default = 0},
  {"min_lr", "number", default = 0},
})

ReduceLROnPlateau.init = monitor.check_mode

function ReduceLROnPlateau:on_train_begin(trainer)
  monitor.begin(self, trainer)
  learning_rate.check(self, trainer)
  self.best, self.wait, self.cooling = nil, 0, 0
end

local function reduce(self, trainer)
  local lr = learning_rate.get(trainer)
  if lr <= self.min_lr then return end
  learning_rate.set(self, trainer, math.max(lr * self.factor, self.min_lr))
  self.cooling, self.wait = self.cooldown, 0
end

function ReduceLROnPlateau:on_epoch_end(trainer, _, values)
  local value = monitor.value(self, values)
  learning_rate.note(trainer, values, learning_rate.get(trainer))
  if self.cooling > 0 then self.cooling, self.wait = self.cooling - 1, 0 end
  if monitor.better(self, value, self.best) then
    self.best, self.wait = value, 0
  elseif self.cooling == 0 then
    self.wait = self.wait + 1
    if self.wait >= self.patience then reduce(self, trainer) end
  end
end

function ReduceLROnPlateau:state() return {best = self.best, wait = self.wait, cooling = self.cooling} end

function ReduceLROnPlateau:set_state(state)
  self.best, self.wait, self.cooling = state.best, state.wait, state.cooling
end

return ReduceLROnPlateau
