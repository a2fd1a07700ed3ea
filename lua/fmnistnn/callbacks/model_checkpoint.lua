--- ModelCheckpoint{path, monitor, best_only, mode}: saves the model after each epoch, as Module:save does.
--
--   path               the file; its folder is made if needed. "{epoch}" in it stands for the epoch, and so does the
--                      name of each value, with a format of string.format after a colon:
--                      "cnn-{epoch:02d}-{val_loss:.3f}.safetensors". Without any, the file is that of the last epoch,
--                      or of the best.
--   monitor "val_loss" the value that tells the best epoch
--   best_only false    whether to save only when that has become better
--   mode "auto"        "min", "max": whether low or high values are better; "auto" goes by the name
--
-- When a file cannot be written, a line on standard error says so and training goes on; before it, that is an error.
local class = require "fmnistnn.class"
local monitor = require "fmnistnn.callbacks.monitor"
local output = require "fmnistnn.callbacks.output"
local refuse = require "fmnistnn.refuse"

local ModelCheckpoint = class("ModelCheckpoint", {
  {"path", "string"},
  {"monitor", "string", default = "val_loss"},
  {"best_only", "boolean", default = false},
  {"mode", "string", default = "auto"},
})

local PLACE <const> = "{([^{}:]+):?([^{}]*)}" -- {name:format}, where the name is that of any metric

-- The path with each of these replaced.
local function fill(path, epoch, values)
  return (path:gsub(PLACE, function(name, format)
    local value = name == "epoch" and epoch or values[name]
    return ("%" .. (format ~= "" and format or "s")):format(value)
  end))
end

function ModelCheckpoint:init()
  monitor.check_mode(self)
  for name, format in self.path:gmatch(PLACE) do
    local sample = name == "epoch" and 1 or 0.5
    if format ~= "" and not pcall(string.format, "%" .. format, sample) then
      refuse("ModelCheckpoint: path: {%s:%s}: %s is no format of a number, such as .3f", name, format, format)
    end
  end
end

function ModelCheckpoint:on_train_begin(trainer)
  if self.best_only then monitor.begin(self, trainer) end
  self.values = {}
  for _, name in ipairs(trainer.value_names) do self.values[name] = 0.5 end
  for name in self.path:gmatch(PLACE) do
    if name ~= "epoch" then monitor.check_name(self, trainer, name) end
  end
  self.best, self.tried = nil, false
  output.probe(self.name, fill(self.path, 1, self.values))
end

-- Before the first step it is not known how large the file is, nor which values are lists.
function ModelCheckpoint:on_batch_end(trainer, _, values)
  if self.tried then return end
  for name in self.path:gmatch(PLACE) do
    if type(values[name:gsub("^val_", "")]) == "table" then
      error(("%s: path: %s is a list and cannot stand in a path"):format(self.name, name), 0)
    end
  end
  self.tried = true
  output.probe(self.name, fill(self.path, 1, self.values), function(path) return trainer.model:save(path) end)
end

function ModelCheckpoint:on_epoch_end(trainer, epoch, values)
  if self.best_only then
    local value = monitor.value(self, values)
    if not monitor.better(self, value, self.best) then return end
    self.best = value
  end
  local path = fill(self.path, epoch, values)
  local ok, message = output.make_folder(path)
  if ok then ok, message = trainer.model:save(path) end
  if not ok then output.warn(self.name, message) end
end

function ModelCheckpoint:state() return {best = self.best} end
function ModelCheckpoint:set_state(state) self.best = state.best end

return ModelCheckpoint
