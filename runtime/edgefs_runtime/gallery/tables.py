"""The CREATE statements of a gallery's tables: of schemas 1 and 2, and of 3.

`edgefs gallery check` compares them with a file's to the letter, so that what stands here is never changed.
"""

from __future__ import annotations

# Columns that schema 3 has and the others lack, by table.
NEW_COLUMNS = {"meta": ("formerly", "keep_days"), "event": ("content",), "shot": ("media",)}

CREATE_BEFORE = {
    "meta": """CREATE TABLE meta (
        device TEXT NOT NULL, bundle_name TEXT NOT NULL, space_id TEXT NOT NULL, dim INTEGER NOT NULL,
        created TEXT NOT NULL, hash TEXT NOT NULL, crc INTEGER NOT NULL)""",
    "tip": """CREATE TABLE tip (
        device TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL)""",
    "event": """CREATE TABLE event (
        device TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), operation INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('enroll', 'settings', 'align')),
        label TEXT NOT NULL,
        disposition TEXT NOT NULL CHECK (disposition IN ('ok', 'defect')),
        state TEXT NOT NULL CHECK (state IN ('pending', 'approved')),
        n INTEGER NOT NULL, dim INTEGER NOT NULL, vectors BLOB NOT NULL CHECK (length(vectors) = 4 * n * dim),
        digests TEXT NOT NULL, parts TEXT NOT NULL, shots TEXT NOT NULL, roi TEXT, payload TEXT,
        space_id TEXT NOT NULL, bundle TEXT NOT NULL, time TEXT NOT NULL,
        actor TEXT NOT NULL, approver TEXT NOT NULL, reason TEXT NOT NULL,
        restores TEXT, undoes INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (device, seq))""",
    "removed": """CREATE TABLE removed (
        device TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), operation INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('forget', 'undo')),
        label TEXT NOT NULL, n INTEGER NOT NULL, targets TEXT NOT NULL,
        bundle TEXT NOT NULL, time TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
        undoes INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (device, seq))""",
    "shot": """CREATE TABLE shot (
        device TEXT NOT NULL, seq INTEGER NOT NULL, position INTEGER NOT NULL,
        digest TEXT NOT NULL, part TEXT NOT NULL, roi TEXT, jpeg BLOB NOT NULL,
        UNIQUE (device, seq, position))""",
}

CREATE = {
    "meta": """CREATE TABLE meta (
        device TEXT NOT NULL, bundle_name TEXT NOT NULL, space_id TEXT NOT NULL, dim INTEGER NOT NULL,
        created TEXT NOT NULL, formerly TEXT, keep_days INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL)""",
    "tip": CREATE_BEFORE["tip"],
    # 'patches' and 'results' are reserved: nothing writes them yet.
    "event": """CREATE TABLE event (
        device TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), operation INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN
            ('enroll', 'settings', 'align', 'approve', 'repair', 'restore', 'patches', 'results')),
        label TEXT NOT NULL,
        disposition TEXT NOT NULL CHECK (disposition IN ('ok', 'defect')),
        state TEXT NOT NULL CHECK (state IN ('pending', 'approved')),
        n INTEGER NOT NULL, dim INTEGER NOT NULL,
        vectors BLOB NOT NULL CHECK (length(vectors) = CASE WHEN content IS NULL THEN 4 * n * dim ELSE 0 END),
        digests TEXT NOT NULL, parts TEXT NOT NULL, shots TEXT NOT NULL, roi TEXT, payload TEXT,
        space_id TEXT NOT NULL, bundle TEXT NOT NULL, time TEXT NOT NULL,
        actor TEXT NOT NULL, approver TEXT NOT NULL, reason TEXT NOT NULL,
        restores TEXT, undoes INTEGER, content TEXT, hash TEXT NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (device, seq))""",
    "removed": """CREATE TABLE removed (
        device TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), operation INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('forget', 'undo', 'remove')),
        label TEXT NOT NULL, n INTEGER NOT NULL, targets TEXT NOT NULL,
        bundle TEXT NOT NULL, time TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
        undoes INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (device, seq))""",
    "shot": """CREATE TABLE shot (
        device TEXT NOT NULL, seq INTEGER NOT NULL, position INTEGER NOT NULL,
        digest TEXT NOT NULL, part TEXT NOT NULL, roi TEXT, jpeg BLOB NOT NULL, media TEXT,
        UNIQUE (device, seq, position))""",
    "blob": """CREATE TABLE blob (
        sha256 TEXT NOT NULL PRIMARY KEY, data BLOB NOT NULL)""",
    # Reserved: signatures over (device, seq, hash). Nothing writes them yet.
    "seal": """CREATE TABLE seal (
        device TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, key TEXT NOT NULL, signature BLOB NOT NULL,
        time TEXT NOT NULL, UNIQUE (device, seq, key))""",
}
