"""`edgefs demo`: the main job from end to end, on rendered parts or on the user's own folder.

- `line`: which images are taught, held out, and kept back as a class that nobody taught.
- `device`: the device's side, in processes of their own that have only the runtime.
- `story`: the steps in order, with what each took and gave.
"""

from edgefs.demo.story import Outcome, tell_story

__all__ = ["Outcome", "tell_story"]
