-- A search among networks like the study's: numbers and sizes of convolutions, pools, dense layers, dropout, batch
-- normalization, optimizer, learning rate and batch (search/space.lua). The study's nine come first. In all of them the
-- learning rate falls to 0 in the course of the epochs. A part of the training images chooses; at the end the best is
-- trained on all of them, and the test images are looked at once.
--
--   lua5.4 examples/search.lua --minutes 30           up to 60 trials, as many as that allows
--   lua5.4 examples/search.lua --trials 100 --resume  goes on until there are 100 in all
--   lua5.4 examples/search.lua --help                 its options
--
-- The folder (--out) then has search.db, for Optuna's dashboard too, and search.html, which is written again and
-- again. Stopped at any moment, by Ctrl-C or worse, and started again with --resume, it goes on from each trial's last
-- epoch. More machines join by bin/fmnistnn-worker (docs/search.md).
local options = dofile((arg[0]:match("^(.*/)") or "") .. "options.lua")

local parser = options.parser("Search for a convolutional network for Fashion-MNIST.")
parser:option("--trials", "N", "How many trials in all, with those of earlier runs.", "integer", 1, "60")
parser:option("--minutes", "X", "No trial begins after so many minutes.", "number")
parser:option("--workers", "N", "Trials at a time (one for each CPU unless given).", "integer", 1)
parser:option("--epochs", "N", "Epochs of a trial that is not given up before.", "integer", 1, "9")
parser:option("--limit", "N", "Use the first N training images only.", "integer", 1)
parser:option("--validation", "X", "The part of the training images that chooses.", "share", nil, "0.1")
parser:option("--seed", "N", "Decides on what is drawn, on initial weights and the order of images.", "integer", 0, "1")
parser:option("--threads", "N", "Threads to use (all CPUs unless given).", "threads")
parser:option("--out", "DIR", "The folder for results.", "folder", nil, "search-results")
parser:option("--storage", "URL", "Where trials are kept (sqlite:///DIR/search.db unless given).")
parser:flag("--resume", "Go on with the trials that are there.")
local given = parser:parse()

local fnn = require "fmnistnn"
local networks = require "study.networks"
local result_file = require "result_file"
local search = require "fmnistnn.search"
local space = require "search.space"
local study_trials = require "study.trials".trials

-- Trials of more multiply-adds than this are given up before they begin: two and a half times trial 9's.
local MOST_WORK = 28e6

local train, test = options.check(fnn.data.fashion_mnist())
if given.limit then train = train:first(given.limit) end
local fit, validation = options.split(train, given.validation)

local page = given.out .. "/search.html"

-- ---- the study, in which the trials by hand come first ----

-- The best first, for they are what the others are then measured by; those that wait already are passed over.
local function enqueue_trials(study)
  local rows = {}
  for _, row in ipairs(study_trials) do
    if row.convolutions then rows[#rows + 1] = row end
  end
  table.sort(rows, function(a, b) return a.study[1] > b.study[1] end)
  for _, row in ipairs(rows) do
    study:enqueue(space.parameters(row), {user_attributes = {from = "trial " .. row.name}, skip_if_exists = true})
  end
end

-- What the trials of a search have in common, so that they can be compared, and go on from their checkpoints.
local conditions = {
  epochs = given.epochs, images = #fit, validation_images = #validation, seed = given.seed,
}

local function check_conditions(study)
  local difference = result_file.difference(study.user_attributes.conditions or {}, conditions)
  options.check(not difference, ("the search that is there has %s: choose another folder by --out"):format(difference))
end

-- The trials that are over or run: the others wait.
local function count_begun(study)
  local count = 0
  for _, trial in ipairs(study.trials) do count = count + (trial.state == "waiting" and 0 or 1) end
  return count
end

-- Makes a study ready for its first trial.
local function begin(study)
  study:set_user_attribute("conditions", conditions)
  enqueue_trials(study)
end

local is_guest = search.overrides.workers ~= nil -- of fmnistnn-worker: the search is another's

-- A new study, or the one that is there: of workers that begin at once, one makes it.
local function open_study()
  local settings = {
    name = "fashion-mnist", direction = "maximize", metric_names = {"accuracy"},
    storage = given.storage or ("sqlite:///%s/search.db"):format(given.out),
    sampler = search.TPE{seed = given.seed},
    -- the first epoch or two would tell against all that dropout slows down
    pruner = search.ASHA{min_resource = math.min(3, given.epochs), max_resource = given.epochs, reduction = 2},
    checkpoints = given.out .. "/checkpoints", load_if_exists = false,
  }
  local is_new, study = pcall(search.study, settings)
  if is_new then
    begin(study)
    return study
  end
  settings.load_if_exists = true
  study = search.study(settings) -- raises what else may be wrong
  local count = count_begun(study)
  options.check(is_guest or given.resume or count == 0,
    ("there are %d trials already: go on with them by --resume, or choose another folder"):format(count))
  check_conditions(study)
  if count == 0 and not is_guest then begin(study) end -- what made it may have been stopped before it was ready
  return study
end

local study = open_study()

-- ---- a trial ----

local function trainer_of(row, images)
  local model = networks.make(row)
  local steps = (images + row.batch - 1) // row.batch * given.epochs
  local optimizer = fnn.optim[row.optimizer]{
    lr = fnn.schedules.Polynomial{row.lr, steps = steps, final = 0}, model = model,
  }
  return fnn.Trainer{model = model, optimizer = optimizer, loss = "categorical_crossentropy", metrics = {"accuracy"}}
end

-- After each epoch: tells the accuracy on the validation images, and ends training when others were better by then.
local function reporter(trial)
  return {on_epoch_end = function(_, trainer, epoch, values)
    trial:report(values.val_accuracy, epoch)
    trainer.stop = trial:should_prune()
  end}
end

local function objective(trial)
  local row = space.draw(trial)
  trial:set_user_attribute("network", space.describe(row))
  local trainer = trainer_of(row, #fit)
  local work = trainer.model:summary({1, 28, 28}, {print = false}).multiply_adds
  if work > MOST_WORK then search.prune(("%.0f million multiply-adds are too many"):format(work / 1e6)) end
  local history = trainer:fit(fit, {
    epochs = given.epochs, batch_size = row.batch, seed = trial.seed, validation = validation, progress = false,
    callbacks = {
      fnn.callbacks.TerminateOnNaN{}, reporter(trial), fnn.callbacks.BackupAndRestore{trial:checkpoint_path("backup")},
    },
  })
  if history.stopped or trainer.stop then search.prune(history.stopped) end
  return history.val_accuracy[#history.val_accuracy]
end

study:optimize(objective, {
  trials = given.trials, timeout = given.minutes and given.minutes * 60, workers = given.workers or fnn.threads(),
  report = not is_guest and page or nil,
})
if is_guest then return end

-- ---- the best, trained on all images ----

local best = options.check(study.best, "no trial was completed")
local row = space.row(best.params)
print(("the best of %d trials is trial %d, with a validation accuracy of %.4f:\n%s"):format(count_begun(study),
  best.number, best.value, space.describe(row)))

local trainer = trainer_of(row, #train)
local history = trainer:fit(train, {
  epochs = given.epochs, batch_size = row.batch, seed = given.seed, interruptible = true,
  callbacks = {fnn.callbacks.BackupAndRestore{("%s/best, trial %d"):format(given.out, best.number)}},
})
if history.interrupted then options.check(nil, "stopped; --resume goes on") end
local accuracy = trainer:evaluate(test).accuracy
study:set_user_attribute("test accuracy", {trial = best.number, epochs = given.epochs, accuracy = accuracy})
options.check(trainer.model:save(given.out .. "/best.safetensors"))
options.check(study:report(page))
print(("trained on all %d training images: test accuracy %.4f; trial 9 of the study: 0.9252"):format(#train, accuracy))
print(page .. " shows the search")
