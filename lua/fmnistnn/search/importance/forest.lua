--- Random forests of regression trees (Breiman 2001) for fanova.lua: each tree is fitted to a bootstrap sample, splits
-- on the feature and threshold that leave the least squared error, and is grown out.
--
-- A feature is {count = n} for choices 0..n-1, which a split tells one from the others, or {low =, high =}.
local forest = {}

-- What a split on a feature takes to its left.
local function goes_left(node, x)
  if node.choice then return x == node.choice end
  return x <= node.threshold
end

-- A threshold that has `here` on its left and `there`, which is more, on its right: the middle, unless rounding takes
-- that out of [here, there), as it does between neighbouring floats.
local function between(here, there)
  local middle = (here + there) / 2
  return middle >= here and middle < there and middle or here
end

-- The best threshold on a feature for rows sorted by it: the larger the score, the less error is left.
local function best_threshold(sorted, X, y, feature)
  local total, left, best, threshold = 0, 0, nil, nil
  for _, row in ipairs(sorted) do total = total + y[row] end
  for i = 1, #sorted - 1 do
    left = left + y[sorted[i]]
    local here, there = X[sorted[i]][feature], X[sorted[i + 1]][feature]
    if here < there then
      local score = left ^ 2 / i + (total - left) ^ 2 / (#sorted - i)
      if not best or score > best then best, threshold = score, between(here, there) end
    end
  end
  return best, threshold
end

-- The same for one choice against the others.
local function best_choice(rows, X, y, feature, choices)
  local counts, sums, total = {}, {}, 0
  for choice = 0, choices - 1 do counts[choice], sums[choice] = 0, 0 end
  for _, row in ipairs(rows) do
    local choice = X[row][feature]
    counts[choice], sums[choice], total = counts[choice] + 1, sums[choice] + y[row], total + y[row]
  end
  local best, best_one
  for choice = 0, choices - 1 do
    local n = counts[choice]
    if n > 0 and n < #rows then
      local score = sums[choice] ^ 2 / n + (total - sums[choice]) ^ 2 / (#rows - n)
      if not best or score > best then best, best_one = score, choice end
    end
  end
  return best, best_one
end

-- The best split of rows: {feature =, threshold = or choice =}; nil when none is left. Features are looked at in random
-- order, so that of equal ones none is preferred.
local function best_split(rows, X, y, features, random)
  local order, best, split = {}, nil, nil
  for i = 1, #features do order[i] = i end
  for _, feature in ipairs(random:shuffle(order)) do
    local choices = features[feature].count
    local score, at
    if choices then
      score, at = best_choice(rows, X, y, feature, choices)
    else
      table.sort(rows, function(a, b) return X[a][feature] < X[b][feature] end)
      score, at = best_threshold(rows, X, y, feature)
    end
    if score and (not best or score > best) then
      best, split = score, {feature = feature, threshold = not choices and at or nil, choice = choices and at or nil}
    end
  end
  return split
end

local function mean(rows, y)
  local sum = 0
  for _, row in ipairs(rows) do sum = sum + y[row] end
  return sum / #rows
end

local function is_constant(rows, y)
  for _, row in ipairs(rows) do
    if y[row] ~= y[rows[1]] then return false end
  end
  return true
end

-- A node: a leaf {value =}, or a split with left and right.
local function grow(rows, X, y, features, random)
  local node = not is_constant(rows, y) and best_split(rows, X, y, features, random)
  if not node then return {value = mean(rows, y)} end
  local left, right = {}, {}
  for _, row in ipairs(rows) do
    local part = goes_left(node, X[row][node.feature]) and left or right
    part[#part + 1] = row
  end
  node.left, node.right = grow(left, X, y, features, random), grow(right, X, y, features, random)
  return node
end

--- A tree for rows X (lists of numbers, one for each feature) and values y.
function forest.tree(X, y, features, random)
  local rows = {}
  for i = 1, #X do rows[i] = random:integer(#X) end
  return grow(rows, X, y, features, random)
end

--- A tree's value at a row.
function forest.predict(node, row)
  while not node.value do node = goes_left(node, row[node.feature]) and node.left or node.right end
  return node.value
end

return forest
