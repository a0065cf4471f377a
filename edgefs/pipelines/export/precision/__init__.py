"""Which file a device gets: float32, or float16 or int8 where these lose nothing that matters.

    deployed = deploy(subject, DeploySettings(precision="int8"), use_cache=True, steps=silent)
    deployed.model, deployed.chosen.gate.passes

- `deploying` makes candidates, plays them through the gate, and takes one; `trials` is what it says about them.
- `gate` asks what few-shot galleries are worth with either precision.
- `quantiser` makes int8 files of one network, with ever more of it in float32.
- `pictures` are what int8 ranges are measured on.
"""

from edgefs.pipelines.export.precision.deploying import DeploySettings, FloatModel, deploy
from edgefs.pipelines.export.precision.trials import Deployed, GateError, Trial

__all__ = ["DeploySettings", "Deployed", "FloatModel", "GateError", "Trial", "deploy"]
