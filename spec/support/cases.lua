--- Cases of every op: cases[name] is a list of {"what", args, flags ...}, where args is a table.pack or a function that
-- makes it. The list `wrong` in it has {"what", args, texts ...}: calls that must be refused, and what the error must
-- say beside the op's name. The flags:
--
--   gradient = false  nothing to check, as the result has no slope there (in a whole list: the op has none)
--   distinct = true   equal elements have no unique gradient
--   large = true      many elements: one layout, the gradient along a random direction
--   pointwise = true  each element is measured by its own size
--   ulps, gradient_ulps  a tolerance of its own, with the reason beside it
local cases = {}

for _, part in ipairs {"elementwise", "shaping", "reductions", "layers"} do
  for name, list in pairs(require("spec.support.cases." .. part)) do
    assert(not cases[name], "two lists of cases of " .. name)
    for _, case in ipairs(list) do
      if list.gradient == false then case.gradient = false end
    end
    cases[name] = list
  end
end

return cases
