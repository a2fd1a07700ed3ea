--- What all optimizers are: groups of parameters, steps, and the state that outlives a program.
local core = require "fmnistnn.core"
local is_list = require "fmnistnn.is_list"
local options = require "fmnistnn.options"
local places = require "fmnistnn.optim.places"
local refuse = require "fmnistnn.refuse"
local saved_state = require "fmnistnn.saved_state"

local Optimizer = {}
Optimizer.__index = Optimizer

local common = {
  {"model", "table", optional = true},
  {"parameters", "table", optional = true},
  {"weight_decay", "nonnegative", optional = true},
  {"clip_value", "positive", optional = true},
  {"clip_norm", "positive", optional = true},
  {"global_clip_norm", "positive", optional = true},
}

-- ---- groups of parameters ----

-- Raises where a model stands in the place of its parameters.
local function refuse_model(who, given, expected, right)
  if type(given.parameters) ~= "function" then return end
  refuse("%s: expected %s, got a model: give it as %s", who, expected, right)
end

-- A function that lists what `source`, which has a model or parameters, gives to train.
local function lister(self, source)
  local model, list = source.model, source.parameters
  if model then
    if type(model.parameters) ~= "function" or options.is_maker(model) then
      refuse("%s: model: expected a module, got %s", self.name, options.describe(model))
    end
    return function() return model:parameters() end
  end
  if not is_list(list) then refuse("%s: parameters: expected a list, got another table", self.name) end
  for i, tensor in ipairs(list) do
    if not core.is_tensor(tensor) then
      refuse("%s: parameters: element %d: expected a tensor, got %s", self.name, i, type(tensor))
    end
  end
  if #list == 0 then
    local hint = "%s: parameters: got an empty list; a model has none before its first call: give it as model = model"
    refuse(hint, self.name)
  end
  return function() return list end
end

local function check_norms(self, given)
  if given.clip_norm and given.global_clip_norm then
    refuse("%s: expected either clip_norm or global_clip_norm", self.name)
  end
end

-- Adds a group with options of its own; the others are the optimizer's, also when these change later.
local function add_group(self, source, own)
  local list, model = lister(self, source), source.model
  local all = model and model._all_parameters and function() return model:_all_parameters() end or list
  local group = setmetatable({list = list, all = all, model = model}, {__index = self.options})
  for name, start in pairs(self.carried) do group[name] = start end
  for name, value in pairs(own) do
    if name ~= "model" and name ~= "parameters" then group[name] = value end
  end
  check_norms(self, group)
  self.groups[#self.groups + 1] = group
end

local function add_own_groups(self, list)
  for i, each in ipairs(list) do
    local who = ("%s: parameters: element %d"):format(self.name, i)
    if type(each) ~= "table" then refuse("%s: expected a table, as element 1, got %s", who, type(each)) end
    refuse_model(who, each, "a group", "{model = model}")
    options.check(self.name, each, self.spec)
    if (each.model == nil) == (each.parameters == nil) then
      refuse("%s: expected either a model or parameters", who)
    end
    if each.global_clip_norm then refuse("%s: global_clip_norm: expected it for all groups together", who) end
    add_group(self, each, each)
  end
end

-- What each group trains now. Raises when a parameter is there twice, which each step would move twice.
local function lists_of(self)
  local lists, group_of = {}, {}
  for g, group in ipairs(self.groups) do
    lists[g] = group.list()
    for p, tensor in ipairs(lists[g]) do
      if group_of[tensor] then
        local message = "%s: parameter %d of group %d is in group %d already; expected each parameter once"
        refuse(message, self.name, p, g, group_of[tensor])
      end
      group_of[tensor] = g
    end
  end
  return lists
end

local function make_groups(self)
  local given = self.options
  local list = given.parameters
  self.groups = {}
  check_norms(self, given)
  if given.model and list then refuse("%s: expected either a model or parameters", self.name) end
  if list then refuse_model(self.name .. ": parameters", list, "a list", "model = model") end
  if list and type(list[1]) == "table" then
    add_own_groups(self, list)
  elseif given.model or list then
    add_group(self, given, {})
  end
  lists_of(self)
end

--- Trains this model from now on, if no parameters were given before (a Trainer calls this). Raises when it was
-- attached to another model.
function Optimizer:attach(model)
  if self.attached and self.attached ~= model then
    refuse("%s: it trains another model already; expected an optimizer for each", self.name)
  end
  if #self.groups > 0 then return end
  self.attached = model
  add_group(self, {model = model}, {})
end

local function check_attached(self)
  if #self.groups == 0 then refuse("%s: nothing to train: give it a model or parameters", self.name) end
end

local function joined(lists)
  local all = {}
  for _, list in ipairs(lists) do table.move(list, 1, #list, #all + 1, all) end
  return all
end

--- A list of all parameters. Raises when one is there twice.
function Optimizer:_parameters() return joined(lists_of(self)) end

--- Forgets the gradients of all parameters.
function Optimizer:zero_grad()
  check_attached(self)
  for _, group in ipairs(self.groups) do core.optim.zero_grad(group.list()) end
end

-- ---- a step ----

-- How many tensors are kept for a parameter.
function Optimizer:_count(_, _, rule) return core.optim.states[rule] end

-- These tensors. They come when they are needed: another rule may need more.
function Optimizer:_states(group, tensor, rule)
  local states = self.states[tensor] or {}
  local start = group.initial_accumulator or 0
  for i = #states + 1, self:_count(group, tensor, rule) do states[i] = core.full(tensor.shape, start) end
  self.states[tensor] = states
  return states
end

-- Moves the parameters of a list that have a gradient.
function Optimizer:_move(group, list, rule, numbers)
  local states = {}
  for i, tensor in ipairs(list) do states[i] = self:_states(group, tensor, rule) end
  core.optim.step(rule, list, states, numbers)
end

-- The factor that brings a norm down to `bound`.
local function shrink(norm, bound) return norm > bound and bound / norm or 1 end

-- The learning rate of the step that comes next.
local function lr_of(self, group)
  local lr = group.lr
  if type(lr) == "number" then return lr end
  local now = lr(self.steps)
  if type(now) ~= "number" then
    refuse("%s: lr: expected a number from the schedule, got %s", self.name, type(now))
  end
  return now
end

local function step_group(self, group, list, all_norm)
  local lr = lr_of(self, group)
  local factor = group.global_clip_norm and shrink(all_norm, group.global_clip_norm) or 1
  local numbers = {factor, group.clip_value or math.huge, lr, lr * (group.weight_decay or 0)}
  local rule = self.rule(group, numbers, self.steps + 1)
  if not group.clip_norm then return self:_move(group, list, rule, numbers) end
  for _, tensor in ipairs(list) do
    numbers[1] = shrink(core.optim.grad_norm {tensor}, group.clip_norm)
    self:_move(group, {tensor}, rule, numbers)
  end
end

--- Moves every parameter that has a gradient; raises when one is there twice. closure, if there is one, is called
-- first, to compute a loss and its gradients; step returns what it does.
function Optimizer:step(closure)
  check_attached(self)
  local loss = closure and closure()
  local lists = lists_of(self)
  local all_norm = self.options.global_clip_norm and core.optim.grad_norm(joined(lists)) or 0
  for g, group in ipairs(self.groups) do step_group(self, group, lists[g], all_norm) end
  self.steps = self.steps + 1
  return loss
end

-- ---- state ----

-- The rule by which a group would step, found out on a stand-in: a rule may change its group's numbers.
local function rule_of(self, group)
  return self.rule(setmetatable({}, {__index = group}), {1, math.huge, 0.0, 0.0}, self.steps + 1)
end

-- Adds what a group carries from step to step: a learning rate of its own (and what it is to the optimizer's while
-- both are 0), its numbers, its parameters' tensors. Returns the parameters that are left out; see places.lua.
local function add_group_state(self, g, group, own, given)
  if type(rawget(group, "lr")) == "number" then
    own.numbers[g .. ".lr"] = {group, "lr"}
    own.numbers[g .. ".proportion"] = {group, "proportion", optional = true}
  end
  for name in pairs(self.carried) do own.numbers[g .. "." .. name] = {group, name} end
  local rule = rule_of(self, group)
  local function has(tensor) return self.states[tensor] or self:_count(group, tensor, rule) == 0 end
  local list, left_out = places(own, tostring(g), group, has, given)
  for _, each in ipairs(list) do
    local states = self:_states(group, each.tensor, rule)
    for k = 1, self:_count(group, each.tensor, rule) do
      own.tensors[("%d.%d.%d"):format(g, each.number, k)] = states[k]
    end
  end
  return left_out
end

-- What the state consists of, as it is or as a given one is to be taken up, and the parameters that are left out.
local function own_state(self, given)
  check_attached(self)
  local left_out = {}
  local own = {numbers = {[self.name .. ".steps"] = {self, "steps", "integer"}}, tensors = {}}
  if type(self.options.lr) == "number" then own.numbers.lr = {self.options, "lr"} end
  for g, group in ipairs(self.groups) do left_out[g] = add_group_state(self, g, group, own, given) end
  return own, left_out
end

--- A copy of all that a later set_state needs to go on bit for bit: {numbers =, tensors =}, tables by name. Numbers:
-- "Adam.steps", "lr" and what else changes. Tensors: "2.3.1" is the first that is kept for the third parameter of the
-- second group; parameters that are frozen count, and have their tensors there if they were trained before.
-- Hyperparameters other than the learning rate are not in it.
function Optimizer:state() return saved_state.copy((own_state(self))) end

--- Goes on from a state that an optimizer of the same class and parameters gave, also before the first step. The
-- model must have been built; it does not matter what was frozen then and is now. Raises when it does not fit; all is
-- then as it was.
function Optimizer:set_state(given)
  local who, parameters = self.name .. ": set_state", 0
  local own, left_out = own_state(self, given)
  for _, group in ipairs(self.groups) do parameters = parameters + #group.all() end
  if parameters == 0 then refuse("%s: the model has no parameters before its first call", who) end
  saved_state.restore(who, given, own)
  for _, list in ipairs(left_out) do
    for _, tensor in ipairs(list) do self.states[tensor] = nil end
  end
end

-- ---- classes ----

local optimizer = {}

--- A class of optimizers. rule(group, h, t) fills the numbers h of csrc/optim/optim.h for step t (from 1 on), which
-- begin at h[1] here, the first four being there already, and returns the name of the rule that takes them. carried:
-- the numbers that the rule keeps in the group from step to step, and how they start.
function optimizer.class(name, own, rule, carried)
  local spec = table.move(own, 1, #own, #common + 1, table.move(common, 1, #common, 1, {}))
  local Class = {name = name, rule = rule, carried = carried or {}, spec = spec, __name = "fmnistnn.Optimizer"}
  Class.__index = Class
  return setmetatable(Class, {
    __index = Optimizer,
    __call = function(_, given)
      local self = setmetatable({steps = 0, states = setmetatable({}, {__mode = "k"})}, Class)
      self.options = options.check(name, given, spec)
      make_groups(self)
      return self
    end,
  })
end

return optimizer
