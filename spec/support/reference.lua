--- Naive references of all ops, in double precision and written from the definitions: reference.conv2d takes what
-- core.ops.conv2d takes, with arrays (support/array.lua) in the place of tensors and options by name in a last table,
-- and returns arrays.
local reference = {}

for _, part in ipairs {"elementwise", "shaping", "reductions", "layers"} do
  for name, op in pairs(require("spec.support.reference." .. part)) do
    assert(not reference[name], "two references of " .. name)
    reference[name] = op
  end
end

return reference
