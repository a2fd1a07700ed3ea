---@meta _

-- Models are saved by `Module:save` and read by `nn.load`, as safetensors files that other programs read too. Files are
-- written so that there is never half of one, and what is wrong with one that is read is returned: nil and a message.

--- Files of named tensors in the safetensors format (github.com/huggingface/safetensors).
---@class fmnistnn.safetensors
local safetensors = {}

--- Writes tensors to a file. Metadata that has a crc32, as load gives it, gets that of the new file. Raises for what
--- load, or another program, would refuse, such as metadata of numbers or texts that are no UTF-8.
---@param path string
---@param tensors {[1]: string, [2]: fmnistnn.Tensor}[]|table<string, fmnistnn.Tensor> {name, tensor} each, or by name.
---@param metadata? table<string, string> Texts by name.
---@param checksum? boolean (default false) Whether to add one, as metadata.crc32: load then refuses what has changed.
---@return true? ok
---@return string? message what went wrong
function safetensors.save(path, tensors, metadata, checksum) end

--- Reads a file. A damaged or hostile one is refused before anything of the size that it claims is allocated.
---@param path string
---@return table<string, fmnistnn.Tensor>? tensors by name
---@return table<string, string>|string metadata or what went wrong
function safetensors.load(path) end

--- JSON (RFC 8259). A table is an array when it has a first element or json.array made it, else an object, whose keys
--- are written in order. Integers stay integers and floats floats. Strings are bytes.
---@class fmnistnn.json
---@field null table What stands for null.
local json = {}

--- The text of a value. Raises for what JSON cannot hold: functions, NaN, keys that are no strings, circles.
---@param value any
---@param indent? string (default: all on one line) Such as two spaces: on several lines.
---@return string
function json.encode(value, indent) end

--- The value of a text.
---@param text string
---@return any value nil when it is not JSON
---@return string? message what is wrong with it
function json.decode(text) end

--- Marks a table as an array, which an empty one does not show by itself.
---@param list? table (default: a new one)
---@return table # the table
function json.array(list) end

--- Whether a value is an array that json.array or json.decode made.
---@param value any
---@return boolean
function json.is_array(value) end
