--- The optimizer's learning rate, for the callbacks that change or tell it.
local rate = {}

--- The learning rate of the last step, or of the first before there is one.
function rate.get(trainer)
  local optimizer = trainer.optimizer
  local lr = optimizer.options.lr
  return type(lr) == "number" and lr or lr(math.max(optimizer.steps - 1, 0))
end

-- A group's own rate goes with the optimizer's, from one number to another. At 0 the group keeps their proportion.
local function follow(group, from, to)
  local own = rawget(group, "lr")
  if not own then return end
  local proportion = own == 0 and rawget(group, "proportion") or own / from
  if proportion - proportion ~= 0 then return end -- to a rate of 0
  group.lr = proportion * to
  group.proportion = to == 0 and proportion or nil
end

--- Sets it, for the steps to come. Groups that have a rate of their own keep their proportion to it, also when it was 0
-- in between.
function rate.set(self, trainer, lr)
  if type(lr) ~= "number" or lr ~= lr then
    error(("%s: expected a number as the learning rate, got %s"):format(self.name, tostring(lr)), 0)
  end
  local optimizer = trainer.optimizer
  for _, group in ipairs(optimizer.groups) do follow(group, optimizer.options.lr, lr) end
  optimizer.options.lr = lr
end

--- Raises when the optimizer, or a group of it, has a schedule, which sets the rate itself.
function rate.check(self, trainer)
  local optimizer = trainer.optimizer
  local is_number = type(optimizer.options.lr) == "number"
  for _, group in ipairs(optimizer.groups) do is_number = is_number and type(group.lr) == "number" end
  if not is_number then error(self.name .. ": the optimizer's lr: expected a number, got a schedule", 0) end
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
