--- Losses: functions (prediction, target, options) that return a tensor. Formulas are Keras's.
--
-- The target has the prediction's shape, or, where the prediction is (N,C) of several columns, may be N class numbers
-- 1..C, int64 or uint8: these stand for one-hot rows. Cross-entropy takes classes of pixels, too.
-- Options of all: reduction "mean" (over the batch), "sum" or "none" (one value an example).
--
-- Losses over probabilities take logits (the softmax or sigmoid is theirs) unless from_logits is false.
local core = require "fmnistnn.core"
local check = require "fmnistnn.options".check
local describe = require "fmnistnn.options".describe
local class_rows = require "fmnistnn.class_rows"
local is_list = require "fmnistnn.is_list"
local refuse = require "fmnistnn.refuse"

local losses = {}
local ops = core.ops
local EPSILON = 1e-7 -- keeps logarithms finite, as in Keras

local function is_class_numbers(target)
  return core.is_tensor(target) and target.dtype ~= "float32" and target:dim() == 1
end

-- Options that several losses have, for specs.
local reduction = {"reduction", "string", default = "mean"}
local from_logits = {"from_logits", "boolean", default = true}
local label_smoothing = {"label_smoothing", "fraction", default = 0}

local arguments = {input = "prediction", index = "target"} -- what those of ops are here

-- The result of an op in a loss, whose errors name the loss and its arguments.
local function run(who, op, ...)
  local ok, result = pcall(ops[op], ...)
  if ok then return result end
  local argument, message = tostring(result):match(op .. ": (%a+): (.*)")
  if not argument then error(result, 0) end -- it is not about one of them: memory is short
  refuse("%s: %s: %s", who, arguments[argument] or argument, message)
end

-- Raises unless both are tensors of one shape.
local function check_rows(who, prediction, target)
  if not core.is_tensor(prediction) then refuse("%s: prediction: expected a tensor, got %s", who, type(prediction)) end
  if not core.is_tensor(target) then refuse("%s: target: expected a tensor, got %s", who, type(target)) end
  local expected, got = table.concat(prediction.shape, ","), table.concat(target.shape, ",")
  if expected ~= got then
    local classes = prediction:dim() == 2 and prediction:size(2) > 1
    local numbers = classes and ", or class numbers (int64)" or ""
    refuse("%s: target: expected (%s), as the prediction has%s, got (%s) of %s", who, expected, numbers, got,
      target.dtype)
  end
end

-- The target as floats of the prediction's shape.
local function as_rows(who, prediction, target)
  local has_classes = core.is_tensor(prediction) and prediction:dim() == 2 and prediction:size(2) > 1
  if has_classes and is_class_numbers(target) then
    target = run(who, "one_hot", target, prediction:size(2))
  end
  check_rows(who, prediction, target)
  return target:float()
end

-- One value an example, to what was asked for.
local function reduce(who, values, how)
  if how == "mean" then return values:mean() end
  if how == "sum" then return values:sum() end
  if how == "none" then return values end
  refuse("%s: reduction: expected one of mean, sum, none, got %s", who, how)
end

-- The mean (or sum) over all axes but the first.
local function each_example(x, how)
  if x:dim() < 2 then return x end
  return x:flatten(2)[how](x:flatten(2), 2)
end

local function probabilities(prediction, options)
  return options.from_logits and prediction:softmax(-1) or prediction
end

-- Probabilities that add up to 1, as Keras makes them where a loss relies on it.
local function rows_of_one(prediction) return prediction / prediction:sum(-1, true) end

-- Factors that are given as a tensor or as a list of numbers, of which none is NaN, as a tensor of floats. also: what
-- else may be given.
local function factors(who, name, given, also)
  if core.is_tensor(given) then return given:float() end
  local ok = type(given) == "table" and is_list(given)
  for i, each in ipairs(ok and given or {}) do
    if each ~= each then refuse("%s: %s: element %d: expected a number, got NaN", who, name, i) end
    ok = ok and type(each) == "number"
  end
  if not ok then
    refuse("%s: %s: expected %sa tensor or a list of numbers, got %s", who, name, also or "", describe(given))
  end
  return core.from_table(given, "float32")
end

-- ---- over probabilities of classes ----

-- The factors of the classes, nil where there are none.
local function class_weight(who, given, prediction)
  if given == nil or not core.is_tensor(prediction) or prediction:dim() == 0 then return nil end
  local weight, classes = factors(who, "weight", given), prediction:size(-1)
  if weight:dim() == 1 and #weight == classes then return weight end
  local got = table.concat(weight.shape, ",")
  refuse("%s: weight: expected (%d), a weight for each class, got (%s)", who, classes, got)
end

local function cross_entropy_of_rows(who, prediction, target, options)
  local weight = class_weight(who, options.weight, prediction)
  if options.from_logits then
    local numbers = is_class_numbers(target)
    if not numbers then check_rows(who, prediction, target) end
    local op = numbers and "cross_entropy_classes" or "cross_entropy_soft"
    return run(who, op, prediction, target, {
      weight = weight, label_smoothing = options.label_smoothing, reduction = options.reduction,
    })
  end
  local t, s = as_rows(who, prediction, target), options.label_smoothing
  t = t * (1 - s) + s / prediction:size(-1)
  if weight then t = t * weight end
  local p = rows_of_one(prediction):clamp(EPSILON, 1 - EPSILON)
  local values = -(t * p:log()):sum(-1)
  if weight and is_class_numbers(target) and options.reduction == "mean" then
    return values:sum() / weight:index_select(1, target):sum()
  end
  return reduce(who, values, options.reduction)
end

--- Categorical cross-entropy, -sum_c t_c log p_c, on class numbers (N) or on rows of probabilities (N,C); or for each
-- position of an example, such as the pixels of an image: of predictions (N,C,...) on class numbers (N,...) or rows
-- (N,C,...), where the mean is over all positions and "none" gives a value for each, (N,...).
-- label_smoothing 0; from_logits true; weight: a factor for each class, a tensor (C) or a list. With class numbers and
-- weights, the mean divides by the sum of the weights of the targets' classes, as in PyTorch (not a number where that
-- is 0); on rows by the number of examples, as without weights.
function losses.categorical_crossentropy(prediction, target, options)
  local who = "categorical_crossentropy"
  options = check(who, options, {reduction, from_logits, label_smoothing, {"weight", "any", optional = true}})
  local rows, wanted = class_rows(who, prediction, target)
  local value = cross_entropy_of_rows(who, rows, wanted, options)
  if value:dim() == 0 or rows == prediction then return value end
  local positions = prediction.shape
  table.remove(positions, 2)
  return value:reshape(positions)
end

--- The name that PyTorch gives it.
losses.cross_entropy = losses.categorical_crossentropy

--- Kullback and Leibler's divergence, sum_c t_c log(t_c / p_c), with both cut to at least 1e-7. from_logits true.
function losses.kullback_leibler_divergence(prediction, target, options)
  options = check("kullback_leibler_divergence", options, {reduction, from_logits})
  local t = as_rows("kullback_leibler_divergence", prediction, target):clamp(EPSILON, 1)
  local p = probabilities(prediction, options):clamp(EPSILON, 1)
  return reduce("kullback_leibler_divergence", (t * (t / p):log()):sum(-1), options.reduction)
end

--- Focal loss (Lin et al. 2017), sum_c -alpha (1 - p_c)^gamma t_c log p_c. alpha 0.25, gamma 2 (0 or more), from_logits
-- true.
function losses.focal(prediction, target, options)
  options = check("focal", options,
    {reduction, from_logits, {"alpha", "number", default = 0.25}, {"gamma", "nonnegative", default = 2}})
  local t = as_rows("focal", prediction, target)
  local p = rows_of_one(probabilities(prediction, options)):clamp(EPSILON, 1 - EPSILON)
  local values = t * p:log() * (1 - p) ^ options.gamma * -options.alpha
  return reduce("focal", values:sum(-1), options.reduction)
end

-- The factor of what is to be 1: a number, or a tensor that broadcasts to the prediction's shape.
local function positive_weight(who, given, prediction)
  if given ~= given then refuse("%s: pos_weight: expected a number, got NaN", who) end
  if type(given) == "number" then return given end
  local weight = factors(who, "pos_weight", given, "a number, ")
  local fits, behind = weight:dim() <= prediction:dim(), prediction:dim() - weight:dim()
  for axis, size in ipairs(weight.shape) do
    fits = fits and (size == 1 or size == prediction:size(behind + axis))
  end
  if fits then return weight end
  refuse("%s: pos_weight: expected a number or what broadcasts to (%s), as the prediction has, got (%s)", who,
    table.concat(prediction.shape, ","), table.concat(weight.shape, ","))
end

--- Binary cross-entropy, -w t log p - (1 - t) log(1 - p), averaged over an example's elements. label_smoothing 0 pulls
-- targets to 0.5; from_logits true; pos_weight: w, a number (1), or a tensor or list that broadcasts to the
-- prediction's shape, such as one for each column.
function losses.binary_crossentropy(prediction, target, options)
  local who = "binary_crossentropy"
  options = check(who, options, {reduction, from_logits, label_smoothing, {"pos_weight", "any", default = 1}})
  local t, s = as_rows(who, prediction, target), options.label_smoothing
  if s > 0 then t = t * (1 - s) + 0.5 * s end
  local w = positive_weight(who, options.pos_weight, prediction)
  local positive, negative = w == 1 and t or t * w, 1 - t
  local values
  if not options.from_logits then
    local p = prediction:clamp(EPSILON, 1 - EPSILON)
    values = -(positive * p:log() + negative * (1 - p):log())
  else -- softplus(z) - t z would round
    values = positive * (-prediction):softplus() + negative * prediction:softplus()
  end
  return reduce(who, each_example(values, "mean"), options.reduction)
end

-- ---- over numbers ----

-- A loss that is the mean over an example's elements of f(prediction, target, options), with an option of its own.
local function elementwise(name, f, own)
  local spec = {reduction, own}
  losses[name] = function(prediction, target, options)
    options = check(name, options, spec)
    local t = as_rows(name, prediction, target)
    return reduce(name, each_example(f(prediction, t, options), "mean"), options.reduction)
  end
end

elementwise("mean_squared_error", function(p, t) return (p - t):square() end)
elementwise("mean_absolute_error", function(p, t) return (p - t):abs() end)

--- Half the square within delta (1), beyond it the absolute error with the same slope (Huber 1964).
elementwise("huber", function(p, t, options)
  local delta, error = options.delta, (p - t):abs()
  return core.ops.where(error:le(delta), error:square() * 0.5, error * delta - 0.5 * delta * delta)
end, {"delta", "positive", default = 1})

--- log cosh(p - t), without overflow.
elementwise("log_cosh", function(p, t)
  local error = p - t
  return error + (error * -2):softplus() - math.log(2)
end)

--- max(1 - t p, 0); targets of 0 and 1 count as -1 and 1, as in Keras.
local function signs(t)
  local zero_or_one = (t:eq(0) | t:eq(1)):all():item() == 1
  return zero_or_one and t * 2 - 1 or t
end
elementwise("hinge", function(p, t) return (1 - signs(t) * p):relu() end)
elementwise("squared_hinge", function(p, t) return (1 - signs(t) * p):relu():square() end)

elementwise("poisson", function(p, t) return p - t * (p + EPSILON):log() end)

--- max(0, 1 + the largest wrong prediction - the right one)
function losses.categorical_hinge(prediction, target, options)
  options = check("categorical_hinge", options, {reduction})
  local t = as_rows("categorical_hinge", prediction, target)
  local right, wrong = (t * prediction):sum(-1), ((1 - t) * prediction):max(-1)
  return reduce("categorical_hinge", (wrong - right + 1):relu(), options.reduction)
end

--- Minus the cosine of the angle between prediction and target along the last axis: -1 is best.
function losses.cosine_similarity(prediction, target, options)
  options = check("cosine_similarity", options, {reduction})
  local t = as_rows("cosine_similarity", prediction, target)
  local function unit(x) return x / x:square():sum(-1, true):maximum(1e-12):sqrt() end
  return reduce("cosine_similarity", -(unit(prediction) * unit(t)):sum(-1), options.reduction)
end

return losses
