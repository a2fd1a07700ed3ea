-- The space of the study's networks: what its nine trials differ in, and what lies between. A trial of a search draws a
-- row, as study/trials.lua has them; and a row of the study is made the parameters of a trial.
local networks = require "study.networks"

local space = {}

local MOST_CONVOLUTIONS, MOST_DENSE = 5, 2
local POOLS = {max = "MaxPool2d", average = "AvgPool2d"}

-- The side of images after a convolution; a pool halves it.
local function side_after(side, kernel, padding) return padding == "same" and side or side - kernel + 1 end

-- One convolution, and whether a pool follows; nothing is asked where only one answer leaves an image.
local function draw_convolution(trial, i, count, side)
  local filters = trial:int("filters_" .. i, 8, 64, {log = true})
  local kernel = trial:categorical("kernel_" .. i, {3, 5})
  local padding = side > kernel and trial:categorical("padding_" .. i, {"same", "valid"}) or "same"
  local activation = trial:categorical("activation_" .. i, {"relu", "tanh"})
  side = side_after(side, kernel, padding)
  local pool = side > 1 and (i == count or trial:categorical("pool_after_" .. i, {true, false}))
  return {filters, kernel, padding, activation}, pool, pool and side // 2 or side
end

--- A row of a trial's parameters. Convolutions end with a pool, as in all of the study's networks.
function space.draw(trial)
  local row = {convolutions = {}, pools = {}, dense = {}}
  local side, count = 28, trial:int("convolutions", 1, MOST_CONVOLUTIONS)
  for i = 1, count do
    local pool
    row.convolutions[i], pool, side = draw_convolution(trial, i, count, side)
    if pool then row.pools[#row.pools + 1] = i end
  end
  row.pool_kind = #row.pools > 0 and POOLS[trial:categorical("pool", {"max", "average"})] or nil
  for i = 1, trial:int("dense", 1, MOST_DENSE) do row.dense[i] = trial:int("units_" .. i, 32, 512, {log = true}) end
  row.batch_norm = trial:categorical("batch_norm", {true, false})
  row.dropout = trial:float("dropout", 0, 0.8)
  row.optimizer = trial:categorical("optimizer", {"Adam", "AdamW", "Adamax", "Nadam", "RMSprop"})
  row.lr = trial:float("lr", 1e-4, 1e-2, {log = true})
  row.batch = trial:categorical("batch", {8, 16, 32, 64, 128, 256})
  return row
end

--- The row of parameters, {name = value}.
function space.row(parameters)
  local function value(_, name) return parameters[name] end
  return space.draw{int = value, float = value, categorical = value}
end

--- The parameters of a row of the study, for study:enqueue.
function space.parameters(row)
  local parameters = {
    convolutions = #row.convolutions, dense = #row.dense, pool = "max", batch_norm = row.batch_norm or false,
    dropout = row.dropout or 0, optimizer = row.optimizer, lr = row.lr or 0.001, batch = row.batch,
  }
  for i, convolution in ipairs(row.convolutions) do
    for k, name in ipairs{"filters", "kernel", "padding", "activation"} do
      parameters[name .. "_" .. i] = convolution[k]
    end
    if i < #row.convolutions then parameters["pool_after_" .. i] = networks.has_pool(row, i) end
  end
  for i, units in ipairs(row.dense) do parameters["units_" .. i] = units end
  return parameters
end

--- A row in words: "35 3x3 valid, 50 3x3 valid, pool; dense 256; dropout 0.7; Adam 0.0005, batch 128".
function space.describe(row)
  local parts = {}
  for i, convolution in ipairs(row.convolutions) do
    local filters, kernel, padding, activation = table.unpack(convolution)
    parts[#parts + 1] = ("%d %dx%d %s%s"):format(filters, kernel, kernel, padding,
      activation == "tanh" and " tanh" or "")
    if networks.has_pool(row, i) then parts[#parts + 1] = row.pool_kind == "AvgPool2d" and "average pool" or "pool" end
  end
  return ("%s; dense %s; %sdropout %.2g; %s %.3g, batch %d"):format(table.concat(parts, ", "),
    table.concat(row.dense, ", "), row.batch_norm and "batch normalization, " or "", row.dropout, row.optimizer, row.lr,
    row.batch)
end

return space
