--- Raises an error of misuse, with the line of the script that called, however deep in the library it is noticed.
local core = require "fmnistnn.core"

return function(format, ...) core.refuse(format:format(...)) end
