--- The command lines of bin/fmnistnn-worker and bin/fmnistnn-study.
local command_line = {}

--- Ends the program with a message on standard error.
function command_line.fail(format, ...)
  io.stderr:write((arg[0]:match "[^/]*$"), ": ", format:format(...), "\n")
  os.exit(2, true) -- databases are closed
end

--- Ends the program unless what it wrote to standard output is whole.
function command_line.check_written(ok, message)
  if not ok then command_line.fail("standard output: %s", message) end
end

--- The options among the words, {name = value or true}, and the other words. known: {name = "value", "list" (it may
-- come again: a list of values) or "flag"}; "--" ends the options, and with `first` so does the first other word.
function command_line.parse(words, known, first)
  local options, others, i = {}, {}, 1
  while i <= #words do
    local word = words[i]
    local name, value = word:match "^%-%-([%w-]+)=(.*)$"
    name = name or word:match "^%-%-([%w-]+)$"
    if word == "--" or first and not name then
      table.move(words, word == "--" and i + 1 or i, #words, #others + 1, others)
      break
    elseif not name then
      others[#others + 1] = word
    elseif not known[name] then
      command_line.fail("unknown option %s (--help tells the options)", word)
    elseif known[name] == "flag" then
      if value then command_line.fail("--%s: expected no value, got %s", name, value) end
      options[name] = true
    else
      if not value then i, value = i + 1, words[i + 1] end
      if not value then command_line.fail("--%s: expected a value", name) end
      if known[name] == "list" then
        options[name] = options[name] or {}
        table.insert(options[name], value)
      else
        options[name] = value
      end
    end
    i = i + 1
  end
  return options, others
end

local function count_words(text) return select(2, text:gsub("%S+", "")) end

--- Ends the program unless a command is given what it takes: {"NAME [FILE]", option ...}, its words, of which those in
-- brackets may be left out and those before dots may be many, and the options beside --storage.
function command_line.expect(command, takes, words, options)
  local pattern = takes[1]
  local most = pattern:find("...", 1, true) and math.huge or count_words(pattern)
  if #words < count_words((pattern:gsub("%[.*", ""))) then
    command_line.fail("%s: expected %s (--help tells more)", command, pattern)
  elseif #words > most then
    command_line.fail("%s: expected %s, got also: %s", command, most > 0 and pattern or "no words",
      table.concat(words, " ", most + 1))
  end
  local allowed = {storage = true}
  for i = 2, #takes do allowed[takes[i]] = true end
  for name in pairs(options) do
    if not allowed[name] then command_line.fail("%s: it has no option --%s (--help tells more)", command, name) end
  end
end

--- Ends the program unless an option's text is one of a list.
function command_line.choice(name, text, list)
  for _, each in ipairs(list) do
    if text == each then return end
  end
  command_line.fail("--%s: expected %s or %s, got %s", name, table.concat(list, ", ", 1, #list - 1), list[#list], text)
end

--- The integer of 1 or more that a text is.
function command_line.count(name, text)
  local value = math.tointeger(tonumber(text))
  if not value or value < 1 then command_line.fail("--%s: expected an integer of 1 or more, got %s", name, text) end
  return value
end

return command_line
