--- fnn.profile(f, ...): where the time of f(...) goes.
--
--   fnn.profile(function() trainer:fit(train:first(6000), {epochs = 1}) end)
--
-- Prints a line for each op and phase, the longest first: calls, time and its share, GFLOP/s (a multiply-add counts
-- two) and GB/s (of the tensors that came in and went out, each counted once). What is not in any op, Lua itself above
-- all, is the last line.
local core = require "fmnistnn.core"
local on_close = require "fmnistnn.on_close"
local options = require "fmnistnn.options"
local refuse = require "fmnistnn.refuse"

local function print_lines(lines, total)
  print(("%-24s %-9s %8s %10s %6s %9s %7s"):format("op", "phase", "calls", "ms", "%", "GFLOP/s", "GB/s"))
  local rest = total
  for _, line in ipairs(lines) do
    rest = rest - line.seconds
    local flops = line.multiply_adds > 0 and ("%.1f"):format(2e-9 * line.multiply_adds / line.seconds) or ""
    print(("%-24s %-9s %8d %10.2f %6.1f %9s %7.1f"):format(line.name, line.phase, line.calls, line.seconds * 1e3,
      100 * line.seconds / total, flops, 1e-9 * line.bytes / line.seconds))
  end
  print(("%-43s %10.2f %6.1f"):format("outside of ops", rest * 1e3, 100 * rest / total))
  print(("%-43s %10.2f"):format("in all", total * 1e3))
end

-- Calls f; returns the lines and the seconds.
local function measure(f, ...)
  local lines, total
  core.profile_begin()
  local start = core.now()
  do
    local _ <close> = on_close(function()
      total, lines = core.now() - start, core.profile_end()
    end)
    f(...)
  end
  return lines, total
end

--- Returns the lines: a list of {name, phase, calls, seconds, multiply_adds, bytes}, the longest first. An error of
-- f's is raised after the profile has been ended.
return function(f, ...)
  if not options.is_callable(f) then refuse("profile: expected a function, got %s", options.describe(f)) end
  local lines, total = measure(f, ...)
  table.sort(lines, function(a, b) return a.seconds > b.seconds end)
  print_lines(lines, total)
  return lines
end
