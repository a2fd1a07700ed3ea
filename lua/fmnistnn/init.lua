--- fmnistnn: tensors, autograd, layers and training for Lua, over a C core.
--
-- local fnn = require "fmnistnn"
--
-- The parts that a script may not need are loaded when they are first used.
if _VERSION < "Lua 5.4" then error("fmnistnn needs Lua 5.4 or newer; this is " .. _VERSION) end

local core = require "fmnistnn.core"
require "fmnistnn.tensor"

local fnn = {
  _VERSION = core.info().version,
  -- modes, memory, threads, randomness: csrc/bind
  no_grad = core.no_grad,
  enable_grad = core.enable_grad,
  is_grad_enabled = core.is_grad_enabled,
  is_tensor = core.is_tensor,
  memory = core.memory,
  set_memory = core.set_memory,
  empty_cache = core.empty_cache,
  threads = core.threads,
  set_threads = core.set_threads,
  manual_seed = core.manual_seed,
  generator_state = core.generator_state,
  set_generator_state = core.set_generator_state,
  info = core.info,
  now = core.now,
}

-- every method of tensors that is an op is a function too: fnn.matmul(a, b) is a:matmul(b)
for name, op in pairs(core.ops) do
  if core.methods[name] == op then fnn[name] = op end
end

for name, create in pairs(require "fmnistnn.create") do fnn[name] = create end
for _, name in ipairs {"stack", "split", "chunk", "topk", "std", "masked_fill", "tile"} do
  fnn[name] = core.methods[name]
end

local parts = {
  nn = "fmnistnn.nn",
  optim = "fmnistnn.optim",
  schedules = "fmnistnn.schedules",
  averages = "fmnistnn.averages",
  losses = "fmnistnn.losses",
  metrics = "fmnistnn.metrics",
  profile = "fmnistnn.profile",
  trace = "fmnistnn.trace",
  initializers = "fmnistnn.initializers",
  data = "fmnistnn.data",
  report = "fmnistnn.report",
  page = "fmnistnn.page",
  json = "fmnistnn.json",
  safetensors = "fmnistnn.safetensors",
  Trainer = "fmnistnn.trainer",
  Progress = "fmnistnn.progress",
  callbacks = "fmnistnn.callbacks",
  custom = "fmnistnn.custom",
  write_file = "fmnistnn.write_file",
  search = "fmnistnn.search",
}

return setmetatable(fnn, {
  __index = function(self, name)
    local part = parts[name]
    if not part then return nil end
    local loaded = require(part)
    rawset(self, name, loaded)
    return loaded
  end,
})
