--- The page of a search that is going on: written again and again, and a last time at the end (Study:report).
local core = require "fmnistnn.core"

local LivePage = {}
LivePage.__index = LivePage

local INTERVAL <const> = 20 -- seconds between two pages; more when they take long to make
local LEISURE <const> = 20 -- at most a part of so many of the time goes into pages

--- LivePage.new(study, path); raises when the file cannot be written.
function LivePage.new(study, path)
  local self = setmetatable({study = study, path = path}, LivePage)
  local ok, message = self:write(INTERVAL)
  if not ok then error("optimize: report: " .. message, 0) end
  return self
end

-- Returns true, or nil and a message. What goes wrong with a page is no reason to lose a search.
function LivePage:write(refresh)
  local before = core.now()
  local sound, ok, message = pcall(self.study.report, self.study, self.path, {refresh = refresh})
  self.due = core.now() + math.max(INTERVAL, LEISURE * (core.now() - before))
  if not sound then return nil, ok end
  return ok, message
end

local function tell(ok, message)
  if not ok then io.stderr:write("report: ", message, "\n") end
end

--- Writes it when it is time to.
function LivePage:update()
  if core.now() >= self.due then tell(self:write(INTERVAL)) end
end

--- Writes it for the last time.
function LivePage:stop() tell(self:write()) end

return LivePage
