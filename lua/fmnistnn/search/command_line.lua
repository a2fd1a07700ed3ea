--- The command lines of bin/fmnistnn-worker and bin/fmnistnn-study.
local command_line = {}

--- Ends the program with a message on standard error.
function command_line.fail(format, ...)
  io.stderr:write((arg[0]:match "[^/]*$"), ": ", format:format(...), "\n")
  os.exit(2, true) -- databases are closed
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

--- The integer of 1 or more that a text is.
function command_line.count(name, text)
  local value = math.tointeger(tonumber(text))
  if not value or value < 1 then command_line.fail("--%s: expected an integer of 1 or more, got %s", name, text) end
  return value
end

return command_line
