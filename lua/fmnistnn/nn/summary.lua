--- model:summary{1, 28, 28}: a table of layers, made by calling the model once with a batch of one (zeros, in
-- evaluation) and listening. Layers that are not built yet are built by this. It is printed, unless told otherwise,
-- and returned as text. A model of integers gets ones: class numbers count from 1. A model that is called with a list
-- of tensors has a list of shapes.
local Module = require "fmnistnn.nn.module"
local core = require "fmnistnn.core"
local on_close = require "fmnistnn.on_close"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

-- Whether it is a list of strings, one for each of a list of shapes.
local function is_list_of(dtypes, shapes)
  if type(dtypes) ~= "table" or type(shapes) ~= "table" or #dtypes ~= #shapes then return false end
  for i = 1, #dtypes do
    if type(dtypes[i]) ~= "string" or type(shapes[i]) ~= "table" then return false end
  end
  return true
end

-- A batch of one; for a list of shapes a list of such.
local function input_of(shape, dtype)
  if type(shape[1]) ~= "table" then
    return core.full({1, table.unpack(shape)}, dtype == "float32" and 0 or 1, dtype)
  end
  local list = {}
  for i, each in ipairs(shape) do list[i] = input_of(each, type(dtype) == "table" and dtype[i] or dtype) end
  return list
end

-- What a call of the model does: a row for each module that is called, its children's rows after it.
local function observe(model, shape, dtype)
  local rows, inside = {}, nil
  local names, input = {}, input_of(shape, dtype)
  for name, module in model:named_modules() do names[module] = name end
  local _ <close> = model:_kept_modes()
  model:eval()
  local _ <close> = on_close(function() Module.set_recorder(nil) end)
  Module.set_recorder(function(module, ...)
    local row = {module = module, name = names[module] or "", caller = inside, before = core.multiply_adds()}
    row.depth = inside and inside.depth + 1 or 0
    rows[#rows + 1] = row
    inside = row
    local y = module:forward(...)
    inside = row.caller
    row.multiply_adds = core.multiply_adds() - row.before
    row.shape = core.is_tensor(y) and y.shape or nil
    row.leaf = rows[#rows] == row
    return y
  end)
  core.no_grad(model, input)
  return rows
end

-- The name of a row's module within the module that calls it, "down.1"; all of it where it is no part of that one.
local function own_name(row)
  local prefix = row.caller.name == "" and "" or row.caller.name .. "."
  return row.name:sub(1, #prefix) == prefix and row.name:sub(#prefix + 1) or row.name
end

local function label_of(row)
  if row.depth == 0 then return row.module.class_name end
  return ("%s%s %s"):format(("  "):rep(row.depth), own_name(row), row.module.class_name)
end

local function thousands(n)
  local text = ("%d"):format(n)
  return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function bytes(n)
  if n < 10 * 1024 then return ("%d B"):format(n) end
  if n < 10 * 1024 * 1024 then return ("%.1f KiB"):format(n / 1024) end
  return ("%.1f MiB"):format(n / 1024 / 1024)
end

local function numel(shape)
  local n = 1
  for i = 2, #shape do n = n * shape[i] end
  return n
end

-- The lines of the table, with its columns aligned.
local function aligned(lines)
  local widths, texts = {0, 0, 0, 0, 0}, {}
  for _, line in ipairs(lines) do
    for i, cell in ipairs(line) do widths[i] = math.max(widths[i], utf8.len(cell)) end
  end
  local total = -2
  for _, width in ipairs(widths) do total = total + width + 2 end
  for number, line in ipairs(lines) do
    local cells = {}
    for i, cell in ipairs(line) do
      local space = (" "):rep(widths[i] - utf8.len(cell))
      cells[i] = i == 1 and cell .. space or space .. cell
    end
    texts[#texts + 1] = table.concat(cells, "  "):gsub("%s+$", "")
    if number == 1 then texts[#texts + 1] = ("-"):rep(total) end
  end
  texts[#texts + 1] = ("-"):rep(total)
  return texts
end

return function(model, shape, given)
  local o = options.check("summary", given or {}, {
    {"print", "boolean", default = true},
    {"dtype", "any", default = model:_takes_type()},
  })
  if type(o.dtype) ~= "string" and not is_list_of(o.dtype, shape) then
    refuse("summary: dtype: expected a string, or one for each input, got %s", options.describe(o.dtype))
  end
  if type(shape) ~= "table" then
    refuse("summary: expected the shape of an input without the batch axis, got %s", type(shape))
  end
  local rows = observe(model, shape, o.dtype)
  local lines = {{"layer", "output", "parameters", "memory", "multiply-adds"}}
  local all, trained = model:count_parameters()
  local totals = {parameters = all, trained = trained, multiply_adds = 0, output_bytes = 0}
  for _, row in ipairs(rows) do
    local size = row.shape and 4 * numel(row.shape) or 0
    if row.leaf then totals.output_bytes = totals.output_bytes + size end
    if row.depth == 0 then totals.multiply_adds = row.multiply_adds end
    lines[#lines + 1] = {
      label_of(row),
      row.shape and "(N," .. table.concat(row.shape, ",", 2) .. ")" or "",
      thousands((row.module:count_parameters())),
      bytes(size),
      thousands(row.multiply_adds),
    }
  end
  local texts, multiply_adds = aligned(lines), thousands(totals.multiply_adds)
  texts[#texts + 1] = ("parameters     %s (%s trained), %s"):format(thousands(all), thousands(trained), bytes(4 * all))
  texts[#texts + 1] = ("an image takes %s multiply-adds and %s of outputs"):format(multiply_adds,
    bytes(totals.output_bytes))
  for _, text in ipairs(o.print and texts or {}) do print(text) end
  totals.text = table.concat(texts, "\n")
  return totals
end
