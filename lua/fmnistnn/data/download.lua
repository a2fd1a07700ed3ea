--- Downloads, by the program curl: with progress, a checksum, and never half a file under the final name.
local core = require "fmnistnn.core"
local folder = require "fmnistnn.folder"

local quote = folder.quote

-- Whether a command went well, and its exit code (128 + n where signal n ended it, as shells count).
local function run(...)
  local ok, how, code = os.execute(table.concat({...}, " "))
  return ok, how == "signal" and 128 + code or code
end

-- The SHA-256 of a file, by whichever program is there; nil when none is.
local function sha256(path)
  for _, program in ipairs {"sha256sum", "shasum -a 256", "openssl dgst -sha256 -r"} do
    local pipe = io.popen(program .. " < " .. quote(path) .. " 2>/dev/null")
    local sum = pipe and (pipe:read("a") or ""):match("^(%x+)")
    if pipe then pipe:close() end
    if sum and #sum == 64 then return sum end
  end
end

-- Why curl gave up, for the codes that people meet (curl(1), EXIT CODES).
local reasons = {
  [6] = "the host was not found",
  [7] = "the connection was refused",
  [18] = "the transfer ended early",
  [22] = "the server answered with an error",
  [23] = "the file could not be written",
  [28] = "the time was up",
  [35] = "the TLS connection failed",
  [52] = "the server answered nothing",
  [56] = "the connection broke",
  [60] = "the server's certificate is not trusted",
}

local function fetch(url, path, progress)
  local bar = progress == false and "--silent" or "--progress-bar"
  if progress ~= false then io.stderr:write("downloading ", url, "\n") end
  local ok, code = run("curl --fail --location --globoff --retry 2 --connect-timeout 20 --speed-limit 1000",
    "--speed-time 60", bar, "--output", quote(path), "--url", quote(url))
  if ok then return true end
  if code == 127 then return nil, "the program curl is not installed" end
  if code > 128 then return nil, "interrupted" end
  return nil, ("%s (curl %d)"):format(reasons[code] or "curl failed", code)
end

local function check(path, expected)
  local sum = sha256(path)
  if not sum then return nil, "no program for SHA-256 is installed (sha256sum, shasum or openssl)" end
  if sum ~= expected:lower() then return nil, ("its SHA-256 is %s, expected %s"):format(sum, expected) end
  return true
end

--- Fetches `url` into `path`, making the folder if needed. options: sha256, what the file must have; progress true.
-- The file appears under its name only when it is whole. Returns true, or nil and a message with the address.
return function(url, path, options)
  local made, why = folder.make(path:match("^(.*/)[^/]*$") or ".")
  if not made then return nil, why end
  local part = ("%s.%d.part"):format(path, core.process_id())
  local ok, message = fetch(url, part, options.progress)
  if ok and options.sha256 then ok, message = check(part, options.sha256) end
  if ok then ok, message = os.rename(part, path) end
  if ok then return true end
  os.remove(part)
  return nil, ("%s: %s"):format(url, message)
end
