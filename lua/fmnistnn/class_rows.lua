--- Scores of classes for each position of an example, such as the pixels of an image, as rows: (N,C,...) becomes
-- (N x positions,C), and its target with it, class numbers (N,...) or rows (N,C,...). Predictions that are class
-- numbers (N,...) become a vector, and so do their targets. What has one or two axes stays as it is. Raises, as `who`,
-- where the shapes do not belong together.
local core = require "fmnistnn.core"
local refuse = require "fmnistnn.refuse"

-- (N,C,...) with the classes as the last of two axes.
local function rows(x) return x:flatten(3):permute(1, 3, 2):flatten(1, 2) end

local function words(shape) return "(" .. table.concat(shape, ",") .. ")" end

return function(who, prediction, target)
  if not core.is_tensor(prediction) or not core.is_tensor(target) then return prediction, target end
  if prediction:dim() < 3 then return prediction, target end
  local own, positions, got = words(prediction.shape), prediction.shape, words(target.shape)
  table.remove(positions, 2)
  if prediction.dtype ~= "float32" then
    if got ~= own then refuse("%s: target: expected %s, as the prediction is, got %s", who, own, got) end
    return prediction:flatten(), target:flatten()
  end
  if got == own then return rows(prediction), rows(target) end
  if got == words(positions) then return rows(prediction), target:flatten() end
  refuse("%s: target: expected class numbers %s or rows %s, got %s", who, words(positions), own, got)
end
