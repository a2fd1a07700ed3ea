--- Temporary folders, and other programs: what specs need of the system around them.
local process = {}

--- One word of a shell command, whatever is in it.
function process.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
local quote = process.quote

function process.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

function process.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

--- What a command writes to standard output.
function process.output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  pipe:close()
  return text
end

function process.has(program)
  return (os.execute("command -v " .. quote(program) .. " >/dev/null 2>&1")) == true
end

--- A new folder of its own, in memory where there is such a file system: specs write thousands of small files.
-- process.remove takes it away again.
function process.folder()
  local base = os.execute "test -d /dev/shm -a -w /dev/shm" and "/dev/shm" or "/tmp"
  return assert(process.output("mktemp -d " .. base .. "/fmnistnn.XXXXXX"):match("[^\n]+"))
end

function process.remove(folder)
  assert(#folder > 5)
  os.execute("chmod -R u+w " .. quote(folder) .. "; rm -rf " .. quote(folder))
end

--- The names in a folder, in order.
function process.list(folder)
  local names = {}
  for name in process.output("ls -A " .. quote(folder)):gmatch("[^\n]+") do names[#names + 1] = name end
  return names
end

-- The interpreter that runs this spec, by its whole path.
local function interpreter()
  local lowest = 0
  while arg and arg[lowest - 1] do lowest = lowest - 1 end
  local name = quote(lowest < 0 and arg[lowest] or "lua5.4")
  return process.output(('realpath -s "$(command -v %s)"'):format(name)):match("[^\n]+")
end

--- The beginning of a command that runs a program whose Lua finds modules as this one does.
function process.with_paths()
  return ("env LUA_PATH=%s LUA_CPATH=%s"):format(quote(package.path), quote(package.cpath))
end

--- A command that runs a Lua script with this interpreter and these paths. `before`: words of the shell in front of it,
-- such as assignments to the environment.
function process.lua(script_path, before)
  return ("%s %s %s %s"):format(process.with_paths(), before or "", quote(interpreter()), quote(script_path))
end

--- Runs a shell command; returns its exit code (128 + n for signal n) and what it wrote to standard output and error.
function process.run(command)
  local folder = process.folder()
  local _, how, code = os.execute(("( %s\n) >%s/out 2>%s/err </dev/null"):format(command, folder, folder))
  if how == "signal" then code = code + 128 end
  local out, err = process.read(folder .. "/out"), process.read(folder .. "/err")
  process.remove(folder)
  return code, out, err
end

--- Runs a shell command as on a terminal where Ctrl-C is pressed once a file that `pattern` names exists and is not
-- empty; returns as process.run.
function process.interrupt(command, pattern)
  return process.run(("exec python3 spec/support/interrupt.py %s %s"):format(quote(pattern), quote(command)))
end

--- Waits until check() gives a true value, and returns it; raises after a minute.
function process.wait(check)
  for _ = 1, 1200 do
    local value = check()
    if value then return value end
    os.execute "sleep 0.05"
  end
  error("it did not happen within a minute", 2)
end

--- Runs Lua text in a process of its own; returns as process.run.
function process.run_lua(text, before)
  local folder = process.folder()
  process.write(folder .. "/script.lua", text)
  local code, out, err = process.run(process.lua(folder .. "/script.lua", before))
  process.remove(folder)
  return code, out, err
end

return process
