#!/usr/bin/env python3
"""Numbers of Optuna, scipy, scikit-learn and cmaes for spec/search_*_spec.lua: writes spec/data/search.json.

    pip install optuna cmaes scipy scikit-learn
    scripts/search_reference.py
"""

import json
import math
import pathlib
import warnings

import cmaes
import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights
from optuna.study._multi_objective import _fast_non_domination_rank
from scipy.stats import norm, qmc
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

SPACE = {
    "a": FloatDistribution(-5, 10),
    "b": FloatDistribution(1e-5, 1, log=True),
    "c": IntDistribution(1, 9),
    "d": IntDistribution(1, 1000, log=True),
    "e": CategoricalDistribution(["x", "y", "z"]),
    "f": FloatDistribution(0, 1, step=0.25),
}


def draw(random, n):
    return {
        "a": random.uniform(-5, 10, n),
        "b": np.exp(random.uniform(np.log(1e-5), 0, n)),
        "c": random.randint(1, 10, n).astype(float),
        "d": np.round(np.exp(random.uniform(0, np.log(1000), n))),
        "e": random.randint(0, 3, n).astype(float),
        "f": random.randint(0, 5, n) * 0.25,
    }


def lists(table):
    return {name: [float(x) for x in values] for name, values in table.items()}


def parzen():
    """Densities of TPE's mixtures. Of equal observations numpy may put any first: no large ones on grids."""
    random, cases = np.random.RandomState(1), []
    for n, names in ((0, "abcdef"), (1, "abcdef"), (2, "abcdef"), (7, "abcdef"), (15, "abe"), (40, "abe"), (150, "ab")):
        space = {name: SPACE[name] for name in names}
        observations, points = draw(random, n), draw(random, 5)
        parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
        estimator = _ParzenEstimator({k: observations[k] for k in names}, space, parameters)
        log_density = estimator.log_pdf({k: points[k] for k in names})
        cases.append({
            "names": list(names), "observations": lists({k: observations[k] for k in names}),
            "points": lists({k: points[k] for k in names}), "log_density": [float(x) for x in log_density],
        })
    return cases


def normal():
    x = [-37, -20, -8.5, -7.2, -7, -3, -1, -0.1, 0, 0.3, 2, 5, 8.1]
    p = [1e-300, 1e-20, 1e-9, 0.01, 0.074, 0.2, 0.5, 0.77, 0.99, 1 - 1e-12]
    log_h = [float(norm.logpdf(z) + np.log1p(z * np.exp(norm.logcdf(z) - norm.logpdf(z)))) for z in (-5, -2, -0.5)]
    return {"x": x, "cdf": list(norm.cdf(x)), "p": p, "quantile": list(norm.ppf(p)), "log_h": log_h}


def cma():
    """States of cmaes.CMA (Nomura) after populations of a quadratic function."""
    random, n, size = np.random.RandomState(2), 4, 8
    optimizer = cmaes.CMA(mean=np.full(n, 0.5), sigma=0.2, population_size=size)
    generations = []
    for _ in range(12):
        x = optimizer._mean + random.uniform(-0.4, 0.4, (size, n)) * optimizer._sigma / 0.2
        loss = ((x - [0.1, 0.9, 0.3, 0.6]) ** 2 @ [1, 10, 100, 3]).tolist()
        optimizer.tell([(x[i], loss[i]) for i in range(size)])
        generations.append({
            "x": x.tolist(), "loss": loss, "mean": optimizer._mean.tolist(), "sigma": float(optimizer._sigma),
            "C": optimizer._C.tolist(),
        })
    return {"n": n, "size": size, "generations": generations}


def fronts():
    random, cases = np.random.RandomState(3), []
    for n, m in ((1, 2), (30, 2), (40, 3), (25, 4)):
        points = np.round(random.uniform(0, 1, (n, m)), 1 if m == 2 else 2)  # some are equal
        inside = points[(points < 0.95).all(axis=1)]
        cases.append({
            "points": points.tolist(), "ranks": _fast_non_domination_rank(points).tolist(),
            "hypervolume": float(compute_hypervolume(inside, np.full(m, 0.95))) if len(inside) else 0.0,
        })
    return cases


def gp():
    """The posterior of scikit-learn's Gaussian process with fixed parameters, and its log marginal likelihood."""
    random = np.random.RandomState(4)
    x, t = random.uniform(0, 1, (12, 3)), random.uniform(0, 1, (5, 3))
    y = np.sin(5 * x[:, 0]) + x[:, 1] ** 2
    scale, noise, lengths = 1.7, 0.003, [0.4, 0.8, 2.0]
    kernel = ConstantKernel(scale) * Matern(lengths, nu=2.5) + WhiteKernel(noise)
    fitted = GaussianProcessRegressor(kernel, optimizer=None, alpha=0).fit(x, y)
    mean, deviation = fitted.predict(t, return_std=True)
    likelihood = fitted.log_marginal_likelihood(fitted.kernel_.theta)
    return {
        "x": x.tolist(), "y": y.tolist(), "t": t.tolist(), "scale": scale, "noise": noise, "lengths": lengths,
        "mean": mean.tolist(), "variance": (deviation**2 - noise).tolist(), "log_likelihood": float(likelihood),
    }


def study_of(trials, space, objective, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    study.optimize(objective, n_trials=trials)
    return study


def smooth(trial):
    x, y, z = (trial.suggest_float(name, -1, 1) for name in "xyz")
    n = trial.suggest_int("n", 1, 8)
    return 3 * x**2 + y + 0.2 * n + 0.5 * x * z


def mixed(trial):
    lr = trial.suggest_float("lr", 1e-4, 1, log=True)
    kind = trial.suggest_categorical("kind", ["p", "q", "r"])
    width = trial.suggest_int("width", 1, 500, log=True)
    rate = trial.suggest_float("rate", 0, 1, step=0.1)
    value = (math.log10(lr) + 2) ** 2 + {"p": 0, "q": 1, "r": 3}[kind] + 0.1 * math.log(width)
    return value + (trial.suggest_float("momentum", 0, 1) if kind == "q" else rate)


def importance():
    cases = []
    for name, objective in (("smooth", smooth), ("mixed", mixed)):
        study = study_of(150, SPACE, objective, 5)
        trials = [{
            "params": {k: float(d.to_internal_repr(t.params[k])) for k, d in t.distributions.items()}, "value": t.value,
        } for t in study.trials]
        distributions = {}
        for t in study.trials:
            for k, d in t.distributions.items():
                distributions[k] = optuna.distributions.distribution_to_json(d)
        ped = {}
        for quantile in (0.1, 0.25):
            evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
            ped[str(quantile)] = optuna.importance.get_param_importances(study, evaluator=evaluator)
        forests = [optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=s)) for s in range(5)]
        fanova = {k: float(np.mean([f[k] for f in forests])) for k in forests[0]}
        cases.append({"name": name, "trials": trials, "distributions": distributions, "ped_anova": ped, "fanova": fanova})
    return cases


def main():
    data = {
        "parzen": parzen(), "normal": normal(), "cma": cma(), "fronts": fronts(), "gp": gp(), "importance": importance(),
        "sobol": [[int(x * 2**16) for x in row] for row in qmc.Sobol(40, scramble=False).random(64).tolist()],
    }
    path = pathlib.Path(__file__).parent.parent / "spec/data/search.json"
    path.write_text(json.dumps(data, separators=(",", ":")) + "\n")


main()
