--- TensorBoard{folder, histogram_every}: the values of each epoch for TensorBoard (tensorboard --logdir folder), laid
-- out as Keras does: folder/train has epoch_loss, epoch_learning_rate and so on, folder/validation the values of the
-- validation under the same names. Steps are epochs, from 1 on.
--
--   histogram_every 0    a histogram of each parameter and buffer after so many epochs; 0: none
--
-- A fit that goes on from a backup goes on with its files.
local class = require "fmnistnn.class"
local core = require "fmnistnn.core"
local event_file = require "fmnistnn.callbacks.event_file"
local learning_rate = require "fmnistnn.callbacks.learning_rate"
local output = require "fmnistnn.callbacks.output"

local BUCKETS = 30

local TensorBoard = class("TensorBoard", {
  {"folder", "string"},
  {"histogram_every", "whole", default = 0},
})

local fits = 0 -- of this Lua state so far: several may begin within a second

-- The name of a file of events that no other process, no other Lua state (by the address) and no other fit uses.
local function file_name(self)
  fits = fits + 1
  return ("events.out.tfevents.%d.%d.%p.%d"):format(os.time(), core.process_id(), self, fits)
end

-- The parts, "train" or "validation", whose files have values by these names.
local function parts_of(names)
  local parts = {train = true}
  for _, name in ipairs(names) do
    if name:find "^val_" then parts.validation = true end
  end
  return parts
end

function TensorBoard:on_train_begin(trainer)
  self.logs = {}
  local name, used = file_name(self), parts_of(trainer.value_names)
  for _, part in ipairs {"train", "validation"} do
    local path = ("%s/%s/%s"):format(self.folder, part, name)
    if used[part] then output.probe(self.name, path) end
    self.logs[part] = output.log(self.name, path, 0)
  end
end

local function add(self, part, record)
  local log = self.logs[part]
  if not log.file and not log.failed and log:head() == "" then log:add(event_file.version(os.time())) end
  log:add(record)
end

local function sorted_names(values)
  local names = {}
  for name in pairs(values) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- How many elements lie in each of some buckets of the same width between the least and the greatest.
local function histogram_of(tensor)
  local x = core.no_grad(tensor.detach, tensor):float():flatten()
  local h = {
    min = x:min():item(), max = x:max():item(), count = x:numel(), sum = x:sum():item(),
    sum_squares = x:square():sum():item(), limits = {}, counts = {},
  }
  local width = (h.max - h.min) / BUCKETS
  local bucket = width > 0 and ((x - h.min) / width):floor():clamp(0, BUCKETS - 1) or x * 0
  for i = 1, width > 0 and BUCKETS or 1 do
    h.limits[i] = i == BUCKETS and h.max or h.min + i * width
    h.counts[i] = bucket:eq(i - 1):sum():item()
  end
  return h
end

local function add_histograms(self, trainer, epoch)
  for _, entry in ipairs(trainer.model:state()) do
    local name, tensor = entry[1]:gsub("%.([^.]*)$", "/%1") .. "/histogram", entry[2]
    if tensor:numel() > 0 and tensor:isfinite():all():item() ~= 0 then
      add(self, "train", event_file.histogram(os.time(), epoch, name, histogram_of(tensor)))
    end
  end
end

function TensorBoard:on_epoch_end(trainer, epoch, values)
  local lr = learning_rate.get(trainer)
  if type(lr) == "number" and not values.learning_rate then
    add(self, "train", event_file.scalar(os.time(), epoch, "epoch_learning_rate", lr))
  end
  local flat = output.flat(values)
  for _, name in ipairs(sorted_names(flat)) do
    local own = name:match("^val_(.*)")
    add(self, own and "validation" or "train",
      event_file.scalar(os.time(), epoch, "epoch_" .. (own or name), flat[name]))
  end
  if self.histogram_every > 0 and epoch % self.histogram_every == 0 then add_histograms(self, trainer, epoch) end
end

function TensorBoard:on_train_end()
  for _, log in pairs(self.logs) do log:close() end
end

function TensorBoard:state()
  local state = {}
  for part, log in pairs(self.logs) do state[part] = {path = log.path, size = log.size or log.kept} end
  return state
end

function TensorBoard:set_state(state)
  for part, saved in pairs(state) do
    self.logs[part] = output.log(self.name, saved.path, saved.size, event_file.whole)
  end
end

return TensorBoard
