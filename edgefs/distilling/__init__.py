"""Distillation: a small network learns what a large one says of images that nobody labelled.

    run, distilled = distill(Path("archive"), Path("student"), DistillSettings(teacher="mobilenet_v2"))
    adapt(Path("parts"), Path("run"), AdaptSettings(backbone="student"))

- `pictures`: where the images come from, a folder or the renderer; `views`: what is cut out of them.
- `teacher`: what the large network says of a view; `pupil`: the student with what translates it.
- `objective`: the two in the training loop that all methods share.
- `preparing`, `reporting`: what it begins with, what is written down; `edgefs.pipelines.distill` is the order of the
  work.
"""
