"""Regret of Optuna's samplers on the functions of bench/search_regret.lua; with NSGA2, what is missing to the fronts.

    python bench/search_peers.py [trials [seeds [sampler ...]]]
    python bench/search_peers.py ask URL STUDY COUNT      prints the seconds of COUNT asks and tells, by TPE

Samplers: Random TPE CMAES GP NSGA2, and TPE1, TPE that draws each parameter by itself. Needs optuna and cmaes; GP also
scipy and torch.
"""

import math
import sys
import time
import warnings

import numpy as np
import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def branin(trial):
    x, y = trial.suggest_float("x1", -5, 10), trial.suggest_float("x2", 0, 15)
    part = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return part**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
A = np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]])
P = 1e-4 * np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                     [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]])


def hartmann6(trial):
    x = np.array([trial.suggest_float(f"x{i + 1}", 0, 1) for i in range(6)])
    return float(-(ALPHA * np.exp(-(A * (x - P) ** 2).sum(1))).sum())


def ackley5(trial):
    x = np.array([trial.suggest_float(f"x{i + 1}", -32.768, 32.768) for i in range(5)])
    return float(-20 * np.exp(-0.2 * np.sqrt((x**2).mean())) - np.exp(np.cos(2 * np.pi * x).mean()) + 20 + math.e)


def zdt(shape):
    def objective(trial):
        x = [trial.suggest_float(f"x{i + 1:02d}", 0, 1) for i in range(30)]
        g = 1 + 9 * sum(x[1:]) / 29
        return x[0], g * shape(x[0] / g)

    return objective


FUNCTIONS = {
    "branin": (branin, 0.39788735772973816),
    "hartmann6": (hartmann6, -3.322368011415515),
    "ackley5": (ackley5, 0.0),
}
FRONTS = {"zdt1": (zdt(lambda r: 1 - math.sqrt(r)), 0.8766666666666667), "zdt2": (zdt(lambda r: 1 - r**2), 0.5433333333333333)}
SAMPLERS = {
    "Random": optuna.samplers.RandomSampler,
    "TPE": optuna.samplers.TPESampler,
    "TPE1": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=False),
    "CMAES": optuna.samplers.CmaEsSampler,
    "NSGA2": optuna.samplers.NSGAIISampler,
    "GP": getattr(optuna.samplers, "GPSampler", None),
}


def report(name, sampler, values, seconds):
    low, middle, high = np.percentile(values, [25, 50, 75])
    print(f"{name:10s} {sampler:12s} {middle:8.4g} ({low:.4g} - {high:.4g})  {seconds * 1000:.1f} ms a trial", flush=True)


def ask(url, name, count):
    study = optuna.load_study(study_name=name, storage=url, sampler=optuna.samplers.TPESampler(seed=1))
    space = study.trials[0].distributions
    for i in range(count + 1):
        began = time.perf_counter()
        trial = study.ask(space)
        study.tell(trial, trial.params["dropout"])
        if i > 0:  # the first one reads all trials
            print(time.perf_counter() - began, flush=True)


def main():
    if sys.argv[1:2] == ["ask"]:
        return ask(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    print("optuna", optuna.__version__, trials, "trials", seeds, "seeds")
    for sampler in sys.argv[3:] or ["Random", "TPE", "CMAES"]:
        several = sampler == "NSGA2"
        for name in FRONTS if several else FUNCTIONS:
            values, began = [], time.time()
            for seed in range(1, seeds + 1):
                made = SAMPLERS[sampler](seed=seed)
                if several:
                    study = optuna.create_study(directions=["minimize"] * 2, sampler=made)
                    study.optimize(FRONTS[name][0], n_trials=10 * trials)
                    points = np.array([t.values for t in study.best_trials])
                    points = points[(points < 1.1).all(axis=1)]
                    found = optuna._hypervolume.compute_hypervolume(points, np.array([1.1, 1.1])) if len(points) else 0
                    values.append(FRONTS[name][1] - found)
                else:
                    study = optuna.create_study(sampler=made)
                    study.optimize(FUNCTIONS[name][0], n_trials=trials)
                    values.append(study.best_value - FUNCTIONS[name][1])
            report(name, sampler, values, (time.time() - began) / seeds / trials)


main()
