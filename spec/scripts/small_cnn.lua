local fnn = require "fmnistnn"
local search, nn = require "fmnistnn.search", fnn.nn
local train, test = fnn.data.fashion_mnist()
local fit, held_out = train:first(6000), test:first(2000)
local study = search.study{
  name = "small-cnn", storage = "sqlite:///" .. (os.getenv("STUDY_DB") or "small-cnn.db"), direction = "maximize",
  sampler = search.TPE{seed = 1}, pruner = search.ASHA{min_resource = 1, max_resource = 4},
}
study:optimize(function(trial)
  local filters = trial:int("filters", 8, 32, {step = 8})
  local lr = trial:float("lr", 1e-4, 1e-2, {log = true})
  local name = trial:categorical("optimizer", {"Adam", "RMSprop", "Adamax"})
  local dropout = trial:float("dropout", 0, 0.8)
  local model = nn.Sequential{
    nn.Conv2d{filters, kernel = 3, activation = "relu"}, nn.MaxPool2d{2}, nn.Dropout{dropout}, nn.Flatten{}, nn.Dense{10},
  }
  local trainer = fnn.Trainer{model = model, optimizer = fnn.optim[name]{lr = lr}, loss = "categorical_crossentropy", metrics = {"accuracy"}}
  local accuracy
  for epoch = 1, 4 do
    trainer:fit(fit, {epochs = 1, batch_size = 64, seed = trial.seed + epoch, progress = false})
    accuracy = trainer:evaluate(held_out).accuracy
    trial:report(accuracy, epoch)
    if trial:should_prune() then search.prune() end
  end
  return accuracy
end, {trials = 30, workers = 2})
print(study.best.number, study.best.value, study.best.params.lr)
study:report("small-cnn.html")
