-- One run: a row of study/trials.lua, trained with one seed. What came of it is a table, kept as a file of JSON.
local fnn = require "fmnistnn"
local folder = require "fmnistnn.folder"
local networks = require "study.networks"
local result_file = require "result_file"

local run = {}

-- ---- from a row to a trainer ----

local function optimizer_of(row, model, images)
  local options = {lr = row.lr, model = model}
  for name, value in pairs(row.options or {}) do options[name] = value end
  if row.one_cycle then
    local steps = (images + row.batch - 1) // row.batch * row.epochs
    options.lr = fnn.schedules.OneCycle{row.one_cycle, steps = steps, warmup = 0.2, curve = "linear"}
  end
  return fnn.optim[row.optimizer](options)
end

local function loss_of(row)
  if not row.smoothing then return row.loss or "categorical_crossentropy" end
  return function(prediction, target)
    return fnn.losses.categorical_crossentropy(prediction, target, {
      from_logits = false, label_smoothing = row.smoothing,
    })
  end
end

local function trainer_of(row, images)
  local model = networks.make(row)
  return fnn.Trainer{
    model = model, optimizer = optimizer_of(row, model, images), loss = loss_of(row), metrics = {"accuracy"},
    mixed_precision = row.mixed,
  }
end

-- ---- what came of it ----

-- The `count` images that were taken for a wrong class with the greatest probability.
local function most_wrong(probabilities, labels, count)
  local wrong = {}
  local trust, taken, is = probabilities:max(2):totable(), probabilities:argmax(2):totable(), labels:totable()
  for i, class in ipairs(is) do
    if taken[i] ~= class then wrong[#wrong + 1] = {image = i, is = class, taken = taken[i], probability = trust[i]} end
  end
  table.sort(wrong, function(a, b)
    if a.probability ~= b.probability then return a.probability > b.probability end
    return a.image < b.image
  end)
  return table.move(wrong, 1, math.min(count, #wrong), 1, fnn.json.array())
end

local function first_convolution(model)
  for _, layer in ipairs(model) do
    if layer.class_name == "Conv2d" then return layer end
  end
end

local function judge(trainer, row, data)
  local function predict(images)
    return trainer:predict(images, {augment = row.flip and {fnn.nn.functional.hflip} or nil})
  end
  local function accuracy_on(images) return fnn.metrics.accuracy()(predict(images), images.labels) end
  local test, labels = predict(data.test), data.test.labels
  return {
    accuracy = fnn.metrics.accuracy()(test, labels),
    train_accuracy = accuracy_on(data.train),
    validation_accuracy = data.validation ~= data.test and accuracy_on(data.validation) or nil,
    confusion = fnn.metrics.confusion_matrix(test:argmax(2), labels, #data.test.class_names):totable(),
    wrong = most_wrong(test, labels, 12),
    filters = first_convolution(trainer.model).weight:totable(),
  }
end

-- ---- the run ----

local function identity(row, seed, data)
  return {
    trial = row.name, seed = seed, epochs = row.epochs, batch = row.batch, images = #data.train,
    validation_images = #data.validation,
  }
end

-- Where a run's identity is until there is a result.
local function identity_path(path) return path .. "/run.json" end

-- Raises when what a file has is another run.
local function check(path, found, expected)
  local difference = result_file.difference(found, expected)
  if difference then error(("%s: a run with %s: choose another folder by --out"):format(path, difference), 0) end
end

--- Whether an earlier call began this run, and what it came to, nil when it was interrupted; raises when it was another
-- run. path: as run.train takes it.
function run.earlier(path, row, seed, data)
  local expected, result = identity(row, seed, data), result_file.read(path .. ".json")
  if result then
    check(path .. ".json", result, expected)
    return true, result
  end
  check(identity_path(path), result_file.read(identity_path(path)) or {}, expected)
  return io.open(path .. "/.") ~= nil, nil
end

-- What there is to say of a fit that has come to its end.
local function conclude(trainer, average, row, data, result)
  local judged
  local function look() judged = judge(trainer, row, data) end
  if average then average:apply(look) else look() end
  for name, value in pairs(judged) do result[name] = value end
  result.parameters = trainer.model:count_parameters()
  result.summary = trainer.model:summary({1, 28, 28}, {print = false}).text
  result.seconds = 0
  for _, seconds in ipairs(result.history.seconds) do result.seconds = result.seconds + seconds end
end

--- Trains, and writes the result to path .. ".json"; until then the folder `path` has what it needs to go on after an
-- interruption, and the run's identity. data: {train, validation, test}; progress: a display; on_epoch(result): called
-- after each epoch with what there is by then. Returns the result, which is `interrupted` when Ctrl-C ended training;
-- or nil and a message.
function run.train(row, seed, data, path, progress, on_epoch)
  local trainer = trainer_of(row, #data.train)
  local average = row.average and fnn.averages.EMA{model = trainer.model, decay = row.average, warmup = true}
  local backup = fnn.callbacks.BackupAndRestore{path, delete_checkpoint = false}
  local result = identity(row, seed, data)
  local ok, message = folder.make(path)
  if ok then ok, message = result_file.write(identity_path(path), result) end
  if not ok then return nil, message end
  local callbacks = {
    fnn.callbacks.TerminateOnNaN{}, backup,
    {
      on_epoch_end = function()
        result.history = trainer.history
        on_epoch(result)
      end,
    },
  }
  if average then table.insert(callbacks, 1, average) end
  local train = row.augment and data.train:augmented(row.augment) or data.train
  local history = trainer:fit(train, {
    epochs = row.epochs, batch_size = row.batch, seed = seed, validation = data.validation, callbacks = callbacks,
    progress = progress, interruptible = true,
  })
  result.history, result.stopped, result.interrupted = history, history.stopped, history.interrupted
  if result.interrupted then return result end
  if not result.stopped then conclude(trainer, average, row, data, result) end
  ok, message = result_file.write(path .. ".json", result)
  if not ok then return nil, message end
  os.remove(identity_path(path))
  backup:delete()
  return result
end

return run
