local fnn = require "fmnistnn"
local a = fnn.tensor{{1, 2, 3}, {4, 5, 6}}
assert(a.shape[1] == 2 and a.shape[2] == 3 and a:numel() == 6)
local b = a:transpose(1, 2):reshape{2, 3} * 2 - 1
assert(b[2][3] == 11)
local w = fnn.tensor({{0.5}, {-0.25}, {2}}, {requires_grad = true})
local loss = ((a:matmul(w) - fnn.tensor{{1}, {2}}) ^ 2):mean()
loss:backward()
assert(loss:item() == 70.28125 and w.grad[1][1] == 48 and w.grad[3][1] == 79.5)
local ok, message = pcall(function() return a:matmul(a) end)
assert(not ok and message:find("matmul") and message:find("2,3", 1, true))
