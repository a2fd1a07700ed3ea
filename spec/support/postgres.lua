--- A PostgreSQL server of a spec's own, in a temporary folder, where the server's programs are installed.
local process = require "spec.support.process"

local postgres = {}

-- The newest version's programs, where Debian puts them.
local function programs()
  return process.output("ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1"):match "[^\n]+"
end

--- Whether there are a server and a client library.
function postgres.is_there() return programs() ~= nil and (pcall(require, "luasql.postgres")) end

-- The server refuses to run as root.
local function as_user(command)
  if process.output "id -u" ~= "0\n" then return command end
  return "setpriv --reuid=nobody --regid=nogroup --clear-groups " .. command
end

local Server = {}
Server.__index = Server

local function run(command)
  local code, out, err = process.run(command)
  assert(code == 0, out .. err)
end

--- Starts a server; server.url is that of its database, server:stop() ends it.
function postgres.start()
  local folder = process.output "mktemp -d /tmp/fmnistnn.XXXXXX":match "[^\n]+"
  local self = setmetatable({folder = folder, programs = programs()}, Server)
  os.execute("chmod 777 " .. folder)
  local initdb = as_user(self.programs .. "/initdb")
  run(("cd / && %s -D %s/data -A trust -U search -E UTF8 --no-sync"):format(initdb, folder))
  self.url = ("postgresql://search@/postgres?host=%s"):format(folder)
  self:up()
  return self
end

--- Starts it again after down().
function Server:up()
  run(("cd / && %s -D %s/data -o \"-c listen_addresses='' -k %s -c fsync=off\" -l %s/log -w start"):format(
    as_user(self.programs .. "/pg_ctl"), self.folder, self.folder, self.folder))
end

--- Ends it, with every connection.
function Server:down()
  run(("cd / && %s -D %s/data -m immediate -w stop"):format(as_user(self.programs .. "/pg_ctl"), self.folder))
end

--- The URL of a new, empty database.
function Server:database(name)
  run(("%s/createdb -h %s -U search %s"):format(self.programs, self.folder, name))
  return ("postgresql://search@/%s?host=%s"):format(name, self.folder)
end

function Server:stop()
  self:down()
  process.remove(self.folder)
end

return postgres
