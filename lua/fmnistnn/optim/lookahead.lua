--- Lookahead (Zhang et al. 2019): after so many steps of another optimizer, slow weights go the part alpha of the way
-- to where it has come, and it goes on from there.
--
--   local optimizer = fnn.optim.Lookahead{fnn.optim.Adam{model = model}, steps = 5, alpha = 0.5}
--
-- optimizer; steps 5, alpha 0.5. The slow weights begin as the weights before the first step.
local core = require "fmnistnn.core"
local places = require "fmnistnn.optim.places"
local saved_state = require "fmnistnn.saved_state"
local wrapper = require "fmnistnn.optim.wrapper"

local Lookahead = wrapper.class("Lookahead", {
  {"steps", "count", default = 5},
  {"alpha", "fraction", default = 0.5},
}, function(self, o)
  self.interval, self.alpha = o.steps, o.alpha
  self.slow = setmetatable({}, {__mode = "k"})
end)

-- The slow weights of a parameter, which begin as it is.
local function slow_of(self, w)
  self.slow[w] = self.slow[w] or core.no_grad(w.clone, w)
  return self.slow[w]
end

-- What they are now, without beginning them: the first step does.
local function current(self, w) return self.slow[w] or w end

local function begin(self)
  for _, w in ipairs(self:_parameters()) do slow_of(self, w) end
end

local function synchronize(self)
  local list, slow = self:_parameters(), {}
  for i, w in ipairs(list) do slow[i] = self.slow[w] end
  core.optim.average(slow, list, self.alpha)
  for i, w in ipairs(list) do core.no_grad(w.copy_, w, slow[i]) end
end

--- A step of the optimizer, and after so many of them one of the slow weights.
function Lookahead:step(closure)
  local function compute() -- it may build the model
    local loss = closure()
    begin(self)
    return loss
  end
  if not closure then begin(self) end
  local loss = self.optimizer:step(closure and compute)
  if self.steps % self.interval == 0 then synchronize(self) end
  return loss
end

-- ---- state ----

local PREFIX = "inner." -- of the names of the optimizer within

-- What the state has of its own, as it is or as a given one is to be taken up, and the parameters that are left out.
-- find(self, w): the slow weights of a parameter.
local function own_state(self, find, given)
  local own, left_out = {numbers = {}, tensors = {}}, {}
  local function has(w) return self.slow[w] end
  for g, group in ipairs(self.groups) do
    local name = "Lookahead." .. g
    local list, others = places(own, name, group, has, given)
    for _, each in ipairs(list) do own.tensors[("%s.%d"):format(name, each.number)] = find(self, each.tensor) end
    left_out[g] = others
  end
  return own, left_out
end

-- The entries whose names begin with the prefix, without it, and the others.
local function split(list)
  if type(list) ~= "table" then return list, list end
  local within, others = {}, {}
  for name, value in pairs(list) do
    local is_within = type(name) == "string" and name:sub(1, #PREFIX) == PREFIX
    if is_within then within[name:sub(#PREFIX + 1)] = value else others[name] = value end
  end
  return within, others
end

--- As of all optimizers: the state of the one within, whose names get the prefix "inner.", and the slow weights.
function Lookahead:state()
  local within, state = self.optimizer:state(), saved_state.copy((own_state(self, current)))
  for name, value in pairs(within.numbers) do state.numbers[PREFIX .. name] = value end
  for name, value in pairs(within.tensors) do state.tensors[PREFIX .. name] = value end
  return state
end

--- As of all optimizers.
function Lookahead:set_state(given)
  local who, within, others = "Lookahead: set_state", given, given
  if type(given) == "table" then
    within, others = {}, {}
    for _, kind in ipairs {"numbers", "tensors"} do within[kind], others[kind] = split(given[kind]) end
  end
  saved_state.check(who, others, (own_state(self, current, others)))
  self.optimizer:set_state(within)
  local own, left_out = own_state(self, slow_of, others)
  saved_state.restore(who, others, own)
  for _, list in ipairs(left_out) do
    for _, w in ipairs(list) do self.slow[w] = nil end
  end
end

return Lookahead
