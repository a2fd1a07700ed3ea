--- TerminateOnNaN{}: ends training when a batch's loss, or an epoch's validation loss, is NaN or infinite, before the
-- step that would follow from it. history.stopped says in which epoch and batch, and where the first number was that
-- was not finite: not_finite.lua.
local class = require "fmnistnn.class"
local core = require "fmnistnn.core"
local not_finite = require "fmnistnn.callbacks.not_finite"

local TerminateOnNaN = class("TerminateOnNaN", {})

local function is_finite(x) return x == x and math.abs(x) ~= math.huge end
local function words(x) return x ~= x and "NaN" or "infinite" end

function TerminateOnNaN:on_epoch_begin(_, epoch) self.epoch = epoch end

-- Dropout is to be the same when the batch is run once more.
function TerminateOnNaN:on_batch_begin() self.generator = {core.generator_state()} end

function TerminateOnNaN:on_loss(trainer, batch, loss, examples, target)
  if is_finite(loss) then return end
  core.set_generator_state(table.unpack(self.generator))
  trainer:halt(("epoch %d, batch %d: the loss is %s; %s"):format(self.epoch, batch, words(loss),
    not_finite.in_batch(trainer, examples, target)))
end

function TerminateOnNaN:on_epoch_end(trainer, epoch, values)
  local loss = values.val_loss
  if not loss or is_finite(loss) then return end
  trainer:halt(("epoch %d: the validation's loss is %s; %s"):format(epoch, words(loss),
    not_finite.in_weights(trainer.model) or "the weights are finite"))
end

function TerminateOnNaN:state() return {epoch = self.epoch} end
function TerminateOnNaN:set_state(state) self.epoch = state.epoch end

return TerminateOnNaN
