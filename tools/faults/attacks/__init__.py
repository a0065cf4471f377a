"""What a stranger may hand over: each attack is a name and a function that writes it into a folder and names the file.

`BUNDLES` are opened by `predict`, `GALLERIES` are merged and used; `making` builds all of them from whole ones.
`PICTURES` are decided about.
"""

from faults.attacks.arrays import ARRAYS
from faults.attacks.files import FILES, SPECIAL
from faults.attacks.galleries import ROWS
from faults.attacks.manifests import MANIFESTS
from faults.attacks.networks import NETWORKS
from faults.attacks.pictures import PICTURES
from faults.attacks.schemas import SCHEMAS
from faults.attacks.trained import TRAINED
from faults.attacks.zips import ZIPS

BUNDLES = {**ZIPS, **FILES, **MANIFESTS, **ARRAYS, **NETWORKS, **TRAINED}
GALLERIES = {**ROWS, **SCHEMAS, **SPECIAL}

__all__ = ["BUNDLES", "GALLERIES", "PICTURES"]
