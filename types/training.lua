---@meta _

-- A Trainer is the training loop that most programs need. Training needs nothing that is private: a loop of one's own
-- is a dozen lines.
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
---@field value_names? string[] Of fit: the names of the values that each epoch has, "loss", "accuracy", "val_loss" ...
---@field stop? boolean Set it to true, in a callback, and training ends after the epoch.
local Trainer = {}

--- Options of Trainer.
---@class fmnistnn.TrainerOptions
---@field model? fmnistnn.nn.Module (required) The model.
---@field optimizer? fmnistnn.Optimizer Needed to fit. One without parameters trains the model's; else some of them.
---@field loss fmnistnn.Loss The loss.
---@field mixed_precision? boolean (default: as the model is) Whether to multiply as bfloat16: `Module:mixed_precision`.
---@field metrics? (string|table|fmnistnn.Metric)[] (default {}) Metrics, names, {name, function}: see `metrics.get`.

--- Trains the model. A named loss over probabilities, and named metrics, take what the model gives as logits, unless
--- its last layer is known to be a softmax or sigmoid, or the loss has the option from_logits. A model may also give a
--- table of tensors, for a loss and metrics of one's own.
---@param data fmnistnn.Dataset|fmnistnn.Examples[] A data set, or {examples, labels}.
---@param options? fmnistnn.FitOptions
---@return fmnistnn.History
function Trainer:fit(data, options) end

--- Options of fit.
---@class fmnistnn.FitOptions
---@field epochs? integer (default 1) How often to go over the data.
---@field batch_size? integer (default 32) Examples in a step.
---@field shuffle? boolean (default true) Whether each epoch goes over the data in another order.
---@field seed? integer (default: the generator's) Seeds the generator first: all that is random follows from it.
---@field validation? fmnistnn.Dataset|fmnistnn.Examples[] (default: none) Data to evaluate after each epoch.
---@field validation_split? number (default: none) Instead: so large a part of the end of the data, 0..1.
---@field callbacks? fmnistnn.Callback[] (default {}) Of `fnn.callbacks`, or tables of functions to call.
---@field progress? boolean|fmnistnn.ProgressDisplay (default true) Whether to tell how it goes; or what tells it.
---@field interruptible? boolean (default false) Whether Ctrl-C ends training early, instead of raising as usual.

--- Functions that fit calls, any of these, with the table itself first. Batches count from 1 in each epoch; `values`
--- are the averages since its begin, without the validation's until it ends. What a callback must keep for a fit to go
--- on (`Trainer:save`) it gives and gets as one plain value. Other names that begin with on_ are refused.
---@class fmnistnn.Callback
---@field name? string Tells whose state it is, in a file.
---@field on_train_begin? fun(self: table, trainer: fmnistnn.Trainer) Before the first epoch.
---@field on_restore? fun(self: table, trainer: fmnistnn.Trainer) After that of all: the place for `Trainer:load`.
---@field on_epoch_begin? fun(self: table, trainer: fmnistnn.Trainer, epoch: integer) Before an epoch's first batch.
---@field on_batch_begin? fun(self: table, trainer: fmnistnn.Trainer, batch: integer) Before a batch.
---@field on_loss? function (self, trainer, batch, loss, examples, target): the number, before the step. Clone to keep.
---@field on_batch_end? fun(self: table, trainer: fmnistnn.Trainer, batch: integer, values: table) After a step.
---@field on_evaluate_begin? fun(self: table, trainer: fmnistnn.Trainer) Before the validation, if any.
---@field on_epoch_end? fun(self: table, trainer: fmnistnn.Trainer, epoch: integer, values: table) With its values.
---@field on_evaluate_end? fun(self: table, trainer: fmnistnn.Trainer) After on_epoch_end, last first: to put back.
---@field on_save_point? function (self, trainer, batch): after on_batch_end or on_epoch_end (no batch) of all: to save.
---@field on_train_end? fun(self: table, trainer: fmnistnn.Trainer) When training is over; not after an error.
---@field state? fun(self: table): any Plain values (tables, numbers, strings, booleans) and tensors.
---@field set_state? fun(self: table, state: any) Takes what state gave.

--- What tells how a fit goes in another way.
---@class fmnistnn.ProgressDisplay
---@field begin_epoch function (self, epoch, images, seen, history): of so many images, `seen` are done already.
---@field advance function (self, count, names, values): so many more images; the averages so far.
---@field end_epoch function (self, names, values, seconds, images_per_second): what an epoch came to.
---@field stop function (self): training is over, in whatever way.

--- Options of Progress.
---@class fmnistnn.ProgressOptions
---@field epochs? integer (required) Of a fit.
---@field trials? integer (default 1) How many fits there are.
---@field work? number[] (default: all alike) How long they take beside each other.

--- What fit saw: lists with a value for each epoch.
---@class fmnistnn.History
---@field loss number[] Mean loss in training: of the batches', each counting by its examples.
---@field seconds number[] Of training, without validation.
---@field images_per_second number[] Likewise.
---@field val_loss? number[] Mean loss of the validation.
---@field learning_rate? number[] That each epoch ended with, where a callback of `fnn.callbacks` sets it.
---@field interrupted? boolean True when Ctrl-C ended it.
---@field stopped? string Why `Trainer:halt` ended it.
---@field [string] number[] Each metric by its name, as "accuracy", and of the validation, as "val_accuracy".

--- Ends training at once, from within a callback: fit returns, and `history.stopped` is this text.
---@param text string Why.
function Trainer:halt(text) end

--- Writes all that a fit needs to go on as if it had not been stopped, into one file, of which there is never half:
--- weights and buffers, the optimizer's state, the generator, the history, where in which epoch the fit is, and the
--- state of its callbacks. `callbacks.BackupAndRestore` does so by itself.
---@param path string
---@return true? ok
---@return string? message what went wrong
function Trainer:save(path) end

--- Reads what save wrote, into a trainer of the same model and optimizer, built or not. In on_restore of a callback,
--- the fit goes on from there. What is damaged or does not fit is refused; the model is then as it was. Layers without
--- tensors of their own may have been made with other options.
---@param path string
---@return true? ok
---@return string? message what went wrong
function Trainer:load(path) end

--- The loss and metrics on data, with the model in evaluation and data that is augmented as it was before.
---@param data fmnistnn.Dataset|fmnistnn.Examples[] A data set, or {examples, labels}.
---@param options? fmnistnn.EvaluateOptions
---@return table<string, number> # by name: "loss", "accuracy"
function Trainer:evaluate(data, options) end

--- Options of evaluate and predict.
---@class fmnistnn.EvaluateOptions
---@field batch_size? integer (default 256) Examples in a call of the model.
---@field augment? (fun(images: fmnistnn.Tensor): fmnistnn.Tensor)[] (default {}) See `Trainer:predict`.

--- What the model gives, in evaluation, as one tensor; for data that is augmented, as it was before.
---
--- With functions in `augment`, outputs are averaged over each batch of images and what each of the functions makes of
--- it (test-time augmentation). Where a named loss takes outputs as logits, it is the probabilities that are averaged,
--- and what is given are their logits; else the mean of the outputs. Changes help that the model saw in training too:
--- all shoes of Fashion-MNIST point to the left. An example with six views of an image:
---
--- ```lua
--- local F = fnn.nn.functional
--- local function down(x) return F.shift(x, 1, 1) end
--- local function up(x) return F.shift(x, -1, -1) end
--- local function flipped(f) return function(x) return f(F.hflip(x)) end end
--- local logits = trainer:predict(test, {augment = {F.hflip, down, up, flipped(down), flipped(up)}})
--- ```
---@param examples fmnistnn.Dataset|fmnistnn.Tensor|fmnistnn.Examples[] A data set, examples, or {examples, labels}.
---@param options? fmnistnn.EvaluateOptions
---@return fmnistnn.Tensor
function Trainer:predict(examples, options) end

--- The display that fit makes of its own: a live line on a terminal, else a line an epoch, on standard error.
---@class fmnistnn.Progress: fmnistnn.ProgressDisplay
local Progress = {}

--- The next of several fits begins.
---@param number integer Which one.
---@param epochs? integer (default: as many as the last) How many it has.
function Progress:begin_trial(number, epochs) end

--- The last of some numbers as a line of bars.
---@param list number[] What is not finite is a gap.
---@param cells integer How many at most.
---@return string # UTF-8
function Progress.sparkline(list, cells) end

--- Measures of classifiers. A prediction is rows of scores (N,C) or class numbers (N); a target class numbers (N) or
--- rows (N,C) such as one-hot ones. Scores (N,1), as of one sigmoid, are of the second of two classes, and targets
--- (N,1) then 0 and 1, or between them, as mixup makes them, and above 0.5 of the second class. Each position of an
--- example, such as a pixel, counts as one: of scores (N,C,...) or class numbers (N,...), with targets likewise.
---
--- A metric may be given to a Trainer or be called with whole predictions:
---
--- ```lua
--- local per_class = fnn.metrics.f1{average = "none"}(trainer:predict(test), test.labels)
--- ```
---@class fmnistnn.metrics
local metrics = {}

--- The fraction of examples whose largest score is that of the target's class.
---@param options? fmnistnn.metrics.Options
---@return fmnistnn.Metric
function metrics.accuracy(options) end

--- What all metrics that have options take.
---@class fmnistnn.metrics.Options
---@field from_logits? boolean (default true) Whether scores are logits, else probabilities.

--- The fraction of examples whose class is among the k largest scores; its name is "top_k" with the number.
---@param k integer 1 or more.
---@param options? fmnistnn.metrics.Options
---@return fmnistnn.Metric
function metrics.top_k(k, options) end

--- How many of the examples that were taken for a class were of it.
---
--- The averages over classes are scikit-learn's: "macro" is the mean, "weighted" the mean with each class counting by
--- its examples; "micro" is of all examples together, which is the accuracy; "binary" is that of class 2; "none" is a
--- list with that of each class. A ratio of nothing counts as 0. Averages but "macro" are added to the metric's name,
--- as in "precision_weighted". There are as many classes as scores have columns, or as the largest class number.
---@param options? fmnistnn.metrics.AverageOptions
---@return fmnistnn.Metric
function metrics.precision(options) end

--- How many of the examples of a class were taken for it. Averages are those of `metrics.precision`.
---@param options? fmnistnn.metrics.AverageOptions
---@return fmnistnn.Metric
function metrics.recall(options) end

--- 2 precision recall / (precision + recall) of each class. Averages are those of `metrics.precision`.
---@param options? fmnistnn.metrics.AverageOptions
---@return fmnistnn.Metric
function metrics.f1(options) end

--- Options of precision, recall and f1.
---@class fmnistnn.metrics.AverageOptions
---@field average? "macro"|"micro"|"weighted"|"binary"|"none" (default "macro") How classes become one number.
---@field from_logits? boolean (default true) Whether scores are logits, else probabilities.

--- Cohen's kappa (1960), agreement beyond what chance would give: 1 - sum w_ij o_ij / sum w_ij e_ij with o the
--- confusion matrix and e what its margins let expect. Not a number where all examples are of one class, and taken for
--- it.
---@param options? fmnistnn.metrics.CohenKappaOptions
---@return fmnistnn.Metric
function metrics.cohen_kappa(options) end

--- Options of cohen_kappa.
---@class fmnistnn.metrics.CohenKappaOptions
---@field weights? "none"|"linear"|"quadratic" (default "none") w: 1 for a mistake, the distance of classes, its square.
---@field from_logits? boolean (default true) Whether scores are logits, else probabilities.

--- The area under the ROC curve of each class against the rest: how often an example of the class has a higher
--- probability of it than another, a tie counting half. A class without examples, or with all of them, has none. It
--- keeps all scores, and a Trainer asks for it at the end of an epoch only.
---@param options? fmnistnn.metrics.RocAucOptions
---@return fmnistnn.Metric
function metrics.roc_auc(options) end

--- Options of roc_auc.
---@class fmnistnn.metrics.RocAucOptions
---@field average? "macro"|"weighted"|"none" (default "macro") Of the classes that have one; in a list it is NaN.
---@field from_logits? boolean (default true) Whether scores are logits, else probabilities.

--- Expected calibration error (Guo et al. 2017): the mean of |accuracy - probability| over bins of examples with about
--- the same probability of the class that they are taken for.
---@param options? fmnistnn.metrics.CalibrationErrorOptions
---@return fmnistnn.Metric
function metrics.calibration_error(options) end

--- Options of calibration_error.
---@class fmnistnn.metrics.CalibrationErrorOptions
---@field bins? integer (default 15) How many bins of equal width there are.
---@field from_logits? boolean (default true) Whether scores are logits, else probabilities.

--- A metric by its name, or the table itself. Names are "accuracy", "precision", "recall", "f1", "cohen_kappa",
--- "roc_auc" and "calibration_error", and those of the losses, for their means over the examples.
---
--- {"name", function} is the mean of what a function of prediction and target returns: a number or a tensor of one
--- element, which count by the examples of the batch, or a tensor with the value of each example. Its field `mode` says
--- which way is better, for callbacks that watch it:
---
--- ```lua
--- local function off_by_one(prediction, target) return (prediction:argmax(2) - target):abs():eq(1) end
--- local trainer = fnn.Trainer{
---   model = model, loss = "cross_entropy", metrics = {"accuracy", {"off_by_one", off_by_one, mode = "min"}},
--- }
--- ```
---@param given string|table|fmnistnn.Metric The name, {name, function, mode = "min" or "max"}, or a metric.
---@param settings? table<string, any> The options to make it with.
---@return fmnistnn.Metric
function metrics.get(given, settings) end

--- A running measure over batches. Any table with these fields will do; those that `fnn.metrics` makes can also be
--- called, metric(prediction, target), for the measure of these alone.
---@class fmnistnn.Metric
---@field name string Its name in histories, which does not begin with "val_".
---@field reset fun(self: fmnistnn.Metric) Begins anew.
---@field update fun(self: fmnistnn.Metric, prediction: fmnistnn.Tensor, target: fmnistnn.Tensor) Adds a batch.
---@field value fun(self: fmnistnn.Metric): number|number[] The measure of all batches since.
---@field mode? "min"|"max" Which way is better: for callbacks that watch it.
---@field costly? boolean Whether a Trainer is to ask for it only when an epoch is over.
---@overload fun(prediction: fmnistnn.Tensor, target: fmnistnn.Tensor): number|number[]

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
