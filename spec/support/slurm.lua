--- A Slurm cluster of a spec's own: slurmctld and several slurmd on this machine, with a munged of theirs, in a
-- temporary folder. Only root can run slurmd.
local process = require "spec.support.process"

local slurm = {}

--- Whether the programs are there, and may be run.
function slurm.is_there()
  for _, program in ipairs {"slurmctld", "slurmd", "munged", "sbatch"} do
    if not process.has(program) then return false end
  end
  return process.output "id -u" == "0\n"
end

local config = [[
ClusterName=spec
SlurmctldHost=HOST(127.0.0.1)
SlurmctldPort=PORT
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=FOLDER/munge.socket
CredType=cred/munge
StateSaveLocation=FOLDER/state
SlurmdSpoolDir=FOLDER/spool.%n
SlurmctldPidFile=FOLDER/slurmctld.pid
SlurmdPidFile=FOLDER/slurmd.%n.pid
SlurmctldLogFile=FOLDER/slurmctld.log
SlurmdLogFile=FOLDER/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=5
NodeName=n[1-NODES] NodeHostname=HOST NodeAddr=127.0.0.1 Port=[FIRST-LAST] CPUs=1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
]]

local Cluster = {}
Cluster.__index = Cluster

local function run(command)
  local code, out, err = process.run(command)
  assert(code == 0, command .. "\n" .. out .. err)
  return out
end

--- Starts one of so many nodes, of one CPU each; cluster:stop() ends it.
function slurm.start(nodes)
  local folder = process.output "mktemp -d /tmp/fmnistnn.XXXXXX":match "[^\n]+"
  local self = setmetatable({folder = folder, nodes = nodes}, Cluster)
  local port = 20000 + math.random(20000)
  local values = {
    HOST = process.output "hostname -s":match "%S+", FOLDER = folder, NODES = nodes, PORT = port, FIRST = port + 1,
    LAST = port + nodes,
  }
  process.write(folder .. "/slurm.conf", (config:gsub("%u+", values)))
  self.before = "SLURM_CONF=" .. folder .. "/slurm.conf "
  local munge = "cd F && mkdir state && head -c 128 /dev/urandom >munge.key && chmod 400 munge.key && munged --force "
    .. "--key-file=F/munge.key --socket=F/munge.socket --pid-file=F/munge.pid --log-file=F/munge.log "
    .. "--seed-file=F/munge.seed"
  run((munge:gsub("F%f[/ ]", folder)))
  run(self.before .. "slurmctld")
  for i = 1, nodes do run(("%sslurmd -N n%d"):format(self.before, i)) end
  process.wait(function() return self:run "sinfo -h -o %T":find "^idle\n$" end)
  return self
end

--- Runs a command of Slurm's; returns what it prints.
function Cluster:run(command) return run(self.before .. command) end

--- What the logs say, for messages.
function Cluster:logs() return process.output(("tail -n 20 %s/*.log"):format(self.folder)) end

local function id_of(path) return (process.read(path) or ""):match "%d+" end

function Cluster:stop()
  local ids = {id_of(self.folder .. "/slurmctld.pid"), id_of(self.folder .. "/munge.pid")}
  for i = 1, self.nodes do ids[#ids + 1] = id_of(("%s/slurmd.n%d.pid"):format(self.folder, i)) end
  os.execute("kill " .. table.concat(ids, " "))
  process.wait(function() return not id_of(self.folder .. "/slurmctld.pid") end)
  process.remove(self.folder)
end

return slurm
