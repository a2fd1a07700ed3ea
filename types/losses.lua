---@meta _

-- Functions of a prediction and a target that return a tensor, which `backward` begins with; a Trainer takes their
-- names. Formulas are Keras's; p is the prediction, t the target.
--
-- The target has the prediction's shape. Where the prediction is (N,C) of several columns, it may instead be N class
-- numbers 1..C of an integer type, which stand for one-hot rows.

--- The losses by name. They are in `nn.functional` too.
---@class fmnistnn.losses
local losses = {}

-- ---- Losses over probabilities ----
-- They take logits, since the softmax or sigmoid is theirs, unless `from_logits` is false. Probabilities
-- (and always those of the focal loss) are cut to 1e-7..1 - 1e-7, as in Keras; cross-entropies of logits need no cut.

--- Categorical cross-entropy, -sum_c t_c log p_c, on class numbers or rows of probabilities (N,C). Of predictions
--- (N,C,...) for each position of an example, such as the pixels of an image: the mean is over all of them, and "none"
--- gives (N,...).
---
--- Weights of classes, for data that has few examples of some, are factors of t_c. Their mean on class numbers divides
--- by the sum of the weights of the targets' classes, as in PyTorch (and is NaN where that is 0); on rows by the number
--- of examples. Keras's `class_weight` divides by that number always, which one-hot rows of the class numbers give.
---@param prediction fmnistnn.Tensor (N,C) or (N,C,...).
---@param target fmnistnn.Tensor Class numbers (N) or (N,...), or rows of the prediction's shape.
---@param options? fmnistnn.losses.CrossEntropyOptions
---@return fmnistnn.Tensor
function losses.categorical_crossentropy(prediction, target, options) end

--- Options of categorical cross-entropy.
---@class fmnistnn.losses.CrossEntropyOptions: fmnistnn.losses.ProbabilityOptions
---@field label_smoothing? number (default 0) s, 0..1: the target is (1 - s) t + s / C (Szegedy et al. 2016).
---@field weight? fmnistnn.Tensor|number[] (default: none) (C): a factor for each class.

--- Options of the losses over probabilities.
---@class fmnistnn.losses.ProbabilityOptions: fmnistnn.losses.Options
---@field from_logits? boolean (default true) Whether the prediction is yet to go through a softmax or sigmoid.

--- Options of all losses.
---@class fmnistnn.losses.Options
---@field reduction? fmnistnn.Reduction (default "mean") Over the examples; "none" gives one value for each.

losses.cross_entropy = losses.categorical_crossentropy

--- Kullback and Leibler's divergence, sum_c t_c log(t_c / p_c), with t and p cut to 1e-7..1.
---@param prediction fmnistnn.Tensor (N,C).
---@param target fmnistnn.Tensor Class numbers, or (N,C).
---@param options? fmnistnn.losses.ProbabilityOptions
---@return fmnistnn.Tensor
function losses.kullback_leibler_divergence(prediction, target, options) end

--- Focal loss, sum_c -alpha (1 - p_c)^gamma t_c log p_c (Lin et al. 2017).
---@param prediction fmnistnn.Tensor (N,C).
---@param target fmnistnn.Tensor Class numbers, or (N,C).
---@param options? fmnistnn.losses.FocalOptions
---@return fmnistnn.Tensor
function losses.focal(prediction, target, options) end

--- Options of the focal loss.
---@class fmnistnn.losses.FocalOptions: fmnistnn.losses.ProbabilityOptions
---@field alpha? number (default 0.25) A factor.
---@field gamma? number (default 2) How little easy examples count; 0 or more.

--- Binary cross-entropy, -w t log p - (1 - t) log(1 - p), averaged over the elements of an example. w makes up for
--- targets of 1 that are rare or frequent; a list has one for each column.
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor 0..1.
---@param options? fmnistnn.losses.BinaryCrossEntropyOptions
---@return fmnistnn.Tensor
function losses.binary_crossentropy(prediction, target, options) end

--- Options of binary cross-entropy.
---@class fmnistnn.losses.BinaryCrossEntropyOptions: fmnistnn.losses.ProbabilityOptions
---@field label_smoothing? number (default 0) s, 0..1: the target is (1 - s) t + s / 2.
---@field pos_weight? number|fmnistnn.Tensor|number[] (default 1) w; numbers that broadcast to the prediction's shape.

-- ---- Losses over numbers ----
-- But for the last two, averaged over the elements of an example. Their options are those of `losses.Options`.

--- (p - t)^2.
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.mean_squared_error(prediction, target, options) end

--- |p - t|.
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.mean_absolute_error(prediction, target, options) end

--- log cosh(p - t), without overflow.
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.log_cosh(prediction, target, options) end

--- p - t log(p + 1e-7).
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.poisson(prediction, target, options) end

--- max(1 - t p, 0), for targets -1 and 1, or 0 and 1, which count as these.
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.hinge(prediction, target, options) end

--- The square of hinge.
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.squared_hinge(prediction, target, options) end

--- (p - t)^2 / 2 within delta, beyond it delta |p - t| - delta^2 / 2 (Huber 1964).
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.HuberOptions Its options.
---@return fmnistnn.Tensor
function losses.huber(prediction, target, options) end

--- Options of the Huber loss.
---@class fmnistnn.losses.HuberOptions: fmnistnn.losses.Options
---@field delta? number (default 1) Where the parabola ends, above 0.

--- max(0, 1 + the largest p of a wrong class - the p of the right one).
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.categorical_hinge(prediction, target, options) end

--- Minus the cosine of the angle between prediction and target along the last axis: -1 is best.
---@param prediction fmnistnn.Tensor
---@param target fmnistnn.Tensor
---@param options? fmnistnn.losses.Options
---@return fmnistnn.Tensor
function losses.cosine_similarity(prediction, target, options) end
