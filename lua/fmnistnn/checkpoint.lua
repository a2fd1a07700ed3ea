--- The whole state of a Trainer as one file: what a fit needs to go on as if it had never been stopped.
--
-- A safetensors file with a checksum. Its tensors are the model's ("model." before the name), the optimizer's
-- ("optimizer.") and those within the state of callbacks and metrics ("state."); the metadata has the rest as JSON,
-- and which modules the model had, so that those of another are refused.
local core = require "fmnistnn.core"
local files = require "fmnistnn.nn.files"
local json = require "fmnistnn.json"
local packing = require "fmnistnn.packing"
local refuse = require "fmnistnn.refuse"
local safetensors = require "fmnistnn.safetensors"

local FORMAT = "fmnistnn checkpoint 1"

local checkpoint = {}

-- ---- writing ----

local function name_of(callback) return type(callback.name) == "string" and callback.name or "callback" end

local function states_of(callbacks)
  local states = {}
  for i, callback in ipairs(callbacks) do
    states[i] = {name = name_of(callback), state = callback.state and callback:state() or nil}
  end
  return states
end

-- Where in its epochs a fit is. In the middle of one, that is also its averages, and what its order depends on.
local function position_of(position, settings)
  if not position then return nil end
  local state = {epoch = position.epoch, batch = position.batch, seconds = position.seconds}
  if position.batch > 0 then
    state.seconds = position.started and core.now() - position.started or position.seconds
    state.averages = position.averages and position.averages:state() or position.saved_averages
    state.order, state.settings = position.order, settings
  end
  return state
end

-- The history without how it ended.
local function lists_of(history)
  local lists = {}
  for name, list in pairs(history) do lists[name] = type(list) == "table" and list or nil end
  return lists
end

local function add_all(tensors, prefix, given)
  for _, entry in ipairs(given) do tensors[#tensors + 1] = {prefix .. entry[1], entry[2]} end
end

--- Writes a trainer's state; see Trainer:save.
function checkpoint.save(trainer, path)
  if type(path) ~= "string" then refuse("save: expected a path, got %s", type(path)) end
  local tensors, fit = {}, trainer._fit or {}
  local own, entries = files.describe(trainer.model)
  add_all(tensors, "model.", own)
  local optimizer = trainer.optimizer and trainer.optimizer:state()
  if optimizer then add_all(tensors, "optimizer.", safetensors._sorted(optimizer.tensors)) end
  local state = {
    optimizer = optimizer and optimizer.numbers,
    generator = {core.generator_state()},
    history = lists_of(trainer.history),
    stop = trainer.stop,
    position = position_of(trainer._position, fit.settings),
    callbacks = fit.callbacks and states_of(fit.callbacks),
  }
  local metadata = {format = FORMAT, model = json.encode(entries)}
  metadata.modules = json.encode(files.describe_modules(trainer.model))
  metadata.state = json.encode(packing.pack(state, "state", tensors))
  return safetensors._write(path, tensors, metadata, true) -- there may be paths in it
end

-- ---- reading ----

-- Those of the tensors whose names begin with a prefix, without it.
local function part(tensors, prefix)
  local own = {}
  for name, tensor in pairs(tensors) do
    if name:sub(1, #prefix) == prefix then own[name:sub(#prefix + 1)] = tensor end
  end
  return own
end

-- Returns nil and a message where they are damaged. Other errors, such as Ctrl-C, say nothing of that, and pass.
local function decode(tensors, metadata)
  local entries, packed = json.decode(metadata.model or ""), json.decode(metadata.state or "")
  local modules = metadata.modules and json.decode(metadata.modules) -- older files have none
  if not json.is_array(entries) or type(packed) ~= "table" then return nil, "its state is damaged" end
  local ok, state = packing.unpack(packed, tensors)
  if not ok then return nil, state end
  return {
    entries = entries,
    modules = modules,
    model = part(tensors, "model."),
    optimizer = part(tensors, "optimizer."),
    state = state,
  }
end

--- Reads a file that save wrote. Returns what apply takes, or nil and a message that names the file.
function checkpoint.read(path)
  if type(path) ~= "string" then refuse("load: expected a path, got %s", type(path)) end
  local tensors, metadata = safetensors.load(path)
  if not tensors then return nil, metadata end
  if metadata.format ~= FORMAT or not metadata.crc32 then
    return nil, ("%s: expected a file of the format %s, got %s"):format(path, FORMAT, tostring(metadata.format))
  end
  local read, message = decode(tensors, metadata)
  if not read then return nil, ("%s: %s"):format(path, message) end
  return read
end

-- ---- into a trainer ----

-- Raises what a trainer that loads it gives as its message.
local function mismatch(format, ...) error(format:format(...), 0) end

-- The order of an epoch that was begun is that of its settings.
local function check_settings(saved, own)
  for _, name in ipairs {"batch_size", "shuffle", "seed", "examples"} do
    if saved[name] ~= own[name] then
      mismatch("it was saved in the middle of an epoch with %s = %s, and this fit has %s", name, tostring(saved[name]),
        tostring(own[name]))
    end
  end
end

-- What was counted of an epoch that was begun is of its metrics.
local function check_metrics(saved, own)
  if #saved.metrics ~= #own then
    mismatch("it was saved with %d metrics, and this trainer has %d", #saved.metrics, #own)
  end
  for i, name in ipairs(saved.names or {}) do -- older files have none
    if name ~= own[i].name then
      mismatch("metric %d: it was saved in the middle of an epoch with %s, and this trainer has %s", i, name,
        own[i].name)
    end
  end
end

local function check_callbacks(saved, own)
  for i = 1, math.max(#saved, #own) do
    local expected = saved[i] and saved[i].name or "none"
    local got = own[i] and name_of(own[i]) or "none"
    if got ~= expected then mismatch("callback %d: it was saved with %s, and this fit has %s", i, expected, got) end
  end
end

local function check(trainer, state)
  local fit, position = trainer._fit or {}, state.position
  if position and position.settings and fit.settings then
    check_settings(position.settings, fit.settings)
    check_metrics(position.averages, trainer.metrics)
  end
  if state.callbacks and fit.callbacks then check_callbacks(state.callbacks, fit.callbacks) end
  if (state.optimizer ~= nil) ~= (trainer.optimizer ~= nil) then mismatch("one of both trainers has no optimizer") end
end

-- The optimizer may refuse; the model is then as it was.
local function apply_tensors(trainer, read)
  local undo = files.restore(trainer.model, read.entries, read.model, read.modules)
  if not trainer.optimizer then return end
  local given = {numbers = read.state.optimizer, tensors = read.optimizer}
  local ok, message = pcall(trainer.optimizer.set_state, trainer.optimizer, given)
  if ok then return end
  undo()
  error(message, 0)
end

local function position_from(saved, generator)
  return {
    epoch = saved.epoch,
    batch = saved.batch,
    seconds = saved.seconds,
    order = saved.order,
    saved_averages = saved.averages,
    generator = generator,
  }
end

--- Puts a state that was read into a trainer; see Trainer:load. Raises when it does not fit.
function checkpoint.apply(trainer, read)
  local state = read.state
  check(trainer, state)
  apply_tensors(trainer, read)
  trainer.history, trainer.stop = state.history, state.stop
  core.set_generator_state(table.unpack(state.generator))
  if state.position then trainer._position = position_from(state.position, state.generator) end
  for i, callback in ipairs(trainer._fit and trainer._fit.callbacks or {}) do
    local saved = state.callbacks and state.callbacks[i]
    if saved and saved.state ~= nil and callback.set_state then callback:set_state(saved.state) end
  end
end

return checkpoint
