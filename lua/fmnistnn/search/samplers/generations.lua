--- Which trials were drawn for which generation, for samplers that go by generations. Nothing is stored but the number
-- of its generation with each trial (a system attribute): what a sampler knows after so many generations follows from
-- the complete trials, and is kept here so that it need not be computed again.
local Generations = {}
Generations.__index = Generations

--- `attribute` is the key; `rules` has
--   start(context)              what is known before the first generation
--   size(state)                 how many trials make the next
--   advance(state, members, context)   what is known after a generation, of these observations
function Generations.new(attribute, rules)
  return setmetatable({attribute = attribute, rules = rules, told = {}}, Generations)
end

-- The complete trials of each generation, in the order of their numbers.
local function lists_of(self, observations)
  local lists = {}
  for _, observation in ipairs(observations) do
    local generation = observation.record.system_attributes[self.attribute]
    if generation and observation.losses then
      lists[generation] = lists[generation] or {}
      table.insert(lists[generation], observation)
    end
  end
  return lists
end

-- Whether the generations that made the state are still what they were.
local function is_current(self, lists, signature)
  if self.signature ~= signature then return false end
  for generation, members in pairs(self.told) do
    for k, member in ipairs(members) do
      if (lists[generation] or {})[k] ~= member then return false end
    end
  end
  return true
end

--- The state and the number of the generation that trials are drawn for now. All is computed anew when `signature`, a
-- text, is another than before; `context` is passed on.
function Generations:follow(observations, signature, context)
  local lists, rules = lists_of(self, observations), self.rules
  if not is_current(self, lists, signature) then
    self.signature, self.told, self.generation, self.state = signature, {}, 0, rules.start(context)
  end
  while #(lists[self.generation] or {}) >= rules.size(self.state) do
    local members = table.move(lists[self.generation], 1, rules.size(self.state), 1, {})
    self.told[self.generation] = members
    self.state = rules.advance(self.state, members, context)
    self.generation = self.generation + 1
  end
  return self.state, self.generation
end

return Generations
