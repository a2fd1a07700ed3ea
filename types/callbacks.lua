---@meta _

-- Callbacks of `Trainer:fit`, with the rules and defaults of Keras's. One's own is any table with the functions of
-- `Callback`.
--
--   trainer:fit(train, {
--     epochs = 50,
--     validation_split = 0.1,
--     callbacks = {
--       fnn.callbacks.BackupAndRestore{"backup"},
--       fnn.callbacks.EarlyStopping{monitor = "val_accuracy", patience = 5, restore_best = true},
--       fnn.callbacks.CSVLogger{"log.csv"},
--     },
--   })
--
-- What they watch goes by the names in the history. `mode` says whether low ("min") or high values ("max") are better;
-- "auto" goes by the metric's field `mode`, or by its name.

--- The classes of callbacks.
---@class fmnistnn.callbacks
---@field names table<string, string> Their names, and the files that they are in.
local callbacks = {}

--- Ends training when a value has not become better for some epochs.
---@param options? fmnistnn.callbacks.EarlyStoppingOptions
---@return fmnistnn.Callback
function callbacks.EarlyStopping(options) end

--- Options of EarlyStopping.
---@class fmnistnn.callbacks.EarlyStoppingOptions
---@field monitor? string (default "val_loss") The value.
---@field min_delta? number (default 0) What is better by no more than this is not better.
---@field patience? integer (default 0) How many epochs without a better value are put up with.
---@field mode? string (default "auto") Also "min", "max".
---@field baseline? number (default: none) Only what is better than this, too, begins the patience anew.
---@field restore_best? boolean (default false) Whether the model gets the weights of its best epoch at the end.
---@field start_from_epoch? integer (default 0) So many epochs at the begin do not count.

--- Saves the model after each epoch, as `Module:save` does. A file that cannot be written is an error before training;
--- later, a line on standard error tells of it.
---@param options fmnistnn.callbacks.ModelCheckpointOptions
---@return fmnistnn.Callback
function callbacks.ModelCheckpoint(options) end

--- Options of ModelCheckpoint. In its path, {epoch} and the names of values stand for these, with a format of
--- string.format after a colon: "cnn-{epoch:02d}-{val_loss:.3f}.safetensors". A path without any is the last epoch's,
--- with best_only the best's.
---@class fmnistnn.callbacks.ModelCheckpointOptions
---@field path? string (required) The file; the first by position. Its folder is made if needed.
---@field monitor? string (default "val_loss") The value that tells the best.
---@field best_only? boolean (default false) Whether to save only when it has become better.
---@field mode? string (default "auto") Also "min", "max".

--- A fit that was stopped in whatever way, Ctrl-C, kill -9 or a power cut, and is started again by the same script,
--- goes on from its last backup and ends in the same numbers, bit for bit, as if it had not been stopped. A damaged
--- backup is named on standard error and the one before it taken; one that does not fit is an error.
---@param options fmnistnn.callbacks.BackupAndRestoreOptions
---@return fmnistnn.callbacks.Backup
function callbacks.BackupAndRestore(options) end

--- Options of BackupAndRestore.
---@class fmnistnn.callbacks.BackupAndRestoreOptions
---@field folder? string (required) Where the backups are, of this fit alone; the first by position. Made if needed.
---@field every? string|integer (default "epoch") When there is a backup: after each epoch, and after so many batches.
---@field delete_checkpoint? boolean (default true) Whether they go when training is over.

--- Lowers the learning rate when a value has not become better for some epochs.
---@param options? fmnistnn.callbacks.ReduceLROnPlateauOptions
---@return fmnistnn.Callback
function callbacks.ReduceLROnPlateau(options) end

--- Options of ReduceLROnPlateau.
---@class fmnistnn.callbacks.ReduceLROnPlateauOptions
---@field monitor? string (default "val_loss") The value.
---@field factor? number (default 0.1) What the rate is multiplied by, 0 <= factor < 1.
---@field patience? integer (default 10) How many epochs without a better value come before that.
---@field mode? string (default "auto") Also "min", "max".
---@field min_delta? number (default 1e-4) What is better by no more than this is not better.
---@field cooldown? integer (default 0) So many epochs after a reduction do not count.
---@field min_lr? number (default 0) The rate never gets lower.

--- Sets the learning rate of each epoch.
---@param options fmnistnn.callbacks.LearningRateSchedulerOptions
---@return fmnistnn.Callback
function callbacks.LearningRateScheduler(options) end

--- Options of LearningRateScheduler.
---@class fmnistnn.callbacks.LearningRateSchedulerOptions
---@field schedule? function|fmnistnn.Schedule (required) (epoch, lr) to the new rate; of a schedule, that at epoch - 1.

--- Writes a line for each epoch, as CSV (RFC 4180), the names of the values first.
---@param options fmnistnn.callbacks.CSVLoggerOptions
---@return fmnistnn.Callback
function callbacks.CSVLogger(options) end

--- Options of CSVLogger.
---@class fmnistnn.callbacks.CSVLoggerOptions
---@field path? string (required) The file; the first by position.
---@field separator? string (default ",") One character, no quote or line end.
---@field append? boolean (default false) Whether to go on with the file that is there.

--- Writes event files for TensorBoard, laid out as Keras does: in the folders train and validation, epoch_loss and so
--- on for each epoch, from 1 on, and epoch_learning_rate.
---@param options fmnistnn.callbacks.TensorBoardOptions
---@return fmnistnn.Callback
function callbacks.TensorBoard(options) end

--- Options of TensorBoard.
---@class fmnistnn.callbacks.TensorBoardOptions
---@field folder? string (required) Where the folders are; the first by position.
---@field histogram_every? integer (default 0) After so many epochs, a histogram of each parameter and buffer; 0: none.

--- Ends training when a loss is NaN or infinite, before the step that would follow from it. `history.stopped` says in
--- which epoch and batch, and what was the first that is not finite: the gradient, parameter or layer, by its name.
---@return fmnistnn.Callback
function callbacks.TerminateOnNaN() end

--- The events, as of `Callback`.
---@class fmnistnn.callbacks.LambdaOptions
---@field on_train_begin? function (default: none) (trainer).
---@field on_restore? function (default: none) (trainer).
---@field on_epoch_begin? function (default: none) (trainer, epoch).
---@field on_batch_begin? function (default: none) (trainer, batch).
---@field on_loss? function (default: none) (trainer, batch, loss, examples, target).
---@field on_batch_end? function (default: none) (trainer, batch, values).
---@field on_evaluate_begin? function (default: none) (trainer).
---@field on_epoch_end? function (default: none) (trainer, epoch, values).
---@field on_evaluate_end? function (default: none) (trainer).
---@field on_save_point? function (default: none) (trainer, batch).
---@field on_train_end? function (default: none) (trainer).

--- A callback of functions that do not get the table itself first: f(trainer, epoch, values) and so on.
---@param options? fmnistnn.callbacks.LambdaOptions
---@return fmnistnn.Callback
function callbacks.Lambda(options) end

--- What BackupAndRestore makes.
---@class fmnistnn.callbacks.Backup: fmnistnn.Callback
local Backup = {}

--- Removes the backups, and the folder when nothing else is in it: for those that were kept when training was over.
function Backup:delete() end
