"""Which file a device gets: float32, or float16 or int8 where these lose nothing that matters.

    deployed = deploy(subject, DeploySettings(precision="int8"), use_cache=True, steps=silent)
    deployed.model, deployed.chosen.gate.passes

- `deploying` takes one of the candidates that a `workshop` makes and measures; `trials` is what it says about them.
- `gate` asks what few-shot galleries are worth with either precision, by the episodes of `gate_plan`.
- `subject` is what is deployed.
- `quantiser` makes int8 files of one network, with ever more of it in float32.
- `pictures` are what int8 ranges are measured on.
"""

from edgefs.pipelines.export.precision.deploying import deploy
from edgefs.pipelines.export.precision.subject import FloatModel
from edgefs.pipelines.export.precision.trials import Deployed, GateError, Trial
from edgefs.settings.deploy import DeploySettings

__all__ = ["DeploySettings", "Deployed", "FloatModel", "GateError", "Trial", "deploy"]
