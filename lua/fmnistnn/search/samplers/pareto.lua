--- Several objectives: dominance, fronts, crowding, hypervolume. A point is a list of losses, one for each objective;
-- less is better.
local pareto = {}

--- Whether a is nowhere worse than b and somewhere better.
function pareto.dominates(a, b)
  local better = false
  for i, loss in ipairs(a) do
    if loss > b[i] then return false end
    better = better or loss < b[i]
  end
  return better
end

-- Whether a comes before b in the order of the first objective, ties by the next.
local function precedes(a, b)
  for i, loss in ipairs(a) do
    if loss ~= b[i] then return loss < b[i] end
  end
  return false
end

-- The indices of the points in that order, equal points in that of their indices.
local function order(points)
  local indices = {}
  for i = 1, #points do indices[i] = i end
  table.sort(indices, function(i, j)
    if precedes(points[i], points[j]) then return true end
    return i < j and not precedes(points[j], points[i])
  end)
  return indices
end

-- Whether a point of the front dominates the point. In two objectives the last of a front, added in order, has the
-- least second loss.
local function is_beaten(points, front, point)
  for i = #front, #point == 2 and #front or 1, -1 do
    if pareto.dominates(points[front[i]], point) then return true end
  end
  return false
end

--- The fronts: lists of indices, of the points that none dominates, then of those that only these dominate, and so on
-- (efficient non-dominated sort, Zhang et al. 2015).
function pareto.fronts(points)
  local fronts = {}
  for _, i in ipairs(order(points)) do
    local low, high = 1, #fronts + 1 -- the first front that does not beat it is here
    while low < high do
      local middle = (low + high) // 2
      if is_beaten(points, fronts[middle], points[i]) then low = middle + 1 else high = middle end
    end
    fronts[low] = fronts[low] or {}
    table.insert(fronts[low], i)
  end
  return fronts
end

--- The crowding distances of a front's points, by index (Deb et al. 2002, NSGA-II): large where few others are near.
function pareto.crowding(points, front)
  local distance = {}
  for _, i in ipairs(front) do distance[i] = 0.0 end
  for objective = 1, #points[front[1]] do
    local sorted = table.move(front, 1, #front, 1, {})
    table.sort(sorted, function(i, j)
      local a, b = points[i][objective], points[j][objective]
      return a < b or a == b and i < j
    end)
    local first, last = sorted[1], sorted[#sorted]
    local range = points[last][objective] - points[first][objective]
    distance[first], distance[last] = math.huge, math.huge
    for n = 2, #sorted - 1 do
      local gap = points[sorted[n + 1]][objective] - points[sorted[n - 1]][objective]
      if gap > 0 then distance[sorted[n]] = distance[sorted[n]] + gap / range end
    end
  end
  return distance
end

-- ---- hypervolume ----

local function sweep(points, reference)
  local volume, edge = 0, reference[2]
  for _, i in ipairs(order(points)) do
    local point = points[i]
    if point[2] < edge then
      volume = volume + (reference[1] - point[1]) * (edge - point[2])
      edge = point[2]
    end
  end
  return volume
end

local volume_of

-- Slices along the last objective, each with the volume of the points below it in the others.
local function slice(points, reference)
  local last = #reference
  table.sort(points, function(a, b) return a[last] < b[last] end)
  local inner, flat, volume = table.move(reference, 1, last - 1, 1, {}), {}, 0
  for i, point in ipairs(points) do
    flat[i] = table.move(point, 1, last - 1, 1, {})
    local top = points[i + 1] and points[i + 1][last] or reference[last]
    if top > point[last] then volume = volume + (top - point[last]) * volume_of(flat, inner) end
  end
  return volume
end

function volume_of(points, reference)
  if #reference == 1 then
    local least = reference[1]
    for _, point in ipairs(points) do least = math.min(least, point[1]) end
    return reference[1] - least
  end
  if #reference == 2 then return sweep(points, reference) end
  return slice(table.move(points, 1, #points, 1, {}), reference)
end

--- The volume of what the points dominate up to a reference point; points beyond it add nothing.
function pareto.hypervolume(points, reference)
  local inside = {}
  for _, point in ipairs(points) do
    local is_inside = true
    for i, loss in ipairs(point) do is_inside = is_inside and loss < reference[i] end
    if is_inside then inside[#inside + 1] = point end
  end
  return volume_of(inside, reference)
end

--- A reference point a little worse than the worst of all points.
function pareto.reference(points)
  local reference = {}
  for i = 1, #points[1] do
    local worst = -math.huge
    for _, point in ipairs(points) do worst = math.max(worst, point[i]) end
    reference[i] = math.max(1.1 * worst, 0.9 * worst)
    if reference[i] == 0 then reference[i] = 1e-12 end
  end
  return reference
end

--- The indices of `count` points that together have a large hypervolume, chosen one after the other.
function pareto.subset(points, count)
  local reference = pareto.reference(points)
  local chosen, indices, bound, volume = {}, {}, {}, 0
  for i = 1, #points do bound[i] = math.huge end
  local function gain(i)
    chosen[#chosen + 1] = points[i]
    local more = pareto.hypervolume(chosen, reference) - volume
    chosen[#chosen] = nil
    return more
  end
  for n = 1, math.min(count, #points) do
    local best, most = nil, -1
    for i, most_possible in pairs(bound) do -- gains only shrink: what a point would have added once bounds it
      if most_possible > most or most_possible == most and i < best then
        bound[i] = gain(i)
        if bound[i] > most or bound[i] == most and i < best then best, most = i, bound[i] end
      end
    end
    chosen[n], indices[n], volume, bound[best] = points[best], best, volume + most, nil
  end
  return indices
end

return pareto
