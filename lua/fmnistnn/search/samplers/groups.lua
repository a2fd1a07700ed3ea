--- Which parameters trials have together: the partition of their names in which each trial has all of a group or none
-- of it. What an objective always asks for is one group; what it asks for behind an `if` makes another.
--
-- Names inside a group, and the groups, are in alphabetical order, whatever the order in which trials were added.
-- Parameters with one value only, and those whose distribution is not the same in all trials, are in no group.
local space = require "fmnistnn.search.space"

local Groups = {}
Groups.__index = Groups

function Groups.new() return setmetatable({distributions = {}, dynamic = {}, groups = {}}, Groups) end

-- The names of a trial that may be in a group, as a set.
local function note(self, distributions)
  local names = {}
  for name, distribution in pairs(distributions) do
    local known = self.distributions[name]
    if not known then
      self.distributions[name] = distribution
    elseif known ~= distribution and not space.equal(known, distribution) then
      self.dynamic[name] = true
    end
    if not space.single(distribution) then names[name] = true end
  end
  return names
end

-- The members of `group` that are in the set, and those that are not.
local function split(group, set)
  local inside, outside = {}, {}
  for _, name in ipairs(group) do
    if set[name] then inside[#inside + 1] = name else outside[#outside + 1] = name end
  end
  return inside, outside
end

--- Takes in a trial's distributions, name = distribution.
function Groups:add(distributions)
  local names, refined = note(self, distributions), {}
  for _, group in ipairs(self.groups) do
    local inside, outside = split(group, names)
    for _, name in ipairs(inside) do names[name] = nil end
    if #inside > 0 then refined[#refined + 1] = inside end
    if #outside > 0 then refined[#refined + 1] = outside end
  end
  local new = {}
  for name in pairs(names) do new[#new + 1] = name end
  if #new > 0 then
    table.sort(new)
    refined[#refined + 1] = new
  end
  table.sort(refined, function(a, b) return a[1] < b[1] end)
  self.groups = refined
end

--- The groups: lists of {name =, distribution =}.
function Groups:list()
  local list = {}
  for _, group in ipairs(self.groups) do
    local dimensions = {}
    for _, name in ipairs(group) do
      if not self.dynamic[name] then
        dimensions[#dimensions + 1] = {name = name, distribution = self.distributions[name]}
      end
    end
    if #dimensions > 0 then list[#list + 1] = dimensions end
  end
  return list
end

return Groups
