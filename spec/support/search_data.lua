--- What scripts/search_reference.py found out from Optuna, scipy, scikit-learn and cmaes.
local json = require "fmnistnn.json"

local folder = debug.getinfo(1, "S").source:match("^@(.*)support/search_data%.lua$") .. "data/"
local file = assert(io.open(folder .. "search.json"))
local data = assert(json.decode(file:read("a")))
file:close()
return data
