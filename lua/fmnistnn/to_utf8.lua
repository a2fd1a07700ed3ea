--- to_utf8(text): the text with U+FFFD for each byte that is no UTF-8, as browsers and databases need it.
return function(text)
  if utf8.len(text) then return text end
  local parts, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, (bad or #text + 1) - 1)
    if bad then parts[#parts + 1] = "\u{FFFD}" end
    at = (bad or #text) + 1
  end
  return table.concat(parts)
end
