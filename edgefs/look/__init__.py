"""A contact sheet of a data folder before anything is learned from it: what is cut out, and what the network will see.

sheet = look_at(Path("parts"), preprocess)
Path("sheet.html").write_text(render_sheet(sheet), encoding="utf-8")
"""

from edgefs.look.html import sheet_html
from edgefs.look.looking import look_at
from edgefs.look.sheet import ClassShown, LeftOutShown, PictureShown, Sheet, Shown

__all__ = ["ClassShown", "LeftOutShown", "PictureShown", "Sheet", "Shown", "look_at", "sheet_html"]
