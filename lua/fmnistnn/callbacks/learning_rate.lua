--- The optimizer's learning rate, for the callbacks that change or tell it.
local rate = {}

--- The learning rate of the last step, or of the first before there is one.
function rate.get(trainer)
  local optimizer = trainer.optimizer
  local lr = optimizer.options.lr
  return type(lr) == "number" and lr or lr(math.max(optimizer.steps - 1, 0))
end

--- Sets it, for the steps to come.
function rate.set(self, trainer, lr)
  if type(lr) ~= "number" or lr ~= lr then
    error(("%s: expected a number as the learning rate, got %s"):format(self.name, tostring(lr)), 0)
  end
  trainer.optimizer.options.lr = lr
end

--- Raises when the optimizer has a schedule, which sets the rate itself.
function rate.check(self, trainer)
  if type(trainer.optimizer.options.lr) ~= "number" then
    error(self.name .. ": the optimizer's lr: expected a number, got a schedule", 0)
  end
end

--- Adds the rate that an epoch was trained with to its values and to the history, once an epoch.
function rate.note(trainer, values, lr)
  if values.learning_rate then return end
  values.learning_rate = lr
  local list = trainer.history.learning_rate or {}
  list[#list + 1] = lr
  trainer.history.learning_rate = list
end

return rate
