"""The ten networks of the benchmarks in PyTorch: the twin of bench/networks.lua.

NETWORKS gives, by name, (batch, model, optimizer): two functions that make new ones. Optimizers are the fused ones
where PyTorch has them.
"""
from torch import nn, optim


def conv(filters, kernel, padding, activation):
    return [nn.LazyConv2d(filters, kernel, padding=padding), nn.ReLU() if activation == "relu" else nn.Tanh()]


def norm():
    return [nn.LazyBatchNorm2d()]


def pool():
    return [nn.MaxPool2d(2)]


# ---- the trials: convolutions and pools, then hidden dense layers, then ten outputs ----

RULES = {
    "Adam": lambda parameters, lr: optim.Adam(parameters, lr=lr, fused=True),
    "RMSprop": lambda parameters, lr: optim.RMSprop(parameters, lr=lr),
}


def trial(batch, rule, lr, hidden, body):
    def model():
        layers = body() + [nn.Flatten()]
        for units in hidden:
            layers += [nn.LazyLinear(units), nn.ReLU()]
        return nn.Sequential(*layers, nn.LazyLinear(10))

    return batch, model, lambda parameters: RULES[rule](parameters, lr)


def trial_4_body():
    return (conv(64, 3, "same", "relu") + pool() + conv(32, 5, "same", "relu") + pool() + conv(16, 3, "same", "tanh")
            + pool())


# ---- ResNet-20: He et al. 2016, section 4.2, for images of 28 x 28 x 1 ----

def plain(filters, kernel, stride):
    return [nn.LazyConv2d(filters, kernel, stride=stride, padding=kernel // 2, bias=False)]


class Block(nn.Module):
    def __init__(self, filters, stride=1, widens=False):
        super().__init__()
        self.body = nn.Sequential(*plain(filters, 3, stride), *norm(), nn.ReLU(), *plain(filters, 3, 1), *norm())
        self.shortcut = nn.Sequential(*plain(filters, 1, stride), *norm()) if widens else nn.Identity()

    def forward(self, x):
        return nn.functional.relu(self.body(x) + self.shortcut(x))


def resnet20():
    return nn.Sequential(
        *plain(16, 3, 1), *norm(), nn.ReLU(),
        Block(16), Block(16), Block(16),
        Block(32, 2, True), Block(32), Block(32),
        Block(64, 2, True), Block(64), Block(64),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10))


NETWORKS = {
    "trial1": trial(16, "Adam", 0.001, [64], lambda: conv(32, 3, "same", "relu") + pool() + conv(16, 3, "same", "relu")
                    + pool()),
    "trial2": trial(8, "Adam", 0.001, [128], lambda: conv(32, 3, "same", "relu") + pool() + conv(32, 5, "same", "relu")
                    + pool()),
    "trial3": trial(16, "Adam", 0.001, [128], lambda: conv(64, 3, "same", "relu") + pool()
                    + conv(32, 5, "same", "relu") + pool()),
    "trial4": trial(32, "RMSprop", 0.001, [128], trial_4_body),
    "trial5": trial(64, "Adam", 0.001, [128], trial_4_body),
    "trial6": trial(128, "Adam", 0.001, [256, 128], lambda: conv(32, 3, "same", "relu") + pool()
                    + conv(32, 5, "valid", "relu") + pool() + conv(16, 5, "same", "relu") + conv(8, 3, "valid", "relu")
                    + conv(8, 3, "same", "tanh") + pool()),
    "trial7": trial(128, "Adam", 0.001, [256], lambda: conv(32, 3, "same", "relu") + conv(32, 3, "valid", "relu")
                    + pool()),
    "trial8": trial(128, "Adam", 0.001, [256], lambda: conv(35, 3, "valid", "relu") + conv(50, 3, "valid", "relu")
                    + pool()),
    "trial9": trial(128, "Adam", 0.0005, [256], lambda: conv(35, 3, "valid", "relu") + norm()
                    + conv(50, 3, "valid", "relu") + norm() + pool() + [nn.Dropout(0.7)]),
    "resnet20": (128, resnet20, lambda parameters: optim.SGD(parameters, lr=0.05, momentum=0.9, fused=True)),
}
