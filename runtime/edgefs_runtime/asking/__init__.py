"""Acts on a gallery that another process owns: that process is asked for them, over a local socket.

- `place`: where an owner is asked, and by whom. `frames`: bytes and messages. `messages`, `forms`: what these say.
- `server`: the owner's side, one thread of its own. `caller`: one connection. `performing`: what is done there.
- `remote`: the asking side, with the acts of a gallery; `turns` tries them, `line` asks. What is taught is embedded
  there, so the owner does no more than ask its challenge parts and write.

What both sides may rely on: each act names the row that it comes behind, and is done behind that row or not at all.
Why it is made so: docs/adr/0020-acts-through-the-owner.md.
"""
