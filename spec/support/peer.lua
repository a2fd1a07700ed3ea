--- The results of scripts/peer_reference.py: what PyTorch, Keras and scikit-learn make of the same numbers.
local fnn = require "fmnistnn"

local peer = {}

local folder = debug.getinfo(1, "S").source:match("^@(.*)support/peer%.lua$") .. "data/"

--- The settings of a file's cases, in order.
function peer.settings(name)
  local file = assert(io.open(folder .. name .. ".json"))
  local cases = assert(fnn.json.decode(file:read("a"))).cases
  file:close()
  return cases
end

--- The cases of a file, in order: their settings, and case.tensors by role ("input/1", "output").
function peer.cases(name)
  local cases, tensors_of = peer.settings(name), {}
  for _, case in ipairs(cases) do
    case.tensors = {}
    tensors_of[case.name] = case.tensors
  end
  for full, tensor in pairs(assert(fnn.safetensors.load(folder .. name .. ".safetensors"))) do
    local case, role = full:match("^([^/]*)/(.*)$")
    local tensors = tensors_of[case]
    tensors[role] = tensor
  end
  return cases
end

--- The tensors of a case whose role begins with a word, by the rest of the role: under(case, "state").weight.
function peer.under(case, word)
  local found = {}
  for role, tensor in pairs(case.tensors) do
    local rest = role:match("^" .. word .. "/(.*)$")
    if rest then found[rest] = tensor end
  end
  return found
end

-- A list that ends in a table of names, {"elu", {alpha = 1}}, as Lua writes it, {"elu", alpha = 1}; other values as
-- they are.
local function merged(value)
  if type(value) ~= "table" then return value end
  local last = value[#value]
  if type(last) ~= "table" or #last > 0 then return value end
  local result = table.move(value, 1, #value - 1, 1, {})
  for name, each in pairs(last) do result[name] = each end
  return result
end

--- The model of a description [class, models inside ..., {options}].
function peer.build(description)
  local given = merged(description)
  local options = {}
  for name, value in pairs(given) do
    local is_model = type(value) == "table" and fnn.nn.layers[value[1]]
    options[name] = is_model and peer.build(value) or merged(value)
  end
  return fnn.nn[table.remove(options, 1)](options)
end

-- ---- comparing ----

local function numbers(tensor) return tensor:detach():flatten():totable() end

local function largest(list)
  local most = 0
  for _, value in ipairs(list) do
    if math.abs(value) < math.huge then most = math.max(most, math.abs(value)) end
  end
  return most
end

--- Raises unless a tensor is within `tolerance` (1e-5) of the expected one: of each number's size, or of a tenth of the
-- largest number's size, since sums round by the size of their terms.
function peer.check_close(what, got, expected, tolerance)
  tolerance = tolerance or 1e-5
  local shape, expected_shape = table.concat(got.shape, ","), table.concat(expected.shape, ",")
  if shape ~= expected_shape then
    error(("%s: expected shape (%s), got (%s)"):format(what, expected_shape, shape), 2)
  end
  local a, b = numbers(got), numbers(expected)
  local floor = largest(b) / 10
  for i, value in ipairs(a) do
    local is_near = math.abs(value - b[i]) <= tolerance * math.max(math.abs(b[i]), floor) -- false of what is no number
    if value ~= b[i] and not is_near then
      error(("%s: number %d: expected %.9g, got %.9g, off by %.2g of it"):format(what, i, b[i], value,
        math.abs(value - b[i]) / math.max(math.abs(b[i]), floor)), 2)
    end
  end
end

return peer
