--- Which parameters of a group have something in a state, and by which numbers.
--
-- A parameter's number is its place among all of the group's, frozen ones too, so that a state fits whatever was frozen
-- when it was made. One that is frozen and has nothing yet is left out, which "1.3.frozen" among the state's numbers
-- says of the third of the first group: that one begins anew.

-- The highest number of a parameter among names that begin with a group's.
local function highest(tensors, name)
  local pattern, found = "^" .. name:gsub("%p", "%%%0") .. "%.(%d+)", 0
  for each in pairs(tensors) do found = math.max(found, tonumber(tostring(each):match(pattern) or 0)) end
  return found
end

-- How a state numbers a group's parameters: mark(p) is whether it leaves number p out. States were once without frozen
-- parameters, and numbered the others alone.
local function numbering_of(given, name, all)
  local marked = false
  local function mark(p) return given.numbers[("%s.%d.frozen"):format(name, p)] ~= nil end
  for p in ipairs(all) do marked = marked or mark(p) end
  return mark, not marked and highest(given.tensors, name) < #all
end

--- Adds the numbers of what is left out to `own` (saved_state.lua); `name` begins the group's names. has(tensor):
-- whether there is something to keep of a frozen one. given: the state to be taken up, if it is for that. Returns the
-- parameters that are in the state, a list of {number =, tensor =}, and a list of the others.
return function(own, name, group, has, given)
  local all, list, left_out = group.all(), {}, {}
  local is_state = type(given) == "table" and type(given.numbers) == "table" and type(given.tensors) == "table"
  local mark, is_old
  if is_state then mark, is_old = numbering_of(given, name, all) end
  for p, tensor in ipairs(all) do
    local is_in = tensor.requires_grad or not is_state and has(tensor)
    if is_state and not is_old then is_in = not mark(p) end
    own.numbers[("%s.%d.frozen"):format(name, p)] = {
      {frozen = not is_in and 1 or nil}, "frozen", "integer", optional = true,
    }
    if is_in then
      list[#list + 1] = {number = is_old and #list + 1 or p, tensor = tensor}
    else
      left_out[#left_out + 1] = tensor
    end
  end
  return list, left_out
end
