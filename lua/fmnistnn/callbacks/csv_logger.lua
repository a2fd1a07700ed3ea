--- CSVLogger{path, separator, append}: a line for each epoch, as CSV (RFC 4180), with the names of the values in the
-- first line.
--
--   separator ","
--   append false    whether to go on with the file that is there
--
-- A fit that goes on from a backup goes on with its file, from the line of that backup.
local class = require "fmnistnn.class"
local csv = require "fmnistnn.csv"
local output = require "fmnistnn.callbacks.output"
local refuse = require "fmnistnn.refuse"

local CSVLogger = class("CSVLogger", {
  {"path", "string"},
  {"separator", "string", default = ","},
  {"append", "boolean", default = false},
})

function CSVLogger:init()
  if #self.separator ~= 1 or self.separator:find '["\r\n]' then
    refuse("CSVLogger: separator: expected one character, no quote or line end, got '%s'", self.separator)
  end
end

-- The names in the order of the trainer's, what others have added after them.
local function columns_of(trainer, values)
  local columns, known, others = {"epoch"}, {}, {}
  local function add(name)
    for _, each in ipairs(output.names(name, values[name])) do columns[#columns + 1] = each end
  end
  for _, name in ipairs(trainer.value_names) do
    known[name] = true
    add(name)
  end
  for name in pairs(values) do
    if not known[name] then others[#others + 1] = name end
  end
  table.sort(others)
  for _, name in ipairs(others) do add(name) end
  return columns
end

local function line(self, cells) return csv.line(cells, #self.columns, self.separator) .. "\n" end

local function refuse_file(self, first)
  error(("%s: %s: expected a file that begins with %s"):format(self.name, self.path, first), 0)
end

-- Raises unless the first line of the file that goes on has the trainer's names, as far as they are known before there
-- are values: one that is a list has as many columns as numbers.
local function check_head(self, trainer)
  local head = self.log:head()
  if head == "" then return end
  local cells, at = csv.first(head, self.separator), 1
  local expected = {"epoch", table.unpack(trainer.value_names)}
  for _, name in ipairs(expected) do
    if cells[at] == name then
      at = at + 1
    elseif cells[at] == name .. "_1" then
      while cells[at] and cells[at]:match("^(.*)_%d+$") == name do at = at + 1 end
    else
      refuse_file(self, csv.line(expected, #expected, self.separator))
    end
  end
end

function CSVLogger:on_train_begin(trainer)
  output.probe(self.name, self.path)
  self.columns, self.log = nil, output.log(self.name, self.path, self.append and "all" or 0)
  check_head(self, trainer)
end

-- The first line, unless the file that goes on has it.
local function begin(self, trainer, values)
  self.columns = columns_of(trainer, values)
  local first, head = line(self, self.columns), self.log:head()
  if head == "" then
    self.log:add(first)
  elseif head:sub(1, #first) ~= first then
    refuse_file(self, first:sub(1, -2))
  elseif head:sub(-1) ~= "\n" then
    self.log:add("\n")
  end
end

function CSVLogger:on_epoch_end(trainer, epoch, values)
  if not self.columns then begin(self, trainer, values) end
  local cells, flat = {epoch}, output.flat(values)
  for i = 2, #self.columns do cells[i] = flat[self.columns[i]] end
  self.log:add(line(self, cells))
end

function CSVLogger:on_train_end() self.log:close() end

local function whole_lines(text) return text:match("^.*\n") or "" end

function CSVLogger:state() return {size = self.log.size or self.log.kept} end
function CSVLogger:set_state(state) self.log = output.log(self.name, self.path, state.size, whole_lines) end

return CSVLogger
