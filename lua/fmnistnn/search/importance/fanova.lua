--- fANOVA (Hutter et al. 2014): which part of the variance of the values each parameter explains by itself, over the
-- whole space, by a random forest's predictions.
--
--   local list = fanova(history, {seed = 0})   -- {{name = "lr", importance = 0.6}, ...}, the largest first
--
-- Options:
--   trees       64
--   seed        0: of the forest
--   objective   1: common.lua
--
-- It takes the parameters that all complete trials have. The space is measured as it is drawn from: logarithmically
-- where `log`, each choice alike. (Optuna measures linearly, and choices as so many independent switches.)
local common = require "fmnistnn.search.importance.common"
local forest = require "fmnistnn.search.importance.forest"
local options = require "fmnistnn.options"
local Random = require "fmnistnn.search.random"
local space = require "fmnistnn.search.space"

-- ---- the data ----

-- The names that all records have with one distribution, and the distributions.
local function shared_names(records)
  local names = {}
  for name, distribution in pairs(records[1].distributions) do
    local shared = true
    for _, record in ipairs(records) do
      local other = record.distributions[name]
      shared = shared and other and space.equal(other, distribution)
    end
    if shared then names[#names + 1] = name end
  end
  table.sort(names)
  return names, records[1].distributions
end

local function feature_of(d)
  if d.kind == "categorical" then return {count = d.count} end
  return {low = space.to_inner(d, d.low), high = space.to_inner(d, d.high)}
end

local function rows_of(records, names, distributions)
  local rows = {}
  for i, record in ipairs(records) do
    rows[i] = {}
    for k, name in ipairs(names) do rows[i][k] = space.to_inner(distributions[name], record.params[name]) end
  end
  return rows
end

-- ---- boxes ----

-- A box is a side for each feature: {low =, high =}, or of choices a set with their count. These cut a side in two.

local function cut_range(side, threshold)
  return {low = side.low, high = threshold}, {low = threshold, high = side.high}
end

local function cut_choices(side, choice)
  local others = {count = side.count, set = {}, size = 0}
  for each in pairs(side.set) do
    if each ~= choice then others.set[each], others.size = true, others.size + 1 end
  end
  local has = side.set[choice]
  return {count = side.count, set = {[choice] = has}, size = has and 1 or 0}, others
end

-- The part of the feature's whole that a side takes.
local function share(side, feature)
  if side.set then return side.size / side.count end
  return (side.high - side.low) / (feature.high - feature.low)
end

local function whole(features)
  local box = {}
  for i, feature in ipairs(features) do
    box[i] = feature
    if feature.count then
      box[i] = {count = feature.count, set = {}, size = feature.count}
      for choice = 0, feature.count - 1 do box[i].set[choice] = true end
    end
  end
  return box
end

-- Calls f(box, value) for each leaf of a tree.
local function each_leaf(node, box, f)
  if node.value then return f(box, node.value) end
  local side = box[node.feature]
  local cut = node.choice and cut_choices or cut_range
  local left, right = cut(side, node.choice or node.threshold)
  box[node.feature] = left
  each_leaf(node.left, box, f)
  box[node.feature] = right
  each_leaf(node.right, box, f)
  box[node.feature] = side
end

-- ---- variances ----

local function volume(box, features)
  local product = 1
  for i, side in ipairs(box) do product = product * share(side, features[i]) end
  return product
end

local function total_variance(tree, features)
  local sum, squares = 0, 0
  each_leaf(tree, whole(features), function(box, value)
    local part = volume(box, features)
    sum, squares = sum + part * value, squares + part * value ^ 2
  end)
  return squares - sum ^ 2, sum
end

-- The variance of pieces {size =, value =} whose sizes sum up to 1, about a mean.
local function variance_of(pieces, mean)
  local sum = 0
  for _, piece in ipairs(pieces) do sum = sum + piece.size * (piece.value - mean) ^ 2 end
  return sum
end

-- The mean prediction for each choice of a feature.
local function choice_pieces(tree, features, i)
  local sums, pieces = {}, {}
  each_leaf(tree, whole(features), function(box, value)
    if box[i].size == 0 then return end
    local rest = volume(box, features) / share(box[i], features[i])
    for choice in pairs(box[i].set) do sums[choice] = (sums[choice] or 0) + rest * value end
  end)
  for choice = 0, features[i].count - 1 do
    pieces[choice + 1] = {size = 1 / features[i].count, value = sums[choice]}
  end
  return pieces
end

-- The mean prediction along a feature, which is constant between the thresholds of its splits: each leaf adds a step up
-- where it begins and down where it ends.
local function range_pieces(tree, features, i)
  local steps, edges, pieces, feature = {}, {}, {}, features[i]
  local function add(at, change)
    if not steps[at] then edges[#edges + 1] = at end
    steps[at] = (steps[at] or 0) + change
  end
  each_leaf(tree, whole(features), function(box, value)
    local part = share(box[i], feature)
    if part > 0 then
      local change = volume(box, features) / part * value
      add(box[i].low, change)
      add(box[i].high, -change)
    end
  end)
  table.sort(edges)
  local level = 0
  for k = 1, #edges - 1 do
    level = level + steps[edges[k]]
    pieces[k] = {size = (edges[k + 1] - edges[k]) / (feature.high - feature.low), value = level}
  end
  return pieces
end

-- Adds a tree's fractions of variance to the sums; a constant tree has none.
local function add_fractions(tree, features, sums)
  local variance, mean = total_variance(tree, features)
  if variance <= 0 then return end
  for i, feature in ipairs(features) do
    local pieces = (feature.count and choice_pieces or range_pieces)(tree, features, i)
    sums[i] = sums[i] + variance_of(pieces, mean) / variance
  end
end

return function(history, given)
  local o = options.check("fanova", given, common.options {
    {"trees", "count", default = 64}, {"seed", "integer", default = 0},
  })
  local records, losses = common.trials("fanova", history, o.objective)
  local importances, names, features = {}, {}, {}
  local shared, distributions = {}, nil
  if #records > 0 then shared, distributions = shared_names(records) end
  for _, name in ipairs(shared) do
    importances[name] = 0.0
    if not space.single(distributions[name]) then
      names[#names + 1] = name
      features[#names] = feature_of(distributions[name])
    end
  end
  local rows, sums = rows_of(records, names, distributions), {}
  for i = 1, #names do sums[i] = 0.0 end
  for number = 1, #records > 1 and #names > 0 and o.trees or 0 do
    add_fractions(forest.tree(rows, losses, features, Random.new(o.seed, number)), features, sums)
  end
  for i, name in ipairs(names) do importances[name] = sums[i] end
  return common.ranked(importances)
end
