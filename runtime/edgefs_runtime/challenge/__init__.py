"""Challenge parts: images of real parts with the verdicts they must get, judged again before a change takes effect.

They lie in a folder beside the gallery, and guard what it decides:

- Before an `enroll` or a `merge` is written, every part is judged as things stand and as they would be. A *regression*
  is a part that passes now and would fail then; it stops the act. A part that fails already stops nothing.
- Before a `realign` is written, likewise. A part is judged through the alignment of the camera that took it, so parts
  from before a change say nothing about it; those added as `retaken` do.
- When a bundle is opened that is not the one under which the parts were last judged, they are judged by it. A part
  that passed then and fails now stops it, until a run accepts the bundle.

What "passed then" means: each part carries `passed`, what came out when it was last judged under the accepted bundle.
It is noted when the part is added, after every act that changes the gallery (enroll, merge, forget, undo), and by every
run. A bundle is accepted by the first part that is added, by an opening without regression, or by a run that is told
so; until then nothing is noted, so a regression can't be forgotten by looking at it. If a process dies between an act
and the note, the flags are those of before the act until the next act or run.

- `Challenge`: the folder in use. `parts`: its index. `results`: what came out. `vectors`: cached embeddings.
"""

from edgefs_runtime.challenge.parts import ChallengePart, Expected
from edgefs_runtime.challenge.results import Result, first_of, regressions
from edgefs_runtime.challenge.store import Added, Challenge

__all__ = ["Added", "Challenge", "ChallengePart", "Expected", "Result", "first_of", "regressions"]
