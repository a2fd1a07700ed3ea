--- Whether a table is a list without holes, so that # and ipairs leave nothing of it out: its keys are 1..n.
return function(given)
  local count, last = 0, 0
  for key in pairs(given) do
    if math.type(key) ~= "integer" or key < 1 then return false end
    count, last = count + 1, math.max(last, key)
  end
  return count == last
end
