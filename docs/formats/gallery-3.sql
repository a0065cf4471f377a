-- Every table and trigger of a gallery, schema 3: `edgefs gallery check` compares them to the letter.
-- See gallery.md; tests/formats holds this file against a gallery that edgefs makes.

CREATE TABLE meta (
        device TEXT NOT NULL, bundle_name TEXT NOT NULL, space_id TEXT NOT NULL, dim INTEGER NOT NULL,
        created TEXT NOT NULL, formerly TEXT, keep_days INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL);

CREATE TABLE tip (
        device TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL);

CREATE TABLE event (
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
        UNIQUE (device, seq));

CREATE TABLE removed (
        device TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), operation INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('forget', 'undo', 'remove')),
        label TEXT NOT NULL, n INTEGER NOT NULL, targets TEXT NOT NULL,
        bundle TEXT NOT NULL, time TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
        undoes INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (device, seq));

CREATE TABLE shot (
        device TEXT NOT NULL, seq INTEGER NOT NULL, position INTEGER NOT NULL,
        digest TEXT NOT NULL, part TEXT NOT NULL, roi TEXT, jpeg BLOB NOT NULL, media TEXT,
        UNIQUE (device, seq, position));

CREATE TABLE blob (
        sha256 TEXT NOT NULL PRIMARY KEY, data BLOB NOT NULL);

CREATE TABLE seal (
        device TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, key TEXT NOT NULL, signature BLOB NOT NULL,
        time TEXT NOT NULL, UNIQUE (device, seq, key));

CREATE TRIGGER event_no_UPDATE BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER event_no_DELETE BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER removed_no_UPDATE BEFORE UPDATE ON removed BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER removed_no_DELETE BEFORE DELETE ON removed BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER shot_no_UPDATE BEFORE UPDATE ON shot BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER shot_no_DELETE BEFORE DELETE ON shot BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER blob_no_UPDATE BEFORE UPDATE ON blob BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER blob_no_DELETE BEFORE DELETE ON blob BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END;

CREATE TRIGGER event_number BEFORE INSERT ON event WHEN EXISTS (SELECT 1 FROM event WHERE device = NEW.device AND seq = NEW.seq) OR EXISTS (SELECT 1 FROM removed WHERE device = NEW.device AND seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'this device and seq are taken'); END;

CREATE TRIGGER removed_number BEFORE INSERT ON removed WHEN EXISTS (SELECT 1 FROM event WHERE device = NEW.device AND seq = NEW.seq) OR EXISTS (SELECT 1 FROM removed WHERE device = NEW.device AND seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'this device and seq are taken'); END;

CREATE TRIGGER shot_number BEFORE INSERT ON shot WHEN EXISTS (SELECT 1 FROM shot WHERE device = NEW.device AND seq = NEW.seq AND position = NEW.position) BEGIN SELECT RAISE(ABORT, 'this thumbnail is taken'); END;
