--- Muon (Jordan 2024, kellerjordan.github.io/posts/muon): the momentum of a matrix, made orthogonal, is its step; all
-- that is no matrix goes by AdamW.
--
--   local optimizer = fnn.optim.Muon{model = model, lr = 0.01}
--   local optimizer = fnn.optim.Muon{parameters = {{model = body}, {model = head, use_muon = false}}}
--
-- m = momentum m + (1 - momentum) g; d = m or, with nesterov, momentum m + (1 - momentum) g once more;
-- w = w (1 - lr weight_decay) - lr 0.2 sqrt(max(rows, columns)) O(d), where O makes the singular values about 1. The
-- factor gives steps the size of Adam's, so that both share lr and weight_decay (Liu et al. 2025, arxiv.org/abs/
-- 2502.16982, equation 4), as in Keras and as PyTorch's "match_rms_adamw"; PyTorch's default is
-- sqrt(max(1, rows / columns)).
--
-- A matrix is a parameter of two axes or more: the weights of a convolution are one of (filters, all else). Embeddings
-- and the last layer had better go by AdamW: use_muon = false in a group of theirs.
--
-- Options: lr 0.001, momentum 0.95, nesterov true, use_muon true, weight_decay 0.004; of AdamW beta1 0.9, beta2 0.999,
-- epsilon 1e-7.
local core = require "fmnistnn.core"
local adam = require "fmnistnn.optim.adam"
local optimizer = require "fmnistnn.optim.optimizer"

local A, B, C = 3.4445, -4.7750, 2.0315 -- of the polynomial of odd degree that drives singular values towards 1
local ROUNDS = 5

local function norm(x)
  local squares <close> = x:square()
  local sum <close> = squares:sum()
  return math.sqrt(sum:item())
end

-- Takes a matrix of no more rows than columns and gives one of the same singular vectors, with values of about 1 (most
-- of them within 0.7 .. 1.2): Newton-Schulz iteration. Closes what it was given.
local function orthogonalize(x)
  x:div_(norm(x) + 1e-7)
  for _ = 1, ROUNDS do
    local turned <close> = x:t()
    local gram <close> = x:matmul(turned)
    local mixed <close> = gram:matmul(gram)
    mixed:mul_(C):add_(gram:mul_(B))
    local next_x = mixed:matmul(x)
    next_x:add_(x:mul_(A))
    x:close()
    x = next_x
  end
  return x
end

-- The direction of a matrix (rows, columns): O(d).
local function direction_of(d, rows, columns)
  local matrix <close> = d:reshape(rows, columns)
  if rows <= columns then return orthogonalize(matrix:clone()) end
  local turned <close> = matrix:t()
  local found <close> = orthogonalize(turned:clone())
  return found:t()
end

-- The gradient after clipping; `numbers` begin with a factor and a bound.
local function clipped(gradient, numbers)
  local g = gradient:mul(numbers[1])
  if numbers[2] < math.huge then g:clamp_(-numbers[2], numbers[2]) end
  return g
end

local function move_matrix(group, w, momentum, numbers)
  local rows = w:size(1)
  local columns = w:numel() // math.max(rows, 1)
  local g <close> = clipped(w.grad, numbers)
  core.optim.average({momentum}, {g}, 1 - group.momentum)
  if group.nesterov then core.optim.average({g}, {momentum}, group.momentum) end
  local o <close> = direction_of(group.nesterov and g or momentum, rows, columns)
  local shaped <close> = o:reshape(w.shape)
  shaped:mul_(numbers.lr * 0.2 * math.sqrt(math.max(rows, columns)))
  w:mul_(1 - numbers[4]):sub_(shaped)
end

local Muon = optimizer.class("Muon", {
  {"lr", "lr", default = 0.001},
  {"momentum", "rate", default = 0.95},
  {"nesterov", "boolean", default = true},
  {"use_muon", "boolean", default = true},
  {"beta1", "rate", default = 0.9},
  {"beta2", "rate", default = 0.999},
  {"epsilon", "nonnegative", default = 1e-7},
  {"weight_decay", "nonnegative", default = 0.004},
}, function(group, h, t)
  h.lr = h[3]
  return adam(group, h, t)
end)

local function is_matrix(group, w) return group.use_muon and w:dim() >= 2 end

function Muon:_count(group, w, rule)
  if is_matrix(group, w) then return 1 end
  return core.optim.states[rule]
end

function Muon:_move(group, list, rule, numbers)
  local others, states = {}, {}
  for _, w in ipairs(list) do
    local own = self:_states(group, w, rule)
    if not is_matrix(group, w) then
      others[#others + 1], states[#states + 1] = w, own
    elseif w.grad then
      core.no_grad(move_matrix, group, w, own[1], numbers)
    end
  end
  core.optim.step(rule, others, states, numbers)
end

return Muon
