"""One rank process: what local_ranks starts. Answers are lines of JSON on stdout, where nothing else may write."""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    task = json.loads(sys.argv[1])

    def say(**answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")

    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning)  # newer names that older torch has not
    importlib.import_module(task["module"]).rank(say, task["rank"], task["world"], task["store"], task["job"])


main()
