--- What fit calls while it trains: fnn.Trainer's callbacks. One's own is a table with any of these functions; each gets
-- the table itself first. Other names that begin with on_ are refused (events.lua).
--
--   on_train_begin(self, trainer)
--   on_restore(self, trainer)                        after on_train_begin of all: the place for trainer:load
--   on_epoch_begin(self, trainer, epoch)             not again in an epoch that another fit had begun
--   on_batch_begin(self, trainer, batch)
--   on_loss(self, trainer, batch, loss, examples, target)   the number, before the step that follows from it
--   on_batch_end(self, trainer, batch, values)       values: the averages since the epoch's begin
--   on_evaluate_begin(self, trainer)                 before the validation, or before where it would be
--   on_epoch_end(self, trainer, epoch, values)
--   on_evaluate_end(self, trainer)                   after on_epoch_end of all, also after an error in it or in the
--                                                    validation: what was changed for these is to be as before; called
--                                                    in the opposite order of the list, and once more where Ctrl-C
--                                                    came in the midst of it
--   on_save_point(self, trainer, batch)              after on_batch_end of all, and without a batch after
--                                                    on_epoch_end of all: the place for trainer:save
--   on_train_end(self, trainer)                      not after an error, nor when Ctrl-C or a halt came before its
--                                                    on_train_begin was over
--   state(self), set_state(self, state)              what it must keep to go on: plain values and tensors
--
-- trainer.stop = true ends training after the epoch, trainer:halt(text) at once. Those of fnn.callbacks follow Keras;
-- each is a file, loaded when it is first used.
local files = {
  EarlyStopping = "early_stopping",
  ModelCheckpoint = "model_checkpoint",
  BackupAndRestore = "backup_and_restore",
  ReduceLROnPlateau = "reduce_lr_on_plateau",
  LearningRateScheduler = "learning_rate_scheduler",
  CSVLogger = "csv_logger",
  TensorBoard = "tensor_board",
  TerminateOnNaN = "terminate_on_nan",
  Lambda = "lambda",
}

local callbacks = {names = files}

return setmetatable(callbacks, {
  __index = function(self, name)
    local file = files[name]
    if not file then return nil end
    local loaded = require("fmnistnn.callbacks." .. file)
    rawset(self, name, loaded)
    return loaded
  end,
})
