"""Galleries whose tables are not what they seem: views, triggers, queries without end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from faults.attacks.galleries import foreign, unlocked
from faults.attacks.making import Attack

_ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT"


def _sql(*statements: str) -> Attack:
    def write(folder: Path) -> Path:
        path = foreign(folder)
        with unlocked(path) as connection:
            for statement in statements:
                connection.execute(statement)
        return path

    return write


def _view(table: str, columns: str) -> Attack:
    """The table is a view that is never done."""
    return _sql(f"ALTER TABLE {table} RENAME TO hidden_{table}", f"CREATE VIEW {table} AS {_ENDLESS} {columns} FROM c")


def _rewritten(table: str, old: str, new: str) -> Attack:
    """The statement that made a table reads otherwise."""
    return _sql(
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = replace(sql, '{old}', '{new}') WHERE name = '{table}'",
        "PRAGMA writable_schema = OFF",
    )


def _bytes(change: Callable[[bytearray], bytes | bytearray]) -> Attack:
    def write(folder: Path) -> Path:
        path = foreign(folder)
        path.write_bytes(change(bytearray(path.read_bytes())))
        return path

    return write


def _zeroed(at: int, count: int) -> Attack:
    def change(data: bytearray) -> bytearray:
        data[at : at + count] = bytes(count)
        return data

    return _bytes(change)


_SHOT = "x AS device, 1 AS seq, 1 AS position, '' AS digest, '' AS part, NULL AS roi, x'' AS jpeg"
_TIP = "x AS device, 1 AS seq, '' AS hash"
SCHEMAS: dict[str, Attack] = {
    "schema: shot is a view without end": _view("shot", _SHOT),
    "schema: tip is a view without end": _view("tip", _TIP),
    "schema: a trigger without end": _sql(
        f"CREATE TRIGGER evil AFTER INSERT ON event BEGIN INSERT INTO tip {_ENDLESS} x, 1, '' FROM c; END"
    ),
    "schema: a trigger that writes": _sql(
        "CREATE TRIGGER evil AFTER INSERT ON tip BEGIN UPDATE meta SET bundle_name = 'evil'; END"
    ),
    "schema: a table more": _sql("CREATE TABLE evil (x)"),
    "schema: a table less": _sql("DROP TABLE shot"),
    "schema: no meta": _sql("DELETE FROM meta"),
    "schema: two metas": _sql("INSERT INTO meta SELECT * FROM meta"),
    "schema: a device of two lines": _sql("UPDATE meta SET device = 'a' || char(10) || 'b'"),
    "schema: a computed column": _sql("ALTER TABLE shot ADD COLUMN more AS (hex(zeroblob(100000000)))"),
    "schema: a column more": _sql("ALTER TABLE event ADD COLUMN more TEXT DEFAULT 'x'"),
    "schema: a column less": _sql("ALTER TABLE event DROP COLUMN reason"),
    "schema: a default that is an expression": _rewritten(
        "event", "reason TEXT NOT NULL", "reason TEXT DEFAULT (hex(1))"
    ),
    "schema: an index with a function": _sql("CREATE INDEX evil ON event (hex(label))"),
    "schema: a full-text table": _sql("CREATE VIRTUAL TABLE evil USING fts5(x)"),
    "schema: nonsense": _rewritten("shot", "CREATE TABLE", "CREATE FABLE"),
    "schema: version 99": _sql("PRAGMA user_version = 99"),
    "schema: version -1": _sql("PRAGMA user_version = -1"),
    "schema: of another program": _sql("PRAGMA application_id = 7"),
    "schema: a blob that is a view without end": _sql(
        "DROP TABLE IF EXISTS blob", f"CREATE VIEW blob AS {_ENDLESS} x AS sha256, x'' AS data FROM c"
    ),
    "schema: tips of text": _sql("UPDATE tip SET seq = 'x'"),
    "schema: tips of 2^62": _sql("UPDATE tip SET seq = 4611686018427387904"),
    "schema: no tips": _sql("DELETE FROM tip"),
    "schema: a page of zeros": _zeroed(4096, 4096),
    "schema: no header": _zeroed(0, 100),
    "schema: pages of one byte": _zeroed(16, 2),
    "schema: the first half": _bytes(lambda data: data[: len(data) // 2]),
    "schema: a header alone": _bytes(lambda data: data[:100]),
    "schema: nothing": _bytes(lambda _data: b""),
}
