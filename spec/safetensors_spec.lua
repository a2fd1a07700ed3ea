-- safetensors files: what is saved comes back, what is wrong is refused, and Python's package reads and writes the
-- same.
local fnn = require "fmnistnn"
local process = require "spec.support.process"
local safetensors = require "fmnistnn.safetensors"
local saved = require "spec.support.saved"

local nn = fnn.nn
local assert_same_state, refused, same_bits = saved.assert_same_state, saved.refused, saved.same_bits
local folder

setup(function() folder = process.folder() end)
teardown(function() process.remove(folder) end)

local function plain(text, words) return text:find(words, 1, true) ~= nil end

describe("safetensors files", function()
  local path

  setup(function() path = folder .. "/tensors" end)

  it("hold tensors of all types and shapes, and words about them", function()
    local tensors = {
      {"floats", fnn.randn(3, 4)}, {"bytes", fnn.tensor({{1, 255}}, {dtype = "uint8"})}, {"numbers", fnn.arange(5)},
      {"a scalar", fnn.tensor(1.5)}, {"é \"\\\n", fnn.zeros(2, 0, 3)}, {"turned", fnn.randn(2, 3):t()}, {"",
      fnn.zeros(1)},
      {"eight axes", fnn.zeros(1, 2, 1, 2, 1, 2, 1, 2)},
    }
    assert(safetensors.save(path, tensors, {a = "b", c = ""}))
    local loaded, metadata = assert(safetensors.load(path))
    for _, entry in ipairs(tensors) do assert(same_bits(entry[2], loaded[entry[1]]), entry[1]) end
    assert.are.same({a = "b", c = ""}, metadata)
    assert.are.equal(0, string.unpack("<I8", process.read(path)) % 8)
  end)

  it("are written by name too, as they are read", function()
    local tensors = {b = fnn.randn(2), a = fnn.arange(3), c = fnn.zeros(0)}
    assert(safetensors.save(path, tensors, {of = "letters"}, true))
    local bytes = process.read(path)
    assert(safetensors.save(path, {{"a", tensors.a}, {"b", tensors.b}, {"c", tensors.c}}, {of = "letters"}, true))
    assert(process.read(path) == bytes)
    assert(safetensors.save(path, assert(safetensors.load(path))))
    local loaded = assert(safetensors.load(path))
    for name, tensor in pairs(tensors) do assert(same_bits(tensor, loaded[name]), name) end
    assert(safetensors.save(path, {}))
    assert.are.same({}, (safetensors.load(path)))
  end)

  it("have a new checksum when they are written with the metadata of others", function()
    assert(safetensors.save(path, {{"b", fnn.randn(2)}, {"a", fnn.arange(3)}}, {of = "letters"}, true))
    local tensors, metadata = assert(safetensors.load(path))
    tensors.a:fill_(1)
    assert(safetensors.save(path, tensors, metadata))
    local _, again = assert(safetensors.load(path))
    assert.are.equal("letters", again.of)
    assert.are_not.equal(metadata.crc32, again.crc32)
  end)

  it("refuse what is neither a list nor by name, and words that could not be read", function()
    local one = fnn.zeros(1)
    local list, by_name = "expected a list of {name, tensor} or a table by name", "a: expected a tensor, got table"
    for message, given in pairs {
      [list .. ", got one with the key 1"] = {{"a", one}, b = one},
      [list .. ", got one with the key 2"] = {nil, {"a", one}},
      [by_name] = {a = {one}}, ["__metadata__"] = {__metadata__ = one},
    } do
      local ok, text = pcall(safetensors.save, path, given)
      assert(not ok and plain(text, message), text)
    end
    for message, metadata in pairs {
      ["metadata: epoch: expected a string, got number"] = {epoch = 5},
      ["metadata: expected names, got the key 1"] = {"x"}, ["metadata: expected a table, got string"] = "x",
    } do
      local ok, text = pcall(safetensors.save, path, {{"a", one}}, metadata)
      assert(not ok and plain(text, message), text)
    end
  end)

  it("refuse texts that other programs cannot read", function()
    local one = fnn.zeros(1)
    for message, given in pairs {
      ['tensors: name: expected a text of UTF-8, got "\xE9"'] = {{["\xE9"] = one}},
      ['metadata: name: expected a text of UTF-8, got "\xE9"'] = {{{"a", one}}, {["\xE9"] = "e"}},
      ['metadata: of: expected a text of UTF-8, got "\xE9t\xE9"'] = {{{"a", one}}, {of = "\xE9t\xE9"}},
    } do
      local ok, text = pcall(safetensors.save, path, table.unpack(given))
      assert(not ok and plain(text, message), text)
    end
  end)

  it("refuse a name twice", function()
    local one = fnn.zeros(1)
    assert.error_matches(function() safetensors.save(path, {{"a", one}, {"a", one}}) end, "the name a is used twice")
    assert.error_matches(function() safetensors.save(path, {{"__metadata__", one}}) end, "__metadata__")
  end)

  local function python(script)
    process.write(folder .. "/script.py", script)
    local code, out, err = process.run("python3 " .. folder .. "/script.py")
    assert.are.equal(0, code, err)
    return out
  end

  local function has_python()
    return (process.run "python3 -c 'import numpy, safetensors.numpy'") == 0
  end

  it("are read by Python's safetensors, and read what that writes", function()
    if not has_python() then return pending("Python's safetensors and numpy are not here") end
    local model = nn.Sequential {nn.Dense {2}, nn.BatchNorm1d {}}
    model(fnn.randn(4, 3))
    assert(model:save(path))
    local back = folder .. "/from python"
    local out = python(([[
import safetensors, safetensors.numpy
with safetensors.safe_open(%q, "np") as file:
    metadata = file.metadata()
    tensors = {name: file.get_tensor(name) for name in file.keys()}
for name in sorted(tensors):
    print(name, tensors[name].dtype, tensors[name].shape, tensors[name].tobytes().hex())
tensors["1.weight"] = tensors["1.weight"] * 2
safetensors.numpy.save_file(tensors, %q, metadata)
]]):format(path, back))
    local names = {float32 = "float32", int64 = "int64", uint8 = "uint8"}
    local lines = {}
    for _, entry in ipairs(model:state()) do
      local name, tensor = entry[1], entry[2]
      local shape = table.concat(tensor.shape, ", ") .. (tensor:dim() == 1 and "," or "")
      local bytes = tensor:tobytes():gsub(".", function(c) return ("%02x"):format(c:byte()) end)
      lines[#lines + 1] = ("%s %s (%s) %s\n"):format(name, names[tensor.dtype], shape, bytes)
    end
    table.sort(lines)
    assert.are.equal(table.concat(lines), out)
    local loaded = assert(nn.load(back))
    assert(same_bits(model[1].weight * 2, loaded[1].weight:detach()))
    assert.is_true(loaded[1].weight.requires_grad)
    assert_same_state(model[2], loaded[2])
  end)

  it("of Python with types that are not ours are refused by name", function()
    if not has_python() then return pending("Python's safetensors and numpy are not here") end
    python(([[
import numpy, safetensors.numpy
safetensors.numpy.save_file({"half": numpy.zeros(3, numpy.float16), "whole": numpy.zeros(3, numpy.float32)}, %q)
]]):format(path))
    refused(path, "tensor half: expected dtype F32, U8 or I64, got F16", safetensors.load(path))
  end)
end)
