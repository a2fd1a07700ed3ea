"""Optuna at the other end of a database, for spec/search_optuna_spec.lua.

    optuna_peer.py write URL     makes the study "theirs"
    optuna_peer.py read URL NAME writes a study as JSON
    optuna_peer.py go-on URL NAME  runs 3 more trials in a study
    optuna_peer.py dashboard URL NAME  writes what optuna-dashboard serves of a study as JSON
"""

import json
import math
import sys
import threading
import urllib.request
import warnings
from wsgiref.simple_server import WSGIRequestHandler, make_server

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")
State = optuna.trial.TrialState


def value_of(x):
    return x if x is None or math.isfinite(x) else str(x)


def read(study):
    trials = []
    for t in study.trials:
        trials.append({
            "number": t.number, "state": t.state.name.lower(), "params": t.params,
            "values": None if t.values is None else [value_of(v) for v in t.values],
            "intermediate": [[s, value_of(v)] for s, v in sorted(t.intermediate_values.items())],
            "distributions": {n: optuna.distributions.distribution_to_json(d) for n, d in t.distributions.items()},
            "user_attributes": t.user_attrs, "system_attributes": t.system_attrs,
            "constraints": list(getattr(t, "constraints", {}).values()),
            "started": t.datetime_start is not None, "finished": t.datetime_complete is not None,
            "seconds": None if t.duration is None else t.duration.total_seconds(),
        })
    return {"version": optuna.__version__, "name": study.study_name, "trials": trials,
            "directions": [d.name.lower() for d in study.directions], "user_attributes": study.user_attrs,
            "metric_names": getattr(study, "metric_names", None),
            "best": [t.number for t in study.best_trials]}


def objective(trial):
    x = trial.suggest_float("x", -5, 5)
    n = trial.suggest_int("n", 1, 64, log=True)
    c = trial.suggest_categorical("c", ["a", None, True, 3, 2.5])
    y = trial.suggest_float("y", 0, 1, step=0.25) if c == "a" else 0
    trial.report(x, 1)
    trial.report(float("nan"), 2)
    trial.set_user_attr("c", str(c))
    return x * x + n + y


def write(url):
    study = optuna.create_study(study_name="theirs", storage=url, direction="minimize",
                                sampler=optuna.samplers.RandomSampler(seed=1))
    study.set_user_attr("who", {"name": "O'Brien \\ ü", "list": [1, 2.5, None, True]})
    study.enqueue_trial({"x": 0.1 + 0.2, "n": 7, "c": "a", "y": 0.75})
    study.optimize(objective, n_trials=5)
    study.tell(study.ask(), float("inf"))
    study.tell(study.ask(), state=State.FAIL)
    pruned = study.ask()
    pruned.report(1.5, 4)
    study.tell(pruned, state=State.PRUNED)
    study.ask()
    if hasattr(pruned, "set_constraint"):
        constrained = study.ask({})
        constrained.set_constraint("size", 2.0)
        study.tell(constrained, 0.0)
    study.enqueue_trial({"x": 1.25}, user_attrs={"from": "Optuna"})
    study.enqueue_trial({"c": None, "n": 64})


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def dashboard(url, name):
    import optuna_dashboard

    server = make_server("127.0.0.1", 0, optuna_dashboard.wsgi(url), handler_class=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/api/studies{path}") as answer:
            return json.load(answer)

    ids = {s["study_name"]: s["study_id"] for s in get("")["study_summaries"]}
    return get(f"/{ids[name]}")


command, url = sys.argv[1:3]
if command == "write":
    write(url)
elif command == "dashboard":
    print(json.dumps(dashboard(url, sys.argv[3])))
else:
    study = optuna.load_study(study_name=sys.argv[3], storage=url)
    if command == "go-on":
        study.optimize(objective, n_trials=3)
    print(json.dumps(read(study)))
