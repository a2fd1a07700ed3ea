--- Using a model: its outputs for many examples, a batch at a time, averaged over changed images where that is asked
-- for. Module:predict, Trainer:predict and Trainer:evaluate are made of this.
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local inference = {}

--- A data set of what users give for one: a data set or {examples, labels}; examples may be a list of tensors.
function inference.as_data_set(who, given)
  local data = require "fmnistnn.data"
  if data.is_dataset(given) then return given end
  local examples = type(given) == "table" and given[1]
  local is_pair = (core.is_tensor(examples) or type(examples) == "table") and core.is_tensor(given[2])
  if is_pair then return data.Dataset(given) end
  refuse("%s: expected a data set or {examples, labels}, got %s", who, type(given))
end

--- f() with the model in evaluation and nothing recorded; then each module is as it was.
function inference.evaluating(model, f)
  local _ <close> = model:_kept_modes()
  model:eval()
  core.no_grad(f)
end

-- ---- averages over changed images ----

-- log(e^a + e^b)
local function log_add(a, b) return a:maximum(b) + (-(a - b):abs()):softplus() end

-- The logarithm of a class that a model rules out by -inf would make the above NaN.
local function finite(x) return x:maximum(-1e30) end

-- How outputs are averaged, by what they are: `parts` makes tensors of an output, those of several are joined by `add`,
-- and `whole` makes the average of n of them.
local kinds = {
  values = {
    parts = function(y) return {y} end,
    add = core.ops.add,
    whole = function(parts, n) return parts[1] / n end,
  },
  logits = { -- log p, of which the mean of p is made
    parts = function(y) return {finite(y:log_softmax(-1))} end,
    add = log_add,
    whole = function(parts, n) return parts[1] - math.log(n) end,
  },
  binary_logits = { -- log p and log(1 - p)
    parts = function(y) return {finite(y:log_sigmoid()), finite((-y):log_sigmoid())} end,
    add = log_add,
    whole = function(parts) return parts[1] - parts[2] end,
  },
}

local function changed(change, number, examples)
  local images = change(examples)
  if not core.is_tensor(images) then
    refuse("augment: function %d: expected it to return a tensor, got %s", number, type(images))
  end
  if #images ~= #examples then
    refuse("augment: function %d: expected it to return %d examples, got %d", number, #examples, #images)
  end
  return images
end

local function check_output(who, output)
  if core.is_tensor(output) then return output end
  refuse("%s: expected a tensor from the model, got %s", who, type(output))
end

--- The model's outputs for a batch, averaged over the batch itself and what each function of the list `augment` makes
-- of it. kind: what the outputs are, "values" (whose mean is taken), "logits" or "binary_logits": then it is the mean
-- of the probabilities, as logits again.
function inference.outputs(model, examples, augment, kind)
  local output = model(examples)
  if #augment == 0 then return output end
  if not core.is_tensor(examples) then refuse("augment: expected examples of one tensor, got several") end
  local how = kinds[kind]
  local sums = how.parts(check_output("augment", output))
  for number, change in ipairs(augment) do
    local parts = how.parts(model(changed(change, number, examples)))
    for i, part in ipairs(parts) do sums[i] = how.add(sums[i], part) end
  end
  return how.whole(sums, #augment + 1)
end

-- ---- options, and predict ----

local known = {{"batch_size", "count", default = 256}, {"augment", "table", default = {}}}

--- The options of predict and evaluate.
function inference.options(who, given)
  local o = options.check(who, given, known)
  for key, change in pairs(o.augment) do
    if math.type(key) ~= "integer" or not options.is_callable(change) then
      refuse("%s: augment: expected a list of functions, got %s = %s", who, tostring(key), type(change))
    end
  end
  return o
end

-- {examples} with labels that nobody looks at; what is not {examples}, as it is.
local function with_labels(given)
  if core.is_tensor(given) then given = {given} end
  if type(given) ~= "table" or #given ~= 1 then return given end
  local first = core.is_tensor(given[1]) and given[1] or type(given[1]) == "table" and given[1][1]
  return core.is_tensor(first) and {given[1], core.full({#first}, 1, "int64")} or given
end

--- The model's outputs for a data set (an augmented one without its changes), {examples, labels}, {examples} or a
-- tensor of examples, as one tensor; see Module:predict.
function inference.predict(model, examples, given, kind)
  local o = inference.options("predict", given)
  local is_dataset = require "fmnistnn.data".is_dataset(examples)
  examples = inference.as_data_set("predict", is_dataset and examples or with_labels(examples)):plain()
  local outputs = {}
  inference.evaluating(model, function()
    for batch in examples:batches {size = o.batch_size} do
      outputs[#outputs + 1] = check_output("predict", inference.outputs(model, batch, o.augment, kind))
    end
  end)
  if #outputs == 0 then refuse("predict: there are no examples") end
  return core.ops.cat(outputs, 1)
end

return inference
