rockspec_format = "3.0"
package = "fmnistnn"
version = "scm-1"
source = {
  url = "git+https://fmnistnn.invalid/fmnistnn.git", -- a release has its archive's address here: scripts/rock
}
description = {
  summary = "Tensors, autograd, layers and training of neural networks, over a fast C core",
  detailed = [[
    Convolutional and residual networks, training loops and searches as short Lua scripts. Tensors with
    autograd, layers, losses and optimizers with Keras's defaults, on the CPU; OpenBLAS for matrix products.
  ]],
  license = "MIT",
  labels = {"machine-learning", "neural-networks", "tensor", "autograd"},
}
dependencies = {
  "lua >= 5.4, < 5.6",
}
external_dependencies = {
  OPENBLAS = {library = "openblas"},
  ZLIB = {header = "zlib.h", library = "z"},
}
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    LUA_INCDIR = "$(LUA_INCDIR)",
    OPENBLAS_INCDIR = "$(OPENBLAS_INCDIR)",
    OPENBLAS_LIBDIR = "$(OPENBLAS_LIBDIR)",
    ZLIB_ROOT = "$(ZLIB_DIR)",
    LIBDIR = "$(LIBDIR)",
    LUADIR = "$(LUADIR)",
  },
  install = {
    bin = {
      ["fmnistnn-study"] = "bin/fmnistnn-study",
      ["fmnistnn-worker"] = "bin/fmnistnn-worker",
    },
  },
}
test = {
  type = "command",
  command = "scripts/test",
}
