--- What the specs of models in files and of safetensors files share: whether what comes back is what was saved.
local assert = require "luassert"

local saved = {}

local function has(text, words) return text:find(words, 1, true) ~= nil end

--- Whether two tensors have the same type, shape and bits.
function saved.same_bits(a, b)
  return a.dtype == b.dtype and table.concat(a.shape, ",") == table.concat(b.shape, ",") and a:tobytes() == b:tobytes()
end

--- The names, tensors and requires_grad of a model's state are those of another, in the same order.
function saved.assert_same_state(model, other)
  local state, loaded = model:state(true), other:state(true)
  assert.are.equal(#state, #loaded)
  for i, entry in ipairs(state) do
    assert.are.equal(entry[1], loaded[i][1])
    assert(saved.same_bits(entry[2], loaded[i][2]), entry[1])
    assert.are.equal(entry[2].requires_grad, loaded[i][2].requires_grad, entry[1])
  end
end

--- Raises unless loading gave nil and a message that names the file and has these words.
function saved.refused(path, words, value, message)
  assert(value == nil, "it was loaded")
  assert(has(message, path), message)
  assert(has(message, words), ("expected '%s' in: %s"):format(words, message))
end

return saved
