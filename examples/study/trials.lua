-- The study's networks, a row each, as its table has them. A row more is a network more.
--
--   name          of the row; `study` is what the study had: test accuracy and minutes
--   convolutions  filters, kernel, padding, activation; stride 1
--   pools         after which of them a pool of 2 x 2 stands
--   dense         hidden layers, all relu; the output layer is dense 10, softmax
--   batch_norm    whether each convolution is followed by batch normalization
--   dropout       after the last pool
--   residual      instead of convolutions, pools and dense: a function that makes a network of its own (networks.lua)
--   epochs, batch, optimizer (a name of fnn.optim), lr (Keras's default unless given), loss, pool_kind
--
-- What the cured residual network has besides:
--
--   options       of the optimizer        one_cycle     the highest learning rate of a triangle of them
--   augment       of Dataset:augmented    smoothing     of the labels
--   average       decay of the weights' exponential average, by which it is judged
--   flip          whether predictions are averaged over each image and its mirror image
--   mixed         whether convolutions multiply as bfloat16
local networks = require "study.networks"

local trial_4 = {{64, 3, "same", "relu"}, {32, 5, "same", "relu"}, {16, 3, "same", "tanh"}}
local trial_8 = {{35, 3, "valid", "relu"}, {50, 3, "valid", "relu"}}

local trials = {
  {name = "1", epochs = 5, batch = 16, optimizer = "Adam", pools = {1, 2}, dense = {64},
    convolutions = {{32, 3, "same", "relu"}, {16, 3, "same", "relu"}}, study = {0.9118, 15}},
  {name = "2", epochs = 5, batch = 8, optimizer = "Adam", pools = {1, 2}, dense = {128},
    convolutions = {{32, 3, "same", "relu"}, {32, 5, "same", "relu"}}, study = {0.9139, 2.5}},
  {name = "3", epochs = 5, batch = 16, optimizer = "Adam", pools = {1, 2}, dense = {128},
    convolutions = {{64, 3, "same", "relu"}, {32, 5, "same", "relu"}}, study = {0.9023, 3}},
  {name = "4", epochs = 5, batch = 32, optimizer = "RMSprop", pools = {1, 2, 3}, dense = {128},
    convolutions = trial_4, study = {0.9079, 3.5}},
  {name = "5", epochs = 10, batch = 64, optimizer = "Adam", pools = {1, 2, 3}, dense = {128},
    convolutions = trial_4, study = {0.9119, 6.5}},
  {name = "6", epochs = 10, batch = 128, optimizer = "Adam", pools = {1, 2, 5}, dense = {256, 128},
    convolutions = {{32, 3, "same", "relu"}, {32, 5, "valid", "relu"}, {16, 5, "same", "relu"}, {8, 3, "valid", "relu"},
      {8, 3, "same", "tanh"}}, study = {0.9068, 9}},
  {name = "7", epochs = 10, batch = 128, optimizer = "Adam", pools = {2}, dense = {256},
    convolutions = {{32, 3, "same", "relu"}, {32, 3, "valid", "relu"}}, study = {0.9214, 8.5}},
  {name = "8", epochs = 8, batch = 128, optimizer = "Adam", pools = {2}, dense = {256},
    convolutions = trial_8, study = {0.9229, 8.5}},
  {name = "9", epochs = 12, batch = 128, optimizer = "Adam", lr = 0.0005, pools = {2}, dense = {256},
    convolutions = trial_8, batch_norm = true, dropout = 0.7, study = {0.9252, 39}},
  -- As the study built it: the blocks of the Keras-style ResNet-50, and no more than Adam against over-fitting.
  {name = "resnet", epochs = 10, batch = 128, optimizer = "Adam", residual = networks.bottlenecks,
    study = {0.85}},
  -- What cures it is the recipe.
  {name = "cured", epochs = 8, batch = 256, optimizer = "Muon", residual = networks.residual,
    options = {weight_decay = 0.25}, one_cycle = 0.01, smoothing = 0.1, flip = true, mixed = true,
    augment = {flip = "alternating", shift = 2}},
}

-- ---- the study's findings, an experiment each: rows that differ from one above in one thing ----

local by_name = {}
for _, row in ipairs(trials) do by_name[row.name] = row end

-- The row `of` with some fields changed.
local function changed(of, label, fields)
  local row = {}
  for key, value in pairs(by_name[of]) do row[key] = value end
  for key, value in pairs(fields) do row[key] = value end
  row.name, row.study = ("%s, %s"):format(of, label), nil
  return row
end

-- The row `of` with each of these values of one field.
local function vary(of, field, values, label)
  local rows = {}
  for i, value in ipairs(values) do
    rows[i] = changed(of, ("%s %s"):format(label or field, value), {[field] = value})
  end
  return rows
end

local erasing = {flip = "alternating", shift = 2, erase = {probability = 0.25}}

local experiments = {
  optimizers = vary("8", "optimizer", {
    "SGD", "Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Lion", "LAMB", "RAdam", "Muon",
  }),
  losses = vary("8", "loss", {
    "categorical_crossentropy", "kullback_leibler_divergence", "focal", "mean_squared_error", "categorical_hinge",
    "poisson",
  }),
  pooling = vary("8", "pool_kind", {"MaxPool2d", "AvgPool2d"}, "pooling"),
  dropout = vary("9", "dropout", {0, 0.3, 0.5, 0.7, 0.8}),
  lr = vary("9", "lr", {0.0001, 0.0005, 0.001, 0.005, 0.02}),
  batch = vary("9", "batch", {8, 32, 128, 512}),
  epochs = vary("9", "epochs", {5, 10, 12, 15, 20}),
  precision = {changed("8", "in single precision", {}), changed("8", "in bfloat16", {mixed = true})},
  -- what each part of the recipe is worth
  recipe = {
    changed("cured", "all of it", {}),
    changed("cured", "without augmentation", {augment = false}),
    changed("cured", "by SGD", {
      optimizer = "SGD", options = {momentum = 0.9, nesterov = true, weight_decay = 5e-3}, one_cycle = 0.1, batch = 128,
    }),
    changed("cured", "by AdamW", {optimizer = "AdamW"}),
    changed("cured", "without weight decay", {options = {weight_decay = 0}}),
    changed("cured", "at one learning rate", {one_cycle = false, lr = 0.002}),
    changed("cured", "without smoothing", {smoothing = false}),
    changed("cured", "without flips of test images", {flip = false}),
    changed("cured", "with averaged weights", {average = 0.99}),
    changed("cured", "with erasing", {augment = erasing}),
    changed("cured", "with erasing and less weight decay", {augment = erasing, options = {weight_decay = 0.1}}),
    changed("cured", "in single precision", {mixed = false}),
  },
  -- how far it goes, given time
  long = {
    changed("cured", "36 epochs, erasing, weight decay 0.1", {
      epochs = 36, augment = erasing, options = {weight_decay = 0.1},
    }),
  },
}

return {trials = trials, experiments = experiments}
