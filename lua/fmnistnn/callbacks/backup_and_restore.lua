--- BackupAndRestore{folder, every, delete_checkpoint}: a fit that was stopped in whatever way, and is started again by
-- the same script, goes on from its last backup, and ends in the same numbers, bit for bit.
--
--   folder                   where the backup is: state.safetensors, and state.previous.safetensors, the one before
--   every "epoch"            a backup after each epoch; a number: also after so many batches
--   delete_checkpoint true   whether the backup goes when training is over
--
-- A backup that is damaged is named on standard error, kept as *.damaged, and the one before it taken. One that does
-- not fit the trainer or the fit is an error. When a backup cannot be written, a line on standard error says so and
-- training goes on; before it and after its first batch, that is an error.
local checkpoint = require "fmnistnn.checkpoint"
local class = require "fmnistnn.class"
local core = require "fmnistnn.core"
local folder = require "fmnistnn.folder"
local output = require "fmnistnn.callbacks.output"
local refuse = require "fmnistnn.refuse"

local BackupAndRestore = class("BackupAndRestore", {
  {"folder", "string"},
  {"every", "any", default = "epoch"},
  {"delete_checkpoint", "boolean", default = true},
})

function BackupAndRestore:init()
  local every = self.every
  if every ~= "epoch" and not (math.type(every) == "integer" and every >= 1) then
    refuse('BackupAndRestore: every: expected "epoch" or a number of batches, got %s', tostring(every))
  end
  self.current = self.folder .. "/state.safetensors"
  self.previous = self.folder .. "/state.previous.safetensors"
  self.new = self.folder .. "/state.new.safetensors"
end

-- ---- restoring ----

-- What is left of files that a process did not get to finish.
local function remove_unfinished(self)
  os.execute(("rm -f -- %s/state.*.tmp %s/state.*.trial*"):format(folder.quote(self.folder), folder.quote(self.folder)))
  os.remove(self.new)
end

function BackupAndRestore:on_train_begin()
  output.probe(self.name, self.current)
  remove_unfinished(self)
  self.tried = false
end

local function tell(self, trainer, path)
  local position = trainer._position
  if trainer._fit.progress ~= true then return end
  local batch = position.batch > 0 and (", batch %d"):format(position.batch) or ""
  output.warn(self.name, ("going on after epoch %d%s (%s)"):format(position.epoch - 1, batch, path))
end

function BackupAndRestore:on_restore(trainer)
  for _, path in ipairs {self.current, self.previous} do
    if core.file_size(path) then
      local read, message = checkpoint.read(path)
      if read then
        local ok, problem = pcall(checkpoint.apply, trainer, read)
        if not ok then error(("%s: %s: %s"):format(self.name, path, problem), 0) end
        return tell(self, trainer, path)
      end
      output.warn(self.name, message)
      os.rename(path, path .. ".damaged")
    end
  end
end

-- ---- backups ----

-- Writes the new backup, and only then lets go of the one before the last.
local function back_up(self, trainer)
  local ok, message = trainer:save(self.new)
  if ok and core.file_size(self.current) then ok, message = os.rename(self.current, self.previous) end
  if ok then ok, message = os.rename(self.new, self.current) end
  if not ok then output.warn(self.name, message) end
end

function BackupAndRestore:on_save_point(trainer, batch)
  if not self.tried then
    self.tried = true
    output.probe(self.name, self.new, function(path) return trainer:save(path) end)
  end
  if not batch or self.every ~= "epoch" and batch % self.every == 0 then back_up(self, trainer) end
end

--- Removes the backup, and the folder when nothing else is in it: for who keeps it when training is over.
function BackupAndRestore:delete()
  os.remove(self.current)
  os.remove(self.previous)
  os.remove(self.folder)
end

function BackupAndRestore:on_train_end(trainer)
  if self.delete_checkpoint and not trainer.history.interrupted then self:delete() end
end

return BackupAndRestore
