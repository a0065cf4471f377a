"""What `fewshot.py` compares with: easyfsl's few-shot methods and scikit-learn's classifiers, with their defaults.

Each takes support rows `[n,D]`, classes `[n]` and questions `[N,D]`, and returns the class of each question.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from easyfsl import methods
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

torch.set_num_threads(1)
Method = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def imprinting(rows: np.ndarray, classes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    means = np.stack([unit[classes == label].mean(axis=0) for label in range(classes.max() + 1)])
    return (asked @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).argmax(axis=1)


def easyfsl(kind: type, **settings: object) -> Method:
    def method(rows: np.ndarray, classes: np.ndarray, asked: np.ndarray) -> np.ndarray:
        torch.manual_seed(0)
        classifier = kind(backbone=torch.nn.Identity(), **settings)
        classifier.process_support_set(torch.from_numpy(rows), torch.from_numpy(classes))
        return classifier(torch.from_numpy(asked)).detach().argmax(dim=1).numpy()

    return method


def sklearn(make: Callable) -> Method:
    def method(rows: np.ndarray, classes: np.ndarray, asked: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make_pipeline(StandardScaler(), make()).fit(rows, classes).predict(asked)

    return method


# Each stands with whether it takes embeddings of either sign.
PEERS: dict[str, tuple[Method, bool]] = {
    "imprinting": (imprinting, True),
    "easyfsl ProtoNet": (easyfsl(methods.PrototypicalNetworks), True),
    "easyfsl SimpleShot": (easyfsl(methods.SimpleShot), True),
    "easyfsl Finetune": (easyfsl(methods.Finetune), True),
    "easyfsl BD-CSPN *": (easyfsl(methods.BDCSPN), True),
    "easyfsl LaplacianShot *": (easyfsl(methods.LaplacianShot), True),
    "easyfsl TIM *": (easyfsl(methods.TIM), True),
    "easyfsl PT-MAP *": (easyfsl(methods.PTMAP), False),  # takes roots
    "scikit-learn SVM": (sklearn(SVC), True),
    "scikit-learn LR": (sklearn(lambda: LogisticRegression(max_iter=1000)), True),
    "scikit-learn RF": (sklearn(lambda: RandomForestClassifier(random_state=0)), True),
}
