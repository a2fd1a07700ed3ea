---@meta _

-- A Trainer is the training loop that most programs need. All that it uses is public, and a loop of one's own is a
-- dozen lines.
--
--   local trainer = fnn.Trainer{
--     model = model,
--     optimizer = fnn.optim.Adam{},
--     loss = "categorical_crossentropy",
--     metrics = {"accuracy"},
--   }
--   local history = trainer:fit(train, {epochs = 10, batch_size = 128, validation = test})
--   print(trainer:evaluate(test).accuracy)

--- Trains, evaluates and uses a model. `fnn.Trainer{...}` makes one.
---@class fmnistnn.Trainer
---@field model fmnistnn.nn.Module The model.
---@field optimizer? fmnistnn.Optimizer The optimizer.
---@field loss fun(prediction: fmnistnn.Tensor, target: fmnistnn.Tensor): fmnistnn.Tensor The loss.
---@field metrics fmnistnn.Metric[] The metrics.
---@field history fmnistnn.History Of the last fit, also of one that ended by an error.
---@field stop? boolean Set it to true, in a callback, and training ends after the epoch.
local Trainer = {}

--- Options of Trainer.
---@class fmnistnn.TrainerOptions
---@field model? fmnistnn.nn.Module (required) The model.
---@field optimizer? fmnistnn.Optimizer Needed to fit. One that has no parameters yet trains the model's.
---@field loss string|fun(prediction: fmnistnn.Tensor, target: fmnistnn.Tensor): fmnistnn.Tensor A loss or its name.
---@field metrics? (string|fmnistnn.Metric)[] (default {}) Metrics: "accuracy", or what `fnn.metrics` makes.

--- Trains the model. A named loss over probabilities takes what the model gives as logits, unless its last layer is
--- known to be a softmax or sigmoid.
---@param data fmnistnn.Dataset|fmnistnn.Tensor[] A data set, or {examples, labels}.
---@param options? fmnistnn.FitOptions
---@return fmnistnn.History
function Trainer:fit(data, options) end

--- Options of fit.
---@class fmnistnn.FitOptions
---@field epochs? integer (default 1) How often to go over the data.
---@field batch_size? integer (default 32) Examples in a step.
---@field shuffle? boolean (default true) Whether each epoch goes over the data in another order.
---@field seed? integer (default: the generator's) Seeds the generator first: all that is random follows from it.
---@field validation? fmnistnn.Dataset|fmnistnn.Tensor[] (default: none) Data to evaluate after each epoch.
---@field validation_split? number (default: none) Instead: so large a part of the end of the data, 0..1.
---@field callbacks? fmnistnn.Callback[] (default {}) Tables of functions to call.
---@field progress? boolean (default true) Whether to tell on standard error how it goes.
---@field interruptible? boolean (default false) Whether Ctrl-C ends training early, instead of raising as usual.

--- Functions that fit calls, any of these, with the table itself first.
---@class fmnistnn.Callback
---@field on_train_begin? fun(self: table, trainer: fmnistnn.Trainer) Before the first epoch.
---@field on_epoch_begin? fun(self: table, trainer: fmnistnn.Trainer, epoch: integer) Before an epoch.
---@field on_batch_end? fun(self: table, trainer: fmnistnn.Trainer) After a step.
---@field on_epoch_end? fun(self: table, trainer: fmnistnn.Trainer, epoch: integer, values: table) With its values.
---@field on_train_end? fun(self: table, trainer: fmnistnn.Trainer) When training is over.

--- What fit saw: lists with a value for each epoch.
---@class fmnistnn.History
---@field loss number[] Mean loss in training.
---@field seconds number[] Of training, without validation.
---@field images_per_second number[] Likewise.
---@field val_loss? number[] Mean loss of the validation.
---@field interrupted? boolean True when Ctrl-C ended it.
---@field [string] number[] Each metric by its name, as "accuracy", and of the validation, as "val_accuracy".

--- The loss and metrics on data, with the model in evaluation.
---@param data fmnistnn.Dataset|fmnistnn.Tensor[] A data set, or {examples, labels}.
---@param options? fmnistnn.EvaluateOptions
---@return table<string, number> # by name: "loss", "accuracy"
function Trainer:evaluate(data, options) end

--- Options of evaluate and predict.
---@class fmnistnn.EvaluateOptions
---@field batch_size? integer (default 256) Examples in a call of the model.

--- What the model gives, in evaluation, as one tensor.
---@param examples fmnistnn.Dataset|fmnistnn.Tensor|fmnistnn.Tensor[] A data set, examples, or {examples, labels}.
---@param options? fmnistnn.EvaluateOptions
---@return fmnistnn.Tensor
function Trainer:predict(examples, options) end

--- Measures of classifiers. A prediction is rows of scores (N,C) or class numbers; a target class numbers or one-hot
--- rows.
---@class fmnistnn.metrics
local metrics = {}

--- The fraction of examples whose largest score is that of the target's class.
---@return fmnistnn.Metric
function metrics.accuracy() end

--- The fraction of examples whose class is among the k largest scores; its name is "top_k" with the number.
---@param k integer 1 or more.
---@return fmnistnn.Metric
function metrics.top_k(k) end

--- A metric by its name, "accuracy", or the table itself.
---@param given string|fmnistnn.Metric The name, or a metric.
---@return fmnistnn.Metric
function metrics.get(given) end

--- A running measure over batches. Any table with these fields will do.
---@class fmnistnn.Metric
---@field name string Its name in histories.
---@field reset fun(self: fmnistnn.Metric) Begins anew.
---@field update fun(self: fmnistnn.Metric, prediction: fmnistnn.Tensor, target: fmnistnn.Tensor) Adds a batch.
---@field value fun(self: fmnistnn.Metric): number The measure of all batches since.

--- How often an example of class i (row) was taken for class j (column).
---@param predicted fmnistnn.Tensor Class numbers.
---@param target fmnistnn.Tensor Class numbers.
---@param classes integer How many classes there are.
---@return fmnistnn.Tensor # int64 (classes, classes)
function metrics.confusion_matrix(predicted, target, classes) end

--- Precision, recall and F1 of each class, from a confusion matrix. A ratio of nothing counts as 0, as in scikit-learn.
---@param confusion fmnistnn.Tensor (C,C).
---@return fmnistnn.ClassReport[] classes one for each
---@return number accuracy
function metrics.classification_report(confusion) end

--- How well a class was told.
---@class fmnistnn.ClassReport
---@field precision number How many of the examples taken for it were of it.
---@field recall number How many of its examples were taken for it.
---@field f1 number 2 precision recall / (precision + recall).
---@field support integer How many of its examples there were.

--- Results as text for people.
---@class fmnistnn.report
local report = {}

--- Precision, recall, F1 and support of each class, their means, and the accuracy.
---@param confusion fmnistnn.Tensor (C,C), from `metrics.confusion_matrix`.
---@param class_names? string[] (default: numbers)
---@return string # lines
function report.classification(confusion, class_names) end

--- A confusion matrix: a row for each true class, a column for each predicted one.
---@param confusion fmnistnn.Tensor (C,C).
---@param class_names? string[] (default: numbers)
---@return string # lines
function report.confusion(confusion, class_names) end
