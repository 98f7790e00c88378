"""A study of two methods and a judge, which trains in seconds."""

from pathlib import Path

import yaml

DATA = {"class_path": "LFW", "init_args": {"size": 32, "limit": 80, "batch_size": 2}}


def write_study(folder: Path) -> None:
    """Write `experiments/` with the study `tiny` and a profile of that name into a folder."""
    runs = {
        "cmma": {"class_path": "CMMA", "init_args": {"latent_dim": 3, "width": 0.05}},
        "cvae": {"class_path": "CVAE", "init_args": {"latent_dim": 3, "width": 0.05}},
        "judge": {"class_path": "AttributeClassifier", "init_args": {"width": 0.05}},
    }
    study = {
        "title": "Tiny",
        "paper": "None",
        "data": "LFW",
        "runs": {"cmma": "cmma.yaml", "cvae": "cvae.yaml"},
        "judges": {"judge": "judge.yaml"},
        "tables": [{"name": "bound", "title": "Bound", "metric": "elbo", "published": {"cmma": 1, "cvae": 1}}],
        "edits": {"Moustache": {"set": ["Mustache"]}},
        "figures": {"training": None},
        "claims": [],
        "differences": [],
    }
    profile = {
        "trainer": {"accelerator": "cpu", "precision": "32-true", "enable_model_summary": False},
        "parzen": {"counts": [2, 3]},
        "bounds": {"importance_samples": 3},
        "samples": {"every_n_epochs": 0},
        "threads": 1,
    }
    files = {"tiny/study": study, "profiles/tiny": profile}
    for name, model in runs.items():
        epochs = 1 if name == "judge" else 3
        files[f"tiny/{name}"] = {"model": model, "data": DATA, "trainer": {"max_epochs": epochs}}
    for name, values in files.items():
        path = folder / "experiments" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
