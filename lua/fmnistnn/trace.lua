--- fnn.trace(f, ...): a function that does to other tensors what f does to these, without Lua.
--
--   local run = fnn.trace(model:folded(), fnn.zeros(1, 1, 28, 28))
--   local logits = run(image)
--
-- f is called once, with the tensors given; the operations that it calls are noted, and the function that is returned
-- calls them again. That is worth it where tensors are small, as with one image: Lua takes longer than some operations.
local core = require "fmnistnn.core"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local function check_tensors(what, ...)
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    if not core.is_tensor(value) then
      refuse("trace: %s %d: expected a tensor, got %s", what, i, options.describe(value))
    end
  end
end

-- The function for a trace and what f returned.
local function function_of(trace, ...)
  if select("#", ...) == 0 then refuse("trace: the function returned nothing: expected tensors") end
  check_tensors("result", ...)
  return core.trace_function(trace, ...)
end

local function make(f, trace, ...) return function_of(trace, core.no_grad(f, ...)) end

local function noted(f, trace, ...) return core.trace_during(trace, make, f, trace, ...) end

--- The function takes tensors of the same types and shapes as those of this call, and returns as many tensors as f,
-- which computes them from those by operations on tensors alone, without a gradient. What else f does, it does once,
-- here: branches are taken as they were taken, numbers and new tensors (fnn.zeros) stay what they were. Other tensors
-- that it uses, such as weights, are used as they are at each run. Raises where f reads elements of an argument or of
-- what an operation gave, changes a tensor in place, computes gradients, yields, or draws random numbers, but for
-- dropout.
return function(f, ...)
  if not options.is_callable(f) then refuse("trace: expected a function or a model, got %s", options.describe(f)) end
  check_tensors("argument", ...)
  return noted(f, core.trace_begin(...))
end
