--- Ctrl-C as lua makes it of the signal: an error that is raised in the midst of whatever runs then, once.

--- Raises it after so many instructions of the running thread; debug.sethook() calls it off.
return function(count)
  debug.sethook(function()
    debug.sethook()
    error("interrupted!", 0)
  end, "", count)
end
