-- What the examples share: finding the library, the options of the command line, the results of --json.
local here = arg[0]:match("^(.*/)") or "./"

if _VERSION < "Lua 5.4" then
  io.stderr:write(arg[0], " needs Lua 5.4, and this is ", _VERSION, "; run: lua5.4 ", arg[0], "\n")
  os.exit(2)
end

package.path = here .. "?.lua;" .. package.path -- study/ and what else lies beside the examples

-- In a clone that has been built, use it; else what is installed.
local built = io.open(here .. "../build/fmnistnn/core.so")
if built then
  built:close()
  package.path = here .. "../lua/?.lua;" .. here .. "../lua/?/init.lua;" .. package.path
  package.cpath = here .. "../build/?.so;" .. package.cpath
end

if not package.searchpath("fmnistnn.core", package.cpath) then
  io.stderr:write("fmnistnn was not found: build it in its clone (cmake -B build && cmake --build build), or run ",
    "'luarocks --lua-version=5.4 install fmnistnn'.\n")
  os.exit(2)
end

local found, argparse = pcall(require, "argparse")
if not found then
  io.stderr:write("The examples read their options with argparse: install lua-argparse (Debian) or ",
    "'luarocks install argparse'.\n")
  os.exit(2)
end

-- Why something could not be printed, as on a full disk.
local unprinted

-- In the place of print, which does not tell that.
local function print_and_note(...)
  local texts = {...}
  for i = 1, select("#", ...) do texts[i] = tostring(texts[i]) end
  local ok, message = io.write(table.concat(texts, "\t"), "\n")
  if ok then ok, message = io.stdout:flush() end
  if not ok then unprinted = message end
end

-- The script loads this file first and is then run once more within a protected call, so that Ctrl-C ends it with a
-- line, wherever it happens to be, and not with a traceback. That its output was lost is told at the end: what it saves
-- is saved by then.
if not package.loaded.example then
  package.loaded.example = true
  _G.print = print_and_note
  local ok, message = xpcall(dofile, function(message)
    if tostring(message):find("interrupted!$") then return "stopped" end
    return debug.traceback(message, 2)
  end, arg[0])
  if ok and unprinted then ok, message = false, "standard output: " .. unprinted end
  if not ok then io.stderr:write(arg[0]:match("[^/]*$"), ": ", tostring(message), "\n") end
  os.exit(ok and 0 or message == "stopped" and 130 or 1, true)
end

local options = {}

-- What turns the text of an option into its value, or says why not.
local converters = {
  integer = function(name, least)
    return function(text)
      local value = math.tointeger(tonumber(text))
      if value and value >= least then return value end
      return nil, ("option '%s': expected an integer of %d or more, got '%s'"):format(name, least, text)
    end
  end,
  number = function(name)
    return function(text)
      local value = tonumber(text)
      if value and value > 0 and value < math.huge then return value end
      return nil, ("option '%s': expected a number above 0, got '%s'"):format(name, text)
    end
  end,
  share = function(name)
    return function(text)
      local value = tonumber(text)
      if value and value > 0 and value < 1 then return value end
      return nil, ("option '%s': expected a number between 0 and 1, got '%s'"):format(name, text)
    end
  end,
  threads = function(name)
    return function(text)
      local ok, message = pcall(require "fmnistnn".set_threads, math.tointeger(tonumber(text)) or text)
      if ok then return text end
      return nil, ("option '%s': %s"):format(name, message:match("expected.*") or message)
    end
  end,
  file = function(name)
    return function(text) -- that it cannot be written should not be found out after training
      if not text:find("[^/]$") or io.open(text .. "/.") then
        return nil, ("option '%s': expected the name of a file, got '%s'"):format(name, text)
      end
      local ok, message = require "fmnistnn.probe"(text)
      if ok then return text end
      return nil, ("option '%s': %s: %s"):format(name, text, message)
    end
  end,
  folder = function(name)
    return function(text)
      local ok, message = require "fmnistnn.folder".make(text)
      if ok then ok, message = require "fmnistnn.probe"(text .. "/.probe"), text .. ": nothing can be written there" end
      if ok then return text end
      return nil, ("option '%s': %s"):format(name, message)
    end
  end,
}

-- The words of the command line, "--lr -1" as "--lr=-1": argparse would take a negative number for an option.
local function words()
  local list = {}
  for _, word in ipairs(arg) do
    local last = list[#list]
    if word:find("^%-[%d.]") and last and last:find("^%-%-[^=]+$") then
      list[#list] = last .. "=" .. word
    else
      list[#list + 1] = word
    end
  end
  return list
end

local Parser = {}
Parser.__index = Parser

--- A parser of the command line. It has option, flag and parse.
function options.parser(description)
  local name = arg[0]:match("[^/]*$")
  local parser = argparse(name, description)
  function parser.error(_, message)
    io.stderr:write(name, ": ", (message:gsub("\n", ". ")), " (--help tells the options)\n")
    os.exit(2)
  end
  return setmetatable({parser = parser}, Parser)
end

--- An option with an argument; kind: one of the converters above, none for a text; least: of an integer; default: a
-- text.
function Parser:option(flag, argument, description, kind, least, default)
  local option = self.parser:option(flag, description, default):argname(argument)
  if kind then option:convert(converters[kind](flag, least)) end
end

--- An option that is there or not.
function Parser:flag(flag, description) self.parser:flag(flag, description) end

--- The options given, by name.
function Parser:parse() return self.parser:parse(words()) end

--- The options of a script that trains one network; `defaults` has epochs, batch, lr and seed, as texts.
function options.parse(description, defaults)
  local parser = options.parser(description)
  parser:option("--epochs", "N", "Passes over the training images.", "integer", 1, defaults.epochs)
  parser:option("--batch", "N", "Images in a batch.", "integer", 1, defaults.batch)
  parser:option("--lr", "X", "Learning rate.", "number", nil, defaults.lr)
  parser:option("--seed", "N", "Decides on initial weights, dropout and the order of the images.", "integer", 0,
    defaults.seed)
  parser:option("--threads", "N", "Threads to use (all CPUs unless given).", "threads")
  parser:option("--limit", "N", "Use the first N training images only.", "integer", 1)
  parser:option("--save", "FILE", "Save the trained model to this file.", "file")
  parser:option("--json", "FILE", "Write the results to this file.", "file")
  return parser:parse()
end

--- Stops the script with a line on standard error unless the first value is true: as assert, without a traceback.
function options.check(ok, message, ...)
  if ok then return ok, message, ... end
  io.stderr:write(arg[0]:match("[^/]*$"), ": ", message, "\n")
  os.exit(1)
end

--- Two parts of a data set, as --validation says; see Dataset:split.
function options.split(set, share)
  local ok, kept, apart = pcall(set.split, set, share)
  if not ok then options.check(nil, (kept:gsub("^.-split:", "option '--validation':"))) end
  return kept, apart
end

--- Writes what --json promises.
function options.write_json(path, model, history, result, confusion)
  local fnn = require "fmnistnn"
  local epochs = fnn.json.array()
  for i in ipairs(history.val_loss or {}) do
    epochs[i] = {
      loss = history.loss[i],
      accuracy = history.accuracy[i],
      val_loss = history.val_loss[i],
      val_accuracy = history.val_accuracy[i],
      seconds = history.seconds[i],
      images_per_second = history.images_per_second[i],
    }
  end
  options.check(require "result_file".write(path, {
    test_accuracy = result.accuracy,
    test_loss = result.loss,
    parameters = model:count_parameters(),
    epochs = epochs,
    confusion = confusion:totable(),
  }))
end

return options
