--- The rule of Adam, for all classes that step by it; see optimizer.class.
return function(group, h, t)
  h[3] = h[3] * math.sqrt(1 - group.beta2 ^ t) / (1 - group.beta1 ^ t)
  h[5], h[6], h[7] = 1 - group.beta1, 1 - group.beta2, group.epsilon
  return "adam"
end
