--- LearningRateScheduler{schedule}: the learning rate of each epoch is schedule(epoch, lr), from its number and the
-- rate before it. One of fnn.schedules will do too; as it counts from 0, it is asked for epoch - 1. The history gets
-- learning_rate.
local class = require "fmnistnn.class"
local learning_rate = require "fmnistnn.callbacks.learning_rate"
local refuse = require "fmnistnn.refuse"

local LearningRateScheduler = class("LearningRateScheduler", {{"schedule", "lr"}})

function LearningRateScheduler:init()
  if type(self.schedule) == "number" then
    refuse("LearningRateScheduler: schedule: expected a function (epoch, lr) or a schedule, got a number")
  end
end

function LearningRateScheduler:on_train_begin(trainer) learning_rate.check(self, trainer) end

function LearningRateScheduler:on_epoch_begin(trainer, epoch)
  local from = type(self.schedule) == "table" and epoch - 1 or epoch
  learning_rate.set(self, trainer, self.schedule(from, learning_rate.get(trainer)))
end

function LearningRateScheduler:on_epoch_end(trainer, _, values)
  learning_rate.note(trainer, values, learning_rate.get(trainer))
end

return LearningRateScheduler
