--- How wide texts are, for layouts without a browser: in units of SVG, of the system's usual fonts, rather too wide
-- than too narrow.
local text = {}

text.SIZE = 12 -- of the letters in charts

local narrow, wide = "[fijlrtI.,:;'|!()%[%] \"`-]", "[mwMW@%%]"

-- The width of a character, as a part of the size of the letters.
local function width_of(code)
  if code > 0x2E7F and code < 0xFB00 then return 1 end -- Chinese, Japanese, Korean
  if code > 127 then return 0.65 end
  local character = string.char(code)
  if character:find(narrow) then return 0.38 end
  if character:find(wide) then return 0.95 end
  return character:find("[A-Z]") and 0.7 or 0.62
end

--- The width of a text.
function text.width(given, size)
  local total = 0
  if not utf8.len(given) then return 0.65 * #given * (size or text.SIZE) end
  for _, code in utf8.codes(given) do total = total + width_of(code) end
  return total * (size or text.SIZE)
end

--- The greatest width of a list of texts, 0 of none.
function text.widest(list, size)
  local widest = 0
  for _, each in ipairs(list) do widest = math.max(widest, text.width(each, size)) end
  return widest
end

--- The text, or its beginning with "…" where it is too wide.
function text.cut(given, width, size)
  width = width + 1e-6 -- where it is this text's own width, and something was added and taken away again
  if text.width(given, size) <= width or not utf8.len(given) then return given end
  for length = utf8.len(given) - 1, 1, -1 do
    local part = given:sub(1, utf8.offset(given, length + 1) - 1):gsub("%s+$", "") .. "…"
    if text.width(part, size) <= width then return part end
  end
  return "…"
end

--- The lines of a text, each cut to the width, with line ends between words.
function text.wrap(given, width, size)
  local lines = {}
  for word in given:gmatch "%S+" do
    local longer = lines[1] and lines[#lines] .. " " .. word
    if longer and text.width(longer, size) <= width then
      lines[#lines] = longer
    else
      lines[#lines + 1] = text.cut(word, width, size)
    end
  end
  return lines
end

return text
