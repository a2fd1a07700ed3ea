--- Small dense linear algebra in doubles. A matrix is a list of rows, a vector a list.
local linear = {}

local abs, sqrt = math.abs, math.sqrt

--- A vector of n zeros.
function linear.zeros(n)
  local v = {}
  for i = 1, n do v[i] = 0.0 end
  return v
end

--- The identity matrix.
function linear.identity(n)
  local A = {}
  for i = 1, n do
    A[i] = linear.zeros(n)
    A[i][i] = 1.0
  end
  return A
end

--- The product of a matrix and a vector.
function linear.multiply(A, x)
  local y = {}
  for i, row in ipairs(A) do
    local sum = 0
    for j, a in ipairs(row) do sum = sum + a * x[j] end
    y[i] = sum
  end
  return y
end

--- The product of the transpose of a matrix and a vector.
function linear.multiply_transposed(A, x)
  local y = linear.zeros(#A[1])
  for i, row in ipairs(A) do
    for j, a in ipairs(row) do y[j] = y[j] + a * x[i] end
  end
  return y
end

--- The Euclidean norm.
function linear.norm(x)
  local sum = 0
  for _, each in ipairs(x) do sum = sum + each * each end
  return sqrt(sum)
end

-- ---- eigenvalues ----

-- Turns rows and columns p and q of the symmetric A, and columns p and q of V, so that A[p][q] becomes 0.
local function rotate(A, V, p, q)
  local theta = (A[q][q] - A[p][p]) / (2 * A[p][q])
  local t = (theta >= 0 and 1 or -1) / (abs(theta) + sqrt(theta * theta + 1))
  local c = 1 / sqrt(t * t + 1)
  local s = t * c
  for k = 1, #A do
    local row = A[k]
    row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
    row = V[k]
    row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
  end
  local P, Q = A[p], A[q]
  for k = 1, #A do P[k], Q[k] = c * P[k] - s * Q[k], s * P[k] + c * Q[k] end
end

--- The eigenvalues of a symmetric matrix, and a matrix whose columns are the eigenvectors (Jacobi's rotations).
function linear.eigen(A)
  local n, D, V = #A, {}, linear.identity(#A)
  for i, row in ipairs(A) do D[i] = table.move(row, 1, n, 1, {}) end
  for _ = 1, 50 do
    local off, on = 0, 0
    for p = 1, n do
      on = on + D[p][p] ^ 2
      for q = p + 1, n do off = off + D[p][q] ^ 2 end
    end
    if off <= 1e-30 * on then break end
    for p = 1, n - 1 do
      for q = p + 1, n do
        if D[p][q] ~= 0 then rotate(D, V, p, q) end
      end
    end
  end
  local values = {}
  for i = 1, n do values[i] = D[i][i] end
  return values, V
end

return linear
